"""The queues of a process, and of two beside each other, with a broker that is real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from hub.stream.waiting import WriteScope
from jobs.arq_queues import ArqQueues
from jobs.control import Queues
from jobs.execution import Execution
from jobs.outcome import Done, Outcome
from jobs.queues import CANCEL_CHANNEL, arq_id
from jobs.registry import OPENINGS
from jobs.run import Run
from storage import work
from storage.merchant_records import Job
from storage.scope import HUB, Scope
from tests.jobs.factory import MERCHANT, QUEUE, Errand, Factory
from tests.support.redis_server import RedisServer


@asynccontextmanager
async def working(
    factory: Factory, redis: RedisServer, number: int = 1
) -> AsyncIterator[list[Queues]]:
    """So many processes work; the first hears of each commit."""
    with pytest.MonkeyPatch.context() as patch:
        for queue in OPENINGS:
            patch.setitem(OPENINGS, queue, factory.opening)
        async with AsyncExitStack() as stack:
            processes = []
            for each in range(number):
                context = factory.context if each == 0 else factory.another_context()
                queues = Queues(context, f"instance-{each}", OPENINGS)
                running = asyncio.create_task(queues.run(redis.url))
                stack.push_async_callback(ended, queues, running)
                processes.append(queues)
            factory.log.queued = processes[0].told
            await asyncio.sleep(0.2)
            yield processes


async def ended(queues: Queues, running: "asyncio.Task[None]") -> None:
    await queues.stop()
    running.cancel()
    await asyncio.wait((running,))


async def until_begun(factory: Factory, count: int) -> None:
    async with asyncio.timeout(15):
        while len(factory.begun) < count:
            await asyncio.sleep(0.005)


async def sleeping(run: Run, errand: Errand) -> Outcome:
    await asyncio.sleep(30)
    return Done()


async def pause(factory: Factory, scope: Scope, paused: bool) -> None:
    async def write(scope: WriteScope) -> None:
        if paused:
            await work.pause(scope.tx, QUEUE, None, factory.context.now)
        else:
            await work.resume(scope.tx, QUEUE)

    await factory.log.commit(write, scope)


async def test_what_is_queued_is_done_once_by_whichever_process(
    factory: Factory, redis_server: RedisServer
) -> None:
    async with working(factory, redis_server, 3):
        for queue in OPENINGS:
            await factory.add(50, queue=queue)
        await factory.until("succeeded", 50 * len(OPENINGS))
    assert len(factory.begun) == len({*factory.begun}) == 50 * len(OPENINGS)
    assert {attempt for _, attempt in factory.begun} == {1}


async def test_what_waited_before_it_started_is_done(
    factory: Factory, redis_server: RedisServer
) -> None:
    await factory.add(20)
    factory.offset_ms = 2000
    async with working(factory, redis_server):
        await factory.until("succeeded", 20, seconds=12)


async def test_a_failed_job_is_tried_again_by_itself(
    factory: Factory, redis_server: RedisServer
) -> None:
    async def fails_once(run: Run, errand: Errand) -> Outcome:
        if run.job.attempt == 1:
            raise ValueError("not yet")
        return Done()

    factory.behaviour = fails_once
    async with working(factory, redis_server):
        [job] = await factory.add()
        await factory.until("succeeded", seconds=12)
    assert factory.told(job) == [
        "job_queued", "job_started", "job_failed", "job_started", "job_completed",
    ]  # fmt: skip


@pytest.mark.parametrize("told", [True, False], ids=["told", "found by itself"])
async def test_a_running_job_is_cancelled_within_a_second_wherever_it_runs(
    factory: Factory, redis_server: RedisServer, told: bool
) -> None:
    factory.behaviour = sleeping
    async with working(factory, redis_server, 3) as processes:
        added = await factory.add(6)
        await until_begun(factory, 6)
        await factory.change("UPDATE jobs SET cancelling = TRUE, version = version + 1")
        if told:
            processes[0].cancel([(MERCHANT, job.id) for job in added])
        await factory.until("cancelled", 6, seconds=2.0 if told else 4.0)


@pytest.mark.parametrize("scope", [HUB, Scope(MERCHANT)], ids=["everybody's", "one merchant's"])
async def test_a_queue_that_stands_still_begins_nothing_and_then_goes_on(
    factory: Factory, redis_server: RedisServer, scope: Scope
) -> None:
    async with working(factory, redis_server) as [queues]:
        await pause(factory, scope, True)
        await factory.add(10)
        await factory.add(3, queue="media_processing")
        await factory.until("succeeded", 3)
        await asyncio.sleep(0.2)
        assert await factory.count("queued") == 10
        await pause(factory, scope, False)
        queues.look_again()
        await factory.until("succeeded", 13, seconds=10)


async def test_a_process_that_stops_hands_back_what_does_not_end(
    factory: Factory, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.control.STOP_SECONDS", 0.3)

    async def one_is_short(run: Run, errand: Errand) -> Outcome:
        await asyncio.sleep(0.1 if errand.number == 0 else 30)
        return Done()

    factory.behaviour = one_is_short
    added: list[Job] = []
    async with working(factory, redis_server):
        added += await factory.add(2)
        await until_begun(factory, 2)
    short, long = [await factory.job(job) for job in added]
    assert short.state == "succeeded"
    assert (long.state, long.attempt, long.max_attempts) == ("queued", 1, 4)
    factory.behaviour = sleeping
    async with working(factory, redis_server):
        async with asyncio.timeout(15):
            while (long.id, 2) not in factory.begun:
                await asyncio.sleep(0.01)


async def test_jobs_wait_while_the_broker_is_gone_and_then_are_done(
    factory: Factory, own_redis: RedisServer
) -> None:
    async with working(factory, own_redis) as [queues]:
        own_redis.kill()
        await factory.add(20)
        await asyncio.sleep(0.5)
        assert factory.begun == []
        own_redis.start()
        own_redis.flush()
        queues.look_again()
        await factory.until("succeeded", 20, seconds=15)


async def test_a_fault_in_one_part_ends_neither_the_others_nor_itself(
    factory: Factory, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.control._RETRY_SECONDS", 0.05)
    monkeypatch.setattr("jobs.control._LOOK_SECONDS", 0.05)
    faults: list[str] = []
    take, look = ArqQueues.take, Queues._look_once

    async def takes(self: ArqQueues, queue: str, limit: int) -> list[tuple[str, int]]:
        if faults.count("take") < 4:
            faults.append("take")
            raise ValueError("a fault of ours")
        return await take(self, queue, limit)

    async def looks(self: Queues, execution: Execution) -> None:
        if faults.count("look") < 2:
            faults.append("look")
            raise ValueError("a fault of ours")
        await look(self, execution)

    monkeypatch.setattr(ArqQueues, "take", takes)
    monkeypatch.setattr(Queues, "_look_once", looks)
    async with working(factory, redis_server):
        await factory.add(5)
        await factory.until("succeeded", 5, seconds=12)
        async with asyncio.timeout(15):
            while faults.count("look") < 2:
                await asyncio.sleep(0.01)
    assert faults.count("take") == 4


async def test_who_has_left_is_not_among_the_workers(
    factory: Factory, redis_server: RedisServer
) -> None:
    async with working(factory, redis_server) as [queues]:
        assert len(await factory.log.database.read(work.workers, HUB)) == 1
        await queues.stop()
        await queues._holder.beat()
        assert await factory.log.database.read(work.workers, HUB) == []


async def test_who_may_write_to_the_broker_cannot_end_a_job(
    factory: Factory, redis_server: RedisServer, queues: ArqQueues
) -> None:
    factory.behaviour = sleeping
    async with working(factory, redis_server):
        [job] = await factory.add()
        await until_begun(factory, 1)
        for said in (arq_id(job), "", ":", "no such", "\x00"):
            await queues.say(CANCEL_CHANNEL, said)
        await asyncio.sleep(0.5)
        assert (await factory.job(job)).state == "running"
