"""The queues of one process: what hears of jobs behind each commit, and the workers."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from os import getpid

import structlog
from arq import create_pool
from arq.connections import ArqRedis

from hub.protocol.errors import HubError
from storage import work
from storage.errors import StorageError
from storage.merchant_records import Job, Queue
from storage.scope import HUB

from .address import redis_settings
from .context import Context, WriteScope
from .execution import Execution
from .queues import BEAT_SECONDS, RUN, arq_id, redis_key
from .registry import open_tasks
from .schedule import make_due
from .worker import QueueWorker, decode, encode

log = structlog.get_logger("jobs.control")

_LOOK_SECONDS = 0.5


class Queues:
    """See the module.

    Args:
        instance: the data directory that this process belongs to.
        names: the queues whose jobs are done here.

    Attributes:
        awaiting: called with jobs that wait for what no worker has.
    """

    def __init__(self, context: Context, instance: str, names: Iterable[Queue]) -> None:
        self.awaiting: Callable[[list[Job]], None] = lambda jobs: None
        self._context = context
        self._instance = instance
        self._names = tuple(names)
        self._queued: list[Job] = []
        self._wake = asyncio.Event()

    def told(self, jobs: list[Job]) -> None:
        """Hear of jobs that a commit has given somewhere to go."""
        self._queued += [job for job in jobs if job.state == "queued" and job.awaits is None]
        awaiting = [job for job in jobs if job.state == "queued" and job.awaits is not None]
        if awaiting:
            self.awaiting(awaiting)
        self._wake.set()

    async def run(self, redis_url: str) -> None:
        """Carry jobs to arq and work, until cancelled."""
        async with AsyncExitStack() as stack:
            settings = redis_settings(redis_url)
            redis = await create_pool(settings, job_serializer=encode, job_deserializer=decode)
            stack.push_async_callback(redis.aclose)
            tasks = await stack.enter_async_context(open_tasks(self._context, self._names))
            await self._enter()
            execution = Execution(self._context, tasks)
            workers = [QueueWorker(n, self._context, execution, redis) for n in self._names]
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker.run())
                group.create_task(self._beat())
                group.create_task(self._look())
                await self._carry(redis)

    async def _carry(self, redis: ArqRedis) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            queued, self._queued = self._queued, []
            for job in queued:
                await redis.enqueue_job(
                    RUN, arq_id(job), _job_id=arq_id(job), _queue_name=redis_key(job.queue)
                )

    async def _look(self) -> None:
        while True:
            with suppress(StorageError, HubError):
                await make_due(self._context)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _enter(self) -> None:
        context = self._context
        row = work.Worker(
            context.worker, self._instance, "worker", list(self._names), socket.gethostname(),
            getpid(), context.now, context.now,
        )  # fmt: skip

        async def enter(scope: WriteScope) -> None:
            await work.end_former(scope.tx, self._instance)
            await work.enter(scope.tx, row)

        await context.log.commit(enter, HUB)

    async def _beat(self) -> None:
        async def beat(scope: WriteScope) -> bool:
            return await work.beat(scope.tx, self._context.worker, self._context.now)

        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(StorageError, HubError):
                await self._context.log.commit(beat, HUB)
