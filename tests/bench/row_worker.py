"""A process that measures jobs from their row to their final row: the log, the queues and a worker,
as they stand in a hub, with a task that does nothing.

    python -m tests.bench.row_worker DATABASE_URL REDIS_URL SHARE

One line of JSON comes out.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import uvloop
from msgspec import Struct

from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms
from hub.stream.log import EventLog, open_log
from hub.stream.waiting import WriteScope
from jobs.context import Context
from jobs.control import Queues
from storage import merchants, work
from storage.connect import connect
from storage.database import Transaction
from storage.merchant_records import Queue
from storage.migrate import migrate
from storage.scope import HUB
from tests.support import errands
from tests.support.errands import QUEUES, Errand, send_out

MERCHANT = "m1"
QUEUE: Queue = "message_sending"
SLOTS = 5
WAITING, QUEUED, SLOW, SINGLE = 4000, 3000, 100, 300
_CLIENTS = 20
_LONGEST_SECONDS = 60.0
_IDLE_SECONDS = 6.0


class Measured(Struct):
    """What one process came to.

    Attributes:
        drained: jobs/s of jobs that waited already, from queued to their final row.
        queued: jobs/s where they are queued at the same time, each by a commit of its own.
        slow: jobs/s of jobs that take 100 ms; 50 is all that the slots allow.
        p50_ms, p99_ms: from the commit that queues a job to its start, of one that comes alone.
        idle: share of a core while nothing is to be done, by all four queues.
    """

    drained: float
    queued: float
    slow: float
    p50_ms: float
    p99_ms: float
    idle: float


async def measure(log: EventLog, share: float) -> Measured:
    now = format_ms(0)
    await log.commit(lambda scope: work.pause(scope.tx, QUEUE, None, now), HUB)
    await asyncio.sleep(1.5)  # the worker has seen that the queue stands still
    parts = int(WAITING * share) // 100
    for _ in range(parts):
        await send_out(log, MERCHANT, [(QUEUE, Errand())] * 100)
    await asyncio.sleep(0.5)
    await log.commit(lambda scope: work.resume(scope.tx, QUEUE), HUB)
    await all_done(log)
    drained = parts * 100 / (time.perf_counter() - min(errands.BEGUN.values()))

    async def client(number: int) -> None:
        for _ in range(number):
            await send_out(log, MERCHANT, [(QUEUE, Errand())])

    each = int(QUEUED * share) // _CLIENTS
    begun = time.perf_counter()
    await asyncio.gather(*(client(each) for _ in range(_CLIENTS)))
    await all_done(log)
    queued = each * _CLIENTS / (time.perf_counter() - begun)

    number = int(SLOW * share)
    begun = time.perf_counter()
    await send_out(log, MERCHANT, [(QUEUE, Errand(100))] * number)
    await all_done(log)
    slow = number / (time.perf_counter() - begun)

    took: list[float] = []
    for _ in range(int(SINGLE * share)):
        await asyncio.sleep(random.uniform(0.005, 0.025))
        [job] = await send_out(log, MERCHANT, [(QUEUE, Errand())])
        committed = time.perf_counter()
        while job.id not in errands.BEGUN:
            await asyncio.sleep(0.0005)
        took.append((errands.BEGUN[job.id] - committed) * 1000)
    took.sort()
    await all_done(log)
    await asyncio.sleep(1)
    used = time.process_time()
    await asyncio.sleep(_IDLE_SECONDS)
    idle = (time.process_time() - used) / _IDLE_SECONDS
    return Measured(drained, queued, slow, took[len(took) // 2], took[int(len(took) * 0.99)], idle)


async def all_done(log: EventLog) -> None:
    """Wait until every job has succeeded."""

    async def read(tx: Transaction) -> int:
        rows = await tx.fetch("SELECT count(*) FROM jobs WHERE state <> 'succeeded'")
        return int(rows[0][0])

    async with asyncio.timeout(_LONGEST_SECONDS):
        while await log.database.read(read, HUB):
            await asyncio.sleep(0.01)


async def run(database_url: str, redis_url: str, share: float) -> Measured:
    errands.register(note=True)
    database = await connect(database_url, "full")
    await migrate(database)
    log = await open_log(database, "epoch", 1000)
    writing = asyncio.create_task(log.run())

    async def write(scope: WriteScope) -> None:
        await merchants.insert(scope.tx, MERCHANT, MERCHANT, format_ms(0), scope.new_id)

    await log.commit(write, HUB)
    with tempfile.TemporaryDirectory() as folder:
        context = Context(log=log, worker=uuid7(), media_root=Path(folder), hub_id="bench")
        queues = Queues(context, "bench", QUEUES)
        log.queued = queues.told
        working = asyncio.create_task(queues.run(redis_url))
        await asyncio.sleep(1)
        found = await measure(log, share)
        await queues.stop()
        working.cancel()
        await asyncio.wait((working,))
    log.close()
    await writing
    await database.close()
    return found


def main(database_url: str, redis_url: str, share: str) -> None:
    found = uvloop.run(run(database_url, redis_url, float(share)))
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
