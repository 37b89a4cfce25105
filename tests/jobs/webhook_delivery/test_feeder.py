"""Every event to every endpoint that wants it, once, whatever happens between."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from jobs.webhook_delivery import feeder as feeding
from jobs.webhook_delivery.feeder import Feeder
from storage import events, webhooks, work
from storage.database import Database, Transaction
from storage.merchant_records import Webhook
from storage.scope import HUB
from tests.jobs.webhook_delivery.delivering import WAITS, Delivering, delivering
from tests.storage import samples
from tests.support.databases import FaultyDatabase

URL = "https://shop.example/hook"


@pytest.fixture
async def made(database: Database) -> AsyncIterator[Delivering]:
    await samples.add_merchants(database)
    async with delivering(database) as found:
        yield found


async def pairs(made: Delivering, count: int) -> list[tuple[str, str]]:
    """Which event went to which webhook, once there are so many; a moment later there are no
    more."""
    await made.fed(count)
    await asyncio.sleep(0.1)
    found = [(job.args["event_id"], job.args["webhook_id"]) for job in await made.jobs()]
    assert len(found) == count
    assert len(set(found)) == count, "each once"
    return found


async def cursor(made: Delivering) -> int | None:
    return await made.database.read(lambda tx: work.cursor(tx, events.FOLLOWER), HUB)


async def test_each_event_to_each_that_wants_it(made: Delivering) -> None:
    orders = await made.add_webhook(URL, "order_*", "order_created")
    paid = await made.add_webhook(URL, "payment_received")
    await made.add_webhook(URL, "*", merchant_id="m2")
    await made.add_webhook(URL, "*", is_active=False)
    expected = []
    for type_ in ("order_created", "payment_received", "order_status_changed", "custom_a"):
        id_ = await made.publish(type_)
        if type_ != "custom_a":
            expected.append((id_, (paid if type_ == "payment_received" else orders).id))
    await made.publish("order_created", merchant="m2")
    assert await pairs(made, 3) == expected
    assert len(await made.jobs("m2")) == 1
    for job in await made.jobs():
        assert (job.queue, job.name, job.state) == ("webhook_delivery", "deliver", "queued")
    payloads = [attempt.payload["id"] for attempt in await made.attempts()]
    assert payloads == [id_ for id_, _ in expected]
    assert made.feeder.backlog == 0


async def test_it_hears_from_its_making_on(made: Delivering) -> None:
    await made.publish()
    first = await made.add_webhook(URL)
    one = await made.publish()
    second = await made.add_webhook(URL)
    two = await made.publish()
    assert sorted(await pairs(made, 3)) == sorted(
        [(one, first.id), (two, first.id), (two, second.id)]
    )


async def test_a_change_counts_for_the_very_next_event(made: Delivering) -> None:
    """No notice is needed: the cursor does not move over what was matched by old webhooks."""
    hook = await made.add_webhook(URL)
    await made.publish()
    await made.fed(1)
    made.feeder.changed = lambda: None  # type: ignore[method-assign]
    await made.change(hook, event_types=["payment_received"])
    await made.publish("order_created")
    paid = await made.publish("payment_received")
    await made.fed(2)
    assert (await made.jobs())[1].args["event_id"] == paid
    await made.change(hook, is_active=False)
    await made.publish("payment_received")
    await asyncio.sleep(0.2)
    assert len(await made.jobs()) == 2


async def test_what_tells_of_deliveries_is_not_delivered(made: Delivering) -> None:
    await made.add_webhook(URL, "*")
    await made.publish("job_dead", queue="webhook_delivery")
    await made.publish("webhook_failed")
    told = await made.publish("job_dead", queue="message_sending")
    assert [event for event, _ in await pairs(made, 1)] == [told]


async def test_a_burst_is_written_in_parts_and_in_order(
    made: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "DELIVERIES", 7)
    hooks = [await made.add_webhook(URL) for _ in range(3)]
    ids = [await made.publish() for _ in range(20)]
    found = await pairs(made, 60)
    assert [event for event, _ in found] == [id_ for id_ in ids for _ in hooks]


async def test_more_than_can_wait_waits_in_the_log(
    made: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "WAITING", 3)
    monkeypatch.setattr(feeding, "PACE_SECONDS", 0.1)
    hook = await made.add_webhook(URL)
    ids = [await made.publish() for _ in range(40)]
    assert await pairs(made, 40) == [(id_, hook.id) for id_ in ids]


@pytest.mark.parametrize("pages", [2000, 5])
async def test_what_came_while_it_was_dead(
    database: Database, pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is durable and the hub dies: the next one goes on from the cursor."""
    monkeypatch.setattr(events, "PAGE_ROWS", pages)
    await samples.add_merchants(database)
    async with delivering(database) as made:
        hook = await made.add_webhook(URL)
        ids = [await made.publish()]
        await made.fed(1)
    async with delivering(database, feeding=False) as made:
        for number in range(30):
            if number % 3:
                ids.append(await made.publish())
            else:
                await made.publish("custom_a")
        assert len(await made.jobs()) == 1
    async with delivering(database) as made:
        assert await pairs(made, len(ids)) == [(id_, hook.id) for id_ in ids]


async def test_without_a_cursor_it_begins_at_the_end(database: Database) -> None:
    await samples.add_merchants(database)
    async with delivering(database, feeding=False) as made:
        await made.database.write(
            lambda tx: tx.execute("DELETE FROM log_cursors WHERE name = 'webhooks'"), HUB
        )
        await made.publish()
    async with delivering(database) as made:
        hook = await made.add_webhook(URL)
        id_ = await made.publish()
        assert await pairs(made, 1) == [(id_, hook.id)]


async def test_a_database_that_does_not_answer(database: Database) -> None:
    await samples.add_merchants(database)
    faulty = FaultyDatabase(database)
    async with delivering(faulty) as made:
        hook = await made.add_webhook(URL)
        ids = [await made.publish()]
        await made.fed(1)
        for _ in range(3):
            ids.append(await made.publish())
            faulty.failing = faulty.failing_reads = 1
            await asyncio.sleep(0.05)
            faulty.heal()
        assert await pairs(made, 4) == [(id_, hook.id) for id_ in ids]


async def test_the_cursor_moves_where_nothing_matches(
    made: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "MOVE_SECONDS", 0.2)
    monkeypatch.setattr(feeding, "LOOK_SECONDS", 0.05)
    await made.add_webhook(URL)
    for _ in range(5):
        await made.publish("custom_a")
    async with asyncio.timeout(10):
        while await cursor(made) != made.log.end:
            await asyncio.sleep(0.02)


async def test_retention_waits_for_it(database: Database) -> None:
    await samples.add_merchants(database)
    async with delivering(database, feeding=False) as made:
        hook = await made.add_webhook(URL)
        ids = [await made.publish() for _ in range(5)]
        future = 2**53
        assert await made.log.retire(future, 100) == 0, "it has looked at none of them"
        running = asyncio.create_task(made.feeder.run())
        await made.fed(5)
        assert await made.log.retire(future, 100) == 5
        running.cancel()
        await asyncio.wait((running,))
        assert [(job.args["event_id"], job.args["webhook_id"]) for job in await made.jobs()] == [
            (id_, hook.id) for id_ in ids
        ]


async def test_of_two_hubs_one_writes_and_the_other_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(feeding, "SILENT_SECONDS", 0.4)
    await samples.add_merchants(database)
    async with delivering(database) as made, AsyncExitStack() as stack:
        # The second one hears of the same commits, as over the database's notices.
        second = Feeder(made.log, len(WAITS) + 1, made.clock)
        await second.begin()

        def both(entries: list[Any]) -> None:
            made.feeder.heard(entries)
            second.heard(entries)

        made.log.listener = both
        running = asyncio.create_task(second.run())
        stack.callback(running.cancel)
        hook = await made.add_webhook(URL)
        second.changed()
        ids = []
        for _ in range(60):
            ids.append(await made.publish())
            await asyncio.sleep(0.01)
        assert await pairs(made, 60) == [(id_, hook.id) for id_ in ids]
        assert [made.feeder.standing_by, second.standing_by].count(True) == 1
        # The one that writes is gone; whoever stood by goes on.
        if second.standing_by:
            made.log.listener = second.heard
            made.feeder._step = _never  # type: ignore[method-assign]
        else:
            made.log.listener = made.feeder.heard
            running.cancel()
        ids.append(await made.publish())
        assert await pairs(made, 61) == [(id_, hook.id) for id_ in ids]


async def _never() -> None:
    await asyncio.sleep(3600)


async def test_the_payload_is_what_the_log_has(made: Delivering) -> None:
    await made.add_webhook(URL)
    await made.publish("order_created", text='ä"\\ \u2028', big=2**60, price=1.5, nothing=None)
    await made.fed(1)
    stored = await made.database.read(lambda tx: events.frames(tx, [made.log.end]), HUB)
    [attempt] = await made.attempts()
    assert attempt.payload == json.loads(stored[made.log.end])


async def test_hundreds_of_endpoints(made: Delivering) -> None:
    """As many as want it, in one transaction: an event's deliveries are written together."""
    for _ in range(4):
        rows = [
            samples.webhook(url=URL, event_types=["custom_rare" if number else "order_*"])
            for number in range(75)
        ]

        async def add(tx: Transaction, rows: list[Webhook] = rows) -> None:
            for row in rows:
                await webhooks.insert(tx, row)

        await made.database.write(add, HUB)
    made.feeder.changed()
    await made.publish()
    await made.fed(4)
    await made.publish("custom_rare")
    assert len(await made.fed(300)) == 300
