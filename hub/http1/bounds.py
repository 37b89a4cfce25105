"""The bounds of the HTTP door. The largest body is `hub.protocol.limits.MESSAGE_BYTES`."""

HEAD_BYTES = 16 * 1024
"""Request line and header fields up to the empty line, octets; also what of a chunked body may
come in one go without data (chunk extensions, trailers)."""
HEADER_FIELDS = 100
URL_BYTES = 8 * 1024
HEAD_SECONDS = 10.0
"""From the connection, or from the first octet of a later request, to the end of its head."""
BODY_SECONDS = 30.0
"""From the end of the head to the end of the body."""
IDLE_SECONDS = 15
"""From an answer to the next request, for `Config(timeout_keep_alive=…)`."""
HTTP_CONNECTIONS = 4096
"""Connections of one server that have become neither WebSockets nor streams."""
STARTS_PER_TURN = 8
"""Requests that begin in one turn of the loop, about 3 ms of work."""
RETRY_SECONDS = 5.0
"""What a client is told that finds no free connection."""
USER_TIMEOUT_SECONDS = 40.0
"""How long sent data may stay unacknowledged before the kernel gives the peer up (tcp(7)). Longer
than the hub lets a reader stand still, whose window counts here too: the hub tells why it cuts."""
SEND_BYTES = 256 * 1024
"""What the kernel may hold for a client (the system doubles it). Left to itself it takes 4 MB from
each one that stops reading: 200 of them cost the others a second."""
SLICE_BYTES = 16 * 1024
"""Octets of a chunked body that are parsed before the loop has its turn: a chunk may be one octet,
and 256 KiB of those would hold everyone up."""
LINGER_SECONDS = 2.0
"""How long a refused client may go on sending. Closing at once would make the kernel answer with
a reset, which takes the refusal away from a client that has not read it yet (RFC 9112 section
9.6)."""
LINGER_BYTES = 1024 * 1024
"""Octets of a refused client that are read and thrown away; more is not read."""
LOG_LINES = 10
"""Most refusals that are logged in a second; the others are counted."""
