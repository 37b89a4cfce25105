"""The queues of one process: what hears of jobs behind each commit, and the workers.

    a commit ─▶ told ─▶ the broker (wakes workers, here and elsewhere) ─▶ a worker ─▶ execution

What the broker loses is put back by `reconcile`, what a dead worker held by `holder`, and what is
for later comes by `schedule`. Every process does all of it; the database says who was first.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress

import structlog

from hub.protocol.errors import HubError
from storage import jobs, work
from storage.database import Transaction
from storage.errors import StorageError
from storage.jobs import JobKey
from storage.merchant_records import Job, Queue
from storage.scope import HUB

from .address import redis_settings
from .arq_queues import ArqQueues, BrokerGone, Gathering, Waiting, connect
from .context import Context
from .execution import Execution
from .holder import Holder
from .queues import CANCEL_CHANNEL, NAMES, arq_id, job_key, redis_key, wake_channel
from .reconcile import Reconciler
from .registry import open_tasks
from .schedule import Clock
from .worker import QueueWorker

log = structlog.get_logger("jobs.control")

STOP_SECONDS = 3.0
"""How long jobs may take to end by themselves when the process stops."""
_HAND_BACK_SECONDS = 1.5
_LOOK_SECONDS = 1.0
"""How often it is looked which jobs are to end, and which queues stand still."""
_RETRY_SECONDS = 1.0


class Queues:
    """See the module.

    Args:
        instance: the data directory that this process belongs to.
        names: the queues whose jobs are done here.
    """

    def __init__(self, context: Context, instance: str, names: Iterable[Queue]) -> None:
        self._context = context
        self._names = tuple(names)
        self._broker: ArqQueues | None = None
        self._execution: Execution | None = None
        self._reconciler: Reconciler | None = None
        self._workers: dict[Queue, QueueWorker] = {}
        self._gathered = Gathering(self._put)
        self._clock = Clock(context)
        self._holder = Holder(context, instance, self._names, self._holds)
        self._wake = asyncio.Event()
        self._resting = False
        self._telling: list[asyncio.Task[None]] = []

    # ── what is told ─────────────────────────────────────────────────────────────────────────

    def told(self, jobs: list[Job]) -> None:
        """Hear of jobs that a commit has given somewhere to go."""
        for job in jobs:
            if job.state in ("scheduled", "retrying"):
                self._clock.expect(job.run_at)
        if self._broker is not None:  # until then the reconciler knows of them
            self._gathered.add(*(j for j in jobs if j.state == "queued" and j.awaits is None))

    def cancel(self, keys: Sequence[JobKey]) -> None:
        """Have running jobs end whose rows say so, wherever they run."""
        for key in keys:
            here = self._execution is not None and self._execution.cancel(key)
            if not here and self._broker is not None:
                told = asyncio.create_task(self._tell_to_end(key))
                self._telling.append(told)
                told.add_done_callback(self._telling.remove)

    def look_again(self) -> None:
        """Compare what waits: a queue goes on, or the broker is back and may have lost it."""
        self._wake.set()
        if self._reconciler is not None:
            self._reconciler.wake()

    @property
    def outcomes(self) -> Counter[tuple[str, str]]:
        """Attempts that have ended here, by queue and what came of them."""
        return Counter() if self._execution is None else self._execution.outcomes

    @property
    def reachable(self) -> bool:
        """Whether the broker answered when it was last asked."""
        return self._broker is not None and self._broker.reachable

    # ── working ──────────────────────────────────────────────────────────────────────────────

    async def run(self, redis_url: str) -> None:
        """Carry jobs and work, until cancelled; `stop` comes first."""
        async with AsyncExitStack() as stack:
            broker = self._broker = ArqQueues(connect(redis_settings(redis_url)))
            stack.push_async_callback(broker.close)
            tasks = await stack.enter_async_context(open_tasks(self._context, self._names))
            execution = self._execution = Execution(self._context, tasks)
            reconciler = self._reconciler = Reconciler(self._context, broker)
            broker.returned.append(reconciler.wake)
            await self._enter()
            async with asyncio.TaskGroup() as group:
                for queue in self._names:
                    worker = self._workers[queue] = self._worker(queue, broker, execution)
                    group.create_task(self._keep(worker.async_run))
                group.create_task(self._keep(lambda: self._listen(broker)))
                group.create_task(self._keep(lambda: self._look(execution)))
                for part in (self._holder, self._clock, reconciler):
                    group.create_task(self._keep(part.run))

    async def _keep(self, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a part of the queues going; a fault in one must end neither the others nor the
        hub."""
        while not self._resting:
            try:
                await run()
            except Exception:
                log.exception("a part of the queues has failed, and begins anew")
                await asyncio.sleep(_RETRY_SECONDS)

    def rest(self) -> None:
        """Begin nothing more; what is under way goes on until `stop`."""
        self._resting = True
        for worker in self._workers.values():
            worker.stop_picking()

    async def stop(self) -> None:
        """Begin nothing more, let end what ends soon, and hand the rest back to other workers."""
        self.rest()
        workers = list(self._workers.values())
        if self._execution is not None:
            await asyncio.gather(*(worker.drained(STOP_SECONDS) for worker in workers))
            self._execution.hand_back()
            await asyncio.gather(*(worker.drained(_HAND_BACK_SECONDS) for worker in workers))
            await asyncio.gather(*(worker.cut() for worker in workers))
            await self._execution.drained()
            await self._gathered.drained()
            try:
                await self._holder.leave()
            except (HubError, StorageError) as error:
                log.warning("the others could not be told of the end", error=str(error))

    def _worker(self, queue: Queue, broker: ArqQueues, execution: Execution) -> QueueWorker:
        slots = execution.slots[queue]
        worker = QueueWorker(
            redis_key(queue), broker, execution.take_on,
            lambda: slots.room(worker.job_counter), execution.expect, execution.drop,
        )  # fmt: skip
        slots.roomy = worker.roomy
        return worker

    def _holds(self, key: JobKey) -> bool:
        return self._execution is not None and key in self._execution.held

    async def _enter(self) -> None:
        while True:
            try:
                return await self._holder.enter()
            except (HubError, StorageError) as error:
                log.warning("no place among the workers yet", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _put(self, waiting: list[Job]) -> None:
        """Let the workers have jobs that wait for one."""
        assert self._broker is not None, "nothing is gathered before there is a broker"
        for queue in NAMES:
            of_queue = [Waiting(arq_id(j), j.priority) for j in waiting if j.queue == queue]
            if of_queue:
                await self._broker.put(redis_key(queue), of_queue, wake_channel(queue))
                if queue in self._workers:
                    self._workers[queue].wake()

    async def _tell_to_end(self, key: JobKey) -> None:
        assert self._broker is not None, "nobody is told without a broker"
        try:
            await self._broker.say(CANCEL_CHANNEL, f"{key[0]}:{key[1]}")
        except BrokerGone:
            return  # who runs it looks by itself

    async def _listen(self, broker: ArqQueues) -> None:
        bells = {wake_channel(queue): worker for queue, worker in self._workers.items()}

        def heard(channel: str, said: str) -> None:
            if channel in bells:
                bells[channel].wake()
            elif self._holds(job_key(said)):
                self._wake.set()  # a hint to look, whoever gave it: the row says it

        while True:
            try:
                await broker.listen([*bells, CANCEL_CHANNEL], heard)
            except BrokerGone:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _look(self, execution: Execution) -> None:
        """See now and then what nobody may have told: the rows say it."""
        while True:
            self._wake.clear()
            try:
                await self._look_once(execution)
            except StorageError as error:
                log.warning("it cannot be seen what is to end", error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wake.wait()

    async def _look_once(self, execution: Execution) -> None:
        database = self._context.database
        if execution.held:

            async def read(tx: Transaction) -> list[JobKey]:
                return await jobs.cancelling(tx, self._context.worker)

            for key in await database.read(read, HUB):
                execution.cancel(key)
        paused = await database.read(work.paused_for_all, HUB)
        for queue, worker in self._workers.items():
            slots = execution.slots[queue]
            if slots.paused and queue not in paused:
                worker.wake()
            slots.paused = queue in paused
