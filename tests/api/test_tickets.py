"""Tickets at every door: one use, for a while, and never longer than what is behind them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

import pytest

from hub.tickets import Behind
from storage.database import Database
from tests.api.conftest import World, check_problem
from tests.api.doorway import ALLOWED, fresh_address, opened
from tests.gateway.local_hub import prepared, running
from tests.support.browsers import (
    NDJSON,
    SSE,
    endless,
    new_ticket,
    own_origin,
    sign_in,
    try_sign_in,
)
from tests.support.rest import HasPort, call, new_key
from tests.support.ws import HasSocket, connect


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("hub")) as made:
        yield made


async def someone(world: World, role: str = "viewer") -> tuple[str, str]:
    """A key of its own for one test; the key and its id."""
    return await new_key(world.hub, world.keys["admin"], role, world.one)


# ── the doors, each saying whether it let the bearer in ──────────────────────────────────────────


class Door(HasPort, HasSocket, Protocol):
    """A hub, in another process or in this one."""


async def by_query(hub: Door, ticket: str) -> bool:
    async with connect(hub, token=ticket) as socket:
        return await greeted(socket.next, socket.closed)


async def by_first_frame(hub: Door, ticket: str) -> bool:
    async with connect(hub) as socket:
        await socket.send({"type": "auth", "token": ticket})
        return await greeted(socket.next, socket.closed)


async def greeted(
    next_: Callable[[], Awaitable[dict[str, object]]], closed: Callable[[], Awaitable[int]]
) -> bool:
    first = await next_()
    if first["type"] == "connected":
        return True
    assert (first["type"], first["code"]) == ("error", "unauthenticated")
    assert "ticket" in str(first["message"])
    assert await closed() == 4001
    return False


async def by_sign_in(hub: Door, ticket: str) -> bool:
    answer = await try_sign_in(hub, {"ticket": ticket}, address=fresh_address())
    if answer.status == 200:
        return True
    check_problem(answer, 401, "unauthenticated")
    assert "set-cookie" not in answer.headers
    return False


async def by_page(hub: Door, ticket: str) -> bool:
    answer = await call(hub, "GET", "/api/events", query={"token": ticket})
    if answer.status == 200:
        assert answer.json()["epoch"]
        return True
    check_problem(answer, 401, "unauthenticated")
    return False


async def by_stream(hub: Door, ticket: str, accept: str) -> bool:
    async with endless(hub, accept, query={"token": ticket}) as stream:
        if stream.status == 200:
            await stream.shows('"live"')
            return True
        assert stream.status == 401
        return False


async def by_event_stream(hub: Door, ticket: str) -> bool:
    return await by_stream(hub, ticket, SSE)


async def by_lines(hub: Door, ticket: str) -> bool:
    return await by_stream(hub, ticket, NDJSON)


DOORS = [by_query, by_first_frame, by_sign_in, by_page, by_event_stream, by_lines]


# ── making one ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["admin", "merchant", "viewer", "bot"])
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_any_key_makes_tickets(world: World, name: str, header: str) -> None:
    key = world.keys[name]
    value = f"Bearer {key}" if header == "Authorization" else key
    answer = await call(world.hub, "POST", "/api/tickets", headers={header: value})
    assert answer.status == 200, answer.body
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert made.keys() == {"success", "ticket", "expires_in", "epoch", "offset"}
    assert (made["success"], made["expires_in"]) == (True, 30)
    assert key not in answer.body.decode()
    async with connect(world.hub, token=made["ticket"]) as socket:
        connected = await socket.next()
    assert connected["role"] == name
    assert connected["merchant_id"] == (None if name == "admin" else world.one)


async def test_a_browser_makes_tickets(world: World) -> None:
    headers = await sign_in(world.hub, (await someone(world, "merchant"))[0])
    ticket = await new_ticket(world.hub, headers=headers)
    async with connect(world.hub, token=ticket) as socket:
        connected = await socket.next()
    assert connected["role"] == "merchant"
    assert connected["expires_at"], "it ends with the browser's session"


@pytest.mark.parametrize("origin", [None, ALLOWED, "https://evil.example", "null"])
async def test_another_page_makes_none_by_the_cookie(world: World, origin: str | None) -> None:
    headers = await sign_in(world.hub, (await someone(world))[0], address=fresh_address())
    del headers["Origin"]
    if origin is not None:
        headers["Origin"] = origin
    answer = await call(world.hub, "POST", "/api/tickets", headers=headers)
    if origin == ALLOWED:
        check_problem(answer, 401, "unauthenticated")
    else:
        check_problem(answer, 403, "forbidden")
    assert b"hub_t_" not in answer.body


async def test_an_allowed_page_makes_one_by_its_key(world: World) -> None:
    ticket = await new_ticket(world.hub, (await someone(world))[0], headers={"Origin": ALLOWED})
    async with connect(world.hub, token=ticket, origin=ALLOWED) as socket:
        assert (await socket.next())["role"] == "viewer"


@pytest.mark.parametrize("key", [None, "wrong", "hub_v_" + "x" * 43])
async def test_nobody_makes_none(world: World, key: str | None) -> None:
    check_problem(await call(world.hub, "POST", "/api/tickets", key=key), 401, "unauthenticated")


async def test_other_methods(world: World) -> None:
    answer = await call(world.hub, "GET", "/api/tickets", key=world.keys["viewer"])
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


async def test_sixty_a_minute_for_each_key(world: World) -> None:
    key, _ = await someone(world)
    for _ in range(60):
        await new_ticket(world.hub, key)
    answer = await call(world.hub, "POST", "/api/tickets", key=key)
    check_problem(answer, 429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    await new_ticket(world.hub, (await someone(world))[0])
    # It is a limit of its own: everything else goes on.
    assert (await call(world.hub, "GET", "/api/events", key=key)).status == 200


# ── using it ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", DOORS, ids=lambda door: door.__name__)
async def test_one_use_whichever_door(world: World, first: Callable[..., Awaitable[bool]]) -> None:
    key, _ = await someone(world)
    for second in DOORS:
        ticket = await new_ticket(world.hub, key)
        assert await first(world.hub, ticket)
        assert not await second(world.hub, ticket), f"{second.__name__} took it again"


async def test_a_refresh_uses_it_up(world: World) -> None:
    key, _ = await someone(world)
    ticket = await new_ticket(world.hub, key)
    async with connect(world.hub, key) as socket:
        await socket.send({"type": "auth", "token": ticket, "ref": "a"})
        assert (await socket.next(type="ack"))["ref"] == "a"
        for door in DOORS:
            assert not await door(world.hub, ticket), door.__name__
        await socket.send({"type": "auth", "token": ticket, "ref": "b"})
        error = await socket.next(type="error")
        assert (error["ref"], error["code"]) == ("b", "unauthenticated")
        assert await socket.closed() == 4001


async def test_of_twenty_at_once_one_gets_in(world: World) -> None:
    key, _ = await someone(world)
    for doors in ([by_query], [by_page], [by_sign_in], [by_event_stream], DOORS):
        ticket = await new_ticket(world.hub, key)
        uses = [doors[number % len(doors)](world.hub, ticket) for number in range(20)]
        assert sum(await asyncio.gather(*uses)) == 1


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_too_old(database: Database, door: Callable[..., Awaitable[bool]]) -> None:
    async with running(await prepared(database)) as hub:
        behind = Behind(hub.key_ids["viewer"], None)
        brief = hub.services.authenticator.issue_ticket(behind, 0.05)
        lasting = hub.services.authenticator.issue_ticket(behind, 30)
        await asyncio.sleep(0.06)
        assert not await door(hub, brief)
        assert await door(hub, lasting)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_void_once_its_key_is_revoked(
    world: World, door: Callable[..., Awaitable[bool]]
) -> None:
    key, id_ = await someone(world)
    other, _ = await someone(world)
    tickets = [await new_ticket(world.hub, each) for each in (key, other)]
    answer = await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
    assert answer.status == 200
    assert [await door(world.hub, ticket) for ticket in tickets] == [False, True]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_void_once_its_browser_has_signed_out(
    world: World, door: Callable[..., Awaitable[bool]]
) -> None:
    key, _ = await someone(world)
    browser = await sign_in(world.hub, key, address=fresh_address())
    other = await sign_in(world.hub, key, address=fresh_address())
    tickets = [await new_ticket(world.hub, headers=headers) for headers in (browser, other)]
    tickets.append(await new_ticket(world.hub, key))
    assert (await call(world.hub, "DELETE", "/api/session", headers=browser)).status == 200
    assert [await door(world.hub, ticket) for ticket in tickets] == [False, True, True]


async def test_a_restart_voids_it(world: World, database: Database) -> None:
    hub = await prepared(database)
    async with running(hub):
        ticket = await new_ticket(hub, hub.keys["viewer"])
    async with running(hub):
        assert not await by_query(hub, ticket)


# ── where it does not count ──────────────────────────────────────────────────────────────────────


async def test_a_better_credential_leaves_it_unused(world: World) -> None:
    """The first one found decides; the ticket is still good afterwards."""
    key, _ = await someone(world, "merchant")
    browser = await sign_in(world.hub, key, address=fresh_address())
    ticket = await new_ticket(world.hub, world.keys["viewer"])
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}, browser):
        answer = await call(
            world.hub, "GET", "/api/events", query={"token": ticket}, headers=headers
        )
        assert answer.status == 200
        async with connect(world.hub, token=ticket, headers=headers) as socket:
            assert (await socket.next())["role"] == "merchant"
    assert await by_query(world.hub, ticket)


async def test_other_routes_take_none_and_use_none_up(world: World) -> None:
    ticket = await new_ticket(world.hub, world.keys["admin"])
    for method, path in (
        ("GET", "/api/merchants"), ("GET", "/api/keys"), ("GET", "/api/sessions"),
        ("GET", "/api/session"), ("POST", "/api/events"), ("POST", "/api/tickets"),
        ("GET", "/api/audit"),
    ):  # fmt: skip
        answer = await call(world.hub, method, path, query={"token": ticket})
        check_problem(answer, 401, "unauthenticated")
        answer = await call(world.hub, method, path, key=ticket)
        check_problem(answer, 401, "unauthenticated")
    assert await by_page(world.hub, ticket)


@pytest.mark.parametrize("accept", ["application/json", SSE, NDJSON])
async def test_a_key_in_the_address_is_for_the_socket_alone(world: World, accept: str) -> None:
    key, _ = await someone(world)
    answer = await call(
        world.hub, "GET", "/api/events", query={"token": key}, headers={"Accept": accept}
    )
    problem = check_problem(answer, 401, "unauthenticated")
    assert "POST /api/tickets" in str(problem["detail"])
    assert key not in answer.body.decode()
    assert await by_query(world.hub, key)


@pytest.mark.parametrize(
    "ticket", ["hub_t_", "hub_t_" + "x" * 43, "hub_t_" + "x" * 8000, "hub_t_é", "hub_t_\0", ""]
)
async def test_what_is_no_ticket(world: World, ticket: str) -> None:
    answer = await call(world.hub, "GET", "/api/events", query={"token": ticket})
    check_problem(answer, 401, "unauthenticated")
    assert not await by_sign_in(world.hub, ticket)
    async with connect(world.hub, token=ticket) as socket:
        assert (await socket.next())["code"] == "unauthenticated"
        assert await socket.closed() == 4001


async def test_it_does_what_its_key_may_and_no_more(world: World) -> None:
    ticket = await new_ticket(world.hub, world.keys["admin"])
    async with connect(world.hub, token=ticket, query=f"merchant_id={world.two}") as socket:
        assert (await socket.next())["merchant_id"] == world.two
    ticket = await new_ticket(world.hub, world.keys["viewer"])
    async with connect(world.hub, token=ticket, query=f"merchant_id={world.two}") as socket:
        assert (await socket.next())["code"] == "forbidden"
        assert await socket.closed() == 4003
    ticket = await new_ticket(world.hub, world.keys["viewer"])
    query = {"token": ticket, "merchant_id": world.two}
    answer = await call(world.hub, "GET", "/api/events", query=query)
    check_problem(answer, 403, "forbidden")
    ticket = await new_ticket(world.hub, world.keys["viewer"])
    async with connect(world.hub, token=ticket, origin=own_origin(world.hub)) as socket:
        await socket.next(type="connected")
        await socket.send({"type": "custom_a", "data": {}, "ref": "r"})
        assert (await socket.next(type="error"))["code"] == "forbidden"
