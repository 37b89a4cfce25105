"""The wire protocol, version 1: pure types and functions, no I/O and no asyncio.

Server, SDKs and tests share this package. `frames` are the control frames as Structs, `codec`
turns bytes into them and back, `events` knows the event types and their data, `filters` decides
who sees what, `codes` lists every error and close code, `state` is the reader's cursor.
"""
