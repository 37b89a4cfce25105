"""One order, one entry per id, and one answer for every event that is sent."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any

import asyncpg
import pytest

from tests.support.crowd import stored_log
from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key, new_merchant
from tests.support.ws import Frame, Socket, connect

pytestmark = pytest.mark.both_engines


def event(id_: str | None, n: int = 0, **more: Any) -> Frame:
    frame: Frame = {"type": "custom_tick", "data": {"n": n}} | more
    return frame if id_ is None else frame | {"id": id_}


def log_ids(hub: HubProcess) -> list[str]:
    """The ids of the tests' own events in the log, in order."""
    return [stored.id for stored in stored_log(hub) if stored.type.startswith("custom_")]


@asynccontextmanager
async def log_held(hub: HubProcess) -> AsyncIterator[None]:
    """Another process is in the middle of a write to the hub's database."""
    if hub.database_url is None:
        with closing(sqlite3.connect(hub.data_dir / "hub.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
    else:
        connection = await asyncpg.connect(hub.database_url, user="postgres")
        try:
            async with connection.transaction():
                await connection.execute("SELECT head FROM log_state FOR UPDATE")
                yield
        finally:
            await connection.close()


async def answers(socket: Socket, count: int) -> list[Frame]:
    """The next answers to publishing, acks and errors in the order in which they came."""
    found: list[Frame] = []
    while len(found) < count:
        frame = await socket.next()
        if frame["type"] in ("ack", "error"):
            found.append(frame)
    return found


# ── order ────────────────────────────────────────────────────────────────────────────────────


async def test_answers_come_in_publishing_order(hub: HubProcess) -> None:
    async with connect(hub, hub.bot_key) as bot:
        expected = []
        for n in range(300):
            if n % 7 == 0:
                batch = [event(f"b-{n}-{m}") for m in range(n % 5 + 1)]
                await bot.send({"type": "batch", "ref": f"r-{n}", "events": batch})
            elif n % 7 == 3:
                await bot.send(event("s-1" if n > 3 else "s-3", 0, ref=f"r-{n}"))
            else:
                await bot.send(event(f"s-{n}", 0, ref=f"r-{n}"))
            expected.append(f"r-{n}")
        acks = await bot.take(300, type="ack")
        assert [ack["ref"] for ack in acks] == expected
        offsets = [ack["offset"] for ack in acks if "offset" in ack and not ack["duplicate"]]
        assert offsets == sorted(set(offsets))


async def test_everyone_sees_the_same_order(hub: HubProcess) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    async with AsyncExitStack() as stack:
        keys = [(await new_key(hub, hub.admin_key, "bot", merchant, f"b{n}"))[0] for n in range(4)]
        bots = [await stack.enter_async_context(connect(hub, key)) for key in keys]
        queries = ["types=custom_*", f"types=custom_*&merchant_id={merchant}", "types=custom_tick"]
        readers = [
            await stack.enter_async_context(connect(hub, hub.admin_key, query=query))
            for query in queries
        ]
        # Own events are echoed like any other.
        readers.append(await stack.enter_async_context(connect(hub, keys[0], query="types=cust*")))
        for reader in readers:
            await reader.next(type="live")

        async def publish(number: int, bot: Socket) -> None:
            for n in range(200):
                await bot.send(event(f"{number}-{n}"))
                if n % 10 == number:
                    await asyncio.sleep(0.001)
            await bot.take(200, type="ack")

        await asyncio.gather(*(publish(number, bot) for number, bot in enumerate(bots)))
        streams = [
            [(e["offset"], e["id"]) for e in await reader.take(800, type="custom_tick")]
            for reader in readers
        ]
    assert all(stream == streams[0] for stream in streams)
    assert streams[0] == sorted(streams[0])
    assert [id_ for _, id_ in streams[0]] == log_ids(hub)
    for number in range(4):
        own = [id_ for _, id_ in streams[0] if id_.startswith(f"{number}-")]
        assert own == [f"{number}-{n}" for n in range(200)]


# ── one entry per id ─────────────────────────────────────────────────────────────────────────


async def test_a_repeat_answers_the_first_offset_wherever_it_comes_from(hub: HubProcess) -> None:
    async with connect(hub, hub.bot_key) as bot:
        # Twice in one write, so that both are in one commit group.
        await bot.send(event("x", 1))
        await bot.send(event("x", 1))
        first, second = await answers(bot, 2)
        assert (first["duplicate"], second["duplicate"]) == (False, True)
        offset = first["offset"]
        assert second["offset"] == offset
    async with connect(hub, hub.bot_key) as bot:
        await bot.send(event("x", 1))
        assert (await answers(bot, 1))[0] == {
            "type": "ack", "id": "x", "offset": offset, "duplicate": True
        }  # fmt: skip
    answer = await call(hub, "POST", "/api/events", event("x", 1), key=hub.bot_key)
    assert (answer.status, answer.json()["offset"], answer.json()["duplicate"]) == (
        201, offset, True,
    )  # fmt: skip
    await hub.kill()
    await hub.start()
    answer = await call(hub, "POST", "/api/events", [event("x", 1)], key=hub.bot_key)
    assert answer.json()["events"] == [{"id": "x", "offset": offset, "duplicate": True}]
    assert log_ids(hub) == ["x"]


async def test_the_same_event_is_the_same_however_it_is_written(hub: HubProcess) -> None:
    async with connect(hub, hub.bot_key) as bot:
        await bot.send_raw('{"type":"custom_a","id":"x","data":{"a":1,"b":[1,{"c":"é","d":null}]}}')
        await bot.send_raw(
            '{ "data":{"b" : [1, {"d":null,"c":"\\u00e9"}], "a":1}, "id":"x", "type":"custom_a",'
            ' "timestamp":"2026-01-01T00:00:00Z","offset":99,"source":"me"}'
        )
        first, second = await answers(bot, 2)
        assert (first["type"], second["type"]) == ("ack", "ack")
        assert second["duplicate"] is True


async def test_the_same_id_with_something_else_is_a_conflict(hub: HubProcess) -> None:
    async with connect(hub, hub.bot_key) as bot:
        await bot.send(event("x", 1, subject="s/1"))
        await answers(bot, 1)
        for other in (
            event("x", 2, subject="s/1"),
            event("x", 1, subject="s/2"),
            event("x", 1),
            event("x", 1, subject="s/1") | {"type": "custom_tock"},
        ):
            await bot.send(other | {"ref": "r"})
            [error] = await answers(bot, 1)
            assert (error["type"], error["code"]) == ("error", "conflict")
            assert (error["ref"], error["id"], error["retry"]) == ("r", "x", False)
        # Within one commit group too: the first stands.
        await bot.send(event("y", 1))
        await bot.send(event("y", 2))
        good, bad = await answers(bot, 2)
        assert (good["type"], bad["type"]) == ("ack", "error")
    assert log_ids(hub) == ["x", "y"]


async def test_ids_are_per_merchant(hub: HubProcess) -> None:
    other = await new_merchant(hub, hub.admin_key, "other")
    key, _ = await new_key(hub, hub.admin_key, "bot", other)
    one = await call(hub, "POST", "/api/events", event("x", 1), key=hub.bot_key)
    two = await call(hub, "POST", "/api/events", event("x", 2), key=key)
    assert [a.status for a in (one, two)] == [201, 201]
    assert [a.json()["duplicate"] for a in (one, two)] == [False, False]
    assert log_ids(hub) == ["x", "x"]


async def test_one_id_from_many_connections_at_once_is_one_entry(hub: HubProcess) -> None:
    async with AsyncExitStack() as stack:
        bots = [await stack.enter_async_context(connect(hub, hub.bot_key)) for _ in range(8)]

        async def publish(bot: Socket) -> list[Frame]:
            for n in range(100):
                await bot.send(event(f"x-{n}", n))
            return await answers(bot, 100)

        acks = await asyncio.gather(*(publish(bot) for bot in bots))
    for n in range(100):
        assert {(a[n]["type"], a[n]["id"]) for a in acks} == {("ack", f"x-{n}")}
        assert len({a[n]["offset"] for a in acks}) == 1
        assert sorted(a[n]["duplicate"] for a in acks) == [False] + [True] * 7
    assert log_ids(hub) == [f"x-{n}" for n in range(100)]


# ── batches ──────────────────────────────────────────────────────────────────────────────────


async def test_a_batch_answers_line_by_line(hub: HubProcess) -> None:
    async with connect(hub, hub.bot_key) as bot:
        await bot.send(event("known", 1))
        [known] = await answers(bot, 1)
        events: list[Any] = [
            event("a"),
            event("known", 1),
            event("known", 2),
            event("b", type="order_created"),
            event(None),
            "no event",
            event("a"),
            event("c", type="nonsense_type"),
            event("d"),
        ]
        await bot.send({"type": "batch", "ref": "r", "events": events})
        [ack] = await answers(bot, 1)
    assert ack["ref"] == "r"
    lines = ack["events"]
    assert len(lines) == len(events)
    made = lines[4]["id"]
    assert [line["id"] for line in lines] == [
        "a", "known", "known", "b", made, None, "a", "c", "d",
    ]  # fmt: skip
    codes = [line["error"]["code"] if "error" in line else line["duplicate"] for line in lines]
    assert codes == [
        False, True, "conflict", "invalid_event", False, "invalid_event", True, "unknown_type",
        False,
    ]  # fmt: skip
    assert lines[1]["offset"] == known["offset"]
    assert lines[6]["offset"] == lines[0]["offset"]
    pointers = [error["pointer"] for error in lines[3]["error"]["errors"]]
    assert "/data/orderId" in pointers
    assert log_ids(hub) == ["known", "a", made, "d"]


async def test_an_atomic_batch_is_all_or_nothing(hub: HubProcess) -> None:
    async with connect(hub, hub.bot_key) as bot:
        await bot.send(event("known", 1))
        await answers(bot, 1)
        for bad, code in (
            (event("known", 2), "conflict"),
            (event("bad", type="order_created"), "invalid_event"),
            (event("bad", type="nonsense_type"), "unknown_type"),
        ):
            batch = [event("a"), bad, event("b")]
            await bot.send({"type": "batch", "ref": "r", "atomic": True, "events": batch})
            [error] = await answers(bot, 1)
            assert (error["type"], error["ref"], error["code"]) == ("error", "r", code)
            assert {e["pointer"].split("/")[2] for e in error["errors"]} == {"1"}
        assert log_ids(hub) == ["known"]

        # A duplicate does not break it, and the ids that were refused are still free.
        batch = [event("a"), event("known", 1), event("b")]
        await bot.send({"type": "batch", "ref": "s", "atomic": True, "events": batch})
        [ack] = await answers(bot, 1)
        assert [line["duplicate"] for line in ack["events"]] == [False, True, False]
    assert log_ids(hub) == ["known", "a", "b"]


async def test_the_events_of_an_atomic_batch_stand_together(hub: HubProcess) -> None:
    """Others publish at the same time, one by one."""
    merchant = await merchant_of(hub, hub.admin_key)
    async with AsyncExitStack() as stack:
        bots = [
            await stack.enter_async_context(
                connect(hub, (await new_key(hub, hub.admin_key, "bot", merchant))[0])
            )
            for _ in range(3)
        ]

        async def publish(number: int, bot: Socket) -> None:
            for n in range(100):
                if number:
                    await bot.send(event(f"{number}-{n}"))
                else:
                    events = [event(f"0-{n}-{m}") for m in range(7)]
                    await bot.send({"type": "batch", "atomic": True, "events": events})
                await asyncio.sleep(0.001)
            for ack in await bot.take(100, type="ack"):
                if number == 0:
                    offsets = [line["offset"] for line in ack["events"]]
                    assert offsets == list(range(offsets[0], offsets[0] + 7))

        await asyncio.gather(*(publish(number, bot) for number, bot in enumerate(bots)))
    assert len(log_ids(hub)) == 900


async def test_a_batch_has_its_limit(hub: HubProcess) -> None:
    async with connect(hub, hub.bot_key) as bot:
        await bot.send({"type": "batch", "ref": "r", "events": [event(None)] * 501})
        [error] = await answers(bot, 1)
        assert (error["type"], error["ref"]) == ("error", "r")
        await bot.send({"type": "batch", "ref": "s", "events": [event(None)] * 500})
        [ack] = await answers(bot, 1)
        assert len(ack["events"]) == len({line["offset"] for line in ack["events"]}) == 500
        await bot.send({"type": "batch", "ref": "t", "events": []})
        [ack] = await answers(bot, 1)
        assert (ack["type"], ack["ref"], ack["events"]) == ("ack", "t", [])


# ── when the database cannot write ───────────────────────────────────────────────────────────


async def test_a_failed_commit_refuses_what_is_behind_it_and_keeps_the_order(
    hub: HubProcess,
) -> None:
    """Another process holds the database for longer than the hub waits for it."""
    merchant = await merchant_of(hub, hub.admin_key)
    bot_key, _ = await new_key(hub, hub.admin_key, "merchant", merchant)
    async with connect(hub, bot_key) as bot:
        await bot.send(event("before"))
        await bot.next(type="ack")
        async with log_held(hub):
            sent = [f"x-{n}" for n in range(50)]
            for id_ in sent[:25]:
                await bot.send(event(id_))
            await asyncio.sleep(0.3)
            for id_ in sent[25:]:
                await bot.send(event(id_))
            # Somebody else's event waits in the same line and has nothing to do with it.
            over_http = asyncio.create_task(
                call(hub, "POST", "/api/events", event("http"), key=bot_key, deadline=9)
            )
            refused = await bot.take(50, type="error", deadline=8)
        assert (await over_http).status == 201
        assert {(e["code"], e["retry"]) for e in refused} == {("unavailable", True)}
        assert [e["id"] for e in refused] == sent
        # The client sends all of it again, with the same ids; the connection has stayed.
        for id_ in sent:
            await bot.send(event(id_))
        again = await bot.take(50, type="ack")
        assert [a["id"] for a in again] == sent
        assert not any(a["duplicate"] for a in again)
    assert log_ids(hub) == ["before", "http", *sent]
