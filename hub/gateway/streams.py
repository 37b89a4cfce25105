"""Following the log over HTTP: a response that does not end.

A stream is written like a socket: the fan-out writes ready bytes to the transport, the same for
every stream of one kind, merchant and filter; a full buffer leaves nothing but a cursor. The
request's own task only waits for the end.

    sse       server-sent events; `live`, `gap`, `bye` ... are events of that name
    ndjson    a frame a line, control frames too: a type without an underscore is one
"""

import asyncio
import random
from typing import TYPE_CHECKING, Any

import structlog

from hub.auth import Principal
from hub.protocol import codec
from hub.protocol.codes import CloseCode
from hub.protocol.errors import HubError
from hub.protocol.frames import Bye, Gap, Live, ServerControl, ServerPing, Subscribed
from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms
from hub.stream.framing import LINES, Chunked, EventStream, Framing, chunk
from hub.stream.reader import Reader
from storage.errors import StorageError

from .connections import Door, Peer
from .handshake import Wanted
from .line import ResponseLine
from .socket import HIGH_WATER
from .subscribing import find_start, follow

if TYPE_CHECKING:
    from .gateway import Gateway

log = structlog.get_logger("hub.gateway")

_FLUSH_SECONDS = 0.01
_COME_BACK_MS = (1000, 3000)
"""After how long a browser comes back by itself; a range, so that a herd does not come at once."""


class Framings:
    """The framings of one hub's streams, made once: readers share bytes by them."""

    def __init__(self, epoch: str) -> None:
        events = EventStream(epoch)
        self._all: dict[tuple[Door, bool], Framing] = {
            ("sse", True): Chunked(events),
            ("sse", False): events,
            ("ndjson", True): Chunked(LINES),
            ("ndjson", False): LINES,
        }

    def of(self, door: Door, *, chunked: bool) -> Framing:
        return self._all[door, chunked]


class HttpStream:
    """One response that follows the log, from its head to its end.

    Args:
        came_back: the `Last-Event-ID` with which the client came back, or an empty string.
        chunked: whether the response is sent in chunks (HTTP/1.1) or ends with the connection.

    Attributes:
        ended: set when the response is to be ended.
        reader: its place in the log.
    """

    def __init__(
        self,
        gateway: "Gateway",
        line: ResponseLine,
        door: Door,
        principal: Principal,
        merchant_id: str | None,
        peer: Peer,
        *,
        came_back: str,
        chunked: bool,
    ) -> None:
        self.id = uuid7()
        self.door = door
        self.principal = principal
        self.peer = peer
        self.ended = asyncio.Event()
        self.received = 0
        self.published = 0
        self.slot = -1
        self.transport = line.transport
        self._gateway = gateway
        self._line = line
        self._came_back = came_back
        self._chunked = chunked
        self._control = 0
        self._code: int = CloseCode.ABNORMAL
        framing = gateway.framings.of(door, chunked=chunked)
        self.reader = Reader(merchant_id, self.transport, self.send, framing)

    async def run(self, wanted: Wanted) -> None:
        """Follow until `ended`; the response's head has been sent.

        To be called after `admit`.
        """
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self._line.writer_listener = self
        if self._line.lost:  # it left before anybody could be told
            self.connection_lost()
        try:
            if self.door == "sse":
                self._write(self._preamble())
            cursor = await find_start(self._gateway, self.reader, wanted)
            if not self.reader.closed:
                follow(self._gateway, self.reader, wanted, None, cursor)
            await self.ended.wait()
        except StorageError:
            self.close(CloseCode.INTERNAL, "the database did not answer; come back in a moment")
        finally:
            self._line.writer_listener = None
            self._follow_no_further()

    async def flushed(self) -> None:
        """Return when the client has taken everything that was written, or is gone."""
        while self.transport.get_write_buffer_size():  # noqa: ASYNC110
            await asyncio.sleep(_FLUSH_SECONDS)

    def _preamble(self) -> bytes:
        """The first lines of the first event, whichever that is.

        At the end of each event a browser forgets the id it came with, unless the stream has told
        it one (WHATWG HTML section 9.2.6): so nothing ends before one is told, and one that comes
        before a gap is not told a place behind it, lest it goes on there without the gap.
        """
        preamble = b"retry: %d\n" % random.randint(*_COME_BACK_MS)
        return preamble + (f"id: {self._came_back}\n".encode() if self._came_back else b"")

    def admit(self) -> None:
        """Take a place among the connections.

        Raises:
            Unavailable: the hub is shutting down, or full.
            RateLimited: its key has as many connections as it may have.
        """
        self._gateway.admit(self)
        self._gateway.streams.add(self)
        try:
            self._gateway.connections.add(self)
        except HubError:
            self._code = CloseCode.TOO_MANY_CONNECTIONS
            self.leave()
            raise

    def leave(self) -> None:
        """Give the place up. A hub that shuts down waits for it: what was written is to arrive."""
        self._follow_no_further()
        self._gateway.streams.discard(self)
        self._gateway.left(self, self._code)

    def _follow_no_further(self) -> None:
        self.reader.closed = True
        self._gateway.fanout.detach(self.reader)
        self._gateway.connections.remove(self)

    @property
    def sent(self) -> int:
        return self._control + self.reader.sent

    # ── the HTTP connection ──────────────────────────────────────────────────────────────────

    def writing_paused(self) -> None:
        """The outgoing buffer is full: keep the cursor and nothing else."""
        self.reader.stalled = True
        self._gateway.fanout.detach(self.reader)
        self._gateway.stalled(self)

    def writing_resumed(self) -> None:
        """The outgoing buffer has room again."""
        self._gateway.drained(self)
        self.reader.stalled = False
        if self.reader.subscribed and not self.reader.closed:
            self._gateway.replay.catch_up(self.reader)

    def connection_lost(self) -> None:
        """The client is gone."""
        self.reader.closed = True
        self._gateway.fanout.detach(self.reader)
        self.ended.set()

    # ── what the gateway asks of a connection ────────────────────────────────────────────────

    @property
    def session_id(self) -> str:
        return self.id

    def send(self, frame: ServerControl) -> None:
        """Send one control frame."""
        self._send(codec.encode(frame), frame.__struct_config__.tag, _resume(frame))

    def beat(self, now_ms: int) -> None:
        """Send a heartbeat with the cursor, so that a quiet filter's cursor advances too.

        For server-sent events it is an `id` without data, which a browser keeps and shows nobody
        (WHATWG HTML section 9.2.6).
        """
        if self.reader.closed or self.reader.stalled or not self.reader.subscribed:
            return
        offset = self._gateway.fanout.cursor_of(self.reader)
        if self.door == "sse":
            self._write(b": ping\nid: %b:%d\n\n" % (self._gateway.log.epoch.encode(), offset))
        else:
            self._write(codec.encode(ServerPing(format_ms(now_ms), offset)) + b"\n")

    def bye(self, payload: bytes) -> None:
        """Say that the hub is about to close."""
        self._send(payload, "bye", None)

    def stop_reading(self) -> None:
        """There is nothing to read."""

    def close(self, code: int, reason: str) -> None:
        """Say why, and end the response."""
        if self.ended.is_set():
            return
        if code != CloseCode.SHUTTING_DOWN:
            self.send(Bye(code, reason, _COME_BACK_MS))
        self._code = code
        self.reader.closed = True
        self._gateway.fanout.detach(self.reader)
        self.ended.set()

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abort()

    def _send(self, payload: bytes, name: Any, resume: int | None) -> None:
        if self.door != "sse":
            self._write(payload + b"\n")
            return
        place = b""
        if resume is not None:
            place = b"id: %b:%d\n" % (self._gateway.log.epoch.encode(), resume)
        self._write(b"event: %b\n%bdata: %b\n\n" % (str(name).encode(), place, payload))

    def _write(self, data: bytes) -> None:
        # The connection carries this stream's body from the response's head to its end only.
        if self._line.writer_listener is not self:
            return
        if self.ended.is_set() or self._line.lost:
            return
        self._control += len(data)
        self.transport.write(chunk(data) if self._chunked else data)


def _resume(frame: ServerControl) -> int | None:
    """The place to come back to after this frame, where it tells one.

    A browser must know one before its first event: without it, coming back would begin at the end.
    """
    match frame:
        case Gap(resume=offset) | Subscribed(offset=offset, recovered=True) | Live(offset=offset):
            return offset
    return None
