"""Keys that end while they are in use: by revocation and by expiry, at every door."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.conftest import World
from tests.api.conftest import world as world
from tests.gateway.raw import event, raw
from tests.support.rest import call
from tests.support.ws import Socket, connect

# What is measured is how long a key still works.
pytestmark = pytest.mark.alone

WITHIN = 1.0
"""Seconds after its key that a connection may last."""


class Stream:
    """An answer that goes on: server-sent events, NDJSON or a long poll."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def began(self, kind: str) -> None:
        """Wait for the answer's head; it must be 200 of this media type."""
        async with asyncio.timeout(5):
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        assert b"content-type: " + kind.encode() in head, head

    async def goes_on(self) -> bool:
        """Whether it is still open a moment later, whatever comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                while await self._reader.read(65536):
                    pass
                return False
        return True

    async def ended(self, deadline: float) -> bytes:
        """Wait for the end of the connection; what still came."""
        async with asyncio.timeout(deadline):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def stream(world: World, key: str, accept: str, query: str = "") -> AsyncIterator[Stream]:
    """Ask for events."""
    request = (
        f"GET /api/events{query} HTTP/1.1\r\nHost: 127.0.0.1:{world.hub.port}\r\n"
        f"Accept: {accept}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
    try:
        writer.write(request.encode())
        yield Stream(reader)
    finally:
        writer.transport.abort()


async def made(world: World, seconds: float | None = None) -> tuple[str, str]:
    """A new viewer's key and its id, with an end in so many seconds."""
    body: dict[str, object] = {"role": "viewer", "name": "short", "merchant_id": world.one}
    if seconds is not None:
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        body["expires_at"] = ends.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    answer = await call(world.hub, "POST", "/api/keys", body, key=world.keys["admin"])
    assert answer.status == 201, answer.body
    return answer.json()["token"], answer.json()["key"]["id"]


class Doors:
    """One connection of a key at every door."""

    def __init__(self, sockets: Sequence[Socket], streams: Sequence[Stream], poll: Stream) -> None:
        self.sockets = sockets
        self.streams = streams
        self.poll = poll

    async def ended(self, code: int) -> None:
        """All of them end in time, and the sockets with this code."""
        began = time.monotonic()
        for socket in self.sockets:
            left = max(0.05, WITHIN - (time.monotonic() - began))
            assert await socket.closed(deadline=left) == code
        for each in (*self.streams, self.poll):
            await each.ended(max(0.05, WITHIN - (time.monotonic() - began)))


@asynccontextmanager
async def every_door(world: World, key: str) -> AsyncIterator[Doors]:
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connect(world.hub, key)) for _ in range(2)]
        sockets.append(await stack.enter_async_context(connect(world.hub, token=key)))
        for socket in sockets:
            assert (await socket.next())["type"] == "connected"
        streams = []
        for kind in ("text/event-stream", "application/x-ndjson"):
            streams.append(await stack.enter_async_context(stream(world, key, kind)))
            await streams[-1].began(kind)
        answer = await call(world.hub, "GET", "/api/events?limit=1", key=key)
        query = f"?wait=25&since={answer.json()['offset']}"
        poll = await stack.enter_async_context(stream(world, key, "application/json", query))
        for each in (*streams, poll):
            assert await each.goes_on()
        yield Doors(sockets, streams, poll)


async def test_a_revoked_key_ends_everywhere(world: World) -> None:
    key, id_ = await made(world)
    async with every_door(world, key) as doors:
        answer = await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
        assert answer.status in (200, 204)
        await doors.ended(4001)
    assert (await call(world.hub, "GET", "/api/events", key=key)).status == 401


async def test_an_expired_key_ends_everywhere(world: World) -> None:
    ends = time.monotonic() + 1.5
    key, _ = await made(world, 1.5)
    async with every_door(world, key) as doors:
        await asyncio.sleep(ends - time.monotonic())
        await doors.ended(4105)
    assert (await call(world.hub, "GET", "/api/events", key=key)).status == 401
    async with connect(world.hub, key) as socket:
        assert await socket.closed() == 4001


async def test_a_cookie_ends_with_its_key(world: World) -> None:
    key, id_ = await made(world)
    own = {"Origin": world.hub.url}
    answer = await call(world.hub, "POST", "/api/session", {"key": key}, headers=own)
    own["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
    async with connect(world.hub, headers=own) as socket:
        assert (await socket.next())["type"] == "connected"
        await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
        assert await socket.closed(deadline=WITHIN) == 4001
    assert (await call(world.hub, "GET", "/api/session", headers=own)).status == 401


async def test_a_key_that_ended_publishes_nothing_more(world: World) -> None:
    """Events that a revoked bot sends behind its revocation are not taken."""
    body = {"role": "bot", "name": "gone", "merchant_id": world.one}
    answer = await call(world.hub, "POST", "/api/keys", body, key=world.keys["admin"])
    key, id_ = answer.json()["token"], answer.json()["key"]["id"]
    async with raw(world.hub, key) as client:
        await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
        await asyncio.sleep(WITHIN)
        for _ in range(3):
            client.write(event(type="custom_gone"))
            await asyncio.sleep(0.02)
        assert (await client.until_close()).code == 4001
    answer = await call(world.hub, "GET", "/api/events?types=custom_gone", key=world.keys["viewer"])
    assert answer.json()["events"] == []
    log = world.hub.log.read_text()
    assert "Traceback" not in log
    assert key not in log
