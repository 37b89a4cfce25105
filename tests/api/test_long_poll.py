"""`GET /api/events?wait=…`: a page at once, or when there is something to put on it."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from tests.api.conftest import World, check_problem, pointers
from tests.gateway.local_hub import prepared, running
from tests.support.databases import FaultyDatabase, until
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, HasPort, call, new_key
from tests.support.ws import DEADLINE, Socket, connect

Event = dict[str, Any]


async def poll(
    hub: HasPort, key: str, query: Mapping[str, object], *, deadline: float = 8.0
) -> tuple[Answer, float]:
    """One request, and how long it took."""
    began = time.monotonic()
    answer = await call(hub, "GET", "/api/events", key=key, query=query, deadline=deadline)
    return answer, time.monotonic() - began


async def asked(world: World, query: Mapping[str, object], key: str = "viewer") -> Event:
    answer, _ = await poll(world.hub, world.keys[key], query)
    assert answer.status == 200, answer.body
    found: Event = answer.json()
    assert found.keys() == {"success", "events", "epoch", "offset", "next", "gap"}
    return found


async def publish(socket: Socket, *types: str, **more: Any) -> list[int | None]:
    """Publish one event of each type in one batch; the offsets."""
    events = [{"type": type_, "data": {}} | more for type_ in types]
    await socket.send({"type": "batch", "events": events})
    lines = (await socket.next(type="ack"))["events"]
    assert not [line for line in lines if "error" in line]
    return [line["offset"] for line in lines]


async def end_of(world: World) -> int:
    async with connect(world.hub, world.keys["admin"], query="types=none") as socket:
        offset = (await socket.next(type="connected"))["offset"]
    assert isinstance(offset, int)
    return offset


async def waiting(world: World, key: str, count: int) -> list[Event]:
    """Wait until a key has so many polls waiting; its sessions."""
    async with (
        asyncio.timeout(DEADLINE),
        connect(world.hub, world.keys["admin"], query="types=none") as socket,
    ):
        everyone = {"method": "sessions.list", "params": {"limit": 1000}}
        while True:
            await socket.send({"type": "call", "ref": "s"} | everyone)
            found: list[Event] = (await socket.next(type="reply"))["result"]["sessions"]
            polls = [s for s in found if (s["door"], s["key_id"]) == ("poll", world.ids[key])]
            if len(polls) == count:
                return polls
            await asyncio.sleep(0.03)


# ── at once ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.alone
async def test_what_is_there_is_answered_at_once(world: World) -> None:
    async with connect(world.hub, world.keys["merchant"], query="types=none") as merchant:
        first, *_, last = await publish(merchant, *["custom_there"] * 5)
    assert first is not None
    answer, took = await poll(
        world.hub, world.keys["viewer"], {"since": first - 1, "wait": 30, "types": "custom_there"}
    )
    assert [event["offset"] for event in answer.json()["events"]] == list(range(first, first + 5))
    assert answer.json()["next"] == last
    answer, took_two = await poll(
        world.hub, world.keys["viewer"], {"since": first - 1, "wait": 30, "limit": 2}
    )
    assert answer.json()["next"] == first + 1
    assert max(took, took_two) < 1


@pytest.mark.alone
async def test_a_gap_is_answered_at_once(world: World) -> None:
    end = await end_of(world)
    for query in ({"since": end + 1}, {"since": 0, "epoch": "another"}):
        answer, took = await poll(world.hub, world.keys["viewer"], query | {"wait": 30})
        page = answer.json()
        assert (page["gap"]["reason"], page["events"], page["next"]) == ("epoch", [], end)
        assert took < 1


@pytest.mark.alone
async def test_without_a_wait_nobody_waits(world: World) -> None:
    end = await end_of(world)
    for wait in ("0", "0.0", "-0"):
        answer, took = await poll(world.hub, world.keys["viewer"], {"since": end, "wait": wait})
        assert (answer.status, answer.json()["events"], answer.json()["next"]) == (200, [], end)
        assert took < 0.5


@pytest.mark.alone
@pytest.mark.parametrize("wait", ["-1", "-0.001", "60.001", "61", "1e9", "inf", "nan", "x", ""])
async def test_how_long_one_may_wait(world: World, wait: str) -> None:
    answer, took = await poll(world.hub, world.keys["viewer"], {"since": 0, "wait": wait})
    assert pointers(check_problem(answer, 422, "invalid_params")) == ["/wait"]
    assert took < 1


# ── waiting ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.alone
async def test_it_wakes_for_what_it_wants_and_sleeps_through_the_rest(world: World) -> None:
    """By type, by subject, by merchant; and a volatile event is on no page."""
    took: list[float] = []
    async with (
        connect(world.hub, world.keys["merchant"], query="types=none") as merchant,
        connect(world.hub, world.keys["owner"], query="types=none") as owner,
    ):
        for number in range(10):
            end = await end_of(world)
            query = {"since": end, "wait": 30, "types": "custom_w*", "subjects": "order/*"}
            request = asyncio.create_task(asked(world, query))
            await waiting(world, "viewer", 1)
            await publish(merchant, "custom_other", subject="order/1")
            await publish(merchant, "custom_want", "custom_want", subject="chat/1")
            await publish(merchant, "custom_want")
            await publish(merchant, "custom_want", subject="order/1", volatile=True)
            await publish(owner, "custom_want", subject="order/1")
            if number == 0:
                await asyncio.sleep(0.3)
            assert not request.done()
            [session] = await waiting(world, "viewer", 1)
            assert (session["state"], session["types"]) == ("live", ["custom_w*"])
            [offset] = await publish(merchant, "custom_want", subject="order/1")
            acknowledged = time.monotonic()
            page = await request
            took.append(time.monotonic() - acknowledged)
            assert [event["offset"] for event in page["events"]] == [offset]
            assert page["next"] == page["offset"] == offset
    # It waits 20 ms for the rest of a burst; the median is not the machine's worst moment.
    assert sorted(took)[5] < 0.05, took


async def test_a_burst_is_one_page(world: World) -> None:
    async with connect(world.hub, world.keys["merchant"], query="types=none") as merchant:
        end = await end_of(world)
        request = asyncio.create_task(asked(world, {"since": end, "wait": 30}))
        await waiting(world, "viewer", 1)
        offsets = await publish(merchant, *["custom_burst"] * 50)
        page = await request
    assert [event["offset"] for event in page["events"]] == offsets


@pytest.mark.alone
async def test_it_ends_with_an_empty_page_at_the_logs_end(world: World) -> None:
    async with connect(world.hub, world.keys["merchant"], query="types=none") as merchant:
        since = await end_of(world)
        query = {"since": since, "wait": 0.7, "types": "custom_never"}
        request = asyncio.create_task(poll(world.hub, world.keys["viewer"], query))
        await waiting(world, "viewer", 1)
        offsets = await publish(merchant, *["custom_else"] * 3)
        answer, took = await request
    page = answer.json()
    assert 0.7 <= took < 1.5
    assert (page["events"], page["gap"]) == ([], None)
    assert page["next"] == page["offset"] == offsets[-1]
    await waiting(world, "viewer", 0)


async def test_last_and_a_page_without_since_can_wait_too(world: World) -> None:
    async with connect(world.hub, world.keys["merchant"], query="types=none") as merchant:
        for n, query in enumerate(({"last": 3}, {})):
            type_ = f"custom_first_{n}"
            request = asyncio.create_task(asked(world, query | {"wait": 20, "types": type_}))
            await waiting(world, "viewer", 1)
            [offset] = await publish(merchant, type_)
            assert [event["offset"] for event in (await request)["events"]] == [offset]


async def test_many_wait_at_once(world: World) -> None:
    async with connect(world.hub, world.keys["merchant"], query="types=none") as merchant:
        end = await end_of(world)
        query = {"since": end, "wait": 30}
        requests = [asyncio.create_task(asked(world, query, "reader")) for _ in range(20)]
        requests += [asyncio.create_task(asked(world, query)) for _ in range(100)]
        await waiting(world, "viewer", 100)
        [offset] = await publish(merchant, "custom_for_many")
        pages = await asyncio.gather(*requests[20:])
        assert {page["events"][0]["offset"] for page in pages} == {offset}
        assert not any(request.done() for request in requests[:20])
    async with connect(world.hub, world.keys["owner"], query="types=none") as owner:
        await publish(owner, "custom_for_few")
    assert {len(page["events"]) for page in await asyncio.gather(*requests[:20])} == {1}


@pytest.mark.alone
async def test_from_the_database_too(tmp_path: Path) -> None:
    """A place long forgotten by the ring, and a filter that matches nothing until now."""
    async with (
        HubProcess(tmp_path, {"HUB_RING_SIZE": "5"}) as hub,
        connect(hub, hub.admin_key, query="types=none") as admin,
    ):
        merchant = (await call(hub, "GET", "/api/merchants", key=hub.admin_key)).json()
        owner = {"merchant_id": merchant["merchants"][0]["id"]}
        for _ in range(20):
            await publish(admin, *["custom_old"] * 500, **owner)
        query = {"since": 0, "wait": 20, "types": "custom_new"}
        request = asyncio.create_task(poll(hub, hub.admin_key, query))
        await asyncio.sleep(0.5)
        assert not request.done()
        [offset] = await publish(admin, "custom_new", **owner)
        since = 0
        answer, took = await request
        while not answer.json()["events"]:
            # A request looks through a bounded stretch of the log and says how far it came.
            assert answer.json()["next"] > since
            since = answer.json()["next"]
            answer, _ = await poll(hub, hub.admin_key, query | {"since": since})
        assert [event["offset"] for event in answer.json()["events"]] == [offset]
        assert took < 2


# ── how a wait ends otherwise ────────────────────────────────────────────────────────────────


@pytest.mark.alone
async def test_who_leaves_gives_the_place_up_at_once(world: World) -> None:
    end = await end_of(world)
    requests = [
        asyncio.create_task(asked(world, {"since": end, "wait": 50}, "driver")) for _ in range(5)
    ]
    await waiting(world, "driver", 5)
    for request in requests:
        request.cancel()
    await asyncio.gather(*requests, return_exceptions=True)
    began = time.monotonic()
    await waiting(world, "driver", 0)
    assert time.monotonic() - began < 0.5


@pytest.mark.alone
async def test_a_revoked_key_waits_no_longer(world: World) -> None:
    key, id_ = await new_key(world.hub, world.keys["admin"], "viewer", world.one, "short")
    world.ids["short"] = id_
    request = asyncio.create_task(poll(world.hub, key, {"since": await end_of(world), "wait": 50}))
    await waiting(world, "short", 1)
    began = time.monotonic()
    await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
    answer, _ = await request
    assert time.monotonic() - began < 1
    check_problem(answer, 401, "unauthenticated")


async def test_an_operator_ends_a_wait(world: World) -> None:
    request = asyncio.create_task(
        poll(world.hub, world.keys["driver"], {"since": await end_of(world), "wait": 50})
    )
    [session] = await waiting(world, "driver", 1)
    async with connect(world.hub, world.keys["admin"], query="types=none") as socket:
        params = {"id": session["id"]}
        await socket.send(
            {"type": "call", "ref": "d", "method": "sessions.disconnect", "params": params}
        )
        await socket.next(type="reply")
    answer, _ = await request
    check_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 1


@pytest.mark.alone
async def test_a_hub_that_stops_answers_who_waits(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        requests = [
            asyncio.create_task(poll(hub, hub.admin_key, {"since": 0, "wait": 50}))
            for _ in range(10)
        ]
        await asyncio.sleep(0.5)
        began = time.monotonic()
        assert await hub.terminate() == 0
        assert time.monotonic() - began < 3
        for answer, took in await asyncio.gather(*requests):
            assert (answer.status, answer.json()["events"], answer.json()["next"]) == (200, [], 0)
            assert took < 4


@pytest.mark.alone
async def test_a_key_that_is_revoked_before_the_wait_begins(database: Database) -> None:
    """While its first page is read: there is no time at which a revoked key is not found."""
    slow = FaultyDatabase(database)
    hub = await prepared(database)
    # The ring starts empty behind this: the first page comes from the database.
    async with running(hub) as first:
        for _ in range(2):
            body = [{"type": "custom_old", "data": {}}] * 500
            answer = await call(first, "POST", "/api/events", body, key=hub.keys["bot"])
            assert answer.status == 201
    async with running(hub, database=slow):
        query = {"since": 0, "types": "custom_none", "wait": 5}
        await poll(hub, hub.keys["viewer"], query | {"wait": 0})  # the key is known from here on
        reads = slow.reads
        slow.reading.clear()
        request = asyncio.create_task(poll(hub, hub.keys["viewer"], query))
        connections = hub.services.gateway.connections
        await until(lambda: len(connections) == 1 or slow.reads > reads)
        connections.close_key(hub.key_ids["viewer"])
        slow.reading.set()
        answer, took = await request
        check_problem(answer, 401, "unauthenticated")
        assert took < 2
