"""What the dead held goes on elsewhere, and what the living hold is left to them."""

import asyncio
from typing import Any, cast

from hub.protocol.times import format_ms
from jobs.holder import Holder
from jobs.outcome import SPARED
from storage import work
from storage.database import Database, Transaction
from storage.merchant_records import Job
from storage.scope import HUB
from tests.jobs.factory import QUEUE, Factory, open_factory
from tests.support.databases import FaultyDatabase


class Shared(FaultyDatabase):
    """A database of each engine to which other processes write."""

    @property
    def shared(self) -> bool:
        return True


def holder_of(factory: Factory, instance: str = "here", *, holds: bool = False) -> Holder:
    return Holder(factory.context, instance, [QUEUE], lambda key: holds)


async def seen(factory: Factory, worker: str, seconds_ago: float) -> None:
    """Note that another worker was seen some time ago."""

    async def read(tx: Transaction) -> str:
        return await tx.now()

    await factory.log.database.read(read, HUB)
    at = format_ms(factory.now_ms() - int(seconds_ago * 1000))
    row = work.Worker(worker, "elsewhere", "worker", [QUEUE], "host", 1, at, at)
    await factory.log.commit(lambda scope: work.enter(scope.tx, row), HUB)


async def steady(holder: Holder) -> Holder:
    """Enter, as if it were long ago."""
    await holder.enter()
    holder._steady_since -= 60
    return holder


async def workers(factory: Factory) -> list[str]:
    return [each.id for each in await factory.log.database.read(work.workers, HUB)]


async def test_what_a_silent_worker_held_has_lost_an_attempt(factory: Factory) -> None:
    await seen(factory, "silent", 10)
    await seen(factory, "alive", 5)
    lost, kept = await factory.claimed("silent"), await factory.claimed("alive")
    holder = await steady(holder_of(factory))
    assert await holder.rescue() == 1
    after = await factory.job(lost)
    assert (after.state, after.worker) == ("retrying", None)
    assert after.run_at <= factory.context.now, "it does not wait"
    [attempt] = await factory.attempts(lost)
    assert (attempt.attempt, attempt.outcome, attempt.worker) == (1, "lost", "silent")
    assert (await factory.job(kept)).state == "running"
    assert factory.told(lost)[-1] == "job_failed"
    assert await holder.rescue() == 0


async def test_a_job_that_takes_its_worker_with_it_is_dead_in_the_end(factory: Factory) -> None:
    """Not at first: the hub may have been killed for reasons of its own."""
    job = await factory.claimed("gone", max_attempts=1)
    holder = await steady(holder_of(factory))
    for _ in range(SPARED):
        await holder.rescue()
        assert (await factory.job(job)).state == "retrying"
        await factory.change(
            "UPDATE jobs SET state = 'running', attempt = attempt + 1, worker = 'gone',"
            " version = version + 1"
        )
    await holder.rescue()
    assert (await factory.job(job)).state == "dead"
    assert len(await factory.attempts(job)) == SPARED + 1


async def test_what_was_to_end_has_ended_with_its_worker(factory: Factory) -> None:
    job = await factory.claimed("gone")
    await factory.change("UPDATE jobs SET cancelling = TRUE, version = version + 1")
    await (await steady(holder_of(factory))).rescue()
    assert (await factory.job(job)).state == "cancelled"


async def test_an_earlier_life_is_over_when_the_next_begins(factory: Factory) -> None:
    former = holder_of(factory)
    await former.enter()
    job = await factory.claimed()
    factory.context = factory.another_context()
    later = holder_of(factory)
    await later.enter()
    assert await workers(factory) == [factory.context.worker]
    assert await later.rescue() == 1
    assert (await factory.job(job)).state == "retrying"


async def test_what_runs_here_by_its_row_and_is_not_known_here_is_lost(factory: Factory) -> None:
    """The claim was written, and the answer did not come."""
    holder = await steady(holder_of(factory))
    job = await factory.claimed()
    assert await holder.rescue() == 1
    assert (await factory.job(job)).state == "retrying"


async def test_what_is_held_here_is_left_alone(factory: Factory) -> None:
    holder = holder_of(factory, holds=True)
    await steady(holder)
    job = await factory.claimed()
    await factory.change("UPDATE workers SET seen_at = ?", format_ms(0))
    assert await holder.rescue() == 0
    assert (await factory.job(job)).state == "running"


async def test_a_worker_that_leaves_gives_up_what_it_held(factory: Factory) -> None:
    holder = holder_of(factory)
    await holder.enter()
    job = await factory.claimed()
    await holder.leave()
    factory.context = factory.another_context()
    other = await steady(holder_of(factory, "there"))
    assert await other.rescue() == 1
    assert (await factory.job(job)).state == "retrying"


async def test_after_an_outage_the_others_have_time_to_be_seen(
    database: Database, tmp_path: Any
) -> None:
    async with open_factory(cast("Database", Shared(database)), tmp_path) as factory:
        await seen(factory, "other", 30)
        job = await factory.claimed("other")
        holder = await steady(holder_of(factory))
        holder._beaten_at -= 30  # nobody could say anything for so long
        await holder.beat()
        assert await holder.rescue() == 0
        assert (await factory.job(job)).state == "running"
        holder._steady_since -= 60
        assert await holder.rescue() == 1


async def test_one_that_was_taken_for_dead_goes_on(factory: Factory) -> None:
    holder = holder_of(factory)
    await holder.enter()
    await factory.change("DELETE FROM workers WHERE TRUE")
    await holder.beat()
    assert await workers(factory) == [factory.context.worker]


async def test_who_does_no_jobs_has_no_place_and_rescues_all_the_same(factory: Factory) -> None:
    holder = Holder(factory.context, "hub", [], lambda key: False)
    await steady(holder)
    await holder.beat()
    assert await workers(factory) == []
    await factory.claimed("gone")
    assert await holder.rescue() == 1


async def test_two_that_look_at_once_take_it_once(factory: Factory) -> None:
    jobs: list[Job] = [await factory.claimed("gone") for _ in range(20)]
    one = await steady(holder_of(factory))
    factory.context = factory.another_context()
    two = await steady(holder_of(factory, "there"))
    await asyncio.gather(one.rescue(), two.rescue())
    for job in jobs:
        assert len(await factory.attempts(job)) == 1
        assert (await factory.job(job)).state == "retrying"
