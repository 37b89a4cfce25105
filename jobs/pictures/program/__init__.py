"""A program that decodes pictures: `python -P -m jobs.pictures.program`, nothing else.

A picture may have been made to break whoever decodes it. So this is a process without secrets and
without the hub, with bounds on its memory and its time that the system holds. It reads a request a
line and answers with a line of JSON each:

    {"look": path}    `{"type", "width", "height"}`, see `check`
    {"shrink": path}  `{"placeholder", "made": [{…, "size"}]}` and behind it the files, see `shrink`

or `{"refused": a sentence}`, `{"missing": true}` where there is no such file, or `{"fault": …}` for
what is no picture's doing. It ends with its input.
"""
