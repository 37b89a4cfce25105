"""`DELETE /api/sessions/{id}`: sending somebody away, through whichever door they came."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import World, check_problem, pointers
from tests.api.doorway import fresh_address, opened
from tests.support.browsers import NDJSON, SSE, endless, new_ticket, sign_in
from tests.support.rest import call, new_key
from tests.support.ws import Socket, connect


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("hub")) as made:
        yield made


async def listed(world: World) -> list[dict[str, Any]]:
    answer = await call(world.hub, "GET", "/api/sessions?limit=1000", key=world.keys["admin"])
    found: list[dict[str, Any]] = answer.json()["sessions"]
    return found


async def greeted(socket: Socket) -> str:
    """The id of a connection that has just been made."""
    found: str = (await socket.next(type="connected"))["session"]
    return found


async def disconnect(world: World, name: str, id_: str) -> Any:
    return await call(world.hub, "DELETE", f"/api/sessions/{id_}", key=world.keys[name])


@pytest.mark.alone
@pytest.mark.parametrize("by", ["admin", "merchant"])
async def test_a_socket_is_sent_away(world: World, by: str) -> None:
    async with (
        connect(world.hub, world.keys["viewer"]) as sent,
        connect(world.hub, world.keys["viewer"]) as stays,
    ):
        id_, other = await greeted(sent), await greeted(stays)
        answer = await disconnect(world, by, id_)
        answered = time.monotonic()
        assert answer.status == 200, answer.body
        assert (answer.json()["success"], answer.json()["id"]) == (True, id_)
        assert await sent.closed() == 4004
        assert time.monotonic() - answered < 1
        assert sent.connection.close_reason == "removed by an operator"
        left = [record["id"] for record in await listed(world)]
        assert id_ not in left
        assert other in left
        check_problem(await disconnect(world, by, id_), 404, "not_found")
    # It was sent away, not shut out.
    async with connect(world.hub, world.keys["viewer"]) as again:
        await greeted(again)


@pytest.mark.parametrize("accept", [SSE, NDJSON])
async def test_a_stream_is_sent_away(world: World, accept: str) -> None:
    key, key_id = await new_key(world.hub, world.keys["admin"], "viewer", world.one)
    async with endless(world.hub, accept, key=key) as stream:
        await stream.shows('"live"')
        found = await listed(world)
        [id_] = [record["id"] for record in found if record["key_id"] == key_id]
        assert (await disconnect(world, "merchant", id_)).status == 200
        assert '"type":"bye","code":4004' in await stream.ended(deadline=1)


async def test_a_poll_is_sent_away(world: World) -> None:
    key, key_id = await new_key(world.hub, world.keys["admin"], "viewer", world.one)
    path = "/api/events?types=custom_never&wait=20"
    poll = asyncio.create_task(call(world.hub, "GET", path, key=key, deadline=20))
    ids: list[str] = []
    async with asyncio.timeout(5):
        while not ids:
            found = await listed(world)
            ids = [record["id"] for record in found if record["key_id"] == key_id]
    assert (await disconnect(world, "admin", ids[0])).status == 200
    answer = await asyncio.wait_for(poll, 1)
    check_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "5"


async def test_another_merchants_is_not_there(world: World) -> None:
    async with (
        connect(world.hub, world.keys["reader"]) as foreign,
        connect(world.hub, world.keys["admin"], query=f"merchant_id={world.one}") as admins,
    ):
        for socket in (foreign, admins):
            answer = await disconnect(world, "merchant", await greeted(socket))
            check_problem(answer, 404, "not_found")
            await socket.send({"type": "ping"})
            await socket.next(type="pong")


@pytest.mark.parametrize("id_", ["x", "..%2f", "x" * 256])
async def test_what_is_no_connection(world: World, id_: str) -> None:
    answer = await disconnect(world, "admin", id_)
    check_problem(answer, 404, "not_found")


@pytest.mark.parametrize("id_", ["%00", "x" * 257])
async def test_what_cannot_be_a_connection(world: World, id_: str) -> None:
    problem = check_problem(await disconnect(world, "admin", id_), 422, "invalid_params")
    assert pointers(problem) == ["/id"]


async def test_oneself(world: World) -> None:
    """By a browser's own pages, as the dashboard does it."""
    browser = await sign_in(world.hub, world.keys["merchant"], address=fresh_address())
    ticket = await new_ticket(world.hub, headers=browser)
    async with connect(world.hub, token=ticket) as socket:
        id_ = await greeted(socket)
        answer = await call(world.hub, "DELETE", f"/api/sessions/{id_}", headers=browser)
        assert answer.status == 200
        assert await socket.closed() == 4004
