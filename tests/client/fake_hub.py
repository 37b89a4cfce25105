"""A hub for the SDK's tests: real loopback sockets, and behaviour that each test scripts.

A script is a coroutine that plays the hub on one connection; when it returns, the connection ends
as it says. `serve_log` is a script that behaves like a hub with a log, for tests that care about
what the SDK does when connections end, and not about single frames.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as websocket_serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Frame = dict[str, Any]
KEY = "hub_b_" + "k" * 43
LIMITS = {
    "message": 1 << 20,
    "data": 1 << 16,
    "batch": 500,
    "in_flight": 1024,
    "id": 128,
    "ref": 64,
    "subject": 256,
}
DEADLINE = 10.0


class FakeConnection:
    """The hub's side of one connection.

    Attributes:
        number: 0 for the first connection of the hub.
        query: the parameters of its address, each once.
        headers: of its request.
    """

    def __init__(self, number: int, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.number = number
        self.socket = socket
        self.query = {k: v[-1] for k, v in parse_qs(urlsplit(socket.request.path).query).items()}
        self.headers = socket.request.headers

    async def send(self, *frames: Frame) -> None:
        for frame in frames:
            await self.socket.send(json.dumps(frame))

    async def receive(self) -> Frame:
        async with asyncio.timeout(DEADLINE):
            frame: Frame = json.loads(await self.socket.recv())
        return frame

    async def hello(self, **changes: Any) -> None:
        await self.send(connected(**changes))

    async def subscribe(self, offset: int = 0, *, epoch: str = "e1") -> None:
        """Greet, confirm the subscription from `offset` on, and be live."""
        await self.hello(offset=offset, epoch=epoch)
        await self.send(subscribed(offset, epoch=epoch), {"type": "live", "offset": offset})

    def cut(self) -> None:
        """End the connection without a word."""
        self.socket.transport.abort()

    async def until_closed(self) -> None:
        await self.socket.wait_closed()


Script = Callable[[FakeConnection], Awaitable[None]]


class FakeHub:
    """Listens on a free port; an async context manager.

    Args:
        scripts: one per connection in the order of their coming; the last one serves the rest.
        refuse: HTTP statuses for the first handshakes; None lets one pass.

    Attributes:
        connections: all of them, in order.
    """

    def __init__(self, *scripts: Script, refuse: list[int | None] | None = None) -> None:
        self._scripts = scripts
        self._refuse = list(refuse or [])
        self._server: Server | None = None
        self.handshakes = 0
        self.connections: list[FakeConnection] = []
        self.failures: list[BaseException] = []

    async def __aenter__(self) -> Self:
        self._server = await websocket_serve(
            self._serve,
            "127.0.0.1",
            0,
            compression=None,
            process_request=self._process_request,
            ping_interval=None,
            close_timeout=1,
            max_size=1 << 20,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        if kind is None and self.failures:
            raise self.failures[0]

    @property
    def url(self) -> str:
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def _process_request(self, _: ServerConnection, __: Request) -> Response | None:
        self.handshakes += 1
        status = self._refuse.pop(0) if self._refuse else None
        if status is None:
            return None
        body = json.dumps({"error": "told by the hub"}).encode()
        headers = Headers({"Content-Length": str(len(body)), "Connection": "close"})
        return Response(status, HTTPStatus(status).phrase, headers, body)

    async def _serve(self, socket: ServerConnection) -> None:
        connection = FakeConnection(len(self.connections), socket)
        self.connections.append(connection)
        script = self._scripts[min(connection.number, len(self._scripts) - 1)]
        playing = asyncio.ensure_future(script(connection))
        ended = asyncio.ensure_future(socket.wait_closed())
        try:
            await asyncio.wait({playing, ended}, return_when=asyncio.FIRST_COMPLETED)
            # A script may wait for something else than the connection, which is over now.
            await asyncio.wait_for(playing, None if not ended.done() else 0.2)
        except (ConnectionClosed, TimeoutError):
            pass  # the client left in the middle of the script: its business
        except Exception as error:
            self.failures.append(error)
        finally:
            ended.cancel()


def connected(**changes: Any) -> Frame:
    return {
        "type": "connected",
        "protocol": 1,
        "session": "s1",
        "role": "bot",
        "merchant_id": "m1",
        "epoch": "e1",
        "offset": 0,
        "oldest": 1,
        "heartbeat": 25,
        "expires_at": None,
        "limits": LIMITS,
        "message": "welcome",
    } | changes


def subscribed(offset: int, *, epoch: str = "e1", recovered: bool = True) -> Frame:
    return {
        "type": "subscribed",
        "ref": None,
        "epoch": epoch,
        "offset": offset,
        "recovered": recovered,
        "types": ["*"],
        "subjects": None,
    }


def event(offset: int | None, **changes: Any) -> Frame:
    frame: Frame = {
        "type": "custom_test",
        "id": f"id-{offset}",
        "timestamp": "2026-11-22T10:00:00.000Z",
        "merchant_id": "m1",
        "source": "bot:test",
        "data": {"n": offset},
    }
    if offset is None:
        frame["volatile"] = True
    else:
        frame["offset"] = offset
    return frame | changes


def ack(frame: Frame, offset: int | None, *, duplicate: bool = False) -> Frame:
    return {
        "type": "ack",
        "ref": frame["ref"],
        "id": frame["id"],
        "offset": offset,
        "duplicate": duplicate,
    }


def error(frame: Frame | None, code: str, message: str = "no", **more: Any) -> Frame:
    told: Frame = {"type": "error", "code": code, "message": message, "retry": False}
    if frame is not None:
        told |= {"ref": frame["ref"], "id": frame["id"]}
    if code in ("unavailable", "internal", "rate_limited"):
        told["retry"] = True
    return told | more


@dataclass
class Log:
    """What a hub keeps: events in offset order, one per id."""

    epoch: str = "e1"
    events: list[Frame] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def append(self, sent: Frame) -> tuple[int, bool]:
        """Store an event once; its offset, and whether it was known."""
        if sent["id"] in self.offsets:
            return self.offsets[sent["id"]], True
        offset = len(self.events) + 1
        self.offsets[sent["id"]] = offset
        self.events.append(
            event(offset, type=sent["type"], id=sent["id"], data=sent["data"], source="bot:b")
        )
        async with self.grown:
            self.grown.notify_all()
        return offset, False


def publishing(log: Log, cut: Callable[[], bool] = lambda: False) -> Script:
    """A script that stores and acknowledges; `cut` is asked before and after each event."""

    async def script(connection: FakeConnection) -> None:
        await connection.hello(offset=len(log.events), epoch=log.epoch)
        while True:
            frame: Frame = json.loads(await connection.socket.recv())
            if "_" not in frame["type"]:
                continue
            if cut():
                return connection.cut()
            offset, duplicate = await log.append(frame)
            if cut():
                return connection.cut()
            await connection.send(ack(frame, offset, duplicate=duplicate))

    return script


def streaming(log: Log, cut: Callable[[], bool] = lambda: False) -> Script:
    """A script that replays from `since` and goes on live; `cut` is asked before each event."""

    async def script(connection: FakeConnection) -> None:
        at = int(connection.query.get("since", len(log.events)))
        await connection.hello(offset=len(log.events), epoch=log.epoch)
        await connection.send(subscribed(at, epoch=log.epoch))
        live = False
        while True:
            while at < len(log.events):
                if cut():
                    return connection.cut()
                await connection.send(log.events[at])
                at += 1
            if not live:
                live = True
                await connection.send({"type": "live", "offset": at})
            async with log.grown:
                while at >= len(log.events):
                    await log.grown.wait()

    return script
