"""What one client, one key and one address may have of the hub, unfelt by the others."""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from hub.limits import Rate
from hub.settings import Settings
from storage.database import Database
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.gateway.raw import (
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawClient,
    event,
    frame,
    raw,
    text,
)
from tests.support.databases import FaultyDatabase, until
from tests.support.rest import Answer, call, paged, read_answer
from tests.support.ws import connect


async def refused_handshake(hub: LocalHub, key: str | None, **more: Any) -> Answer:
    """The answer to a handshake that must be refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(hub, key, **more):
            pass
    response = refused.value.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return Answer(response.status_code, headers, bytes(response.body or b""))


@asynccontextmanager
async def stream(hub: LocalHub, key: str, media: str) -> AsyncIterator[Answer]:
    """Open a stream over HTTP; the head of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    try:
        writer.write(
            f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\nAccept: {media}\r\n"
            f"Authorization: Bearer {key}\r\n\r\n".encode()
        )
        async with asyncio.timeout(5):
            answer = await read_answer(reader, "HEAD")
        assert answer.status == 200, answer
        yield answer
    finally:
        writer.transport.abort()


def check_problem(answer: Answer, status: int, code: str, most: int) -> None:
    assert (answer.status, answer.json()["code"]) == (status, code), answer
    assert 0 < int(answer.headers["retry-after"]) <= most
    assert 0 < answer.json()["retry_after"] <= most


SSE, LINES = "text/event-stream", "application/x-ndjson"

# ── how many connections ─────────────────────────────────────────────────────────────────────────


async def test_a_full_hub_says_so_until_somebody_leaves(database: Database) -> None:
    settings = Settings(max_connections=5)
    async with running(await prepared(database), settings) as hub, AsyncExitStack() as stack:
        gateway = hub.services.gateway
        for key in (hub.keys["admin"], hub.keys["bot"], None):
            await stack.enter_async_context(connect(hub, key))
        for media in (SSE, LINES):
            await stack.enter_async_context(stream(hub, hub.keys["viewer"], media))
        await until(lambda: len(gateway) == 5)
        for _ in range(3):
            for key in (hub.keys["admin"], None, "nonsense"):
                check_problem(await refused_handshake(hub, key), 503, "unavailable", 60)
            for media in (SSE, LINES):
                answer = await call(
                    hub, "GET", "/api/events", key=hub.keys["viewer"], headers={"Accept": media}
                )
                check_problem(answer, 503, "unavailable", 60)
            answer = await call(
                hub, "GET", "/api/events", key=hub.keys["viewer"], query={"wait": 1}
            )
            check_problem(answer, 503, "unavailable", 60)
        assert len(gateway) == 5
        assert (await call(hub, "GET", "/api/events", key=hub.keys["viewer"])).status == 200
        await stack.aclose()
        await until(lambda: len(gateway) == 0)
        # Whoever leaves makes room at once, for whoever comes, by whichever door.
        for _ in range(5):
            await stack.enter_async_context(connect(hub, hub.keys["viewer"]))
        for _ in range(10):
            async with AsyncExitStack() as last:
                check_problem(await refused_handshake(hub, hub.keys["bot"]), 503, "unavailable", 60)
                await stack.aclose()
                await until(lambda: len(gateway) == 0)
                for _ in range(4):
                    await stack.enter_async_context(connect(hub, hub.keys["viewer"]))
                await last.enter_async_context(stream(hub, hub.keys["viewer"], SSE))
            await until(lambda: len(gateway) == 4)
            socket = await stack.enter_async_context(connect(hub, hub.keys["bot"]))
            assert (await socket.next())["type"] == "connected"


async def test_a_key_has_so_many_connections(database: Database) -> None:
    """By whichever door and credential; another key is another's."""
    settings = Settings(connections_per_key=3)
    async with running(await prepared(database), settings) as hub, AsyncExitStack() as stack:
        key, connections = hub.keys["viewer"], hub.services.gateway.connections
        await stack.enter_async_context(connect(hub, key))
        await stack.enter_async_context(stream(hub, key, SSE))
        leaving = await stack.enter_async_context(connect(hub, key))
        await until(lambda: len(connections) == 3)

        async def turned_away(credential: str | None, *, query: str = "") -> None:
            async with connect(hub, credential, query=query) as socket:
                if credential is None and not query:
                    await socket.send({"type": "auth", "token": key, "ref": "a"})
                error = await socket.next()
                assert (error["type"], error["code"]) == ("error", "rate_limited")
                assert error["retry"] is True
                assert error["retry_after"] > 0
                assert await socket.closed() == 4106

        await turned_away(key)
        await turned_away(None)
        ticket = (await call(hub, "POST", "/api/tickets", key=key)).json()["ticket"]
        await turned_away(None, query=f"token={ticket}")
        for media in (SSE, LINES):
            answer = await call(hub, "GET", "/api/events", key=key, headers={"Accept": media})
            check_problem(answer, 429, "rate_limited", 60)
        answer = await call(hub, "GET", "/api/events", key=key, query={"wait": 1, "since": 0})
        check_problem(answer, 429, "rate_limited", 60)
        assert (await call(hub, "GET", "/api/events", key=key)).status == 200
        # Nor by bringing the key later; the connection stays with the one that it had.
        second = await hub.add_key("viewer", "second")
        async with connect(hub, second) as socket:
            await socket.next(type="live")
            for brought, answered in ((key, "error"), (second, "ack")):
                await socket.send({"type": "auth", "token": brought, "ref": brought[:8]})
                assert (await socket.next(type=answered))["ref"] == brought[:8]
        await until(lambda: len(connections) == 3)
        for other in ("merchant", "bot", "admin"):
            async with connect(hub, hub.keys[other]) as socket:
                assert (await socket.next())["type"] == "connected"
        await leaving.connection.close()
        await until(lambda: len(connections) == 2)
        async with connect(hub, key) as socket:
            assert (await socket.next())["type"] == "connected"
            await turned_away(key)


# ── what waits for its commit ────────────────────────────────────────────────────────────────────


async def test_large_events_are_held_back_by_their_bytes(database: Database) -> None:
    """1,024 events of 60 KB would be 60 MB for each of four publishers."""
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub, AsyncExitStack() as stack:
        bots = [await stack.enter_async_context(raw(hub, hub.keys["bot"])) for _ in range(4)]
        await until(lambda: hub.services.log.end == 1)  # that the bot is there
        faulty.writing.clear()
        count, data = 150, {"t": "x" * 60_000}
        for number, bot in enumerate(bots):
            for n in range(count):
                bot.write(event(f"{number}-{n}", data=data))

        def taken() -> list[int]:
            return [connection.received for connection in hub.services.gateway.connections]

        before: list[int] = []
        async with asyncio.timeout(5):
            while before != (now := taken()):
                before = now
                await asyncio.sleep(0.1)
        # 256 KiB, and what a last read brought: far from the 9 MB that each has sent.
        assert len(before) == 4
        assert max(before) < 2**20, before
        assert min(before) >= 2**18, before
        faulty.writing.set()

        async def in_order(number: int, bot: RawClient) -> None:
            acks = await bot.acks(count)
            assert [ack["id"] for ack in acks] == [f"{number}-{n}" for n in range(count)]

        await asyncio.gather(*(in_order(n, bot) for n, bot in enumerate(bots)))
        found = await paged(hub, hub.keys["merchant"], types="custom_a", limit=50)
        for number in range(4):
            own = [one["id"] for one in found if one["id"].startswith(f"{number}-")]
            assert own == [f"{number}-{n}" for n in range(count)]


# ── refused by rate while commits fail ──────────────────────────────────────────────────────────


async def refused_both_ways(
    faulty: FaultyDatabase, client: RawClient, *sent: bytes
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The last of these is over its key's rate; then the commit of all others fails.

    Returns:
        The errors, and the payloads of the hub's pings, in the order in which they came.
    """
    faulty.writing.clear()
    client.write(b"".join(sent))
    errors: list[dict[str, Any]] = []
    pings: list[bytes] = []

    async def read(count: int, marks: int) -> None:
        while len(errors) < count or len(pings) < marks:
            got = await client.next()
            if got.opcode == PING:
                pings.append(got.payload)
            elif (answer := json.loads(got.payload))["type"] == "error":
                errors.append(answer)

    await read(1, 1)
    assert errors[0]["code"] == "rate_limited"
    faulty.failing = 1
    faulty.writing.set()
    await read(len(sent), 2)
    assert {error["code"] for error in errors[1:]} == {"unavailable"}
    return errors, pings


async def test_a_failed_commit_before_what_is_over_its_rate_comes_first(database: Database) -> None:
    """Whoever sends all of it again begins with the first, not with the first that was refused."""
    faulty, ids = FaultyDatabase(database), [f"id-{n}" for n in range(4)]
    settings = Settings(publish_rate=Rate(3, 0.5))
    async with running(await prepared(database), settings, database=faulty) as hub:
        async with raw(hub, hub.keys["merchant"]) as client:
            await refused_both_ways(faulty, client, *map(event, ids))
            left = ids
            while left:
                await asyncio.sleep(0.51)
                client.write(b"".join(map(event, left)))
                answers: list[dict[str, Any]] = []
                while len(answers) < len(left):
                    answer = await client.json()
                    if answer["type"] in ("ack", "error"):
                        answers.append(answer)
                left = sorted(answer["id"] for answer in answers if answer["type"] == "error")
        found = await paged(hub, hub.keys["viewer"], types="custom_a")
        assert [one["id"] for one in found] == ids


async def test_an_older_pong_does_not_end_a_later_refusal(database: Database) -> None:
    """It was sent before the client could read of the failed commit."""
    faulty = FaultyDatabase(database)
    settings = Settings(publish_rate=Rate(3, 0.5))
    async with running(await prepared(database), settings, database=faulty) as hub:
        async with raw(hub, hub.keys["merchant"]) as client:
            first = [event(None, data={"n": n}) for n in range(3)]
            _, pings = await refused_both_ways(faulty, client, *first, event("id-3"))
            await asyncio.sleep(0.51)
            client.write(frame(PONG, pings[0]) + event("early"))
            refused = await client.json("error")
            assert (refused["id"], refused["code"]) == ("early", "unavailable")
            client.write(frame(PONG, pings[1]) + b"".join(first))
            assert len(await client.acks(3)) == 3
        found = await paged(hub, hub.keys["viewer"], types="custom_a")
        assert [one["data"]["n"] for one in found] == [0, 1, 2]


async def test_who_chooses_no_ids_and_answers_pings_in_turn_keeps_its_order(
    database: Database,
) -> None:
    """A pong that is sent in its turn says that the refusals before the ping have been read."""
    settings = Settings(publish_rate=Rate(20, 0.2))
    async with running(await prepared(database), settings) as hub:
        async with raw(hub, hub.keys["merchant"]) as client:
            left, in_flight, again = deque(range(150)), set[int](), list[int]()
            wait = 0.0
            refusals = 0
            while left or in_flight:
                while left and not again and len(in_flight) < 10:
                    number = left.popleft()
                    in_flight.add(number)
                    client.write(event(None, ref=str(number), data={"n": number}))
                got = await client.next()
                if got.opcode == PING:
                    client.write(frame(PONG, got.payload))
                    continue
                answer = json.loads(got.payload)
                if answer["type"] not in ("ack", "error"):
                    continue
                in_flight.remove(int(answer["ref"]))
                if answer["type"] == "error":
                    refusals += 1
                    wait = max(wait, answer["retry_after"])
                    again.append(int(answer["ref"]))
                if again and not in_flight:
                    await asyncio.sleep(wait)
                    left.extendleft(sorted(again, reverse=True))
                    again.clear()
                    wait = 0.0
        found = await paged(hub, hub.keys["viewer"], types="custom_a")
        assert [one["data"]["n"] for one in found] == list(range(150))
        assert refusals, "it was never refused, which proves nothing"


async def test_an_atomic_batch_behind_a_refused_event_is_told_when_to_come(
    database: Database,
) -> None:
    settings = Settings(publish_rate=Rate(1, 20.0))
    async with (
        running(await prepared(database), settings) as hub,
        raw(hub, hub.keys["merchant"]) as client,
    ):
        events = [{"type": "custom_a", "id": f"b-{n}", "data": {}} for n in range(2)]
        batch = {"type": "batch", "ref": "b", "events": events, "atomic": True}
        client.write(event("one") + event("two") + text(batch))
        for id_, ref in (("two", None), (None, "b")):
            error = await client.json("error")
            assert (error.get("id"), error.get("ref")) == (id_, ref)
            assert (error["code"], error["retry"]) == ("rate_limited", True)
            assert 19 < error["retry_after"] <= 20


# ── who has not said who it is ───────────────────────────────────────────────────────────────────


def auth(key: str, size: int) -> bytes:
    """A first frame's JSON, so many bytes long."""
    payload = json.dumps({"type": "auth", "token": key}).encode()
    return payload + b" " * (size - len(payload))


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def fragments(payload: bytes, size: int) -> bytes:
    parts = pieces(payload, size)
    return b"".join(
        frame(TEXT if n == 0 else CONTINUATION, part, fin=n == len(parts) - 1)
        for n, part in enumerate(parts)
    )


WAYS: dict[str, Callable[[bytes], list[bytes]]] = {
    "whole": lambda payload: [frame(TEXT, payload)],
    "in parts": lambda payload: pieces(frame(TEXT, payload), 3000),
    "fragmented": lambda payload: [fragments(payload, 1000)],
    "fragmented and in parts": lambda payload: pieces(fragments(payload, 1000), 700),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_first_frame_has_its_size(way: str, local: LocalHub) -> None:
    async with raw(local) as good:
        await good.pieces(*WAYS[way](auth(local.keys["viewer"], 16 * 1024)))
        assert (await good.json())["type"] == "connected"
    for size in (16 * 1024 + 1, 60_000, 100_000, 900_000):
        async with raw(local) as bad:
            await bad.pieces(*WAYS[way](auth(local.keys["viewer"], size))[:100])
            assert (await bad.until_close()).code == 1009, size
    await until(lambda: local.services.gateway.partial_bytes == 0)


@pytest.mark.parametrize("announced", [40_000, 1_000_000])
async def test_a_first_frame_that_never_ends_is_not_collected(
    announced: int, local: LocalHub
) -> None:
    head = frame(TEXT, b"x" * announced)[: announced // 2]
    async with raw(local) as bad, raw(local) as good:
        await bad.pieces(*pieces(head, 4000))
        assert (await bad.until_close()).code == 1009
        good.write(text({"type": "auth", "token": local.keys["viewer"]}))
        assert (await good.json())["type"] == "connected"


async def test_unfinished_messages_of_one_key_have_a_bound(local: LocalHub) -> None:
    """20 MB of them: who adds to it beyond 16 MiB is closed; another key's live on."""
    size, gateway = 1_000_000, local.services.gateway
    half = frame(TEXT, b" " * size)[:-1]
    whole = event("small", data={"t": "x" * 60_000})
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(raw(local, local.keys["merchant"]))
        await other.pieces(whole[:50_000])
        many = []
        for _ in range(16):
            client = await stack.enter_async_context(raw(local, local.keys["bot"]))
            client.write(half)
            many.append(client)
        await until(lambda: gateway.partial_bytes > 16 * (size - 10))
        assert len(gateway) == 17
        for _ in range(4):
            client = await stack.enter_async_context(raw(local, local.keys["bot"]))
            client.write(half)
            many.append(client)
        for client in many[16:]:
            assert (await client.until_close()).code == 4101
        other.write(whole[50_000:])
        assert (await other.json("ack"))["id"] == "small"
        for client in many[16:]:
            client.writer.transport.abort()
        await until(lambda: len(gateway) == 17)
        assert gateway.partial_bytes <= 16 * 2**20
        # And so does one of those that were there first: a megabyte of nothing is no frame.
        many[0].write(frame(TEXT, b" " * size)[-1:])
        assert (await many[0].json("error"))["code"] == "bad_frame"
    await until(lambda: len(gateway) == 0)
    assert gateway.partial_bytes == 0
    assert not gateway.partial_bytes_of


# ── control frames ───────────────────────────────────────────────────────────────────────────────

CONTROLS: dict[str, Callable[[str], bytes]] = {
    "ping": lambda key: frame(PING, b"p"),
    "pong": lambda key: frame(PONG, b"p"),
    "a pong that nobody asked for": lambda key: frame(PONG, b"barrier-1"),
    "ping in JSON": lambda key: text({"type": "ping"}),
    "pong in JSON": lambda key: text({"type": "pong"}),
    "subscribe": lambda key: text({"type": "subscribe", "types": ["custom_z"]}),
    "subscribe with last": lambda key: text({"type": "subscribe", "last": 1}),
    "subscribe that is refused": lambda key: text({"type": "subscribe", "last": 1, "since": 1}),
    "unsubscribe": lambda key: text({"type": "unsubscribe"}),
    "auth": lambda key: text({"type": "auth", "token": key}),
    "an unknown type": lambda key: text({"type": "tomorrow"}),
}


async def acknowledged(client: RawClient, id_: str) -> None:
    """Wait for the acknowledgement of an event; `auth` has some of its own."""
    while (await client.json("ack")).get("id") != id_:
        pass


@pytest.mark.parametrize("kind", CONTROLS)
async def test_control_frames_have_a_budget(kind: str, local: LocalHub) -> None:
    key = local.keys["bot"]
    one = CONTROLS[kind](key)
    async with raw(local, key) as bot, raw(local, key) as flood:
        bot.write(one * 100 + event("after"))
        await acknowledged(bot, "after")
        flood.write(one * 200 + event("never"))
        closed = await flood.until_close()
        assert closed.code == 4102
        assert b"50" in closed.payload
        flood.write(frame(CLOSE, closed.payload))
        await until(lambda: len(local.services.gateway) == 1)
        bot.write(event("lives"))
        await acknowledged(bot, "lives")
    found = await paged(local, local.keys["viewer"], types="custom_a")
    assert [o["id"] for o in found] == ["after", "lives"]


async def test_an_even_flow_of_control_frames_is_fine(local: LocalHub) -> None:
    async with raw(local, local.keys["bot"]) as bot:
        for _ in range(100):
            bot.write(frame(PING, b"p"))
        begun, sent = time.monotonic(), 0
        while (passed := time.monotonic() - begun) < 3:
            await asyncio.sleep(0.02)
            while sent < int(passed * 50):
                bot.write(frame(PING, b"p") if sent % 2 else text({"type": "ping"}))
                sent += 1
        bot.write(event("after"))
        assert (await bot.acks(1))[0]["id"] == "after"
        assert sent >= 140


async def test_events_and_calls_are_no_control_frames(database: Database) -> None:
    settings = Settings(call_rate=Rate(300, 1.0))
    async with (
        running(await prepared(database), settings) as hub,
        raw(hub, hub.keys["merchant"]) as client,
    ):
        batch = text({"type": "batch", "events": [{"type": "custom_a", "data": {}}]})
        client.write(event() * 300 + batch * 300)
        assert len(await client.acks(600)) == 600
        client.write(text({"type": "call", "method": "merchants.list", "ref": "c"}) * 300)
        for _ in range(300):
            assert (await client.json("reply"))["ref"] == "c"


async def test_calls_beyond_their_rate_are_answered(local: LocalHub) -> None:
    async with raw(local, local.keys["merchant"]) as client:
        one = text({"type": "call", "method": "merchants.list", "ref": "c"})
        client.write(one * 80)
        found: list[dict[str, Any]] = []
        while len(found) < 80:
            answer = await client.json()
            if answer["type"] in ("reply", "error"):
                found.append(answer)
        refused = [answer for answer in found if answer["type"] == "error"]
        assert 20 <= len(refused) <= 30
        for answer in refused:
            assert (answer["code"], answer["retry"], answer["ref"]) == ("rate_limited", True, "c")
            assert 0 < answer["retry_after"] <= 0.021
        await asyncio.sleep(0.021)
        client.write(one)
        assert (await client.json("reply"))["ref"] == "c"


# ── wrong keys ───────────────────────────────────────────────────────────────────────────────────


async def test_after_many_wrong_keys_good_ones_still_get_in(database: Database) -> None:
    settings = Settings(trusted_proxies=("127.0.0.1",))
    async with running(await prepared(database), settings) as hub:
        bad, elsewhere = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}

        async def gets_in(key: str | None, **more: Any) -> None:
            async with asyncio.timeout(5), connect(hub, key, headers=bad, **more) as socket:
                assert (await socket.next())["type"] == "connected"

        async def told(headers: dict[str, str], *, token: str | None = None) -> None:
            """A wrong key that is told so after the upgrade."""
            key = None if token else "hub_b_" + "x" * 43
            async with connect(hub, key, token=token, headers=headers) as socket:
                assert (await socket.next())["code"] == "unauthenticated"
                assert await socket.closed() == 4001

        await gets_in(hub.keys["admin"])
        for number in range(60):
            await told(bad, token="nonsense" if number % 2 else None)
        for key, token in ((f"hub_b_{'x' * 43}", None), (None, "nonsense"), (None, "hub_t_x")):
            answer = await refused_handshake(hub, key, token=token, headers=bad)
            check_problem(answer, 429, "rate_limited", 60)
        await gets_in(hub.keys["admin"])  # known
        await gets_in(hub.keys["viewer"])  # never seen
        ticket = (await call(hub, "POST", "/api/tickets", key=hub.keys["bot"])).json()["ticket"]
        await gets_in(None, token=ticket)
        await told(elsewhere)

        async def attack() -> None:
            while True:
                await refused_handshake(hub, "hub_b_" + "y" * 43, headers=bad)

        attacking = [asyncio.create_task(attack()) for _ in range(20)]
        for number in range(20):
            await gets_in(await hub.add_key("viewer", f"new-{number}"))
            await gets_in(hub.keys["admin"])
        assert not any(task.done() for task in attacking)
        for task in attacking:
            task.cancel()
        await asyncio.gather(*attacking, return_exceptions=True)


async def test_a_suspicious_client_that_leaves_is_forgotten(database: Database) -> None:
    """Its key is looked up before it is answered; meanwhile it holds a place."""
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        gateway = hub.services.gateway
        for _ in range(60):
            gateway.quotas.wrong_keys.take("127.0.0.1")
        faulty.reading.clear()
        reads = faulty.reads
        waiting = [asyncio.create_task(refused(hub)) for _ in range(5)]
        await until(lambda: len(gateway) == 5 and faulty.reads > reads)
        for task in waiting[:4]:
            task.cancel()
        await asyncio.gather(*waiting[:4], return_exceptions=True)
        faulty.reading.set()
        assert (await waiting[4]).status == 429
        await until(lambda: len(gateway) == 0)


async def refused(hub: LocalHub) -> Answer:
    return await refused_handshake(hub, "hub_b_" + "z" * 43)
