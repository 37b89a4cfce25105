"""This process among those that hold jobs: it says that it lives, and takes from the dead what
they held.

A worker that was not seen for `SILENT_SECONDS` is dead, and so is one of an earlier life of the
same data directory. What it held has lost an attempt and is begun anew. Times are the database's:
the clocks of machines differ.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence

import structlog

from hub.protocol.errors import HubError
from hub.protocol.times import format_ms, parse_ms
from storage import jobs, work
from storage.database import Transaction
from storage.errors import Stale, StorageError
from storage.jobs import JobKey
from storage.merchant_records import Job, Queue
from storage.scope import HUB, Scope

from .context import Context, WriteScope
from .outcome import Cancelled, Failed, Outcome, settle
from .queues import BEAT_SECONDS, SILENT_SECONDS
from .registry import ended

log = structlog.get_logger("jobs.holder")

LOOK_SECONDS = 2.0
"""How often the dead are looked for."""
_BURIED_SECONDS = 3600.0
_BATCH = 100


class Holder:
    """See the module.

    Args:
        instance: the data directory that this process belongs to.
        queues: that it works on; a process that works on none holds nothing, and takes no place.
        holds: whether a job that runs here by its row is known here.
    """

    def __init__(
        self,
        context: Context,
        instance: str,
        queues: Sequence[Queue],
        holds: Callable[[JobKey], bool],
    ) -> None:
        self._context = context
        self._instance = instance
        self._queues = list(queues)
        self._holds = holds
        self._beaten_at = float("-inf")
        self._steady_since = float("-inf")
        self._left = False

    async def enter(self) -> None:
        """Take a place among the workers, in the place of this directory's earlier lives.

        Raises:
            HubError, StorageError: the database did not do it.
        """

        async def enter(scope: WriteScope) -> None:
            await work.end_former(scope.tx, self._instance)
            if self._queues:
                await work.enter(scope.tx, self._row(await scope.tx.now()))

        await self._context.log.commit(enter, HUB)
        self._beaten_at = self._steady_since = time.monotonic()

    async def leave(self) -> None:
        """Give the place up: what is still held is lost at once.

        Raises:
            HubError, StorageError: the others miss this one after a while.
        """

        async def leave(scope: WriteScope) -> None:
            await work.leave(scope.tx, self._context.worker)

        self._left = True
        await self._context.log.commit(leave, HUB)

    async def run(self) -> None:
        """Beat and look until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_beating())
            tasks.create_task(self._keep_looking())

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self.beat()
            except (HubError, StorageError) as error:
                log.warning("this worker cannot say that it lives", error=str(error))

    async def beat(self) -> None:
        """Say that this process lives.

        Raises:
            HubError, StorageError: the database did not take it.
        """

        async def beat(scope: WriteScope) -> bool:
            now = await scope.tx.now()
            known = not self._queues or await work.beat(scope.tx, self._context.worker, now)
            if not known and not self._left:
                await work.enter(scope.tx, self._row(now))
            await work.bury(scope.tx, _before(now, _BURIED_SECONDS))
            return known

        known = (await self._context.log.commit(beat, HUB)).result
        moment = time.monotonic()
        if moment - self._beaten_at > SILENT_SECONDS - BEAT_SECONDS:
            self._steady_since = moment
        self._beaten_at = moment
        if not known and not self._left:
            log.warning("this worker was taken for dead, and goes on")

    async def _keep_looking(self) -> None:
        while True:
            try:
                while await self.rescue() == _BATCH:
                    continue
            except (HubError, StorageError) as error:
                log.warning("the dead could not be looked for", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def rescue(self) -> int:
        """Take up to 100 jobs from the dead; how many they were.

        Raises:
            HubError, StorageError: the database did not answer.
        """
        mine = self._context.worker
        # After an outage of the database nobody was seen: the others have a while to be.
        steady = time.monotonic() - self._steady_since > SILENT_SECONDS
        shared = self._context.database.shared

        async def read(tx: Transaction) -> list[Job]:
            now = await tx.now()
            since = _before(now, SILENT_SECONDS if steady or not shared else _BURIED_SECONDS)
            of_others = [job for job in await jobs.lost(tx, since, _BATCH) if job.worker != mine]
            return of_others + await jobs.held_by(tx, mine)

        lost = [
            job
            for job in await self._context.database.read(read, HUB)
            # One that runs here by its row and is not known here was claimed by a commit whose
            # answer did not come. What has ended since is fenced.
            if job.worker != mine or not self._holds((job.merchant_id, job.id))
        ][:_BATCH]
        await asyncio.gather(*map(self._take_from_the_dead, lost))
        return len(lost)

    async def _take_from_the_dead(self, job: Job) -> None:
        outcome: Outcome = Failed(
            "its worker has ended, or was not seen for a while",
            seconds=0,
            outcome="lost",
            spared=True,
        )
        if job.cancelling:
            outcome = Cancelled()

        async def write(scope: WriteScope) -> Job:
            after = await settle(scope, job, outcome, self._context.now)
            await ended(scope, after)
            return after

        try:
            after = (await self._context.log.commit(write, Scope(job.merchant_id))).result
        except Stale:
            return  # another one was first, or it has ended
        log.warning("a job was lost with its worker", job=job.id, state=after.state)

    def _row(self, now: str) -> work.Worker:
        context = self._context
        return work.Worker(
            context.worker, self._instance, "worker", self._queues, socket.gethostname(),
            os.getpid(), now, now,
        )  # fmt: skip


def _before(now: str, seconds: float) -> str:
    return format_ms(parse_ms(now) - int(seconds * 1000))
