"""What comes of an attempt, and how it is written: fenced, in one transaction with what the task
changes."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from hub.protocol.times import format_ms, parse_ms
from storage import jobs, work
from storage.merchant_records import AttemptOutcome, Awaits, Job, JobAttempt

from .context import WriteScope
from .enqueue import record
from .retry import wait_seconds

ERROR_CHARACTERS = 4096
TRACEBACK_CHARACTERS = 16_384
SPARED = 10
"""So many attempts may be lost with their workers before such a loss counts: a hub that is killed
thrice in a row must not end its jobs, and a job that kills its worker must not go on for ever."""


class Done(Struct, frozen=True):
    """It succeeded.

    Attributes:
        result: any JSON, kept with the job.
        write: changes what the task changes, behind the fence and in the same transaction; what it
            returns is the result, unless that is None.
        afterwards: called behind the commit, and also where there was none because the job was not
            ours any more: for what no transaction holds, such as files.
    """

    result: Any = None
    write: Callable[[WriteScope], Awaitable[Any]] | None = None
    afterwards: Callable[[], Awaitable[None]] | None = None


class Failed(Struct, frozen=True):
    """It failed.

    Attributes:
        error: why, a sentence.
        final: whether trying again would not help.
        seconds: how long to wait before it is tried again; as `retry` says where it is None.
        traceback: where, for developers.
        outcome: what is noted of the attempt.
        spared: whether the job had no part in it, as far as is known, so that this attempt does
            not count; see `SPARED`.
        write: changes what the task changes, in the same transaction; it is given the job as it
            is afterwards: `retrying`, `dead`, or `cancelled` where somebody wanted that.
    """

    error: str
    final: bool = False
    seconds: float | None = None
    traceback: str | None = None
    outcome: AttemptOutcome = "failed"
    spared: bool = False
    write: Callable[[WriteScope, Job], Awaitable[None]] | None = None


class Parked(Struct, frozen=True):
    """It goes on when something is there that no worker has; this attempt does not count.

    Attributes:
        awaits: for what.
        note: the same for people.
        write: as in `Done`; what it returns is not looked at.
    """

    awaits: Awaits
    note: str
    write: Callable[[WriteScope], Awaitable[Any]] | None = None


class Postponed(Struct, frozen=True):
    """It is done later, through no fault of its own; this attempt does not count.

    Attributes:
        seconds: how much later.
        note: why, for people.
    """

    seconds: float
    note: str


class HandedBack(Struct, frozen=True):
    """The worker stops: another one begins anew. This attempt does not count."""


class Cancelled(Struct, frozen=True):
    """It was told to end, and has."""


Outcome = Done | Failed | Parked | Postponed | HandedBack | Cancelled


async def settle(scope: WriteScope, job: Job, outcome: Outcome, now: str) -> Job:
    """Write what came of an attempt, and tell of it.

    Args:
        job: as it was claimed; its attempt is the fence.
        now: RFC 3339.

    Returns:
        The job as it is afterwards.

    Raises:
        storage.errors.Stale: it does not run in this attempt any more; nothing is to be written.
    """
    changes: dict[str, Any]
    if isinstance(outcome, Parked | Postponed | HandedBack) and await _is_to_end(scope, job):
        outcome = Cancelled()
    match outcome:
        case Done():
            return await _succeed(scope, job, outcome, now)
        case Failed():
            return await _fail(scope, job, outcome, now)
        case Parked():
            # An attempt number is never used twice, so that the fence holds.
            changes = {
                "state": "queued", "awaits": outcome.awaits, "note": outcome.note,
                "max_attempts": job.max_attempts + 1, "updated_at": now,
            }  # fmt: skip
            after = await jobs.settle(scope.tx, job, changes)
            if outcome.write is not None:
                await outcome.write(scope)
            scope.jobs.append(after)
            return after
        case Postponed():
            changes = {
                "state": "scheduled", "run_at": _later(now, outcome.seconds), "note": outcome.note,
                "max_attempts": job.max_attempts + 1, "updated_at": now,
            }  # fmt: skip
            after = await jobs.settle(scope.tx, job, changes)
            scope.jobs.append(after)
            return after
        case HandedBack():
            changes = {
                "state": "queued", "max_attempts": job.max_attempts + 1, "progress": 0,
                "note": None, "updated_at": now,
            }  # fmt: skip
            after = await jobs.settle(scope.tx, job, changes)
            scope.jobs.append(after)
            return after
        case Cancelled():
            changes = {"state": "cancelled", "finished_at": now, "updated_at": now}
            after = await jobs.settle(scope.tx, job, changes)
            record(scope, "job_cancelled", after)
            return after


async def _succeed(scope: WriteScope, job: Job, outcome: Done, now: str) -> Job:
    changes = {
        "state": "succeeded", "progress": 100, "error": None, "finished_at": now,
        "updated_at": now, "result": outcome.result,
    }  # fmt: skip
    if outcome.write is None:
        after = await jobs.settle(scope.tx, job, changes)
    else:
        # First the fence, with a result that may be another one at the end.
        after = await jobs.settle(scope.tx, job, changes)
        result = await outcome.write(scope)
        if result is not None:
            after = await jobs.put_result(scope.tx, after, result)
    record(scope, "job_completed", after)
    return after


async def _fail(scope: WriteScope, job: Job, outcome: Failed, now: str) -> Job:
    error = outcome.error[:ERROR_CHARACTERS].replace("\0", "") or "it failed without a word"
    spared = (
        outcome.spared
        and job.attempt >= job.max_attempts
        and await work.lost_attempts(scope.tx, job) < SPARED
    )
    dead = outcome.final or (job.attempt >= job.max_attempts and not spared)
    cancelled = not dead and await _is_to_end(scope, job)
    changes: dict[str, Any] = {"error": error, "updated_at": now}
    if spared:
        changes["max_attempts"] = job.max_attempts + 1
    if dead or cancelled:
        changes |= {"state": "dead" if dead else "cancelled", "finished_at": now}
    else:
        seconds = wait_seconds(job.attempt) if outcome.seconds is None else outcome.seconds
        changes |= {"state": "retrying", "run_at": _later(now, seconds)}
    after = await jobs.settle(scope.tx, job, changes)
    await work.add_attempt(
        scope.tx,
        JobAttempt(
            merchant_id=job.merchant_id, job_id=job.id, attempt=job.attempt, worker=job.worker,
            outcome=outcome.outcome, error=error, traceback=_last(outcome.traceback),
            started_at=job.started_at, ended_at=now,
        ),
    )  # fmt: skip
    if outcome.write is not None:
        await outcome.write(scope, after)
    if dead or cancelled:
        record(scope, "job_dead" if dead else "job_cancelled", after)
    else:
        scope.jobs.append(after)
        record(scope, "job_failed", after)
    return after


async def _is_to_end(scope: WriteScope, job: Job) -> bool:
    """Whether somebody has cancelled a job while it ran: then it does not begin anew."""
    now = await jobs.find(scope.tx, job.id)
    return now is not None and now.cancelling


def _later(now: str, seconds: float) -> str:
    return format_ms(parse_ms(now) + int(seconds * 1000))


def _last(traceback: str | None) -> str | None:
    """The end of a traceback says most."""
    return None if traceback is None else traceback[-TRACEBACK_CHARACTERS:].replace("\0", "")
