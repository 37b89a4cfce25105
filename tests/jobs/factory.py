"""Queues in this process whose tasks do what a test tells them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms
from hub.stream.log import EventLog, open_log
from hub.stream.waiting import WriteScope
from jobs.context import Context
from jobs.enqueue import NewJob, add_job
from jobs.outcome import Done, Outcome
from jobs.registry import OPENINGS
from jobs.run import Run, Task
from storage import jobs, merchants, work
from storage.database import Database, Transaction
from storage.merchant_records import Job, JobAttempt, JobState, Queue
from storage.scope import HUB, Scope

MERCHANT = "m1"
QUEUE: Queue = "order_processing"
ERRAND = "errand"
Behaviour = Callable[[Run, "Errand"], Awaitable[Outcome]]


class Errand(Struct, frozen=True):
    """What a job of the tests is given."""

    number: int = 0


async def nothing(run: Run, errand: Errand) -> Outcome:
    """The least that a task can do."""
    return Done({"number": errand.number})


class Factory:
    """A log with one merchant, and what becomes of its jobs.

    Attributes:
        behaviour: what the task does from now on.
        begun: the attempts that were begun: the job's id, and which attempt.
        events: the types of what the log told, with what it was about.
    """

    def __init__(self, log: EventLog, folder: Path) -> None:
        self.log = log
        self.behaviour: Behaviour = nothing
        self.begun: list[tuple[str, int]] = []
        self.events: list[tuple[str, str | None]] = []
        self.offset_ms = 0
        self.folder = folder
        self.context = self.another_context()
        self.task = Task(ERRAND, Errand, self._perform)
        log.listener = lambda entries: self.events.extend((e.type, e.subject) for e in entries)

    def another_context(self) -> Context:
        """As another process has it."""
        return Context(
            log=self.log, worker=uuid7(), media_root=self.folder, hub_id="h", clock=self.now_ms
        )

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    @property
    def tasks(self) -> dict[tuple[Queue, str], Task]:
        return {(queue, ERRAND): self.task for queue in OPENINGS}

    @asynccontextmanager
    async def opening(self, _: Context) -> AsyncIterator[Iterable[Task]]:
        """Stands in for what opens the tasks of a queue."""
        yield [self.task]

    async def _perform(self, run: Run, errand: Errand) -> Outcome:
        self.begun.append((run.job.id, run.job.attempt))
        return await self.behaviour(run, errand)

    async def add(self, count: int = 1, **more: Any) -> list[Job]:
        """Queue jobs; `more` as in `NewJob`."""

        async def write(scope: WriteScope) -> list[Job]:
            wanted: dict[str, Any] = {
                "merchant_id": MERCHANT,
                "queue": QUEUE,
                "name": ERRAND,
            } | more
            return [
                await add_job(
                    scope, NewJob(**({"args": Errand(number)} | wanted)), self.context.now
                )
                for number in range(count)
            ]

        return (await self.log.commit(write, Scope(MERCHANT))).result

    async def claimed(self, worker: str | None = None, **more: Any) -> Job:
        """A new job that was claimed."""
        [job] = await self.add(**more)

        async def claim(scope: WriteScope) -> list[Job]:
            key = (job.merchant_id, job.id)
            holder = worker or self.context.worker
            return await jobs.claim(scope.tx, [key], holder, self.context.now)

        [claimed] = (await self.log.commit(claim, HUB)).result
        return claimed

    async def job(self, job: Job | str) -> Job:
        """A job as it is now."""
        id_ = job if isinstance(job, str) else job.id
        return await self.log.database.read(lambda tx: jobs.get(tx, id_), Scope(MERCHANT))

    async def ids(self) -> list[str]:
        """The ids of all jobs there are, in their order."""

        async def read(tx: Transaction) -> list[str]:
            rows = await tx.fetch(
                "SELECT id FROM jobs WHERE merchant_id = ? ORDER BY id", (MERCHANT,)
            )
            return [str(id_) for (id_,) in rows]

        return await self.log.database.read(read, Scope(MERCHANT))

    async def attempts(self, job: Job) -> list[JobAttempt]:
        return await self.log.database.read(lambda tx: work.attempts(tx, job), Scope(MERCHANT))

    async def change(self, sql: str, *params: Any) -> None:
        """Change rows of the merchant, as nobody else would."""

        async def write(scope: WriteScope) -> None:
            await scope.tx.execute(sql, params)

        await self.log.commit(write, HUB)

    async def count(self, state: JobState) -> int:
        """How many jobs are in a state."""

        async def read(tx: Transaction) -> int:
            rows = await tx.fetch(
                "SELECT count(*) FROM jobs WHERE merchant_id = ? AND state = ?", (MERCHANT, state)
            )
            return int(rows[0][0])

        return await self.log.database.read(read, Scope(MERCHANT))

    async def until(self, state: JobState, count: int = 1, seconds: float = 20.0) -> None:
        """Wait until so many jobs are in a state."""
        async with asyncio.timeout(seconds):
            while await self.count(state) != count:
                await asyncio.sleep(0.01)

    def told(self, job: Job) -> list[str]:
        """The types of the events about a job, in their order."""
        return [type_ for type_, subject in self.events if subject == f"job/{job.id}"]


@asynccontextmanager
async def open_factory(database: Database, folder: Path) -> AsyncIterator[Factory]:
    """A factory on a database without a merchant."""
    log = await open_log(database, "epoch", 1000)
    writing = asyncio.create_task(log.run())

    async def write(scope: WriteScope) -> None:
        await merchants.insert(scope.tx, MERCHANT, MERCHANT, format_ms(0), scope.new_id)

    await log.commit(write, HUB)
    yield Factory(log, folder)
    log.close()
    await writing
