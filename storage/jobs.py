"""The table `jobs`: the work of all queues."""

from .database import Transaction, Value
from .merchant_records import Job, JobState, Queue
from .scope import scoped
from .table import Table, of_one

_JOBS = Table("jobs", Job, "job")
_OPEN = "state IN ('scheduled', 'queued', 'running', 'retrying')"
"""As in the unique index over the open jobs, which is used for what is written alike."""


async def get(tx: Transaction, id_: str) -> Job:
    """Raises: NotFound."""
    return await _JOBS.get(tx, id_)


async def insert(tx: Transaction, job: Job) -> Job:
    """Add a job; raises Conflict."""
    return await _JOBS.insert(tx, job)


async def update(tx: Transaction, job: Job) -> Job:
    """Write a changed job, see `Table.update`; raises NotFound, Stale, Conflict."""
    return await _JOBS.update(tx, job)


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a job; raises NotFound, Stale, Conflict."""
    await _JOBS.delete(tx, id_, version)


async def open_by_key(tx: Transaction, queue: Queue, unique_key: str) -> Job | None:
    """The bound merchant's open job of a queue with this key."""
    where, params = of_one(tx)
    found = await _JOBS.select(
        tx,
        f"{where} AND queue = ? AND unique_key = ? AND unique_key IS NOT NULL AND {_OPEN}",
        (*params, queue, unique_key),
    )
    return found[0] if found else None


async def page(
    tx: Transaction,
    after: str,
    limit: int,
    *,
    queue: Queue | None = None,
    state: JobState | None = None,
    parent_id: str | None = None,
) -> list[Job]:
    """Up to `limit` jobs, newest first.

    Args:
        after: the last id of the page before; empty for the newest.
    """
    filters = {"queue": queue, "state": state, "parent_id": parent_id}
    return await _JOBS.page(tx, after, limit, filters, newest_first=True)


async def by_run_time(
    tx: Transaction,
    queue: Queue,
    state: JobState,
    limit: int,
    *,
    until: str | None = None,
    after: Job | None = None,
) -> list[Job]:
    """Up to `limit` jobs of a queue in a state, in the order of their `run_at`.

    Args:
        until: the last `run_at`: now, for those that are due.
        after: the last job of the page before.
    """
    where, bound = scoped(tx)
    where += " AND queue = ? AND state = ?"
    params: list[Value] = [*bound, queue, state]
    if until is not None:
        where += " AND run_at <= ?"
        params.append(until)
    if after is not None:
        where += " AND (run_at, id) > (?, ?)"
        params += (after.run_at, after.id)
    return await _JOBS.select(tx, f"{where} ORDER BY run_at, id LIMIT ?", (*params, limit))
