"""A receiver of webhooks that behaves as it is told: well, slowly, rudely, or not at all."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

Writer = asyncio.StreamWriter
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Received(NamedTuple):
    """One request; the names of header fields are in lower case."""

    target: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[Writer, Received], Awaitable[None]]


class Receiver:
    """A server on loopback.

    Attributes:
        behave: what it does with a request whose whole has been read. Change it at any time.
        connections: how many were made to it.
        received: every request, in order.
    """

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        self.connections = 0
        self.received: list[Received] = []
        self.port = 0
        self.scheme = "http"
        self._open: set[Writer] = set()
        self._came = asyncio.Event()

    def url(self, host: str = "127.0.0.1", path: str = "/hook") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def wait_for(self, count: int, within: float = 10.0) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(within):
            while len(self.received) < count:
                self._came.clear()
                await self._came.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while (request := await _request(reader)) is not None:
                self.received.append(request)
                self._came.set()
                await self.behave(writer, request)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other end has left, which is its right
        finally:
            self._open.discard(writer)
            writer.close()

    async def end(self) -> None:
        """Cut every connection, and wait until nothing is done with them any more."""
        while self._open:
            for writer in self._open:
                writer.transport.abort()
            await asyncio.sleep(0.005)


async def _request(reader: asyncio.StreamReader) -> Received | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode().split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(first.split(" ")[1], headers, body)


@asynccontextmanager
async def receiving(
    behave: Behaviour | None = None, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver for the time of the block.

    Args:
        behave: answers 200 if None.
        host: where it listens; empty for every address of this machine, on one port.
    """
    receiver = Receiver(behave or answering())
    if host:
        listener = socket.create_server((host, 0))
    else:
        listener = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    server = await asyncio.start_server(receiver.serve, sock=listener, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    receiver.scheme = "http" if tls is None else "https"
    try:
        yield receiver
    finally:
        server.close()
        await receiver.end()


# ── behaviours ───────────────────────────────────────────────────────────────────────────────────


def answering(status: int = 200, body: bytes = b"ok", **headers: str) -> Behaviour:
    """Answers at once; in a name of a header field `_` stands for `-`."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return saying(head.encode() + body)


def saying(data: bytes) -> Behaviour:
    async def behave(writer: Writer, request: Received) -> None:
        writer.write(data)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One after the other; the last one for ever."""
    left = list(behaviours)

    async def behave(writer: Writer, request: Received) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(writer, request)

    return behave


async def silent(writer: Writer, request: Received) -> None:
    """Never answers."""
    while not writer.is_closing():
        await asyncio.sleep(0.02)


async def slamming(writer: Writer, request: Received) -> None:
    """Closes the connection in place of an answer."""
    writer.transport.abort()


async def dripping_headers(writer: Writer, request: Received) -> None:
    """Begins an answer and never ends its headers."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-Drop: drip\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def dripping_body(writer: Writer, request: Received) -> None:
    """Answers 200 and never ends the body."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flooding(writer: Writer, request: Received) -> None:
    """Answers 200 with a body that has no end, as fast as it is taken."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()
