"""A WebSocket client that sends whatever bytes a test wants, and answers nothing by itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONTINUATION = 0
DEADLINE = 10.0
MASK = b"\x37\xfa\x21\x3d"


class HasPort(Protocol):
    @property
    def port(self) -> int: ...


class Frame(NamedTuple):
    """A frame from the hub."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The code of a close frame."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2], "big")


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0
) -> bytes:
    """A client's frame."""
    size = len(payload)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65536:
        head = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    stream = MASK * (size // 4 + 1)
    whole = int.from_bytes(payload, "big") ^ int.from_bytes(stream[:size], "big")
    return head + MASK + whole.to_bytes(size, "big")


def text(content: object) -> bytes:
    """A JSON text message as one frame."""
    return frame(TEXT, json.dumps(content).encode())


def event(id_: str | None = None, **fields: object) -> bytes:
    """A published event as one frame."""
    return text({"type": "custom_a", "data": {}, "id": id_} | fields)


def close_payload(code: int, reason: str = "") -> bytes:
    return code.to_bytes(2, "big") + reason.encode()


class RawClient:
    """One connection after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport in one piece."""
        self.writer.write(data)

    async def pieces(self, *pieces: bytes) -> None:
        """Send bytes so that each piece is a read of its own for the hub."""
        for piece in pieces:
            self.writer.write(piece)
            await self.arrived()

    async def arrived(self) -> None:
        """Let the hub, on the same loop, read what was written."""
        for _ in range(4):
            await asyncio.sleep(0)

    async def next(self) -> Frame:
        """The next frame, of whatever kind."""
        async with asyncio.timeout(DEADLINE):
            first, size = await self.reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8), "big")
            assert first & 0xF0 == 0x80, "the hub neither fragments nor compresses"
            return Frame(first & 0x0F, await self.reader.readexactly(size))

    async def json(self, type_: str | None = None) -> dict[str, Any]:
        """The next text message, or the next of this type; what comes before is dropped."""
        async with asyncio.timeout(DEADLINE):
            while True:
                got = await self.next()
                if got.opcode == TEXT:
                    found = json.loads(got.payload)
                    if type_ in (None, found["type"]):
                        assert isinstance(found, dict)
                        return found

    async def acks(self, count: int) -> list[dict[str, Any]]:
        return [await self.json("ack") for _ in range(count)]

    async def until_close(self) -> Frame:
        """The close frame; what comes before is dropped."""
        async with asyncio.timeout(DEADLINE):
            while (got := await self.next()).opcode != CLOSE:
                pass
            return got

    async def ended(self) -> bytes:
        """Wait for the end of the connection; the bytes that still came."""
        async with asyncio.timeout(DEADLINE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def raw(
    hub: HasPort,
    key: str | None = None,
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    limit: int = 2**20,
) -> AsyncIterator[RawClient]:
    """Open `/ws`; with a key, `connected` has been read already.

    Args:
        limit: bytes that the client's side takes before it stops reading.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, limit=limit)
    lines = {
        "Host": f"127.0.0.1:{hub.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    if key is not None:
        lines["Authorization"] = f"Bearer {key}"
    lines |= headers or {}
    target = "/ws" + (f"?{query}" if query else "")
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    try:
        writer.write(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
        async with asyncio.timeout(DEADLINE):
            answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer
        client = RawClient(reader, writer)
        if key is not None:
            assert (await client.json())["type"] == "connected"
        yield client
    finally:
        writer.transport.abort()
