"""What comes due: jobs whose time has come, and jobs that come again and again.

One clock in each process, set to the next that comes due; the database says who was first.
"""

import asyncio

import structlog

from hub.protocol.errors import HubError
from hub.protocol.times import format_ms, parse_ms
from storage import jobs, recurring
from storage.database import Transaction
from storage.errors import StorageError
from storage.merchant_records import Job
from storage.scope import HUB

from .context import Context, WriteScope
from .queues import NAMES
from .recurring import begin_due

log = structlog.get_logger("jobs.schedule")

LOOK_SECONDS = 5.0
"""How often it is looked what comes next: other processes note jobs too."""
_RETRY_SECONDS = 1.0
_BATCH = 200


class Clock:
    """Lets jobs wait for a worker when their time has come."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._next_ms: int | None = None
        self._wake = asyncio.Event()

    def expect(self, run_at: str) -> None:
        """Something comes due at this time, RFC 3339."""
        at_ms = parse_ms(run_at)
        if self._next_ms is None or at_ms < self._next_ms:
            self._next_ms = at_ms
            self._wake.set()

    async def run(self) -> None:
        """Look what is due and wait for what comes next, until cancelled."""
        while True:
            self._wake.clear()
            self._next_ms = None
            try:
                await make_due(self._context)
                await begin_due(self._context)
                found = await next_due(self._context)
            except (HubError, StorageError) as error:
                log.warning("what is due waits", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if found is not None and (self._next_ms is None or found < self._next_ms):
                self._next_ms = found
            await self._until_next()

    async def _until_next(self) -> None:
        looks_at = asyncio.get_running_loop().time() + LOOK_SECONDS
        while True:
            self._wake.clear()
            rest = looks_at - asyncio.get_running_loop().time()
            if self._next_ms is not None:
                rest = min(rest, (self._next_ms - self._context.clock()) / 1000)
            if rest <= 0:
                return
            try:
                async with asyncio.timeout(rest):
                    await self._wake.wait()
            except TimeoutError:
                return


async def next_due(context: Context) -> int | None:
    """When something comes due next, in milliseconds since 1970; None: nothing does.

    Raises:
        StorageError: the database did not answer.
    """

    async def read(tx: Transaction) -> list[str | None]:
        return [await recurring.next_run_at(tx)] + [
            await jobs.next_run_at(tx, queue) for queue in NAMES
        ]

    times = await context.database.read(read, HUB)
    return min((parse_ms(time) for time in times if time is not None), default=None)


async def make_due(context: Context) -> int:
    """Let the jobs wait for a worker whose time has come; how many they were.

    Raises:
        HubError, StorageError: the database did not do it.
    """
    moved = 0
    while True:
        now = format_ms(context.clock())

        async def read(tx: Transaction, now: str = now) -> list[Job]:
            found: list[Job] = []
            for queue in NAMES:
                for state in ("scheduled", "retrying"):
                    found += await jobs.by_run_time(tx, queue, state, _BATCH, until=now)
            return found

        due = [(job.merchant_id, job.id) for job in await context.database.read(read, HUB)]
        if not due:
            return moved

        async def work(scope: WriteScope, due: list[jobs.JobKey] = due, now: str = now) -> int:
            made = await jobs.make_due(scope.tx, due, now)
            scope.jobs += made
            return len(made)

        moved += (await context.log.commit(work, HUB)).result
        if len(due) < _BATCH:
            return moved
