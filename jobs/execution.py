"""A job from its claim to its end.

    claimed ─▶ begun (job_started) ─▶ performed, within its time ─▶ settled, fenced by its attempt

Whatever a task raises becomes an outcome here: nothing of it reaches arq, which would lose the job
or end the worker.
"""

import asyncio
import traceback

import msgspec
import structlog

from hub.protocol.drafts import Origin
from hub.protocol.errors import HubError
from hub.protocol.errors import Unavailable as LogUnavailable
from storage.errors import Stale, StorageError, Unavailable
from storage.merchant_records import Job, Queue
from storage.scope import Scope

from .context import SOURCE, Context, WriteScope
from .enqueue import event_data, subject_of
from .errors import Again, Refused
from .outcome import Cancelled, Done, Failed, HandedBack, Outcome, settle
from .queues import RULES, is_loud
from .registry import ended
from .run import Run, Task

log = structlog.get_logger("jobs.execution")

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 2.0


class Execution:
    """Performs claimed jobs in one process.

    Args:
        tasks: by queue and name.

    Attributes:
        stopping: whether what is cut off now is handed back to another worker.
    """

    def __init__(self, context: Context, tasks: dict[tuple[Queue, str], Task]) -> None:
        self.stopping = False
        self._context = context
        self._tasks = tasks
        self._running: dict[tuple[str, str], asyncio.Task[Outcome]] = {}
        self._cancelled: set[tuple[str, str]] = set()

    @property
    def running(self) -> int:
        """How many jobs are being performed."""
        return len(self._running)

    async def carry_out(self, job: Job) -> Job | None:
        """Perform a job that this process has claimed, and write what came of it.

        Returns:
            The job afterwards; None where it was not ours any more.
        """
        context = self._context
        if is_loud(job):
            origin = Origin(job.merchant_id, SOURCE)
            context.log.tell(origin, "job_started", event_data(job), subject_of(job))
        key = (job.merchant_id, job.id)
        performing = self._running[key] = asyncio.create_task(self._perform(job))
        try:
            await asyncio.wait((performing,))
        except asyncio.CancelledError:
            # What carries it out is cut off: so is the task, and what it held is handed back.
            performing.cancel()
            await asyncio.wait((performing,))
            raise
        finally:
            del self._running[key]
            if performing.done():
                outcome = self._outcome(key, performing)
                settled = await self._settle(job, outcome)
                if isinstance(outcome, Done) and outcome.afterwards is not None:
                    await outcome.afterwards()
        return settled

    def cancel(self, merchant_id: str, id_: str) -> bool:
        """Tell a job that runs here to end; False where none does."""
        performing = self._running.get((merchant_id, id_))
        if performing is None:
            return False
        self._cancelled.add((merchant_id, id_))
        performing.cancel()
        return True

    def hand_back(self) -> None:
        """Cut off everything that runs here; other workers begin it anew."""
        self.stopping = True
        for performing in self._running.values():
            performing.cancel()

    def _outcome(self, key: tuple[str, str], performing: "asyncio.Task[Outcome]") -> Outcome:
        cancelled = key in self._cancelled
        self._cancelled.discard(key)
        if performing.cancelled():
            return Cancelled() if cancelled else HandedBack()
        return performing.result()

    async def _perform(self, job: Job) -> Outcome:
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
        try:
            async with asyncio.timeout(seconds):
                return await task.perform(Run(self._context, job), args)
        except TimeoutError:
            return Failed(f"it took longer than {seconds} s")
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
                    raise
                outcome = failure(error)
            else:
                return committed.result


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
