"""One attempt of a job, as its task sees it."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct, structs

from hub.protocol.drafts import Origin
from storage import jobs
from storage.merchant_records import Job
from storage.scope import Scope

from .context import SOURCE, Context, WriteScope
from .enqueue import event_data, subject_of
from .outcome import Outcome
from .queues import is_loud

TELL_SECONDS = 0.2
"""How often progress is told at the most."""
NOTE_SECONDS = 1.0
"""How often progress is written to the row at the most."""


class Run:
    """An attempt under way.

    Attributes:
        context: what all tasks of the process share.
        job: as it was claimed.
        scope: for its merchant's rows.
    """

    def __init__(self, context: Context, job: Job) -> None:
        self.context = context
        self.job = job
        self.scope = Scope(job.merchant_id)
        self._told = self._noted = float("-inf")

    async def progress(self, percent: int, note: str | None = None) -> None:
        """Say how far it is: told to those who watch, and written now and then.

        Args:
            percent: 0 to 100.
            note: what it is doing, a few words.
        """
        moment = time.monotonic()
        job, context = self.job, self.context
        if is_loud(job) and moment - self._told >= TELL_SECONDS:
            self._told = moment
            shown = structs.replace(job, progress=percent, note=note)
            origin = Origin(job.merchant_id, SOURCE)
            context.log.tell(origin, "job_progressed", event_data(shown), subject_of(job))
        if moment - self._noted >= NOTE_SECONDS:
            self._noted = moment

            async def work(scope: WriteScope) -> None:
                await jobs.note_progress(scope.tx, job, percent, note, context.now)

            await context.log.commit(work, self.scope)


class Task(Struct, frozen=True):
    """What a kind of job does.

    Attributes:
        name: of its jobs.
        args: the Struct that their arguments are.
        perform: does it. What it raises is a failure: `errors.Refused` for good, anything else
            until there were too many.
    """

    name: str
    args: type[Struct]
    perform: Callable[[Run, Any], Awaitable[Outcome]]
