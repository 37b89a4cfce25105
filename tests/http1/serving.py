"""A small application behind the hub's HTTP door, in this process and with short times."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import uvicorn

from hub.http1 import GuardedHttp
from tests.support.rest import Answer, read_answer

HEAD_SECONDS, BODY_SECONDS, IDLE_SECONDS = 0.5, 0.8, 1
LARGE = 3 * 1024 * 1024


class QuickDoor(GuardedHttp):
    """The door with times that a test can wait for."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    body_seconds: ClassVar[float] = BODY_SECONDS
    linger_seconds: ClassVar[float] = 0.3
    body_bounds: ClassVar[dict[str, tuple[int, float]]] = {
        "/large/": (LARGE, BODY_SECONDS),
        "/large/small": (10, BODY_SECONDS),
    }


class Opened(asyncio.Protocol):
    """Stands for the hub's WebSocket: says what it was given."""

    def __init__(self, **_: object) -> None:
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self.got:
            self.transport.write(b"opened\n")
        self.got += data
        if self.got.endswith(b"END"):
            self.transport.write(self.got)
            self.transport.close()


@dataclass
class Door:
    """What is served, and what the application saw."""

    server: uvicorn.Server
    port: int
    events: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, *pieces: bytes, pause: float = 0.0, method: str = "GET") -> Answer:
        """Send octets piece by piece; the first answer."""
        async with asyncio.timeout(8):
            reader, writer = await self.open()
            with contextlib.closing(writer):
                with contextlib.suppress(ConnectionError):  # refused in mid-request
                    await send(writer, *pieces, pause=pause)
                return await read_answer(reader, method)

    async def ask_all(self, *pieces: bytes, pause: float = 0.0) -> bytes:
        """Send octets piece by piece; everything that comes until the other side ends."""
        async with asyncio.timeout(8):
            reader, writer = await self.open()
            with contextlib.closing(writer):
                sending = asyncio.ensure_future(send(writer, *pieces, pause=pause))
                everything = bytearray()
                with contextlib.suppress(ConnectionError):  # whoever is cut may be reset
                    while data := await reader.read(65536):
                        everything += data
                sending.cancel()
                with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                    await sending
                return bytes(everything)

    async def healthy(self) -> bool:
        """Whether a new client is served, and soon."""
        async with asyncio.timeout(3):
            return (await self.ask(get("/"))).status == 200


async def send(writer: asyncio.StreamWriter, *pieces: bytes, pause: float = 0.0) -> None:
    """Send each piece so that it is a read of its own for the other side."""
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)


def get(path: str, *fields: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", "Host: hub", *fields, "", ""]
    return "\r\n".join(lines).encode()


def post(path: str, body: bytes, *fields: str) -> bytes:
    length = f"Content-Length: {len(body)}"
    lines = [f"POST {path} HTTP/1.1", "Host: hub", length, *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def post_chunked(path: str, *chunks: bytes, trailer: bytes = b"") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + body + b"0\r\n" + trailer + b"\r\n"


def handshake(*fields: str, version: str = "1.1") -> bytes:
    return get("/ws", "Connection: keep-alive, Upgrade", "Upgrade: websocket", *fields,
               version=version)  # fmt: skip


def application(door: Door) -> Any:
    """`/`: at once. `/wait`: when released. `/echo`: what was asked. `/early`: no body read.
    `/late`: the answer begins before the body is read. `/stream`: no length. `/direct`: written
    to the transport. `/fill`: written until the reader is full."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def answer(body: bytes, *headers: tuple[bytes, bytes], more: bool = False) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
            await send({"type": "http.response.body", "body": body, "more_body": more})

        async def body() -> bytes:
            whole = bytearray()
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    door.events.append(f"disconnect {scope['path']}")
                    return bytes(whole)
                whole += message["body"]
                if not message["more_body"]:
                    return bytes(whole)

        door.events.append(f"begin {scope['path']}")
        connection: GuardedHttp = scope["extensions"]["hub.connection"]
        match scope["path"]:
            case "/wait":
                await door.release.wait()
                await answer(b"waited", (b"content-length", b"6"))
            case "/early":
                await answer(b"early", (b"content-length", b"5"))
            case "/late":
                await answer(b"begun", (b"content-length", b"10"), more=True)
                await body()
                await send({"type": "http.response.body", "body": b"ended", "more_body": False})
            case "/stream":
                await answer(b"one,", more=True)
                await send({"type": "http.response.body", "body": b"two", "more_body": False})
            case "/direct":
                await answer(b"", more=True)
                part = b"5\r\nparts\r\n" if connection.chunked else b"parts"
                connection.transport.write(part)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            case "/fill":
                connection.writer_listener = Listener(door)
                await answer(b"", (b"content-length", b"100000000"), more=True)
                connection.transport.write(bytes(16_000_000))
                await door.release.wait()
            case _:
                headers = [[k.decode(), v.decode()] for k, v in scope["headers"]]
                seen = {"path": scope["path"], "body": (await body()).decode("latin-1")}
                content = json.dumps(seen | {"headers": headers}).encode()
                await answer(content, (b"content-length", b"%d" % len(content)))
        door.events.append(f"end {scope['path']}")

    return app


class Listener:
    """Notes what becomes of a response that is written directly."""

    def __init__(self, door: Door) -> None:
        self._events = door.events

    def writing_paused(self) -> None:
        self._events.append("paused")

    def writing_resumed(self) -> None:
        self._events.append("resumed")

    def connection_lost(self) -> None:
        self._events.append("lost")


@asynccontextmanager
async def serving(door_class: type[GuardedHttp] = QuickDoor) -> AsyncIterator[Door]:
    """Serve on a free port until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await application(door)(scope, receive, send)

    config = uvicorn.Config(
        app,
        http=door_class,
        ws=cast(type[asyncio.Protocol], Opened),
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=IDLE_SECONDS,
    )
    server = uvicorn.Server(config)
    door = Door(server, listener.getsockname()[1])
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield door
    finally:
        door.release.set()
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        async with asyncio.timeout(8):
            while server.server_state.connections or server.server_state.tasks:
                await asyncio.sleep(0.01)
        listener.close()
