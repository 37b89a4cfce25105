"""The pace of one connection's calls: how many at once, how many a second."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hub.limits import Rate
from hub.protocol.limits import CALLS_AT_ONCE
from hub.settings import Settings
from storage.database import Database
from tests.gateway.calling import alive, result
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.gateway.raw import raw, text
from tests.support.databases import FaultyDatabase, until
from tests.support.ws import connect


@pytest.fixture
async def unlimited(database: Database) -> AsyncIterator[LocalHub]:
    async with running(await prepared(database), Settings(call_rate=None)) as hub:
        yield hub


async def test_forty_at_once_are_all_answered(local: LocalHub) -> None:
    async with connect(local, local.keys["admin"]) as admin:
        await admin.next(type="live")
        for number in range(40):
            await admin.send({"type": "call", "ref": f"{number}", "method": "merchants.list"})
        replies = await admin.take(40, type="reply")
        assert sorted(int(reply["ref"]) for reply in replies) == list(range(40))


async def test_so_many_are_worked_on_at_once(database: Database) -> None:
    """Beyond them the connection is not read, and everything is answered in the end."""
    faulty = FaultyDatabase(database)
    settings = Settings(call_rate=None)
    async with (
        running(await prepared(database), settings, database=faulty) as hub,
        raw(hub, hub.keys["admin"]) as client,
        connect(hub, hub.keys["viewer"]) as other,
    ):
        await client.json("live")
        await other.next(type="live")
        faulty.reading.clear()
        before = faulty.reads
        frames = [
            text({"type": "call", "ref": f"{n}", "method": "merchants.list"}) for n in range(100)
        ]
        client.write(b"".join(frames) + text({"type": "ping", "ref": "behind"}))
        await until(lambda: faulty.reads - before == CALLS_AT_ONCE)
        await asyncio.sleep(0.05)
        assert faulty.reads - before == CALLS_AT_ONCE
        await alive(other)
        faulty.reading.set()
        answers = [await client.json() for _ in range(101)]
        assert {a["ref"] for a in answers} == {f"{n}" for n in range(100)} | {"behind"}
        assert [a["type"] for a in answers].count("reply") == 100


async def test_faster_than_the_rate(database: Database) -> None:
    settings = Settings(call_rate=Rate(5, 1.0))
    async with (
        running(await prepared(database), settings) as hub,
        connect(hub, hub.keys["admin"]) as admin,
        connect(hub, hub.keys["admin"]) as other,
    ):
        await admin.next(type="live")
        for number in range(8):
            await admin.send({"type": "call", "ref": f"{number}", "method": "merchants.list"})
        replies = await admin.take(5, type="reply")
        errors = await admin.take(3, type="error")
        assert {reply["ref"] for reply in replies} == {"0", "1", "2", "3", "4"}
        for number, error in enumerate(errors):
            assert error["ref"] == f"{5 + number}"
            assert (error["code"], error["retry"]) == ("rate_limited", True)
            assert 0 < error["retry_after"] <= 0.3
        await alive(admin)
        # Another connection of the same key has a pace of its own.
        await result(other, "merchants.list")
        # Who waits as long as it was told is let through.
        await asyncio.sleep(errors[-1]["retry_after"])
        await result(admin, "merchants.list")


async def test_without_a_limit(unlimited: LocalHub) -> None:
    async with connect(unlimited, unlimited.keys["admin"]) as admin:
        await admin.next(type="live")
        for number in range(300):
            await admin.send({"type": "call", "ref": f"{number}", "method": "health.show"})
        assert len(await admin.take(300, type="reply")) == 300


async def test_a_connection_that_leaves_in_the_middle(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        async with raw(hub, hub.keys["admin"]) as client:
            await client.json("live")
            faulty.reading.clear()
            before = faulty.reads
            frames = [text({"type": "call", "method": "merchants.list"}) for _ in range(30)]
            client.write(b"".join(frames))
            await until(lambda: faulty.reads > before)
        faulty.reading.set()
        await until(lambda: len(hub.services.gateway) == 0)
        async with connect(hub, hub.keys["admin"]) as admin:
            await admin.next(type="live")
            await result(admin, "merchants.list")
