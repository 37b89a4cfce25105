"""What people do with jobs: end them, begin them anew, throw them away.

Each works on a few jobs in one transaction; whoever has thousands comes with one part of them
after the other.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from storage import job_changes, messages
from storage.errors import Conflict
from storage.jobs import JobKey
from storage.merchant_records import Job, Queue

from .context import WriteScope
from .enqueue import record
from .queues import NAMES, RULES, is_loud
from .registry import begun_anew, ended

PART = 500
"""Most jobs of one transaction: who publishes meanwhile waits for it."""
_NOT_SENT = "cancelled before it was sent"


class Cancelled(Struct, frozen=True):
    """What came of cancelling.

    Attributes:
        ended: jobs that have ended.
        asked: jobs that a worker performs, who is to be told behind the commit.
    """

    ended: list[Job]
    asked: list[Job]


async def cancel(scope: WriteScope, keys: Sequence[JobKey], now: str, source: str) -> Cancelled:
    """End those of these jobs that have not ended.

    Args:
        now: RFC 3339.
        source: of the events: who does it.
    """
    over = await job_changes.cancel(scope.tx, keys, now)
    scope.jobs += over  # a bot may hold some of them
    asked = await job_changes.ask_to_end(scope.tx, keys, now)
    # A bulk send has thousands of parts, of whose messages no event tells.
    parts = [job for job in over if _is_message(job) and not is_loud(job)]
    await messages.give_up(scope.tx, [(job.merchant_id, job.id) for job in parts], _NOT_SENT, now)
    scope.jobs += over  # a bot that has one need not go on, and a parent has one less to wait for
    for job in over:
        if is_loud(job) or not _is_message(job):
            await ended(scope, job)
        record(scope, "job_cancelled", job, source)
    return Cancelled(over, asked)


def attempts_of(webhook_waits: Sequence[float]) -> dict[Queue, int]:
    """How many attempts a job has that begins anew, by its queue.

    Args:
        webhook_waits: between the attempts of a delivery, seconds.
    """
    usual = {queue: RULES[queue].max_attempts for queue in NAMES}
    return usual | {"webhook_delivery": len(webhook_waits) + 1}


async def begin_anew(
    scope: WriteScope,
    keys: Sequence[JobKey],
    attempts: Mapping[Queue, int],
    now: str,
    source: str,
) -> list[Job]:
    """Queue those of these jobs again that are dead or cancelled, with all their attempts.

    A job whose parts are all made waits for them. One whose unique key another open job has by now
    stays as it is.

    Args:
        attempts: see `attempts_of`.
        now: RFC 3339.
        source: of the events: who does it.
    """
    moved = await _moved(scope, keys, attempts, now)
    queued = [(job.merchant_id, job.id) for job in moved]
    waiting = {job.id: job for job in await job_changes.await_parts(scope.tx, queued, now)}
    moved = [waiting.get(job.id, job) for job in moved]
    sent = [(job.merchant_id, job.id) for job in moved if _is_message(job)]
    await messages.wait_again(scope.tx, sent, now)
    scope.jobs += moved
    for job in moved:
        await begun_anew(scope, job)
        record(scope, "job_queued", job, source)
    return moved


async def _moved(
    scope: WriteScope, keys: Sequence[JobKey], attempts: Mapping[Queue, int], now: str
) -> list[Job]:
    try:
        async with scope.tx.savepoint():
            return await job_changes.begin_anew(scope.tx, keys, attempts, now)
    except Conflict:
        if len(keys) == 1:
            return []
    moved: list[Job] = []
    for key in keys:
        moved += await _moved(scope, [key], attempts, now)
    return moved


async def discard(scope: WriteScope, keys: Sequence[JobKey]) -> int:
    """Remove those of these jobs that have ended and have no parts; how many they were."""
    return await job_changes.discard(scope.tx, keys)


def _is_message(job: Job) -> bool:
    return job.queue == "message_sending" and job.name == "send"
