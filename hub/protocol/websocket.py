"""WebSocket framing of what a server sends (RFC 6455 section 5.2).

Server frames are unmasked, so the bytes of an event are the same for everyone: they are made once
and shared by every connection and by the ring.
"""

import struct

_FIN_TEXT = 0x81
_HEADER_16 = struct.Struct("!BBH")
_HEADER_64 = struct.Struct("!BBQ")


def text_frame(payload: bytes) -> bytes:
    """Frame one whole text message for sending from a server."""
    size = len(payload)
    if size < 126:
        return bytes((_FIN_TEXT, size)) + payload
    if size < 65536:
        return _HEADER_16.pack(_FIN_TEXT, 126, size) + payload
    return _HEADER_64.pack(_FIN_TEXT, 127, size) + payload


def payload_of(frame: bytes) -> bytes:
    """The message in a frame that `text_frame` made."""
    size = frame[1]
    return frame[2 if size < 126 else 4 if size == 126 else 10 :]
