"""Recurring jobs: when one comes due it makes a job, in the transaction that says when it comes
next. Of several hubs one does it; a run that would overtake the one before it is left out.
"""

from collections.abc import Awaitable, Callable

import msgspec
import structlog
from msgspec import Struct

from hub.protocol.errors import HubError, InvalidParams
from hub.protocol.times import format_ms, parse_ms
from storage import jobs, recurring
from storage.database import Transaction
from storage.errors import Conflict, StorageError
from storage.merchant_records import Job, Queue, RecurringJob
from storage.scope import HUB, Scope

from .context import Context, WriteScope
from .enqueue import NewJob, add_job, record
from .message_sending.bulk import queue_bulk
from .message_sending.send import queue_message
from .outcome import ERROR_CHARACTERS
from .queues import RULES
from .recurrence import due_runs, next_run
from .tasks import Repeated, RepeatedBulk

log = structlog.get_logger("jobs.recurring")

_BATCH = 50


class _Begun(Struct, frozen=True):
    """One run that is to be made.

    Attributes:
        unique_key: as long as an open job has it, the run is left out.
    """

    recurring: RecurringJob
    unique_key: str
    now: str


async def begin_due(context: Context) -> int:
    """Make the runs that have come due; how many recurring jobs had some.

    Raises:
        HubError, StorageError: the database did not do it.
    """

    async def read(tx: Transaction) -> list[RecurringJob]:
        return await recurring.due(tx, format_ms(context.clock()), _BATCH)

    begun = 0
    while found := await context.database.read(read, HUB):
        for each in found:
            await _begin(context, each)
        begun += len(found)
        if len(found) < _BATCH:
            break
    return begun


async def _begin(context: Context, due: RecurringJob) -> None:
    assert due.next_run_at is not None, "what is due has a time"
    now_ms = context.clock()
    now = format_ms(now_ms)
    try:
        first = parse_ms(due.next_run_at)
        runs = due_runs(due.schedule, due.time_zone, first, now_ms, due.missed)
        comes = next_run(due.schedule, due.time_zone, now_ms)
    except ValueError as error:  # such as a time zone that this machine does not know
        log.error("a recurring job cannot come", recurring=due.id, error=str(error))
        runs, comes = [], None

    async def work(scope: WriteScope) -> None:
        last = format_ms(runs[-1]) if runs else due.last_run_at
        after = None if comes is None else format_ms(comes)
        if not await recurring.move_on(scope.tx, due, after, last):
            return  # another hub was first, or somebody has changed it
        for run in runs:
            key = f"recurring-{due.id}"
            if due.missed == "all":
                key += f"-{run}"
            await _run(scope, _Begun(due, key, now))

    await context.log.commit(work, Scope(due.merchant_id))


async def _run(scope: WriteScope, begun: _Begun) -> None:
    due = begun.recurring
    begin = BEGINNINGS.get((due.queue, due.task), _as_it_stands)
    if await jobs.open_by_key(scope.tx, due.queue, begun.unique_key) is not None:
        log.info("a run is left out: the one before it has not ended", recurring=due.id)
        return
    try:
        async with scope.tx.savepoint():
            await begin(scope, begun)
    except (InvalidParams, Conflict, msgspec.ValidationError) as error:
        await _dead(scope, begun, str(error))
    except (HubError, StorageError):
        raise
    except Exception as error:
        # It goes on with its next run, or it would come first again and hold up all the others.
        log.exception("a run could not be made", recurring=due.id)
        await _dead(scope, begun, f"{type(error).__name__}: {error}")


async def _as_it_stands(scope: WriteScope, begun: _Begun) -> None:
    due = begun.recurring
    new = NewJob(
        merchant_id=due.merchant_id, queue=due.queue, name=due.task, args=due.args,
        unique_key=begun.unique_key,
    )  # fmt: skip
    await add_job(scope, new, begun.now)


async def _send(scope: WriteScope, begun: _Begun) -> None:
    due = begun.recurring
    args = msgspec.convert(due.args, Repeated)
    await queue_message(
        scope, merchant_id=due.merchant_id, to=args.to, text=args.text, template=args.template,
        variables=args.variables, unique_key=begun.unique_key, now=begun.now,
    )  # fmt: skip


async def _send_many(scope: WriteScope, begun: _Begun) -> None:
    due = begun.recurring
    args = msgspec.convert(due.args, RepeatedBulk)
    await queue_bulk(
        scope, merchant_id=due.merchant_id, template=args.template, recipients=args.recipients,
        variables=args.variables, unique_key=begun.unique_key, now=begun.now,
    )  # fmt: skip


BEGINNINGS: dict[tuple[Queue, str], Callable[[WriteScope, _Begun], Awaitable[None]]] = {
    ("message_sending", "send"): _send,
    ("message_sending", "bulk"): _send_many,
}
"""What makes the job of a run, where it takes more than a row."""


async def _dead(scope: WriteScope, begun: _Begun, error: str) -> None:
    """A run that cannot be made is there to be seen all the same."""
    due, now = begun.recurring, begun.now
    job = Job(
        id=scope.new_id(), merchant_id=due.merchant_id, queue=due.queue, name=due.task,
        args=due.args, state="dead", error=error[:ERROR_CHARACTERS] or "it could not be begun",
        max_attempts=RULES[due.queue].max_attempts, run_at=now, finished_at=now, created_at=now,
        updated_at=now,
    )  # fmt: skip
    record(scope, "job_dead", await jobs.insert(scope.tx, job))
