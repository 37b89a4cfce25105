"""`GET /api/sessions`: who is connected, truly, and to whom it is shown."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.settings import Settings
from storage.database import Database
from tests.api.conftest import World, check_problem, pointers
from tests.api.doorway import fresh_address, opened
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.gateway.raw import raw
from tests.support.browsers import NDJSON, SSE, endless, sign_in
from tests.support.databases import FaultyDatabase, until
from tests.support.rest import HasPort, call, new_key
from tests.support.ws import Socket, connect

Record = dict[str, Any]
FIELDS = {
    "id", "role", "name", "key_id", "merchant_id", "door", "address", "agent", "connected_at",
    "state", "types", "subjects", "cursor", "lag", "bytes_in", "bytes_out", "published",
    "expires_at",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
async def local(database: Database) -> AsyncIterator[LocalHub]:
    async with running(await prepared(database), Settings(rate_limit=None)) as hub:
        yield hub


async def sessions(hub: HasPort, key: str, **query: object) -> list[Record]:
    answer = await call(hub, "GET", "/api/sessions", key=key, query={"limit": 1000} | query)
    assert answer.status == 200, answer.body
    body = answer.json()
    assert body["success"] is True
    assert body["count"] == len(body["sessions"])
    assert body["epoch"]
    found: list[Record] = body["sessions"]
    assert all(record.keys() == FIELDS for record in found)
    assert body["offset"] >= max((record["cursor"] for record in found), default=0)
    return found


async def of(hub: HasPort, key: str, id_: str) -> Record:
    """The record of one connection."""
    [found] = [record for record in await sessions(hub, key) if record["id"] == id_]
    return found


async def eventually(hub: HasPort, key: str, wanted: Callable[[list[Record]], bool]) -> None:
    """Wait until the list is as it should be."""
    async with asyncio.timeout(5):
        while not wanted(await sessions(hub, key)):
            await asyncio.sleep(0.01)


async def greeted(socket: Socket) -> str:
    """The id of a connection that has just been made."""
    found: str = (await socket.next(type="connected"))["session"]
    return found


async def publish(socket: Socket, count: int, **fields: object) -> None:
    for number in range(count):
        await socket.send({"type": "custom_a", "data": {"n": number}} | fields)
    await socket.take(count, type="ack")


# ── what a record says ───────────────────────────────────────────────────────────────────────────


async def test_a_connection_is_described(world: World) -> None:
    before = datetime.now(UTC)
    agent = "till/7 " + "x" * 300
    headers = {"User-Agent": agent, "X-Forwarded-For": "198.51.100.9, 203.0.113.5"}
    query = "types=custom_*,order_*&subjects=order/*"
    async with connect(world.hub, world.keys["bot"], query=query, headers=headers) as bot:
        id_ = await greeted(bot)
        await bot.next(type="live")
        found = await of(world.hub, world.keys["admin"], id_)
    connected = datetime.fromisoformat(found.pop("connected_at").replace("Z", "+00:00"))
    assert -0.1 < (connected - before).total_seconds() < 5
    sent, received = found.pop("bytes_out"), found.pop("bytes_in")
    assert sent > 200
    assert received > 200
    cursor, lag = found.pop("cursor"), found.pop("lag")
    assert (cursor > 0, lag) == (True, 0)
    assert found == {
        "id": id_, "role": "bot", "name": "bot", "key_id": world.ids["bot"],
        "merchant_id": world.one, "door": "websocket", "address": "203.0.113.5",
        "agent": agent[:200], "state": "live", "types": ["custom_*", "order_*"],
        "subjects": ["order/*"], "published": 0, "expires_at": None,
    }  # fmt: skip


async def test_every_door_is_named(world: World) -> None:
    key, id_ = await new_key(world.hub, world.keys["admin"], "viewer", world.one)
    by_key = {"Authorization": f"Bearer {key}"}
    async with (
        connect(world.hub, key) as socket,
        endless(world.hub, SSE, key=key) as sse,
        endless(world.hub, NDJSON, key=key) as lines,
    ):
        await socket.next(type="live")
        await sse.shows('"live"')
        await lines.shows('"live"')
        path = "/api/events?types=custom_never&wait=20"
        poll = asyncio.create_task(call(world.hub, "GET", path, headers=by_key, deadline=20))
        await eventually(
            world.hub, world.keys["admin"],
            lambda found: sorted(r["door"] for r in found if r["key_id"] == id_)
            == ["ndjson", "poll", "sse", "websocket"],
        )  # fmt: skip
        for record in await sessions(world.hub, world.keys["admin"]):
            if record["key_id"] == id_:
                assert (record["state"], record["lag"]) == ("live", 0), record
        poll.cancel()
        await eventually(
            world.hub, world.keys["admin"],
            lambda found: "poll" not in [r["door"] for r in found if r["key_id"] == id_],
        )  # fmt: skip


async def test_a_browsers_connection_says_when_it_ends(world: World) -> None:
    browser = await sign_in(world.hub, world.keys["viewer"], address=fresh_address())
    async with connect(world.hub, headers=browser) as socket:
        connected = await socket.next(type="connected")
        found = await of(world.hub, world.keys["admin"], connected["session"])
        assert found["expires_at"] == connected["expires_at"]
        assert found["key_id"] == world.ids["viewer"]


async def test_counts_grow(world: World) -> None:
    admin = world.keys["admin"]
    async with connect(world.hub, world.keys["merchant"]) as socket:
        id_ = await greeted(socket)
        await socket.next(type="live")
        first = await of(world.hub, admin, id_)
        assert first["published"] == 0
        await publish(socket, 5)
        await socket.take(5, type="custom_a")
        second = await of(world.hub, admin, id_)
        assert second["published"] == 5
        assert second["bytes_in"] >= first["bytes_in"] + 5 * 30
        assert second["bytes_out"] >= first["bytes_out"] + 5 * 100
        assert second["cursor"] == first["cursor"] + 5
        # What is refused was not handed to the log.
        await socket.send({"type": "no_such", "data": {}})
        await socket.next(type="error")
        batch = [{"type": "custom_a", "data": {}}] * 3
        await socket.send({"type": "batch", "events": batch})
        await socket.next(type="ack")
        assert (await of(world.hub, admin, id_))["published"] == 8


async def test_bytes_out_of_streams_and_sockets_are_what_was_sent(world: World) -> None:
    key, id_ = await new_key(world.hub, world.keys["admin"], "viewer", world.one)
    async with (
        endless(world.hub, SSE, key=key, query={"types": "custom_b"}) as stream,
        connect(world.hub, world.keys["bot"]) as bot,
    ):
        await stream.shows('"live"')
        for number in range(20):
            await bot.send({"type": "custom_b", "data": {"n": number}})
        await stream.shows('"n":19')
        [found] = [r for r in await sessions(world.hub, world.keys["admin"]) if r["key_id"] == id_]
        assert len(stream.text) <= found["bytes_out"] <= len(stream.text) + 1000, "with chunks"


async def test_what_a_refresh_changes(world: World) -> None:
    other, other_id = await new_key(world.hub, world.keys["admin"], "viewer", world.one, "second")
    async with connect(world.hub, world.keys["viewer"]) as socket:
        id_ = await greeted(socket)
        await socket.send({"type": "auth", "token": other})
        await socket.next(type="ack")
        found = await of(world.hub, world.keys["admin"], id_)
        assert (found["name"], found["key_id"]) == ("second", other_id)


# ── states ───────────────────────────────────────────────────────────────────────────────────────


async def test_idle_live_and_back(world: World) -> None:
    admin = world.keys["admin"]
    async with connect(world.hub, world.keys["bot"]) as bot:
        id_ = await greeted(bot)
        found = await of(world.hub, admin, id_)
        assert (found["state"], found["lag"]) == ("idle", 0)
        await bot.send({"type": "subscribe", "types": ["custom_*"]})
        await bot.next(type="live")
        found = await of(world.hub, admin, id_)
        assert (found["state"], found["types"]) == ("live", ["custom_*"])
        await bot.send({"type": "unsubscribe"})
        await bot.send({"type": "ping"})
        await bot.next(type="pong")
        await publish(bot, 3)
        found = await of(world.hub, admin, id_)
        assert (found["state"], found["lag"], found["types"]) == ("idle", 0, None)


async def test_a_quiet_filter_does_not_lag(world: World) -> None:
    """Its cursor moves on although nothing comes."""
    async with (
        connect(world.hub, world.keys["viewer"], query="types=custom_never") as quiet,
        connect(world.hub, world.keys["bot"]) as bot,
    ):
        id_ = await greeted(quiet)
        await quiet.next(type="live")
        before = await of(world.hub, world.keys["admin"], id_)
        await publish(bot, 10)
        await eventually(
            world.hub, world.keys["admin"],
            lambda found: [r["lag"] for r in found if r["id"] == id_] == [0],
        )  # fmt: skip
        after = await of(world.hub, world.keys["admin"], id_)
        assert after["cursor"] >= before["cursor"] + 10


async def test_a_stalled_reader_and_its_way_back(local: LocalHub) -> None:
    """It lags while it does not read, and is live again when it has read all."""
    body = [{"type": "custom_a", "data": {"x": "x" * 2000}}] * 500
    async with raw(local, query=f"token={local.keys['viewer']}&types=custom_a") as slow:
        id_ = (await slow.json("connected"))["session"]
        await slow.json("live")
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(8):
            answer = await call(local, "POST", "/api/events", body, key=local.keys["bot"])
            assert answer.status == 201
        await until(lambda: local.services.gateway.lagging == 1)
        found = await of(local, local.keys["admin"], id_)
        assert found["state"] == "stalled"
        assert found["lag"] > 0
        assert found["cursor"] + found["lag"] == local.services.log.end
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(4000):
            last = await slow.json("custom_a")
        assert last["offset"] == 4000
        found = await of(local, local.keys["admin"], id_)
        assert (found["state"], found["lag"], found["cursor"]) == ("live", 0, 4000)
        assert found["bytes_out"] > 4000 * 2000


async def test_replaying(database: Database) -> None:
    """Between `subscribed` and `live`, however long the way is."""
    faulty = FaultyDatabase(database)
    settings = Settings(rate_limit=None, ring_size=10)
    async with running(await prepared(database), settings, database=faulty) as hub:
        admin, viewer = hub.keys["admin"], hub.keys["viewer"]
        body = [{"type": "custom_a", "data": {"n": n}} for n in range(100)]
        await call(hub, "POST", "/api/events", body, key=hub.keys["bot"])
        await sessions(hub, admin)
        await call(hub, "GET", "/api/session", key=viewer)
        faulty.reading.clear()
        async with connect(hub, viewer, query="types=custom_*&since=20") as reader:
            id_ = await greeted(reader)
            await reader.next(type="subscribed")
            found = await of(hub, admin, id_)
            assert (found["state"], found["cursor"], found["lag"]) == ("replaying", 20, 80)
            faulty.reading.set()
            assert len(await reader.take(80, type="custom_a")) == 80
            await reader.next(type="live")
            found = await of(hub, admin, id_)
            assert (found["state"], found["cursor"], found["lag"]) == ("live", 100, 0)


# ── who sees whom ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["viewer", "bot"])
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", "/x")])
async def test_who_sees_nobody(world: World, name: str, method: str, path: str) -> None:
    answer = await call(world.hub, method, f"/api/sessions{path}", key=world.keys[name])
    check_problem(answer, 403, "forbidden")


async def test_nobody_without_a_key(world: World) -> None:
    for method, path in (("GET", ""), ("DELETE", "/x")):
        answer = await call(world.hub, method, f"/api/sessions{path}")
        check_problem(answer, 401, "unauthenticated")


async def test_a_merchant_sees_its_own(world: World) -> None:
    hub, keys = world.hub, world.keys
    async with AsyncExitStack() as stack:
        ids = {}
        for name in ("admin", "merchant", "viewer", "bot", "owner", "reader", "driver"):
            ids[name] = await greeted(await stack.enter_async_context(connect(hub, keys[name])))
        narrowed = await stack.enter_async_context(
            connect(hub, keys["admin"], query=f"merchant_id={world.one}")
        )
        ids["narrowed"] = await greeted(narrowed)

        async def seen(key: str, **query: object) -> set[str]:
            found = {record["id"] for record in await sessions(hub, key, **query)}
            return {name for name, id_ in ids.items() if id_ in found}

        ones, twos = {"merchant", "viewer", "bot"}, {"owner", "reader", "driver"}
        assert await seen(keys["merchant"]) == ones
        assert await seen(keys["merchant"], merchant_id=world.one) == ones
        assert await seen(keys["owner"]) == twos
        assert await seen(keys["admin"]) == ids.keys()
        assert await seen(keys["admin"], merchant_id=world.one) == {*ones, "narrowed"}
        assert await seen(keys["admin"], merchant_id=world.two) == twos
        answer = await call(
            hub, "GET", "/api/sessions", key=keys["merchant"], query={"merchant_id": world.two}
        )
        check_problem(answer, 403, "forbidden")


async def test_pages(world: World) -> None:
    key, id_ = await new_key(world.hub, world.keys["admin"], "viewer", world.one)
    admin = world.keys["admin"]
    async with AsyncExitStack() as stack:
        ids = [
            await greeted(await stack.enter_async_context(connect(world.hub, key)))
            for _ in range(7)
        ]
        found: list[Record] = []
        after = ""
        for _ in range(20):
            query = {"limit": 3, "after": after}
            answer = await call(world.hub, "GET", "/api/sessions", key=admin, query=query)
            page = answer.json()
            assert len(page["sessions"]) <= 3
            found += page["sessions"]
            if page["next"] is None:
                break
            after = page["next"]
        assert [record["id"] for record in found if record["key_id"] == id_] == ids
        assert sorted(record["id"] for record in found) == [record["id"] for record in found]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [({"limit": 0}, "/limit"), ({"limit": 1001}, "/limit"), ({"limit": "x"}, "/limit"),
     ({"role": "bot"}, "/role")],
)  # fmt: skip
async def test_parameters_that_do_not_fit(
    world: World, query: dict[str, object], pointer: str
) -> None:
    answer = await call(world.hub, "GET", "/api/sessions", key=world.keys["admin"], query=query)
    problem = check_problem(answer, 422, "invalid_params")
    assert pointers(problem) == [pointer] or pointer[1:] in str(problem["detail"])
