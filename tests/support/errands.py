"""A hub and a worker with one more task in every queue, for tests and the bench that need many
cheap jobs. The task is registered as the hub's own are; the product has none of its kind.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from hub.stream.log import EventLog, open_log
from jobs.context import Context, WriteScope
from jobs.enqueue import NewJob, add_job
from jobs.outcome import Done, Outcome
from jobs.registry import OPENINGS, Opening
from jobs.run import Run, Task
from storage.connect import connect
from storage.merchant_records import Job, Queue
from storage.scope import Scope
from tests.support.forking import ForkedProcess
from tests.support.hub_process import _TIED_TO_PARENT, HubProcess

ERRAND = "errand"
QUEUES: tuple[Queue, ...] = tuple(OPENINGS)


KNOWN_BY = "TEST_ERRANDS"
"""What a hub has in its environment that is forked and is to know errands."""
BEGUN: dict[str, float] = {}
"""When jobs were begun in this process, by their ids; only if that is noted."""
_noting = False


class Errand(Struct, frozen=True, omit_defaults=True):
    """What such a job does.

    Attributes:
        ms: it takes so many milliseconds.
        makes: so many errands more are made in the transaction of its end, of every queue in turn,
            each `ms` long as well.
    """

    ms: float = 0
    makes: int = 0


async def perform(run: Run, errand: Errand) -> Outcome:
    """Take the time, and make what it makes."""
    if _noting:
        BEGUN[run.job.id] = time.perf_counter()
    if errand.ms:
        await asyncio.sleep(errand.ms / 1000)
    if not errand.makes:
        return Done()

    async def write(scope: WriteScope) -> None:
        for number in range(errand.makes):
            queue = QUEUES[number % len(QUEUES)]
            await add_job(
                scope, errand_of(run.job.merchant_id, queue, Errand(errand.ms)), run.context.now
            )

    return Done(write=write)


def errand_of(merchant_id: str, queue: Queue, errand: Errand) -> NewJob:
    """A job that does an errand."""
    return NewJob(merchant_id=merchant_id, queue=queue, name=ERRAND, args=errand, max_attempts=50)


def register(*, note: bool = False) -> None:
    """Give each queue the task, beside its own.

    Args:
        note: whether `BEGUN` says when each was begun.
    """
    global _noting
    _noting = note

    def with_errands(opening: Opening) -> Opening:
        @asynccontextmanager
        async def opened(context: Context) -> AsyncIterator[Iterable[Task]]:
            async with opening(context) as own:
                yield [*own, Task(ERRAND, Errand, perform)]

        return opened

    for queue, opening in OPENINGS.items():
        OPENINGS[queue] = with_errands(opening)


def main(arguments: list[str]) -> int:
    """Run the hub's command line, with errands."""
    import run

    register()
    return run.main(arguments)


PRELUDE = f"""
import sys
sys.path[0] = {str(Path(__file__).resolve().parents[2])!r}
from tests.support.errands import main
sys.exit(main(sys.argv[1:]))
"""


class ErrandHub(HubProcess):
    """`run.py serve` that knows errands."""

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {KNOWN_BY: "1"}

    def _spawn(
        self, environment: Mapping[str, str], stdout: BinaryIO, stderr: BinaryIO
    ) -> subprocess.Popen[bytes] | ForkedProcess:
        if self.forked:
            return super()._spawn(environment, stdout, stderr)
        return subprocess.Popen(
            [sys.executable, "-S", "-c", _TIED_TO_PARENT, str(os.getpid()), "-c", PRELUDE, "serve"],
            cwd=self._directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )


@asynccontextmanager
async def log_of(url: str) -> AsyncIterator[EventLog]:
    """The log of a hub that does not run, or of one on Postgres."""
    database = await connect(url, "full")
    log = await open_log(database, "unused", 10)
    writing = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        log.close()
        await writing
        await database.close()


async def send_out(
    log: EventLog, merchant_id: str, errands: Iterable[tuple[Queue, Errand]]
) -> list[Job]:
    """Queue errands, in one transaction."""
    context = Context(log=log, worker="nobody", media_root=Path(), hub_id="nobody")

    async def write(scope: WriteScope) -> list[Job]:
        return [
            await add_job(scope, errand_of(merchant_id, queue, errand), context.now)
            for queue, errand in errands
        ]

    return (await log.commit(write, Scope(merchant_id))).result
