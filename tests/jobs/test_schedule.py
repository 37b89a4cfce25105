"""What comes due: at its time, once, and also when it is noted while the clock waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.protocol.times import format_ms, parse_ms
from jobs.schedule import Clock, make_due
from storage.merchant_records import Job
from tests.jobs.factory import Factory


@asynccontextmanager
async def clock_of(factory: Factory) -> AsyncIterator[list[Job]]:
    """A running clock, and the jobs that it lets wait for a worker."""
    clock = Clock(factory.context)
    due: list[Job] = []

    def told(jobs: list[Job]) -> None:
        for job in jobs:
            if job.state in ("scheduled", "retrying"):
                clock.expect(job.run_at)
            else:
                due.append(job)

    factory.log.queued = told
    running = asyncio.create_task(clock.run())
    await asyncio.sleep(0.1)
    yield due
    running.cancel()


def soon(factory: Factory, seconds: float) -> str:
    return format_ms(factory.now_ms() + int(seconds * 1000))


async def until(due: list[Job], count: int) -> None:
    async with asyncio.timeout(15):
        while len(due) < count:
            await asyncio.sleep(0.002)


async def test_a_job_waits_for_a_worker_when_its_time_has_come(factory: Factory) -> None:
    async with clock_of(factory) as due:
        [job] = await factory.add(run_at=soon(factory, 0.3))
        await until(due, 1)
        late = factory.now_ms() - parse_ms(job.run_at)
        assert 0 <= late < 1000
        assert [(each.id, each.state) for each in due] == [(job.id, "queued")]


async def test_an_earlier_one_does_not_wait_for_a_later_one(factory: Factory) -> None:
    async with clock_of(factory) as due:
        [later] = await factory.add(run_at=soon(factory, 1.2))
        [earlier] = await factory.add(run_at=soon(factory, 0.2))
        await until(due, 1)
        assert [job.id for job in due] == [earlier.id]
        await until(due, 2)
        assert due[1].id == later.id


async def test_what_came_due_while_nobody_was_there_comes_at_once(factory: Factory) -> None:
    added = await factory.add(450, run_at=soon(factory, 60))
    factory.offset_ms = 120_000
    async with clock_of(factory) as due:
        await until(due, 450)
    assert {job.id for job in due} == {job.id for job in added}


async def test_of_several_clocks_one_moves_a_job(factory: Factory) -> None:
    await factory.add(100, run_at=soon(factory, 60))
    factory.offset_ms = 120_000
    moved = await asyncio.gather(*(make_due(factory.another_context()) for _ in range(4)))
    assert sum(moved) == 100
    assert await factory.count("queued") == 100
