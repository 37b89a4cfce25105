"""Signing out: the cookie, its connections, its streams and its tickets end, and nothing else."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.api.conftest import World, check_problem
from tests.api.doorway import ALLOWED, fresh_address, opened
from tests.support.browsers import NDJSON, SSE, Endless, endless, new_ticket, sign_in
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, call, new_key
from tests.support.ws import Socket, connect

Headers = dict[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("hub")) as made:
        yield made


async def key_of(world: World, role: str = "merchant") -> str:
    return (await new_key(world.hub, world.keys["admin"], role, world.one))[0]


async def browser_of(world: World, key: str) -> Headers:
    return await sign_in(world.hub, key, address=fresh_address())


async def sign_out(hub: HubProcess, headers: Headers) -> Answer:
    return await call(hub, "DELETE", "/api/session", headers=headers)


async def shown(hub: HubProcess, headers: Headers) -> int:
    return (await call(hub, "GET", "/api/session", headers=headers)).status


class Connections:
    """Everything that one browser, or one key, holds open."""

    def __init__(self, hub: HubProcess, headers: Headers) -> None:
        self._hub = hub
        self._headers = headers
        self._stack = AsyncExitStack()
        self.sockets: list[Socket] = []
        self.streams: list[Endless] = []
        self.poll: asyncio.Task[Answer] | None = None

    async def __aenter__(self) -> "Connections":
        hub, headers, enter = self._hub, self._headers, self._stack.enter_async_context
        self.sockets.append(await enter(connect(hub, headers=headers)))
        ticket = await new_ticket(hub, headers=headers)
        self.sockets.append(await enter(connect(hub, token=ticket)))
        self.sockets.append(await enter(connect(hub)))
        ticket = await new_ticket(hub, headers=headers)
        await self.sockets[-1].send({"type": "auth", "token": ticket})
        for socket in self.sockets:
            await socket.next(type="live")
        for accept in (SSE, NDJSON):
            self.streams.append(await enter(endless(hub, accept, headers=headers)))
        ticket = await new_ticket(hub, headers=headers)
        self.streams.append(await enter(endless(hub, SSE, query={"token": ticket})))
        for stream in self.streams:
            await stream.shows('"live"')
        path = "/api/events?types=custom_never&wait=30"
        asked = call(hub, "GET", path, headers=headers, deadline=20)
        self.poll = asyncio.create_task(asked)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.poll is not None:
            self.poll.cancel()
        await self._stack.aclose()

    async def ended(self, why: str) -> None:
        """Wait until all of it has been ended, with this reason."""
        for socket in self.sockets:
            assert await socket.closed() == 4001
            assert socket.connection.close_reason == why
        for stream in self.streams:
            text = await stream.ended()
            assert '"type":"bye","code":4001' in text
            assert why in text
            assert stream.whole
        assert self.poll is not None
        problem = check_problem(await self.poll, 401, "unauthenticated")
        assert problem["detail"] == why

    async def lives(self) -> None:
        """Check that all of it is still there."""
        for socket in self.sockets:
            await socket.send({"type": "ping", "ref": "alive"})
            assert (await socket.next(type="pong"))["ref"] == "alive"
        for stream in self.streams:
            with pytest.raises(TimeoutError):
                await stream.ended(deadline=0.02)
        assert self.poll is not None
        assert not self.poll.done()


async def until_polls(world: World, count: int) -> None:
    """Wait until so many long polls are waiting."""
    async with asyncio.timeout(5):
        while True:
            answer = await call(
                world.hub, "GET", "/api/sessions?limit=1000", key=world.keys["admin"]
            )
            doors = [one["door"] for one in answer.json()["sessions"]]
            if doors.count("poll") == count:
                return


async def test_the_cookie_opens_nothing_afterwards(world: World) -> None:
    headers = await browser_of(world, await key_of(world))
    assert await shown(world.hub, headers) == 200
    answer = await sign_out(world.hub, headers)
    assert answer.status == 200, answer.body
    assert answer.json()["success"] is True
    assert answer.headers["cache-control"] == "no-store"
    dropped = answer.headers["set-cookie"]
    assert "hub_session=" in dropped
    assert "__Host-hub_session=" in dropped
    assert dropped.lower().count("max-age=0") == 2
    for method, path in (
        ("GET", "/api/session"), ("DELETE", "/api/session"), ("GET", "/api/events"),
        ("POST", "/api/tickets"), ("POST", "/api/events"),
    ):  # fmt: skip
        answer = await call(world.hub, method, path, headers=headers)
        check_problem(answer, 401, "unauthenticated")
    async with connect(world.hub, headers=headers) as socket:
        assert (await socket.next())["code"] == "unauthenticated"
        assert await socket.closed() == 4001


@pytest.mark.alone
async def test_its_connections_end_within_a_second_and_no_others(world: World) -> None:
    key = await key_of(world)
    leaving, staying = await browser_of(world, key), await browser_of(world, key)
    by_key = {"Authorization": f"Bearer {key}"}
    async with (
        Connections(world.hub, leaving) as gone,
        Connections(world.hub, staying) as other,
        Connections(world.hub, by_key) as direct,
    ):
        await until_polls(world, 3)
        assert (await sign_out(world.hub, leaving)).status == 200
        answered = time.monotonic()
        await gone.ended("signed out")
        assert time.monotonic() - answered < 1
        await other.lives()
        await direct.lives()
        assert await shown(world.hub, staying) == 200
        assert await shown(world.hub, by_key) == 200


async def test_unused_tickets_end_with_it(world: World) -> None:
    key = await key_of(world)
    headers = await browser_of(world, key)
    mine, others = await new_ticket(world.hub, headers=headers), await new_ticket(world.hub, key)
    await sign_out(world.hub, headers)
    async with connect(world.hub, token=mine) as socket:
        assert await socket.closed() == 4001
    async with connect(world.hub, token=others) as socket:
        assert (await socket.next())["type"] == "connected"


async def test_a_refreshed_connection_stays(world: World) -> None:
    """It stands and falls with what it brought last."""
    key = await key_of(world)
    headers = await browser_of(world, key)
    async with connect(world.hub, headers=headers) as first, connect(world.hub, key) as second:
        for socket in (first, second):
            await socket.next(type="live")
        await first.send({"type": "auth", "token": key, "ref": "a"})
        assert (await first.next(type="ack"))["expires_at"] is None
        ticket = await new_ticket(world.hub, headers=headers)
        await second.send({"type": "auth", "token": ticket, "ref": "b"})
        assert (await second.next(type="ack"))["expires_at"]
        await sign_out(world.hub, headers)
        assert await second.closed(deadline=1) == 4001
        await first.send({"type": "ping"})
        await first.next(type="pong")


@pytest.mark.parametrize("origin", [None, ALLOWED, "https://evil.example", "null"])
async def test_another_page_signs_nobody_out(world: World, origin: str | None) -> None:
    headers = await browser_of(world, await key_of(world))
    forged = {"Cookie": headers["Cookie"]} | ({} if origin is None else {"Origin": origin})
    async with connect(world.hub, headers=headers) as socket:
        await socket.next(type="live")
        assert (await sign_out(world.hub, forged)).status == (401 if origin == ALLOWED else 403)
        assert await socket.silent(0.1, type="bye")
    assert await shown(world.hub, headers) == 200


async def test_a_key_has_no_session_to_end(world: World) -> None:
    key = await key_of(world)
    headers = await browser_of(world, key)
    answer = await call(world.hub, "DELETE", "/api/session", key=key, headers=headers)
    problem = check_problem(answer, 422, "invalid_params")
    assert "/api/keys/" in str(problem["detail"])
    assert "set-cookie" not in answer.headers
    assert await shown(world.hub, headers) == 200


async def test_two_sign_outs_at_once(world: World) -> None:
    headers = await browser_of(world, await key_of(world))
    answers = await asyncio.gather(*[sign_out(world.hub, headers) for _ in range(5)])
    statuses = [answer.status for answer in answers]
    assert 200 in statuses
    assert set(statuses) <= {200, 401}
    assert await shown(world.hub, headers) == 401


async def test_it_is_for_good(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        gone, kept = await sign_in(hub, hub.admin_key), await sign_in(hub, hub.admin_key)
        assert (await sign_out(hub, gone)).status == 200
        await hub.kill()
        await hub.start()
        assert [await shown(hub, gone), await shown(hub, kept)] == [401, 200]
