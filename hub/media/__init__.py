"""Pictures on their way in and out, without a door of their own.

pictures    what is taken: types, limits, names, and the refusal of everything else
decoder     a program of its own that decodes a picture and says what it is
checker     asks that program, few pictures at a time
base64_text the picture in a JSON body
signing     addresses that open a picture for a time, without a key
folder      the media folder of one hub: files, their rows, and the threads that touch a disk
"""
