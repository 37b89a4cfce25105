"""Pictures on their way in and out, without a door of their own.

pictures    what is taken: types, limits, names, and the refusal of everything else
checker     has one looked at by a program of its own, see jobs.pictures
base64_text the picture in a JSON body
signing     addresses that open a picture for a time, without a key
folder      the media folder of one hub: files, their rows, and the threads that touch a disk
"""
