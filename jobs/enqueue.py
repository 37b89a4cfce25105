"""How work begins: a row in the transaction of its cause; its id reaches arq behind the commit."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hub.protocol.drafts import Origin
from storage import jobs
from storage.merchant_records import Job, Queue

from .context import SOURCE, WriteScope
from .queues import RULES, is_loud

_RESULT_BYTES = 4096
"""Of a result that stands in an event; a longer one is read from the job."""


class NewJob(Struct, frozen=True, kw_only=True):
    """A piece of work to be done.

    Attributes:
        args: a Struct of `tasks`, or the same as JSON.
        id: of the job, unique within its merchant; one is made where it is None.
        run_at: not before; at once where it is None. RFC 3339.
        priority: higher first.
        unique_key: no two open jobs of a queue share it.
        max_attempts, timeout: where the queue's own will not do.
        recipient: the phone that a message goes to.
        expires_at: after which it is not worth while.
    """

    merchant_id: str
    queue: Queue
    name: str
    args: Struct | dict[str, Any]
    id: str | None = None
    run_at: str | None = None
    priority: int = 0
    unique_key: str | None = None
    max_attempts: int | None = None
    timeout: int | None = None
    parent_id: str | None = None
    recipient: str | None = None
    expires_at: str | None = None


async def add_job(scope: WriteScope, new: NewJob, now: str, source: str = SOURCE) -> Job:
    """Queue a job in this transaction.

    Args:
        now: RFC 3339.
        source: of its event: who asked for it.

    Raises:
        storage.errors.Conflict: there is one with this id, or an open one with this unique key.
    """
    job = await jobs.insert(scope.tx, _row(scope, new, now))
    scope.jobs.append(job)
    record(scope, "job_queued", job, source)
    return job


async def add_many(scope: WriteScope, new: Sequence[NewJob], now: str) -> list[Job]:
    """Queue jobs of which no event tells, by few statements.

    Raises:
        storage.errors.Conflict: there is one with such an id; none is added.
    """
    made = [_row(scope, each, now) for each in new]
    assert not any(is_loud(job) for job in made), "what is told of is added one by one"
    await jobs.insert_many(scope.tx, made)
    scope.jobs += made
    return made


async def add_once(
    scope: WriteScope, new: NewJob, now: str, source: str = SOURCE
) -> tuple[Job, bool]:
    """Queue a job with an id of its own, unless that was done before, however long ago.

    Returns:
        The job, and whether it is new.
    """
    assert new.id is not None, "what is to be done once has an id"
    known = await jobs.find(scope.tx, new.id)
    if known is not None:
        return known, False
    return await add_job(scope, new, now, source), True


def _row(scope: WriteScope, new: NewJob, now: str) -> Job:
    rules = RULES[new.queue]
    later = new.run_at is not None and new.run_at > now
    return Job(
        id=new.id or scope.new_id(), merchant_id=new.merchant_id, queue=new.queue, name=new.name,
        args=msgspec.to_builtins(new.args), state="scheduled" if later else "queued",
        priority=new.priority, max_attempts=new.max_attempts or rules.max_attempts,
        run_at=new.run_at or now, parent_id=new.parent_id, unique_key=new.unique_key,
        timeout=new.timeout, recipient=new.recipient, expires_at=new.expires_at,
        created_at=now, updated_at=now,
    )  # fmt: skip


def record(scope: WriteScope, type_: str, job: Job, source: str = SOURCE) -> None:
    """Append an event about a job, if it is told of at all."""
    if is_loud(job):
        scope.record(Origin(job.merchant_id, source), type_, event_data(job), subject_of(job))


def subject_of(job: Job) -> str:
    """What events about a job are about."""
    return f"job/{job.id}"


def event_data(job: Job) -> dict[str, Any]:
    """What an event says of a job."""
    data: dict[str, Any] = {
        "jobId": job.id, "queue": job.queue, "name": job.name, "state": job.state,
        "attempt": job.attempt, "maxAttempts": job.max_attempts, "progress": job.progress,
        "note": job.note, "runAt": job.run_at, "version": job.version,
    }  # fmt: skip
    if job.error is not None and job.state in ("retrying", "dead", "cancelled"):
        data["error"] = job.error
    if job.result is not None and len(msgspec.json.encode(job.result)) <= _RESULT_BYTES:
        data["result"] = job.result
    return data
