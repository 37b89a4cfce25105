"""A client of the hub's streams over HTTP; it takes nothing that is not framed as it should be."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from tests.support.event_stream import ChunkParser, EventStreamParser, LineParser
from tests.support.rest import HasPort

DEADLINE = 10.0
"""Seconds that any single wait may take."""
SSE = "text/event-stream"
NDJSON = "application/x-ndjson"

Frame = dict[str, Any]


class _Whole(Protocol):
    """A body that the end of the connection ends."""

    ended: bool

    def feed(self, piece: bytes) -> bytes: ...


class _UntilEof:
    ended = False

    def feed(self, piece: bytes) -> bytes:
        return piece


class Received(NamedTuple):
    """One frame as it came.

    Attributes:
        frame, text: decoded, and as it came.
        id: the last event id with it; None where the stream has none.
    """

    frame: Frame
    text: str
    id: str | None


class EventStream:
    """One open response. Frames that nobody has asked for yet are kept, in order.

    While nobody asks, nothing is read: a test stops reading by not calling `next`.

    Attributes:
        headers: of the response, names in lower case.
        parser: of server-sent events; None on a stream of lines.
        ended: how it ended: None while it has not, `whole` by its last chunk or, where it has no
            chunks, with the connection; `cut` otherwise.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        headers: Mapping[str, str],
    ) -> None:
        self.reader, self.writer = reader, writer
        self.headers = headers
        self.ended: str | None = None
        self.parser = EventStreamParser() if headers["content-type"].startswith(SSE) else None
        self._lines = LineParser()
        chunked = headers.get("transfer-encoding") == "chunked"
        self._body: _Whole = ChunkParser() if chunked else _UntilEof()
        self._unread: list[Received] = []

    async def receive(self, *, type: str | None = None, deadline: float = DEADLINE) -> Received:
        """The oldest unread frame, or the oldest of that type; the others stay unread.

        Raises:
            TimeoutError: nothing such came in time.
            EOFError: the stream ended first.
        """
        seen = 0
        async with asyncio.timeout(deadline):
            while True:
                for index in range(seen, len(self._unread)):
                    if type is None or self._unread[index].frame["type"] == type:
                        return self._unread.pop(index)
                seen = len(self._unread)
                await self._read()

    async def next(self, *, type: str | None = None, deadline: float = DEADLINE) -> Frame:
        """The frame of `receive`."""
        return (await self.receive(type=type, deadline=deadline)).frame

    async def take(self, count: int, *, type: str, deadline: float = DEADLINE) -> list[Frame]:
        """The next `count` frames of one type, within `deadline` seconds in all."""
        async with asyncio.timeout(deadline):
            return [await self.next(type=type, deadline=deadline) for _ in range(count)]

    async def events_upto(self, offset: int, *, deadline: float = DEADLINE) -> list[Frame]:
        """The events up to the one at this offset; control frames before it are passed over."""
        found: list[Frame] = []
        async with asyncio.timeout(deadline):
            while not found or found[-1].get("offset", 0) < offset:
                frame = await self.next(deadline=deadline)
                if "_" in frame["type"]:
                    found.append(frame)
        return found

    async def until_live(self) -> list[Frame]:
        """Every frame up to and including `live`."""
        found = [await self.next()]
        while found[-1]["type"] != "live":
            found.append(await self.next())
        return found

    async def silent(self, seconds: float) -> bool:
        """Whether no frame comes, or came unread, within so many seconds."""
        try:
            self._unread.insert(0, await self.receive(deadline=seconds))
        except TimeoutError:
            return True
        return False

    async def rest(self, *, deadline: float = DEADLINE) -> list[Frame]:
        """Every frame that still comes until the stream ends, heartbeats aside."""
        found: list[Frame] = []
        async with asyncio.timeout(deadline):
            while True:
                try:
                    frame = await self.next(deadline=deadline)
                except EOFError:
                    return found
                if frame["type"] != "ping":
                    found.append(frame)

    async def _read(self) -> None:
        if self.ended is not None:
            raise EOFError(self.ended)
        try:
            piece = await self.reader.read(1 << 16)
        except ConnectionError:
            self.ended = "cut"
            raise EOFError(self.ended) from None
        if not piece:
            self.ended = "whole" if isinstance(self._body, _UntilEof) else "cut"
            raise EOFError(self.ended)
        content = self._body.feed(piece)
        if self.parser is None:
            self._unread += [Received(json.loads(t), t, None) for t in self._lines.feed(content)]
        else:
            for event in self.parser.feed(content):
                frame = json.loads(event.data)
                control = "_" not in frame["type"]
                assert event.type == (frame["type"] if control else "message"), event
                self._unread.append(Received(frame, event.data, event.last_event_id))
            assert self.parser.ignored == []
        if self._body.ended:
            self.ended = "whole"


@asynccontextmanager
async def event_stream(
    hub: HasPort,
    key: str | None,
    query: str = "",
    *,
    accept: str = SSE,
    headers: Mapping[str, str] | None = None,
    version: str = "1.1",
    small: bool = False,
) -> AsyncIterator[EventStream]:
    """Open a stream; it is cut on the way out, as when a network is lost.

    Args:
        query: the query string without `?`.
        headers: further request headers.
        version: of HTTP.
        small: ask the kernel for a small receive buffer, so that a stop is felt soon.

    Raises:
        AssertionError: the hub refused it; the message is its answer.
        OSError: the hub is away.
    """
    lines = {"Host": f"127.0.0.1:{hub.port}", "Accept": accept}
    if key is not None:
        lines["Authorization"] = f"Bearer {key}"
    lines |= headers or {}
    request = f"GET /api/events{'?' if query else ''}{query} HTTP/{version}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in lines.items()
    )
    raw = socket.socket()
    raw.setblocking(False)
    if small:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    try:
        async with asyncio.timeout(DEADLINE):
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", hub.port))
            reader, writer = await asyncio.open_connection(
                sock=raw, limit=8192 if small else 1 << 16
            )
    except BaseException:
        raw.close()
        raise
    try:
        async with asyncio.timeout(DEADLINE):
            writer.write(f"{request}\r\n".encode())
            found = await _head(reader)
        yield EventStream(reader, writer, found)
    finally:
        writer.transport.abort()


async def _head(reader: asyncio.StreamReader) -> dict[str, str]:
    """The header fields of an answer that is a stream."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the connection ended without an answer") from error
    status, *lines = head.split("\r\n")[:-2]
    if status.split()[1] != "200":
        raise AssertionError(f"{head}{(await reader.read(2000)).decode()}")
    return {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
