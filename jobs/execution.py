"""A job from its claim to its end.

taken ─▶ claimed ─▶ begun in a slot (job_started) ─▶ performed, within its time ─▶ written, fenced

Whatever a task raises becomes an outcome here: nothing of it reaches arq, which would lose the job
or end the worker.
"""

import asyncio
import traceback
from collections import Counter
from collections.abc import Mapping

import msgspec
import structlog

from hub.protocol.drafts import Origin
from hub.protocol.errors import HubError
from hub.protocol.errors import Unavailable as LogUnavailable
from storage.errors import Stale, StorageError, Unavailable
from storage.jobs import JobKey
from storage.merchant_records import Job, Queue
from storage.scope import Scope

from .claims import Claims, Unclaimed
from .context import SOURCE, Context, WriteScope
from .enqueue import event_data, subject_of
from .errors import Again, Refused
from .outcome import Cancelled, Done, Failed, HandedBack, Outcome, settle
from .queues import RULES, is_loud, job_key
from .registry import ended
from .run import Run, Task
from .slots import Slots

log = structlog.get_logger("jobs.execution")

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 2.0
_CUT_SECONDS = 0.5
"""How long a task may take to end that is cut off without being asked."""


class Execution:
    """Performs jobs in one process.

    Args:
        tasks: by queue and name.

    Attributes:
        slots: by queue.
        stopping: whether what is cut off now is handed back to another worker.
        held: the jobs that were claimed here, until what came of them is written.
        outcomes: attempts that have ended here, by queue and what came of them.
    """

    def __init__(self, context: Context, tasks: Mapping[tuple[Queue, str], Task]) -> None:
        self.stopping = False
        self.slots = {queue: Slots(rules.concurrency) for queue, rules in RULES.items()}
        self.held: set[JobKey] = set()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._context = context
        self._tasks = tasks
        self._claims = Claims(context)
        self._performing: dict[JobKey, asyncio.Task[Outcome]] = {}
        self._cancelled: set[JobKey] = set()
        self._giving_back: set[asyncio.Task[None]] = set()

    def expect(self, arq_id: str) -> None:
        """Begin to claim a job that was taken from the broker: its definition is still read."""
        self.held.add(job_key(arq_id))
        self._claims.expect(arq_id)

    def drop(self, arq_id: str) -> None:
        """A job that was expected is done with. One that was not performed, since its definition
        was gone with the broker, is handed back."""
        expected = self._claims.drop(arq_id)
        if expected is not None:
            giving_back = asyncio.create_task(self._give_back(job_key(arq_id), expected))
            self._giving_back.add(giving_back)
            giving_back.add_done_callback(self._giving_back.discard)

    async def _give_back(self, key: JobKey, expected: "asyncio.Future[Job | None]") -> None:
        try:
            job = await expected
            if job is not None:
                await self._settle(job, HandedBack())
        except Unclaimed as error:
            log.warning("a job was not begun", job=key[1], error=str(error))
        finally:
            self.held.discard(key)

    async def drained(self) -> None:
        """Return when what is handed back is written."""
        if self._giving_back:
            await asyncio.wait(list(self._giving_back))

    async def take_on(self, arq_id: str) -> None:
        """Perform the job that arq means, if it is to be begun and nobody else has begun it."""
        key = job_key(arq_id)
        self.held.add(key)
        try:
            job = await self._claims.claim(arq_id)
            if job is not None:
                await self.carry_out(job)
        except Unclaimed as error:
            # It may have been claimed all the same: then it is found held by nobody here.
            log.warning("a job was not begun", job=key[1], error=str(error))
        finally:
            self.held.discard(key)

    async def carry_out(self, job: Job) -> Job | None:
        """Perform a job that this process has claimed, and write what came of it.

        Returns:
            The job afterwards; None where it was not ours any more.
        """
        key = (job.merchant_id, job.id)
        slots = self.slots[job.queue]
        performing = self._performing[key] = asyncio.create_task(self._perform(job, slots))
        self.held.add(key)
        try:
            await asyncio.wait((performing,))
        except asyncio.CancelledError:
            # What carries it out is cut off: so is the task, and its worker is found dead.
            performing.cancel()
            await asyncio.wait((performing,), timeout=_CUT_SECONDS)
            raise
        finally:
            del self._performing[key]
        slots.ended += 1
        slots.roomy()
        try:
            outcome = self._outcome(key, performing)
            settled = await self._settle(job, outcome)
            self.outcomes[job.queue, _came_of(settled)] += 1
            if isinstance(outcome, Done) and outcome.afterwards is not None:
                await outcome.afterwards()
            return settled
        finally:
            slots.ended -= 1
            self.held.discard(key)

    def cancel(self, key: JobKey) -> bool:
        """Tell a job that runs here to end; False where none does."""
        performing = self._performing.get(key)
        if performing is None:
            return False
        self._cancelled.add(key)
        performing.cancel()
        return True

    def hand_back(self) -> None:
        """Cut off everything that runs here; other workers begin it anew."""
        self.stopping = True
        for performing in self._performing.values():
            performing.cancel()

    def _outcome(self, key: JobKey, performing: "asyncio.Task[Outcome]") -> Outcome:
        cancelled = key in self._cancelled
        self._cancelled.discard(key)
        if performing.cancelled():
            if cancelled or self.stopping:
                return Cancelled() if cancelled else HandedBack()
            return Failed("the task has cancelled itself")
        error = performing.exception()
        if error is not None:  # no `Exception`: the loop is about to end
            return Failed(f"{type(error).__name__}: {error}")
        return performing.result()

    async def _perform(self, job: Job, slots: Slots) -> Outcome:
        task = self._tasks.get((job.queue, job.name))
        if task is None:
            return Failed(f"{job.queue} has no task {job.name!r}", final=True)
        try:
            args = msgspec.convert(job.args, task.args)
        except msgspec.ValidationError as error:
            return Failed(f"its arguments do not fit the task: {error}", final=True)
        if job.expires_at is not None and job.expires_at <= self._context.now:
            return Failed(f"expired: it was of use until {job.expires_at}", final=True)
        seconds = job.timeout or RULES[job.queue].timeout
        async with slots.slot():
            if is_loud(job):
                origin = Origin(job.merchant_id, SOURCE)
                self._context.log.tell(origin, "job_started", event_data(job), subject_of(job))
            limit = asyncio.timeout(seconds)
            try:
                async with limit:
                    return await task.perform(Run(self._context, job), args)
            except TimeoutError as error:
                # A task may meet a time limit of its own.
                late = limit.expired()
                return Failed(f"it took longer than {seconds} s") if late else failure(error)
            except Exception as error:
                return failure(error)

    async def _settle(self, job: Job, outcome: Outcome) -> Job | None:
        """Write what came of a job, however long the database does not answer."""
        wait = _FIRST_WAIT_SECONDS
        while True:

            async def write(scope: WriteScope, outcome: Outcome = outcome) -> Job:
                after = await settle(scope, job, outcome, self._context.now)
                await ended(scope, after)
                return after

            try:
                committed = await self._context.log.commit(write, Scope(job.merchant_id))
            except Stale:
                log.info("a job was not ours any more", job=job.id, attempt=job.attempt)
                return None
            except (LogUnavailable, Unavailable):
                if self.stopping:
                    return None  # it is found lost, and begun anew
                await asyncio.sleep(wait)
                wait = min(_LONGEST_WAIT_SECONDS, wait * 2)
            except Exception as error:
                if isinstance(outcome, Failed) and outcome.write is None:
                    log.exception("a failure could not be written", job=job.id)
                    return None  # it is found held by nobody here
                outcome = failure(error)
            else:
                return committed.result


def _came_of(job: Job | None) -> str:
    """What came of an attempt, by the job as it is afterwards."""
    if job is None:
        return "lost"
    if job.state == "queued":
        return "parked" if job.awaits is not None else "handed_back"
    return "failed" if job.state == "retrying" else job.state


def failure(error: Exception) -> Failed:
    """What an error of a task means for its job."""
    match error:
        case Refused():
            return Failed(str(error), final=True)
        case Again():
            return Failed(str(error), seconds=error.seconds)
        case HubError() | StorageError():
            return Failed(str(error))
        case _:
            where = "".join(traceback.format_exception(error))
            return Failed(f"{type(error).__name__}: {error}", traceback=where)
