"""The log, and how everyone follows it.

    log       EventLog: group commit, one order, durable before seen
    waiting   what waits for its group, in lanes that take turns
    append    what a group does inside its transaction: known ids, offsets, rows
    ring      the last events as ready frames
    audience  who wants what: readers with one scope and filter share their bytes
    fanout    one write per reader and flush, at its own pace
    replay    from a cursor to the live end, out of ring or database, with no seam
    reader    what all of these know of one connection
    retention removes the oldest events

Nothing here knows sockets or HTTP: a reader has a transport with `write`.
"""
