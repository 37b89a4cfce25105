"""A worker process that measures itself: stock arq, or the hub's layer over it, without rows.

    python -m tests.bench.arq_worker KIND REDIS_URL SHARE

KIND is `arq` (as it comes), `arq 0.01` (with that poll_delay) or `ours`. One line of JSON comes
out.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import arq.worker
import msgspec
import uvloop
from msgspec import Struct

from jobs.address import redis_settings
from jobs.arq_queues import ArqQueues, Waiting, connect
from jobs.worker import QueueWorker

QUEUE, BELL = "bench", "bench:wake"
SLOTS = 10
"""As many as arq has by default."""
TRIVIAL, SLOW, SINGLE = 8000, 200, 300
_LONGEST_SECONDS = 12.0
_IDLE_SECONDS = 6.0


class Measured(Struct):
    """What one worker came to.

    Attributes:
        trivial: jobs/s of jobs that do nothing.
        slow: jobs/s of jobs that take 100 ms; 100 is all that the slots allow.
        p50_ms, p99_ms: from being queued to its start, of a job that comes alone.
        idle: share of a core while nothing is to be done, by one queue.
        unfinished: jobs that were not done within the time.
    """

    trivial: float
    slow: float
    p50_ms: float
    p99_ms: float
    idle: float
    unfinished: int


class Jobs:
    """What is performed: ids say how long it takes."""

    def __init__(self) -> None:
        self.done = 0
        self.begun: dict[str, float] = {}

    async def perform(self, id_: str) -> None:
        self.begun[id_] = time.perf_counter()
        if id_.startswith("slow"):
            await asyncio.sleep(0.1)
        self.done += 1


async def measure(
    jobs: Jobs, put: Callable[[list[str]], Awaitable[None]], share: float
) -> Measured:
    """Measure a worker that runs.

    Args:
        put: queues jobs.
        share: of the usual number of jobs.
    """
    rates: list[float] = []
    unfinished = 0
    for kind, usual in (("trivial", TRIVIAL), ("slow", SLOW)):
        number = int(usual * share)
        jobs.done = 0
        begun = time.perf_counter()
        ids = [f"{kind}-{n}" for n in range(number)]
        await asyncio.gather(*(put(ids[at : at + 500]) for at in range(0, number, 500)))
        while jobs.done < number and time.perf_counter() - begun < _LONGEST_SECONDS:
            await asyncio.sleep(0.005)
        rates.append(jobs.done / (time.perf_counter() - begun))
        if jobs.done < number:
            unfinished += number - jobs.done
            while jobs.done < number:
                await asyncio.sleep(0.05)
    took: list[float] = []
    for n in range(int(SINGLE * share)):
        await asyncio.sleep(random.uniform(0.005, 0.025))
        queued = time.perf_counter()
        await put([f"single-{n}"])
        while f"single-{n}" not in jobs.begun:
            await asyncio.sleep(0.0005)
        took.append((jobs.begun[f"single-{n}"] - queued) * 1000)
    took.sort()
    await asyncio.sleep(1)
    used = time.process_time()
    await asyncio.sleep(_IDLE_SECONDS)
    idle = (time.process_time() - used) / _IDLE_SECONDS
    trivial, slow = rates
    return Measured(
        trivial, slow, took[len(took) // 2], took[int(len(took) * 0.99)], idle, unfinished
    )


async def stock(url: str, share: float, poll_delay: float) -> Measured:
    jobs = Jobs()

    async def run(ctx: dict[str, Any], id_: str) -> None:
        await jobs.perform(id_)

    pool = await arq.create_pool(redis_settings(url), default_queue_name=QUEUE)

    async def put(ids: list[str]) -> None:
        for id_ in ids:
            await pool.enqueue_job("run", id_, _job_id=id_)

    worker = arq.worker.Worker(
        [arq.worker.func(run, name="run")], queue_name=QUEUE, redis_pool=pool,
        handle_signals=False, poll_delay=poll_delay,
    )  # fmt: skip
    running = asyncio.create_task(worker.async_run())
    found = await measure(jobs, put, share)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return found


async def ours(url: str, share: float) -> Measured:
    jobs = Jobs()
    queues = ArqQueues(connect(redis_settings(url)))

    async def put(ids: list[str]) -> None:
        await queues.put(QUEUE, [Waiting(id_) for id_ in ids], BELL)

    worker = QueueWorker(QUEUE, queues, jobs.perform, lambda: SLOTS - worker.job_counter)
    running = asyncio.create_task(worker.async_run())
    listening = asyncio.create_task(queues.listen([BELL], lambda *_: worker.wake()))
    found = await measure(jobs, put, share)
    worker.stop_picking()
    await worker.drained(5)
    listening.cancel()
    await running
    await queues.close()
    return found


def main(kind: str, url: str, share: str) -> None:
    match kind.split():
        case ["ours"]:
            work = ours(url, float(share))
        case ["arq", delay]:
            work = stock(url, float(share), float(delay))
        case _:
            work = stock(url, float(share), 0.5)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(work)) + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
