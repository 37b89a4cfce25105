"""Publishing when commits fail: what is refused, until when, and in which order things end up."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any, TypeVar

import pytest

from hub.client.backoff import Backoff
from hub.client.hub import Hub
from storage.database import Database, Transaction
from storage.scope import Scope
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.gateway.raw import PING, PONG, TEXT, RawClient, event, frame, raw, text
from tests.support.databases import FaultyDatabase, until
from tests.support.rest import paged

pytestmark = pytest.mark.both_engines

T = TypeVar("T")


class FlakyDatabase(FaultyDatabase):
    """Fails every so many writes at random, once `chance` is set."""

    def __init__(self, real: Database, seed: int) -> None:
        super().__init__(real)
        self.chance = 0.0
        self._random = random.Random(seed)

    async def write(self, work: Callable[[Transaction], Awaitable[T]], scope: Scope) -> T:
        if self._random.random() < self.chance:
            self.failing = 1
        return await super().write(work, scope)


async def logged(hub: LocalHub) -> list[dict[str, Any]]:
    return await paged(hub, hub.keys["bot"], types="custom_a", limit=1000)


@pytest.mark.parametrize("alone", [False, True], ids=["on the hub's loop", "on its own thread"])
@pytest.mark.parametrize("seed", range(4))
async def test_order_survives_failing_commits(seed: int, alone: bool, database: Database) -> None:
    """The SDK sends ahead; whatever is refused is sent again, and nothing may overtake it.

    On a thread of its own it reads late, and in one piece what the hub wrote in several.
    """
    flaky, random_ = FlakyDatabase(database, seed), random.Random(seed)
    count = 2000

    async def publish(url: str, key: str) -> None:
        async with asyncio.timeout(8), Hub(url, key, backoff=Backoff(0.001, 0.01)) as client:
            await client.publish("custom_a", {"n": 0})
            flaky.chance = 0.25
            answers = []
            for number in range(1, count):
                answers.append(await client.submit("custom_a", {"n": number}))
                if random_.random() < 0.5:
                    await asyncio.sleep(0)
                if alone and random_.random() < 0.01:
                    time.sleep(0.002)
            await asyncio.gather(*answers)
            flaky.chance = 0.0

    async with running(await prepared(database), database=flaky) as hub:
        publishing = publish(f"http://127.0.0.1:{hub.port}", hub.keys["merchant"])
        await (asyncio.to_thread(asyncio.run, publishing) if alone else publishing)
        assert flaky.writes > 10
        found = [one["data"]["n"] for one in await logged(hub)]
        assert sorted(found) == list(range(count)), "lost or doubled"
        overtaken = [b for a, b in pairwise(found) if b < a]
        assert overtaken == [], "these were overtaken by events that were sent after them"


class Publisher:
    """A raw client that publishes `id-N` and collects the answers.

    It is no bot: their coming and going is written to the log too.
    """

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.acked: list[str] = []
        self.refused: list[str] = []
        self.pings: list[bytes] = []
        self.order: list[str] = []

    def send(self, *numbers: int) -> None:
        self.client.write(b"".join(event(f"id-{number}") for number in numbers))

    async def answers(self, count: int) -> None:
        """Read until so many more events have their answer."""
        goal = len(self.acked) + len(self.refused) + count
        while len(self.acked) + len(self.refused) < goal:
            await self._one()

    async def _one(self) -> None:
        got = await self.client.next()
        if got.opcode == PING:
            self.pings.append(got.payload)
            self.order.append("ping")
            return
        assert got.opcode == TEXT
        answer = json_of(got.payload)
        self.order.append(answer["type"])
        if answer["type"] == "ack":
            self.acked.append(answer["id"])
        elif answer["type"] == "error":
            assert answer["code"] == "unavailable", answer
            assert answer["retry"] is True
            self.refused.append(answer["id"])

    async def until_pinged(self) -> None:
        while not self.pings:
            await self._one()

    async def pong(self) -> None:
        """Answer every ping, on both levels, as a client does that has read what came before."""
        await self.until_pinged()
        for payload in self.pings:
            self.client.write(frame(PONG, payload))
        self.client.write(text({"type": "pong"}))
        self.pings.clear()
        await self.client.arrived()


def json_of(payload: bytes) -> dict[str, Any]:
    found = json.loads(payload)
    assert isinstance(found, dict)
    return found


async def fail(faulty: FaultyDatabase, publisher: Publisher, *numbers: int) -> None:
    """Send events so that the first is in a group that fails, the others wait behind it."""
    faulty.writing.clear()
    writes = faulty.writes
    publisher.send(numbers[0])
    await until(lambda: faulty.writes > writes)
    publisher.send(*numbers[1:])
    await publisher.client.arrived()
    faulty.failing = 1
    faulty.writing.set()
    await publisher.answers(len(numbers))


async def test_what_is_behind_a_failed_commit_is_refused_until_the_client_knows(
    database: Database,
) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        async with (
            raw(hub, hub.keys["merchant"]) as one,
            raw(hub, hub.keys["admin"], query=f"merchant_id={hub.merchant_id}") as two,
        ):
            bot, other = Publisher(one), Publisher(two)
            bot.send(1)
            await bot.answers(1)
            await fail(faulty, bot, 2, 3, 4)
            assert bot.refused == ["id-2", "id-3", "id-4"]
            # Sent before the client has read of it: refused, although the database works again.
            bot.send(5, 6)
            await bot.answers(2)
            assert bot.refused[3:] == ["id-5", "id-6"]
            other.send(100)
            await other.answers(1)
            await bot.pong()
            bot.send(2, 3, 4, 5, 6, 7)
            await bot.answers(6)
            assert bot.acked == [f"id-{n}" for n in (1, 2, 3, 4, 5, 6, 7)]
        found = [one["id"] for one in await logged(hub)]
        assert found == ["id-1", "id-100", *(f"id-{n}" for n in range(2, 8))]


async def test_the_refusals_are_sent_before_the_barrier(database: Database) -> None:
    """A pong that is sent before the refusals can be read proves nothing."""
    faulty = FaultyDatabase(database)
    async with (
        running(await prepared(database), database=faulty) as hub,
        raw(hub, hub.keys["merchant"]) as client,
    ):
        bot = Publisher(client)
        await fail(faulty, bot, 1, 2, 3)
        await bot.pong()
        assert bot.order.count("error") == 3
        assert bot.order.index("ping") > 2, bot.order


async def test_a_pong_of_the_client_s_library_proves_nothing(database: Database) -> None:
    """A library answers a WebSocket ping as soon as its bytes are there; who uses it may not have
    looked at the refusals before it, and sends the next event."""
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        async with raw(hub, hub.keys["merchant"]) as client:
            bot = Publisher(client)
            await fail(faulty, bot, 1, 2)
            await bot.until_pinged()
            for payload in bot.pings:
                client.write(frame(PONG, payload))
            bot.send(3)
            await client.arrived()
            # Now it has looked, and sends again what was refused, in order.
            bot.send(1, 2, 3)
            await bot.answers(4)
        assert [one["id"] for one in await logged(hub)] == ["id-1", "id-2", "id-3"]


async def test_commits_may_fail_again_and_again(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        async with raw(hub, hub.keys["merchant"]) as client:
            bot = Publisher(client)
            for _ in range(4):
                await fail(faulty, bot, 1, 2, 3)
                await bot.pong()
            bot.send(1, 2, 3)
            await bot.answers(3)
            assert bot.acked == ["id-1", "id-2", "id-3"]
        assert [one["id"] for one in await logged(hub)] == ["id-1", "id-2", "id-3"]


async def test_a_batch_behind_a_failed_commit_is_refused_too(database: Database) -> None:
    faulty = FaultyDatabase(database)
    events = [{"type": "custom_a", "data": {}, "id": f"b-{n}"} for n in range(3)]
    async with (
        running(await prepared(database), database=faulty) as hub,
        raw(hub, hub.keys["merchant"]) as client,
    ):
        bot = Publisher(client)
        await fail(faulty, bot, 1)
        client.write(text({"type": "batch", "events": events, "ref": "each"}))
        each = await client.json("ack")
        assert [(e["id"], e["error"]["code"]) for e in each["events"]] == [
            (f"b-{n}", "unavailable") for n in range(3)
        ]
        client.write(text({"type": "batch", "events": events, "ref": "whole", "atomic": True}))
        whole = await client.json("error")
        assert (whole["ref"], whole["code"]) == ("whole", "unavailable")


async def test_a_batch_in_a_failed_commit_is_refused_whole(database: Database) -> None:
    faulty = FaultyDatabase(database)
    events = [{"type": "custom_a", "data": {}, "id": f"b-{n}"} for n in range(3)]
    async with running(await prepared(database), database=faulty) as hub:
        for atomic in (False, True):
            async with raw(hub, hub.keys["merchant"]) as client:
                faulty.failing = 1
                client.write(text({"type": "batch", "events": events, "atomic": atomic}))
                if atomic:
                    assert (await client.json("error"))["code"] == "unavailable"
                else:
                    ack = await client.json("ack")
                    assert {e["error"]["code"] for e in ack["events"]} == {"unavailable"}
        assert await logged(hub) == []


async def test_a_client_that_left_is_not_answered(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        for failing in (0, 1):
            faulty.writing.clear()
            async with raw(hub, hub.keys["merchant"]) as client:
                writes = faulty.writes
                client.write(event(f"id-{failing}"))
                await until(lambda writes=writes: faulty.writes > writes)  # type: ignore[misc]
            await until(lambda: len(hub.services.gateway) == 0)
            faulty.failing = failing
            faulty.writing.set()
        assert [one["id"] for one in await logged(hub)] == ["id-0"]
