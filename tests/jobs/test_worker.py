"""The worker of a queue: what it takes and when, and what it survives."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from jobs.arq_queues import TAKEN_SECONDS, ArqQueues, Waiting
from jobs.worker import QueueWorker
from tests.support.redis_server import RedisServer

QUEUE, BELL = "q", "bell"


class Work:
    """Jobs that are performed as told, and what became of them."""

    def __init__(self, slots: int = 10) -> None:
        self.slots = slots
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.most = 0
        self.going = asyncio.Event()
        self.going.set()

    @property
    def running(self) -> int:
        return len(self.begun) - len(self.ended) - len(self.cancelled)

    async def __call__(self, job_id: str) -> None:
        self.begun.append(job_id)
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0)
            await self.going.wait()
        except asyncio.CancelledError:
            self.cancelled.append(job_id)
            raise
        self.ended.append(job_id)
        if "bad" in job_id:
            raise ValueError("a fault of ours")


@asynccontextmanager
async def working(
    queues: ArqQueues, work: Work, perform: Callable[[str], Awaitable[None]] | None = None
) -> AsyncIterator[QueueWorker]:
    worker = QueueWorker(QUEUE, queues, perform or work, lambda: work.slots - worker.job_counter)
    running = asyncio.create_task(worker.async_run())
    yield worker
    worker.stop_picking()
    await worker.cut()
    await running


async def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.002)


async def forgotten(queues: ArqQueues) -> None:
    """Redis holds nothing of jobs but what is about to expire."""
    for key in await queues.redis.keys("*"):
        assert key.startswith(b"arq:job:"), key
        assert 0 <= await queues.redis.ttl(key) <= TAKEN_SECONDS


async def put(queues: ArqQueues, *ids: str) -> None:
    await queues.put(QUEUE, [Waiting(id_) for id_ in ids], BELL)


async def test_each_job_is_run_once_and_redis_forgets_it(queues: ArqQueues) -> None:
    work = Work()
    everything = [str(n) for n in range(1000)]
    await put(queues, *everything)
    async with working(queues, work):
        await until(lambda: len(work.ended) == 1000)
    assert sorted(work.ended) == sorted(everything)
    assert 1 < work.most <= 10
    await forgotten(queues)


async def test_two_workers_share_a_queue(queues: ArqQueues) -> None:
    first, second = Work(5), Work(5)
    first.going.clear()
    second.going.clear()
    await put(queues, *(str(n) for n in range(20)))
    async with working(queues, first), working(queues, second):
        await until(lambda: first.running == second.running == 5)
        assert await queues.waiting(QUEUE) == 10
        first.going.set()
        await until(lambda: len(first.ended) == 15)
        second.going.set()
        await until(lambda: len(second.ended) == 5)
    assert {*first.ended} | {*second.ended} == {str(n) for n in range(20)}


async def test_long_jobs_elsewhere_do_not_hide_those_behind_them(queues: ArqQueues) -> None:
    elsewhere, here = Work(300), Work(3)
    elsewhere.going.clear()
    await put(queues, *(f"long-{n}" for n in range(300)))
    async with working(queues, elsewhere):
        await until(lambda: elsewhere.running == 300)
        await put(queues, *(f"short-{n}" for n in range(50)))
        async with working(queues, here):
            await until(lambda: len(here.ended) == 50)


async def test_it_takes_no_more_than_it_has_room_for(queues: ArqQueues) -> None:
    work = Work(0)
    await put(queues, "a", "b", "c")
    async with working(queues, work) as worker:
        await asyncio.sleep(0.05)
        assert work.begun == []
        work.slots = 2
        work.going.clear()
        worker.wake()
        await until(lambda: work.running == 2)
        assert await queues.waiting(QUEUE) == 1
        work.going.set()
        await until(lambda: len(work.ended) == 3)


async def test_it_looks_by_itself_when_nobody_wakes_it(queues: ArqQueues) -> None:
    work = Work()
    async with working(queues, work):
        await asyncio.sleep(0.05)
        await put(queues, "a")
        await until(lambda: work.ended == ["a"], 3)


async def test_the_bell_wakes_it_at_once(queues: ArqQueues) -> None:
    work = Work()
    took: list[float] = []
    async with working(queues, work) as worker:
        listening = asyncio.create_task(queues.listen([BELL], lambda *_: worker.wake()))
        await asyncio.sleep(0.1)
        for number in range(30):
            begun = time.perf_counter()
            await put(queues, str(number))
            await until(lambda count=number + 1: len(work.ended) == count)  # type: ignore[misc]
            took.append(time.perf_counter() - begun)
        listening.cancel()
    assert sorted(took)[15] < 0.05, took


async def test_what_a_job_raises_hurts_no_other(queues: ArqQueues) -> None:
    work = Work()
    await put(queues, "bad-1", "good-1", "bad-2")
    async with working(queues, work):
        await until(lambda: len(work.ended) == 3)
        await put(queues, "good-2")
        await until(lambda: len(work.ended) == 4)
    await forgotten(queues)


@pytest.mark.parametrize(
    "definition",
    [None, b"no json", b"[]", b'{"f":"other","a":["x"],"k":{},"t":null,"et":0}', b'{"f":"run"}'],
)
async def test_what_is_no_job_of_ours_is_dropped(
    queues: ArqQueues, definition: bytes | None
) -> None:
    work = Work()
    if definition is not None:
        await queues.redis.set("arq:job:x", definition)
    await queues.redis.zadd(QUEUE, {"x": 1})
    async with working(queues, work):
        await put(queues, "good")
        await until(lambda: work.ended == ["good"])
    await forgotten(queues)


async def test_a_job_that_waits_again_while_it_ends_is_run_again(queues: ArqQueues) -> None:
    work = Work()
    work.going.clear()
    await put(queues, "a")
    async with working(queues, work) as worker:
        await until(lambda: work.running == 1)
        await put(queues, "a")
        worker.wake()
        await asyncio.sleep(0.05)
        assert work.begun == ["a"], "not both at once"
        work.going.set()
        await until(lambda: work.ended == ["a", "a"])


async def test_it_outlives_its_broker(own_redis: RedisServer, own_queues: ArqQueues) -> None:
    work = Work()
    async with working(own_queues, work):
        for number in range(3):
            work.going.clear()
            await put(own_queues, f"running-{number}")
            await until(lambda: work.running == 1)
            own_redis.kill()
            await asyncio.sleep(0.2)
            work.going.set()
            await until(lambda n=number: f"running-{n}" in work.ended)  # type: ignore[misc]
            own_redis.start()
            await put(own_queues, f"after-{number}")
            await until(lambda n=number: f"after-{n}" in work.ended)  # type: ignore[misc]
    assert work.cancelled == []


async def test_it_stops_when_its_broker_is_gone(
    own_redis: RedisServer, own_queues: ArqQueues
) -> None:
    work = Work()
    await put(own_queues, "a")
    async with asyncio.timeout(15), working(own_queues, work):
        await until(lambda: work.ended == ["a"])
        own_redis.kill()
        await asyncio.sleep(0.3)


async def test_a_flushed_broker_is_nothing_to_it(
    redis_server: RedisServer, queues: ArqQueues
) -> None:
    work = Work(1)
    work.going.clear()
    await put(queues, "a", "lost")
    async with working(queues, work):
        await until(lambda: work.running == 1)
        redis_server.flush()
        work.going.set()
        await put(queues, "b")
        await until(lambda: work.ended == ["a", "b"])


async def test_closing_it_waits_and_then_cancels(queues: ArqQueues) -> None:
    work = Work()
    work.going.clear()
    await put(queues, "a", "b")
    async with working(queues, work) as worker:
        await until(lambda: work.running == 2)
        worker.stop_picking()
        await put(queues, "c")
        assert not await worker.drained(0.1)
        assert work.cancelled == []
        await worker.cut()
    assert sorted(work.cancelled) == ["a", "b"]
    assert await queues.waiting(QUEUE) == 1, "c is for another worker"


async def test_closing_it_lets_end_what_ends_in_time(queues: ArqQueues) -> None:
    work = Work()
    work.going.clear()
    await put(queues, "a")
    async with working(queues, work) as worker:
        await until(lambda: work.running == 1)
        worker.stop_picking()
        draining = asyncio.create_task(worker.drained(5))
        await asyncio.sleep(0.05)
        work.going.set()
        async with asyncio.timeout(1):
            assert await draining
    assert work.ended == ["a"]
