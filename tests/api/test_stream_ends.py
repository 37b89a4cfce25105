"""How streams over HTTP live and end: heartbeats, slow readers, revoked keys, what fails."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from hub.gateway import gateway
from hub.settings import Settings
from storage.database import Database
from tests.api.conftest import World, check_problem
from tests.api.streaming import DOORS, publish, refused, session_of, tick
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.support.databases import FaultyDatabase, until
from tests.support.http_stream import DEADLINE, NDJSON, SSE, event_stream
from tests.support.rest import call, new_key, read_answer
from tests.support.ws import connect

# ── how a stream ends ────────────────────────────────────────────────────────────────────────


@pytest.mark.alone
@pytest.mark.parametrize("accept", DOORS)
async def test_a_revoked_key_ends_its_streams(world: World, accept: str) -> None:
    key, id_ = await new_key(world.hub, world.keys["admin"], "viewer", world.one, "revoked")
    made = await call(world.hub, "POST", "/api/tickets", key=key)
    ticket = f"token={made.json()['ticket']}"
    async with (
        event_stream(world.hub, key, accept=accept) as one,
        event_stream(world.hub, None, ticket, accept=accept) as two,
    ):
        await one.until_live()
        await two.until_live()
        answer = await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
        assert answer.status == 200
        for stream in (one, two):
            rest = [f for f in await stream.rest(deadline=1) if "_" not in f["type"]]
            assert [(f["type"], f["code"]) for f in rest] == [("bye", 4001)]
            assert stream.ended == "whole"


@pytest.mark.parametrize("accept", DOORS)
async def test_an_operator_ends_a_stream_and_the_connection_goes_on(
    world: World, accept: str
) -> None:
    """HTTP/1.1 keeps the connection: the answer has ended, the next request is served."""
    name = "reader" if accept == SSE else "driver"
    door = "sse" if accept == SSE else "ndjson"
    async with event_stream(
        world.hub, world.keys[name], "types=custom_none", accept=accept
    ) as stream:
        await stream.until_live()
        [session] = await session_of(world, door, name)
        assert (session["state"], session["types"]) == ("live", ["custom_none"])
        assert session["bytes_out"] > 0
        async with connect(world.hub, world.keys["admin"], query="types=none") as socket:
            call_ = {"method": "sessions.disconnect", "params": {"id": session["id"]}}
            await socket.send({"type": "call", "ref": "d"} | call_)
            await socket.next(type="reply")
        rest = await stream.rest()
        assert [(f["type"], f["code"]) for f in rest] == [("bye", 4004)]
        assert stream.ended == "whole"
        assert await session_of(world, door, name) == []
        for _ in range(2):
            stream.writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            async with asyncio.timeout(DEADLINE):
                assert (await read_answer(stream.reader)).status == 200
        # Also for another stream, on the same connection.
        head = f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\n"
        stream.writer.write(f"{head}Authorization: Bearer {world.keys[name]}\r\n\r\n".encode())
        async with asyncio.timeout(DEADLINE):
            assert b"200 OK" in await stream.reader.readuntil(b"\r\n\r\n")
            await stream.reader.readuntil(b'"live"')


@pytest.mark.parametrize("accept", DOORS)
async def test_http_1_0_gets_a_body_without_chunks_that_ends_with_the_connection(
    world: World, accept: str
) -> None:
    key, id_ = await new_key(world.hub, world.keys["admin"], "viewer", world.one, "old")
    async with event_stream(world.hub, key, "since=0", accept=accept, version="1.0") as stream:
        assert "transfer-encoding" not in stream.headers
        assert "content-length" not in stream.headers
        assert stream.headers["connection"] == "close"
        await stream.until_live()
        [offset] = await publish(world, tick(8))
        assert (await stream.next(type="custom_tick"))["offset"] == offset
        await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
        rest = await stream.rest()
        assert rest[-1]["type"] == "bye"
        assert stream.ended == "whole"


@pytest.mark.parametrize("accept", DOORS)
async def test_who_leaves_gives_the_place_up(world: World, accept: str) -> None:
    """Also who leaves while the hub still looks at the key or searches for `last`."""
    key, id_ = await new_key(world.hub, world.keys["admin"], "viewer", world.one, "hasty")
    world.ids["hasty"] = id_
    door = "sse" if accept == SSE else "ndjson"
    request = (
        f"GET /api/events?last=1000&types=custom_none HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n"
        f"Authorization: Bearer {key}\r\n\r\n"
    )
    for number in range(60):
        _, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
        writer.write(request.encode())
        await asyncio.sleep(number % 6 * 0.0004)
        writer.transport.abort()
    async with asyncio.timeout(DEADLINE):
        while await session_of(world, door, "hasty"):
            await asyncio.sleep(0.1)


# ── with the hub's clockwork in reach ────────────────────────────────────────────────────────


@pytest.fixture
async def quick(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalHub]:
    """A hub that beats every second and cuts after one."""
    monkeypatch.setattr(gateway, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(gateway, "SLOW_SECONDS", 1)
    async with running(await prepared(database)) as hub:
        yield hub


async def test_a_heartbeat_moves_the_place_of_a_quiet_filter(quick: LocalHub) -> None:
    viewer = quick.keys["viewer"]
    async with (
        event_stream(quick, viewer, "types=custom_none") as sse,
        event_stream(quick, viewer, "types=custom_none", accept=NDJSON) as lines,
    ):
        epoch = (await sse.until_live())[0]["epoch"]
        await lines.until_live()
        answer = await call(
            quick, "POST", "/api/events", [tick(n) for n in range(7)], key=quick.keys["merchant"]
        )
        end = answer.json()["events"][-1]["offset"]
        ping = await lines.next(deadline=3)
        while ping["offset"] < end:
            ping = await lines.next(deadline=3)
        assert (ping["type"], ping["offset"]) == ("ping", end)
        # A browser keeps the id and shows nobody an event.
        assert await sse.silent(1.5)
        assert sse.parser is not None
        assert sse.parser.last_event_id == f"{epoch}:{end}"
        assert "ping" in sse.parser.comments
        back = {"Last-Event-ID": sse.parser.last_event_id}
    async with event_stream(quick, viewer, "since=0&types=custom_tick", headers=back) as again:
        subscribed, live = await again.until_live()
        assert (subscribed["recovered"], live["offset"]) == (True, end)


@pytest.mark.parametrize("accept", DOORS)
async def test_who_takes_nothing_is_cut(quick: LocalHub, accept: str) -> None:
    viewer = quick.keys["viewer"]
    async with (
        event_stream(quick, viewer, accept=accept, small=True) as stopped,
        event_stream(quick, viewer, accept=accept) as other,
    ):
        await stopped.until_live()
        await other.until_live()
        big = [{"type": "custom_big", "data": {"pad": "x" * 9000}} for _ in range(100)]
        last = 0
        for _ in range(9):
            answer = await call(quick, "POST", "/api/events", big, key=quick.keys["merchant"])
            last = answer.json()["events"][-1]["offset"]
            assert (await other.events_upto(last))[-1]["offset"] == last
        connections = quick.services.gateway.connections
        assert len(connections) == 2
        await until(lambda: len(connections) == 1, seconds=5)
        assert connections.closes[4103] == 1
        with pytest.raises((EOFError, ConnectionError)):
            await stopped.events_upto(last)
        assert stopped.ended == "cut"


@pytest.mark.parametrize("accept", [*DOORS, pytest.param("*/*", id="poll")])
async def test_who_has_left_before_the_key_was_found(database: Database, accept: str) -> None:
    """There is nobody yet whom the connection's end could be told to."""
    slow = FaultyDatabase(database)
    query = "wait=50" if accept == "*/*" else "last=5"
    async with running(await prepared(database), database=slow) as hub:
        reads = slow.reads
        slow.reading.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(
            f"GET /api/events?{query} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n"
            f"Authorization: Bearer {hub.keys['viewer']}\r\n\r\n".encode()
        )
        await until(lambda: slow.reads > reads)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        slow.reading.set()
        await asyncio.sleep(0.3)
        assert len(hub.services.gateway.connections) == len(hub.services.gateway) == 0


async def test_the_database_does_not_answer(database: Database) -> None:
    """A browser comes back by itself, and to where it was: its id is told again."""
    slow = FaultyDatabase(database)
    hub = await prepared(database)
    async with running(hub) as first:
        body = [tick(n) for n in range(20)]
        await call(first, "POST", "/api/events", body, key=hub.keys["bot"])
    async with running(hub, Settings(ring_size=5), database=slow):
        await call(hub, "GET", "/api/events", key=hub.keys["viewer"])  # the key is known now
        for accept in (SSE, NDJSON):
            slow.failing_reads = 1
            async with event_stream(hub, hub.keys["viewer"], "last=10", accept=accept) as stream:
                [bye] = await stream.rest()
                assert (bye["type"], bye["code"], stream.ended) == ("bye", 4100, "whole")
        assert len(hub.services.gateway) == len(hub.services.gateway.connections) == 0
        # In the middle of a replay it is waited for.
        slow.failing_reads = 1
        async with event_stream(hub, hub.keys["viewer"], "since=0&types=custom_*") as stream:
            frames = await stream.until_live()
        assert [f["data"]["n"] for f in frames[1:-1]] == list(range(20))


async def test_an_expiring_key_ends_its_streams(database: Database) -> None:
    async with running(await prepared(database)) as hub:
        soon = datetime.now(UTC) + timedelta(seconds=2)
        expires = soon.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        key = await hub.add_key("viewer", "brief", expires=expires)
        async with (
            event_stream(hub, key) as sse,
            event_stream(hub, key, accept=NDJSON) as lines,
        ):
            for stream in (sse, lines):
                rest = await stream.rest()
                assert [f["type"] for f in rest] == ["subscribed", "live", "bye"]
                assert (rest[-1]["code"], stream.ended) == (4105, "whole")
        answer = await call(hub, "GET", "/api/events?wait=5", key=key)
        check_problem(answer, 401, "unauthenticated")


@pytest.mark.alone
async def test_signing_out_ends_the_browsers_streams(world: World) -> None:
    own = {"Origin": f"http://127.0.0.1:{world.hub.port}"}
    body = {"key": world.keys["owner"]}
    signed_in = await call(world.hub, "POST", "/api/session", body, headers=own)
    assert signed_in.status in (200, 201), signed_in.body
    cookie = {"Cookie": signed_in.headers["set-cookie"].partition(";")[0]}
    async with event_stream(world.hub, None, headers=cookie) as stream:
        await stream.until_live()
        await call(world.hub, "DELETE", "/api/session", headers=own | cookie)
        rest = await stream.rest(deadline=1)
        assert [(f["type"], f["code"]) for f in rest] == [("bye", 4001)]
    answer = await refused(world, "", None, headers=cookie)
    check_problem(answer, 401, "unauthenticated")
    foreign = cookie | {"Origin": "https://elsewhere.example"}
    check_problem(await refused(world, "", None, headers=foreign), 403, "forbidden")
