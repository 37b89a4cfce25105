"""The least that a server in Python can do: an upper bound for one core, not a hub.

It decodes no JSON, stores nothing and checks nothing: it takes the event out of each client frame,
puts an envelope as long as the hub's around it, joins what one turn of the loop brought, and writes
that once per subscriber.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop
from websockets.utils import accept_key

from tests.bench.wire import apply_mask, opening

BEFORE_DATA = len(b'{"type":"custom_bench","data":')
ENVELOPE = (
    b'{"type":"custom_bench","id":"01993e5c-7c1e-7d4e-9f6b-0a1b2c3d4e5f","offset":%d,'
    b'"timestamp":"2026-11-22T10:00:00.123Z","merchant_id":"01993e5c-7c1e-7d4e-9f6b-0a1b2c3d4e5f",'
    b'"source":"bot:01993e5c-7c1e-7d4e-9f6b-0a1b2c3d4e5f","data":'
)
CONNECTED = opening(20) + b'{"type":"connected"}'

subscribers: set[asyncio.Transport] = set()
joined: list[bytes] = []
last_offset = 0


def flush() -> None:
    together = b"".join(joined)
    joined.clear()
    for transport in subscribers:
        transport.write(together)


class Connection(asyncio.Protocol):
    transport: asyncio.Transport
    _unread = b""
    _open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not registered as one

    def connection_lost(self, exc: Exception | None) -> None:
        subscribers.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        data = self._unread + data
        self._unread = self._frames(data) if self._open else self._handshake(data)

    def _handshake(self, data: bytes) -> bytes:
        head, complete, rest = data.partition(b"\r\n\r\n")
        if not complete:
            return data
        key = next(
            line.partition(b":")[2].strip()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        )
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept_key(key.decode()).encode() + CONNECTED
        )
        if head.startswith(b"GET /sub"):
            subscribers.add(self.transport)
        self._open = True
        return rest

    def _frames(self, data: bytes) -> bytes:
        """Takes the generator's events, which are all between 126 and 65,535 bytes long."""
        global last_offset
        at = 0
        while len(data) - at >= 8 and data[at + 1] & 0x7F == 126:
            end = at + 8 + int.from_bytes(data[at + 2 : at + 4], "big")
            if end > len(data):
                break
            event = apply_mask(data[at + 8 : end], data[at + 4 : at + 8])
            last_offset += 1
            frame = ENVELOPE % last_offset + event[BEFORE_DATA:]
            if not joined:
                asyncio.get_running_loop().call_soon(flush)
            joined.append(opening(len(frame)) + frame)
            at = end
        return data[at:] if len(data) - at < 8 or data[at + 1] & 0x7F == 126 else b""


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        Connection, "127.0.0.1", port, backlog=2048
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
