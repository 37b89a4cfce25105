"""arq's worker, without its traps.

What arq does well stays its own: the form of a queue and of a job's definition, reading one and
running its function, the slots. Four things are done otherwise:

- Picking: ids are taken off the queue at once and in batches, as many as there is room for. arq
  leaves them in the queue, reads its first hundred again at each poll, and asks for each apart:
  ids that run elsewhere can fill that hundred, and the jobs behind them starve.
- Waiting: a worker is woken by who lets jobs wait, and looks by itself every half a second only in
  case it was not. arq starts nothing between its polls.
- Failing: Redis may go and come back. arq's worker ends with it, and with it what it was running.
- Ending a job: who runs it is said by the database, so no key in Redis holds a job after the death
  of its worker, and nothing is removed that waits again already.

arq's own retries, timeouts, results, aborts and crons are not used: see `jobs.execution`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import arq.worker
import structlog
from redis.exceptions import RedisError

from .arq_queues import ArqQueues, BrokerGone, Gathering
from .queues import RUN

log = structlog.get_logger("jobs.worker")
# Two lines for every job, with all that it was given, would be most of the log.
logging.getLogger("arq").setLevel(logging.WARNING)

POLL_SECONDS = 0.5
"""How often a worker looks that was not woken: a sign may be lost."""
_AWAY_SECONDS = (0.1, 2.0)
"""How long a worker waits before it asks a broker that is gone again: at first, and at most."""
_CUT_SECONDS = 1.0
_NEVER = 1_000_000_000
"""So many attempts are left to us: the database counts them."""


class QueueWorker(arq.worker.Worker):
    """Takes the jobs of one queue.

    Args:
        queue: its key in Redis.
        perform: runs one job, given its id in arq, and tells the database; what it raises is
            logged, and the job stays as the database has it.
        room: how many jobs to take on just now, beside those that run already.
        taken, dropped: called with each id that was taken, before its definition is read, and when
            it is done with, whether it was performed or not.

    Attributes:
        picking: cleared when it is to stop taking jobs.
    """

    def __init__(
        self,
        queue: str,
        queues: ArqQueues,
        perform: Callable[[str], Awaitable[None]],
        room: Callable[[], int],
        taken: Callable[[str], None] = lambda job_id: None,
        dropped: Callable[[str], None] = lambda job_id: None,
    ) -> None:
        async def run(ctx: dict[str, Any], job_id: str) -> None:
            await perform(job_id)

        super().__init__(
            [arq.worker.func(run, name=RUN)],
            queue_name=queue,
            redis_pool=queues.redis,
            handle_signals=False,
            max_jobs=_NEVER,
            max_tries=_NEVER,
            keep_result=0,
            poll_delay=POLL_SECONDS,
            job_serializer=queues.redis.job_serializer,
            job_deserializer=queues.redis.job_deserializer,
            log_results=False,
        )
        # An attempt's time is kept by `jobs.execution`, whose limit differs from task to task.
        self.job_timeout_s = None  # type: ignore[assignment]
        self._queues = queues
        self._room = room
        self._taken = taken
        self._dropped = dropped
        self._wake = asyncio.Event()
        self._more = False
        self._again: dict[str, int] = {}
        self._ended: Gathering[str] = Gathering(queues.forget)

    # ── picking ──────────────────────────────────────────────────────────────────────────────

    def wake(self) -> None:
        """Look now whether jobs wait."""
        self._wake.set()

    async def main(self) -> None:
        """Take jobs and run them until `stop`, whatever becomes of Redis."""
        away = 0.0
        while self.allow_pick_jobs:
            # Cleared first: who wakes it while it asks has it ask again.
            self._wake.clear()
            try:
                await self._poll_iteration()
            except BrokerGone:
                away = min(max(away * 2, _AWAY_SECONDS[0]), _AWAY_SECONDS[1])
                await asyncio.sleep(away)  # not woken by the many who find it gone as well
                continue
            away = 0.0
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _poll_iteration(self) -> None:
        """Take as many jobs as there is room for, until none wait or there is no room."""
        self._more = True
        while self.allow_pick_jobs and (room := self._room()) > 0:
            taken = await self._queues.take(self.queue_name, room)
            for job_id, score in taken:
                self._start(job_id, score)
            if len(taken) < room:
                self._more = False
                break

    def _start(self, job_id: str, score: int) -> None:
        if job_id in self.tasks:
            # Its last attempt has told the database, and is about to end here.
            self._again[job_id] = score
            return
        self.job_counter += 1
        self._taken(job_id)
        task = self.loop.create_task(self.run_job(job_id, score))
        self.tasks[job_id] = task
        task.add_done_callback(partial(self._done, job_id))

    def _done(self, job_id: str, task: "asyncio.Task[None]") -> None:
        self.job_counter -= 1
        del self.tasks[job_id]
        self._dropped(job_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The database has the job as waiting or as held here: it is put back. That Redis is
            # gone is said elsewhere.
            level = logging.DEBUG if isinstance(error, RedisError | OSError) else logging.ERROR
            log.log(level, "a job was not run", job=job_id, exc_info=error)
        score = self._again.pop(job_id, None)
        if score is not None and self.allow_pick_jobs:
            self._start(job_id, score)
        self.roomy()

    def roomy(self) -> None:
        """There is room again, for what was left in the queue for want of it."""
        if self._more:
            self._wake.set()

    # ── ending ───────────────────────────────────────────────────────────────────────────────

    async def finish_job(self, job_id: str, *_: object, **__: object) -> None:
        """Have Redis forget a job that was run; its end is in the database already."""
        self._ended.add(job_id)

    async def finish_failed_job(self, job_id: str, result_data: bytes | None) -> None:
        """Have Redis forget a job that could not be begun: its definition has expired, or is none
        of ours. The reconciler puts it back if the database knows it."""
        self._ended.add(job_id)

    def stop_picking(self) -> None:
        """Take no more jobs; `main` returns."""
        self.allow_pick_jobs = False
        self._again.clear()
        self.wake()

    async def drained(self, seconds: float) -> bool:
        """Wait for the jobs that run here; False where some had not ended in time."""
        if self.tasks:
            await asyncio.wait(list(self.tasks.values()), timeout=seconds)
        return not self.tasks

    async def cut(self) -> None:
        """End what runs here, and what is left to be said to Redis."""
        for task in self.tasks.values():
            task.cancel()
        await self.drained(_CUT_SECONDS)
        await self._ended.drained()
