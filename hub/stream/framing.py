"""How events are framed for one kind of reader: the same bytes for all readers of a kind.

    WEBSOCKET    a text frame each (RFC 6455 section 5.2), as the ring keeps them
    EventStream  server-sent events: `id: <epoch>:<offset>`, `data: <event>` (WHATWG HTML 9.2)
    LINES        one event a line (application/x-ndjson)
    MARKS        no event, only that there is one: for a request that then reads a page
    Chunked      any of them inside one chunk a write (RFC 9112 section 7.1)

Readers share an audience only with readers of the same framing, so a framing is made once for a
hub and compared by identity.
"""

from collections.abc import Sequence
from typing import Protocol

from hub.protocol.websocket import payload_of, text_frame

from .entry import Entry


class Framing(Protocol):
    """Turns events into the bytes of one write."""

    def live(self, entries: Sequence[Entry]) -> bytes:
        """Frame what the ring or a flush holds."""

    def stored(self, events: Sequence[tuple[int, bytes]]) -> bytes:
        """Frame what the database holds: offsets and payloads; nothing for no events."""


class _WebSocket:
    def live(self, entries: Sequence[Entry]) -> bytes:
        return b"".join([entry.frame for entry in entries])

    def stored(self, events: Sequence[tuple[int, bytes]]) -> bytes:
        return b"".join([text_frame(payload) for _, payload in events])


class _Lines:
    def live(self, entries: Sequence[Entry]) -> bytes:
        return b"".join([payload_of(entry.frame) + b"\n" for entry in entries])

    def stored(self, events: Sequence[tuple[int, bytes]]) -> bytes:
        return b"".join([payload + b"\n" for _, payload in events])


class _Marks:
    """A volatile event is none here: no page has it."""

    def live(self, entries: Sequence[Entry]) -> bytes:
        return b"." if any(entry.offset for entry in entries) else b""

    def stored(self, events: Sequence[tuple[int, bytes]]) -> bytes:
        return b"." if events else b""


class EventStream:
    """Server-sent events of one log.

    An event's JSON has no line breaks, so it is one `data` line. A volatile event has no `id`: a
    client that comes back goes on behind the last event that has one.

    Args:
        epoch: of the log; with the offset it is what `Last-Event-ID` brings back.
    """

    def __init__(self, epoch: str) -> None:
        self._prefix = f"id: {epoch}:".encode()

    def live(self, entries: Sequence[Entry]) -> bytes:
        return self._framed([(entry.offset, payload_of(entry.frame)) for entry in entries])

    def stored(self, events: Sequence[tuple[int, bytes]]) -> bytes:
        return self._framed(events)

    def _framed(self, events: Sequence[tuple[int, bytes]]) -> bytes:
        prefix = self._prefix
        return b"".join(
            [
                b"%b%d\ndata: %b\n\n" % (prefix, offset, payload)
                if offset
                else b"data: %b\n\n" % payload
                for offset, payload in events
            ]
        )


class Chunked:
    """Another framing inside HTTP/1.1 chunks: one chunk for all that is written at once."""

    def __init__(self, inner: Framing) -> None:
        self._inner = inner

    def live(self, entries: Sequence[Entry]) -> bytes:
        return chunk(self._inner.live(entries))

    def stored(self, events: Sequence[tuple[int, bytes]]) -> bytes:
        return chunk(self._inner.stored(events))


def chunk(data: bytes) -> bytes:
    """One chunk (RFC 9112 section 7.1); no bytes are no chunk, because an empty one is the last."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


WEBSOCKET: Framing = _WebSocket()
LINES: Framing = _Lines()
MARKS: Framing = _Marks()
