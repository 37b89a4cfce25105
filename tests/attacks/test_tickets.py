"""Tickets: one use, one key behind each, and nothing left of them when the key is gone."""

import asyncio

from tests.api.conftest import World, check_problem
from tests.api.conftest import world as world
from tests.support.rest import Answer, call, new_key
from tests.support.ws import connect


async def ticket_of(world: World, key: str) -> str:
    answer = await call(world.hub, "POST", "/api/tickets", key=key)
    assert answer.status in (200, 201), answer.body
    made = answer.json()
    assert (made["success"], made["expires_in"]) == (True, 30)
    assert key not in answer.body.decode()
    return str(made["ticket"])


async def by_socket(world: World, ticket: str) -> bool:
    """Whether a ticket lets its bearer in; 4001 otherwise."""
    async with connect(world.hub, token=ticket) as socket:
        first = await socket.next()
        if first["type"] == "connected":
            return True
        assert (first["type"], first["code"]) == ("error", "unauthenticated")
        assert await socket.closed() == 4001
        return False


async def by_session(world: World, ticket: str) -> bool:
    own = {"Origin": world.hub.url}
    answer = await call(world.hub, "POST", "/api/session", {"ticket": ticket}, headers=own)
    return _let_in(answer)


async def by_stream(world: World, ticket: str) -> bool:
    request = (
        f"GET /api/events?token={ticket} HTTP/1.1\r\nHost: 127.0.0.1:{world.hub.port}\r\n"
        "Accept: text/event-stream\r\nConnection: close\r\n\r\n"
    )
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
        try:
            writer.write(request.encode())
            status = int((await reader.readline()).split()[1])
        finally:
            writer.transport.abort()
    assert status in (200, 401)
    return status == 200


def _let_in(answer: Answer) -> bool:
    if answer.status != 200:
        check_problem(answer, 401, "unauthenticated")
    return answer.status == 200


async def test_a_ticket_is_good_once_wherever_it_is_used(world: World) -> None:
    doors = (by_socket, by_session, by_stream)
    for first in doors:
        ticket = await ticket_of(world, world.keys["viewer"])
        assert await first(world, ticket)
        for door in doors:
            assert not await door(world, ticket), (first, door)


async def test_of_twenty_at_once_one_gets_in(world: World) -> None:
    ticket = await ticket_of(world, world.keys["viewer"])
    assert sum(await asyncio.gather(*[by_socket(world, ticket) for _ in range(20)])) == 1
    ticket = await ticket_of(world, world.keys["viewer"])
    mixed = [by_socket(world, ticket) for _ in range(12)]
    mixed += [by_stream(world, ticket) for _ in range(8)]
    assert sum(await asyncio.gather(*mixed)) == 1


async def test_a_ticket_of_a_revoked_key(world: World) -> None:
    key, id_ = await new_key(world.hub, world.keys["admin"], "viewer", world.one)
    tickets = [await ticket_of(world, key) for _ in range(3)]
    answer = await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
    assert answer.status in (200, 204)
    for door, ticket in zip((by_socket, by_session, by_stream), tickets, strict=True):
        assert not await door(world, ticket), door


async def test_a_connection_by_ticket_ends_with_its_key(world: World) -> None:
    key, id_ = await new_key(world.hub, world.keys["admin"], "viewer", world.one)
    async with connect(world.hub, token=await ticket_of(world, key)) as socket:
        assert (await socket.next())["type"] == "connected"
        await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
        assert await socket.closed(deadline=1.0) == 4001


async def test_a_ticket_is_no_key(world: World) -> None:
    """It opens the three doors it is made for, and no request."""
    ticket = await ticket_of(world, world.keys["viewer"])
    for headers in ({"Authorization": f"Bearer {ticket}"}, {"X-API-Key": ticket}):
        answer = await call(world.hub, "POST", "/api/tickets", headers=headers)
        check_problem(answer, 401, "unauthenticated")
    answer = await call(world.hub, "POST", f"/api/events?token={ticket}", {"type": "custom_a"})
    check_problem(answer, 401, "unauthenticated")


async def test_what_looks_like_a_ticket(world: World) -> None:
    ticket = await ticket_of(world, world.keys["viewer"])
    for wrong in ("", " ", "x" * 4000):
        assert not await by_session(world, wrong), wrong
    for wrong in (ticket[:-1], ticket + "A", ticket.swapcase(), "null", "x" * 4000):
        assert not await by_socket(world, wrong), wrong
    assert await by_socket(world, ticket), "a wrong ticket used a right one up"


async def test_neither_tickets_nor_keys_stand_in_the_log(world: World) -> None:
    ticket = await ticket_of(world, world.keys["bot"])
    assert await by_socket(world, ticket)
    assert not await by_socket(world, ticket)
    assert not await by_stream(world, ticket)
    log = world.hub.log.read_text()
    assert not any(secret in log for secret in (ticket, *world.keys.values()))
    assert "Traceback" not in log
