"""Recurring jobs in the database: each run is one job, whoever is there to make it."""

import asyncio
from typing import Any

import pytest

from hub.protocol.times import format_ms, parse_ms
from jobs.recurring import BEGINNINGS, begin_due
from storage import messages, recurring
from storage.database import Transaction
from storage.merchant_records import Job, Message, RecurringJob
from storage.scope import HUB, Scope
from tests.jobs.factory import ERRAND, MERCHANT, QUEUE, Factory

HOUR = 3_600_000


async def recur(factory: Factory, due_ms: int, **more: Any) -> RecurringJob:
    """A recurring job that comes every hour, and came due some time ago."""
    now = factory.context.now
    row = RecurringJob(
        **{
            "id": "01993e00-0000-7000-8000-000000000001", "merchant_id": MERCHANT, "name": "hourly",
            "queue": QUEUE, "task": ERRAND, "args": {"number": 7}, "schedule": "0 * * * *",
            "next_run_at": format_ms(due_ms), "created_at": now, "updated_at": now,
        }
        | more
    )  # fmt: skip
    return (
        await factory.log.commit(lambda scope: recurring.insert(scope.tx, row), Scope(MERCHANT))
    ).result


async def now_of(factory: Factory, row: RecurringJob) -> RecurringJob:
    return await factory.log.database.read(lambda tx: recurring.get(tx, row.id), Scope(MERCHANT))


async def all_jobs(factory: Factory) -> list[Job]:
    return [await factory.job(id_) for id_ in await factory.ids()]


def last_hour(factory: Factory) -> int:
    return factory.now_ms() // HOUR * HOUR


def just_now(factory: Factory) -> int:
    """Move the clock to right behind an hour."""
    factory.offset_ms += HOUR - factory.now_ms() % HOUR + 20
    return last_hour(factory)


async def test_a_run_is_a_job_and_the_next_one_is_noted(factory: Factory) -> None:
    hour = just_now(factory)
    row = await recur(factory, hour)
    assert await begin_due(factory.context) == 1
    [job] = await all_jobs(factory)
    assert (job.name, job.args, job.state) == (ERRAND, {"number": 7}, "queued")
    after = await now_of(factory, row)
    assert after.last_run_at == format_ms(hour)
    assert after.next_run_at == format_ms(hour + HOUR)
    assert await begin_due(factory.context) == 0
    assert factory.told(job) == ["job_queued"]


async def test_two_hubs_make_one_job(factory: Factory) -> None:
    await recur(factory, just_now(factory), missed="all")
    await asyncio.gather(*(begin_due(factory.another_context()) for _ in range(4)))
    assert len(await all_jobs(factory)) == 1


async def test_a_run_does_not_overtake_the_one_before(factory: Factory) -> None:
    row = await recur(factory, just_now(factory))
    await begin_due(factory.context)
    factory.offset_ms += HOUR
    await begin_due(factory.context)
    assert len(await all_jobs(factory)) == 1
    assert (await now_of(factory, row)).last_run_at == format_ms(last_hour(factory))
    await factory.change(
        "UPDATE jobs SET state = 'succeeded', version = version + 1 WHERE merchant_id = ?", MERCHANT
    )
    factory.offset_ms += HOUR
    await begin_due(factory.context)
    assert len(await all_jobs(factory)) == 2


async def test_what_was_missed_is_left_out_made_once_or_made_each(factory: Factory) -> None:
    just_now(factory)
    factory.offset_ms += HOUR // 2
    for number, (missed, count) in enumerate({"skip": 0, "once": 1, "all": 5}.items()):
        row = await recur(
            factory, last_hour(factory) - 4 * HOUR, missed=missed, name=missed,
            id=f"01993e00-0000-7000-8000-00000000000{number}",
        )  # fmt: skip
        before = len(await all_jobs(factory))
        await begin_due(factory.context)
        assert len(await all_jobs(factory)) - before == count, missed
        next_run_at = (await now_of(factory, row)).next_run_at
        assert next_run_at == format_ms(last_hour(factory) + HOUR)


async def test_a_change_meanwhile_is_not_overwritten(factory: Factory) -> None:
    row = await recur(factory, just_now(factory))
    await factory.change(
        "UPDATE recurring_jobs SET is_active = FALSE, version = version + 1 WHERE merchant_id = ?",
        MERCHANT,
    )
    assert await begin_due(factory.context) == 0
    assert not await factory.log.database.read(
        lambda tx: recurring.due(tx, factory.context.now, 10), HUB
    )
    assert await all_jobs(factory) == []
    assert (await now_of(factory, row)).version == 2


async def test_a_message_is_made_each_time(factory: Factory) -> None:
    row = await recur(
        factory, just_now(factory), queue="message_sending", task="send",
        args={"to": "+263 77 123 4567", "text": "Good morning"},
    )  # fmt: skip
    await begin_due(factory.context)
    [job] = await all_jobs(factory)
    assert job.unique_key is not None
    assert row.id in job.unique_key

    async def read(tx: Transaction) -> Message:
        return await messages.get(tx, job.id)

    message = await factory.log.database.read(read, Scope(MERCHANT))
    assert (message.text, message.status) == ("Good morning", "queued")


async def test_a_run_that_cannot_be_made_is_dead_and_seen(factory: Factory) -> None:
    row = await recur(
        factory, just_now(factory), queue="message_sending", task="send",
        args={"to": "+263 77 123 4567", "template": "gone"},
    )  # fmt: skip
    await begin_due(factory.context)
    [job] = await all_jobs(factory)
    assert job.state == "dead"
    assert job.error is not None
    assert "gone" in job.error
    assert factory.told(job) == ["job_dead"]
    comes = (await now_of(factory, row)).next_run_at
    assert comes is not None
    assert parse_ms(comes) > factory.now_ms()


async def test_one_whose_zone_is_unknown_here_does_not_come_and_stops_nobody(
    factory: Factory,
) -> None:
    broken = await recur(factory, just_now(factory), time_zone="Mars/Olympus")
    await recur(
        factory, last_hour(factory), name="other", id="01993e00-0000-7000-8000-000000000002"
    )
    assert await begin_due(factory.context) == 2
    assert len(await all_jobs(factory)) == 1
    assert (await now_of(factory, broken)).next_run_at is None


async def test_a_run_that_fails_in_an_unknown_way_holds_up_none(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(scope: Any, begun: Any) -> None:
        raise ArithmeticError("no such number")

    monkeypatch.setitem(BEGINNINGS, (QUEUE, ERRAND), fails)
    hour = just_now(factory)
    row = await recur(factory, hour)
    assert await begin_due(factory.context) == 1
    [job] = await all_jobs(factory)
    assert (job.state, job.error) == ("dead", "ArithmeticError: no such number")
    assert (await now_of(factory, row)).next_run_at == format_ms(hour + HOUR)
