"""A receiver of webhooks that answers at once and counts: `python -m tests.bench.webhook_receiver
PORT`. A GET is answered with what has come: {"count", "ids", "first", "last"}, times in seconds of
the machine's monotonic clock."""

from __future__ import annotations

import asyncio
import json
import sys
import time

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Counted:
    """What all connections have brought."""

    def __init__(self) -> None:
        self.count = 0
        self.first = self.last = 0.0
        self.ids: set[bytes] = set()

    def note(self, head: bytes) -> None:
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.count += 1
        self.ids.add(head.partition(b"webhook-id: ")[2].partition(b"\r\n")[0])

    def shown(self) -> bytes:
        body = json.dumps(
            {"count": self.count, "ids": len(self.ids), "first": self.first, "last": self.last}
        ).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """One connection: whole requests, one after the other."""

    def __init__(self, counted: Counted) -> None:
        self._counted = counted
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while True:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            size = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
            if not end or len(rest) < size:
                return
            self._data = rest[size:]
            if head.startswith(b"GET "):
                self._transport.write(self._counted.shown())
            else:
                self._counted.note(head)
                self._transport.write(_OK)


async def main(port: int) -> None:
    counted = Counted()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(counted), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
