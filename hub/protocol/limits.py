"""The bounds of the protocol. `connected.limits` announces those that a client has to respect."""

PROTOCOL_VERSION = 1

MESSAGE_BYTES = 1024 * 1024
"""Largest WebSocket message or HTTP body, bytes."""
DATA_BYTES = 64 * 1024
"""Largest `data` of one event, bytes of its compact JSON encoding."""
DATA_DEPTH = 32
"""Deepest nesting of `data`, itself included."""
BRACKETS = 20_100
"""Most arrays and objects in one message, by their opening brackets. A megabyte of empty arrays
takes 240 ms to decode, in which the hub would serve nobody else. A bulk send to 10,000 people has
two for each."""
BATCH_EVENTS = 500
"""Most events in one `batch` frame or one POST."""
IN_FLIGHT_EVENTS = 1024
"""Events of one connection that may wait for their commit before it is not read further."""
IN_FLIGHT_BYTES = 256 * 1024
"""Bytes of events of one connection that may wait for their commit, likewise."""
CONTROL_RATE = 50
"""Control frames (pings, pongs, subscriptions) a second of one connection; beyond them it is
closed (4102)."""
CONTROL_BURST = 100
"""Control frames at once."""
CALLS_AT_ONCE = 4
"""Calls of one connection that are worked on at the same time."""
CREDIT = 1000
"""Most tasks that one connection may hold."""
JOB_CHARS = 64
"""Longest id of a job, characters."""
TASK_NOTE_CHARS = 500
"""Longest `note` of a task's progress, characters."""
TASK_ERROR_CHARS = 4096
"""Longest `error` of a failed task, characters."""
ANSWERS_AT_ONCE = 256
"""Answers of one connection to its tasks that may wait for their commit before it is not read
further."""
UNAUTHENTICATED_BYTES = 16 * 1024
"""Largest first frame of a connection that has not said who it is, bytes."""
WAIT_SECONDS = 60
"""Longest `wait` of a long poll."""
EXPONENTS = 500
"""Most numbers with an exponent beyond 99 in one message: each takes 11 µs to decode, so that a
megabyte of them took 1.9 s."""
ID_CHARS = 128
"""Longest event id, visible ASCII characters."""
REF_CHARS = 64
"""Longest `ref`, characters."""
SUBJECT_CHARS = 256
"""Longest `subject`, characters."""
TYPE_CHARS = 128
"""Longest event type, characters."""
PATTERNS = 32
"""Most patterns in one list of a filter."""
LAST_EVENTS = 1000
"""Most events that `last` may ask for."""
PAGE_EVENTS = 1000
"""Most events on one page of `GET /api/events`."""
AUTH_SECONDS = 10.0
"""Time for the first `auth` frame of a connection that brought no credential, seconds."""
HEARTBEAT_SECONDS = 25
"""Time between two heartbeats, seconds."""
