"""Performs the jobs of a hub in this process, without a broker between."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from jobs.context import Context
from jobs.execution import Execution
from jobs.registry import open_tasks
from storage import jobs
from storage.database import Transaction
from storage.merchant_records import Job, Queue
from storage.scope import HUB
from tests.gateway.local_hub import LocalHub

WORKER = "01993e5c-7a40-7000-8000-0000000000aa"


class Workbench:
    """One worker of some queues, at the side of a hub."""

    def __init__(self, hub: LocalHub, context: Context, execution: Execution, queues: Any) -> None:
        self._hub = hub
        self._context = context
        self._execution = execution
        self._queues: Sequence[Queue] = queues

    async def claim(self) -> list[Job]:
        """Take every job that waits for a worker."""

        async def waiting(tx: Transaction) -> list[tuple[str, str]]:
            found: list[Job] = []
            for queue in self._queues:
                found += await jobs.by_run_time(tx, queue, "queued", 1000)
            return [(job.merchant_id, job.id) for job in found if job.awaits is None]

        keys = await self._hub.database.read(waiting, HUB)
        now = self._context.now
        claimed = await self._hub.services.log.commit(
            lambda scope: jobs.claim(scope.tx, keys, WORKER, now), HUB
        )
        return claimed.result

    async def carry_out(self, *claimed: Job) -> list[Job]:
        """Perform jobs beside each other; as they are afterwards."""
        done = await asyncio.gather(*(self._execution.carry_out(job) for job in claimed))
        return [job for job in done if job is not None]

    async def work(self) -> list[Job]:
        """Perform every job that waits, once."""
        return await self.carry_out(*await self.claim())


@asynccontextmanager
async def workbench(hub: LocalHub, *queues: Queue) -> AsyncIterator[Workbench]:
    """A worker of these queues until the block ends."""
    context = Context(
        log=hub.services.log, worker=WORKER, media_root=hub.services.media.root, hub_id="bench"
    )
    async with open_tasks(context, queues) as tasks:
        yield Workbench(hub, context, Execution(context, tasks), queues)
