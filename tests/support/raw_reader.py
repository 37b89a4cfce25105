"""A reader of the hub's socket that costs little and can stop reading: raw TCP, no parsing of JSON.

It takes frames apart and leaves their text as bytes; a test that wants thousands of events a second
on a shared machine must not be the slowest part of it.
"""

import asyncio
import base64
import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.support.rest import HasPort

DEADLINE = 10.0
_OFFSET = re.compile(rb'"offset":(\d+)')
_PONG = b"\x8a\x80\0\0\0\0"


class RawReader(asyncio.Protocol):
    """One connection that reads; every text message goes to `on_text`, if there is one.

    Attributes:
        offsets: of every event that came, in order.
        lost: set when the connection has ended.
    """

    def __init__(self, request: bytes, on_text: Callable[[bytes], None] | None = None) -> None:
        self.offsets: list[int] = []
        self.lost = asyncio.Event()
        self.live = asyncio.Event()
        self._request = request
        self._on_text = on_text
        self._buffer = b""
        self._opened = False
        self._paused = False
        self._transport: asyncio.Transport | None = None

    # ── for tests ────────────────────────────────────────────────────────────────────────────

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def stop_reading(self) -> None:
        """Leave everything that comes in the kernel's buffers, then on the hub's side."""
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def read_on(self) -> None:
        """Undo `stop_reading`."""
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    @property
    def last(self) -> int:
        """The offset of the last event that came."""
        return self.offsets[-1] if self.offsets else 0

    async def until(self, offset: int, deadline: float) -> None:
        """Wait for the event at this offset.

        Raises:
            TimeoutError: it has not come in time; the message says what has.
        """
        try:
            async with asyncio.timeout(deadline):
                while self.last < offset and not self.lost.is_set():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise TimeoutError(
                f"{len(self.offsets)} events came, up to {self.last} of {offset}"
            ) from None

    # ── asyncio.Protocol ─────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        at = 0
        if not self._opened:
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = data
                return
            assert b" 101 " in head.partition(b"\r\n")[0], head
            self._opened = True
            data = rest
        end = len(data)
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size == 126:
                start += 2
                size = int.from_bytes(data[at + 2 : start])
            elif size == 127:
                start += 8
                size = int.from_bytes(data[at + 2 : start])
            if end < start + size:
                break
            self._take(data[at] & 0x0F, data[start : start + size])
            at = start + size
        self._buffer = data[at:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            self.transport.write(_PONG)
        if opcode != 1:
            return
        kind = payload[9 : payload.index(b'"', 9)]
        if b"_" in kind:
            match = _OFFSET.search(payload)
            assert match is not None, payload
            self.offsets.append(int(match[1]))
        elif kind == b"live":
            self.live.set()
        if self._on_text is not None:
            self._on_text(payload)


@asynccontextmanager
async def raw_reader(
    hub: HasPort,
    key: str,
    query: str = "",
    *,
    on_text: Callable[[bytes], None] | None = None,
    small: bool = False,
) -> AsyncIterator[RawReader]:
    """Connect and wait until the subscription is live.

    Args:
        query: the query string without `?`.
        small: ask the kernel for a small receive buffer, so that a stop is felt soon.
    """
    nonce = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET /ws{'?' if query else ''}{query} HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {nonce}\r\nAuthorization: Bearer {key}\r\n\r\n"
    )
    sock = socket.socket()
    sock.setblocking(False)
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE):
        await loop.sock_connect(sock, ("127.0.0.1", hub.port))
        transport, reader = await loop.create_connection(
            lambda: RawReader(request.encode(), on_text), sock=sock
        )
        await reader.live.wait()
    try:
        yield reader
    finally:
        transport.abort()
        async with asyncio.timeout(DEADLINE):
            await reader.lost.wait()
