"""Pictures below the door and the queue, which both use it.

program     a program of its own that decodes pictures: says what one is, and makes its sizes
processes   asks that program, few pictures at a time
variants    which files a picture has, and what they are called
store       the files of pictures, their rows, and the threads that touch a disk
"""
