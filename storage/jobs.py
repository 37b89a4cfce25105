"""The table `jobs`: the work of all queues, and the truth about it.

    scheduled ──due──▶ queued ──claim──▶ running ──▶ succeeded
                         ▲                  │  └───▶ dead
                         │                  ▼
                         └──due──────── retrying

A job is claimed by one worker, and what comes of it is written only while it runs in the attempt
that is told of: whoever comes late changes nothing. Any job that has not ended may be cancelled.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from .database import Transaction, Value
from .errors import Stale
from .merchant_records import Job, JobState, Queue
from .scope import scoped
from .table import Table, encode_json, of_one

_JOBS = Table("jobs", Job, "job")
_OPEN = "state IN ('scheduled', 'queued', 'running', 'retrying')"
"""As in the unique index over the open jobs, which is used for what is written alike."""

OPEN_STATES: frozenset[JobState] = frozenset({"scheduled", "queued", "running", "retrying"})
ENDED_STATES: frozenset[JobState] = frozenset({"succeeded", "dead", "cancelled"})

JobKey = tuple[str, str]
"""merchant_id and id: ids may be chosen, and are unique within one merchant."""

UNPAUSED = (
    "NOT EXISTS (SELECT 1 FROM paused_queues AS p WHERE p.queue = jobs.queue"
    " AND p.merchant_id IN (jobs.merchant_id, '*'))"
)
"""The condition that a job's queue does not stand still."""


async def get(tx: Transaction, id_: str) -> Job:
    """Raises: NotFound."""
    return await _JOBS.get(tx, id_)


async def find(tx: Transaction, id_: str) -> Job | None:
    """The bound merchant's job with this id, if there is one."""
    return (await _JOBS.by_ids(tx, [id_])).get(id_)


async def insert(tx: Transaction, job: Job) -> Job:
    """Add a job; raises Conflict."""
    return await _JOBS.insert(tx, job)


_NEW = {
    "id": "text", "merchant_id": "text", "queue": "text", "name": "text", "args": "jsonb",
    "state": "text", "priority": "bigint", "max_attempts": "bigint", "run_at": "timestamptz",
    "parent_id": "text", "unique_key": "text", "timeout": "bigint", "recipient": "text",
    "expires_at": "timestamptz", "created_at": "timestamptz", "updated_at": "timestamptz",
    "awaits": "text", "note": "text", "error": "text", "finished_at": "timestamptz",
}  # fmt: skip


async def insert_many(tx: Transaction, new: Sequence[Job]) -> None:
    """Add jobs of which no worker has begun one, by few statements; raises Conflict."""
    rows = []
    for job in new:
        values = _JOBS.values(job)
        rows.append([values[name] for name in _NEW])
    await tx.insert("jobs", _NEW, rows)


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


async def to_carry(
    tx: Transaction, queue: Queue, limit: int, until: str, after: tuple[str, str] | None = None
) -> list[tuple[str, str, int, str]]:
    """Up to `limit` jobs that any worker of a queue may claim, the longest due first: merchant_id,
    id, priority and run_at of each.

    Args:
        until: the last `run_at`.
        after: run_at and id of the last one of the page before.
    """
    where, bound = scoped(tx)
    where += (
        f" AND queue = ? AND state = 'queued' AND awaits IS NULL AND run_at <= ? AND {UNPAUSED}"
    )
    params: list[Value] = [*bound, queue, until]
    if after is not None:
        where += " AND (run_at, id) > (?, ?)"
        params += after
    rows = await tx.fetch(
        f"SELECT merchant_id, id, priority, run_at FROM jobs WHERE {where}"  # noqa: S608
        " ORDER BY run_at, id LIMIT ?",
        (*params, limit),
    )
    return [
        (merchant_id, id_, int(priority), run_at) for merchant_id, id_, priority, run_at in rows
    ]


async def next_run_at(tx: Transaction, queue: Queue) -> str | None:
    """When the next job of a queue comes due that waits for its time."""
    where, params = scoped(tx)
    times = []
    for state in ("scheduled", "retrying"):
        rows = await tx.fetch(
            f"SELECT run_at FROM jobs WHERE {where} AND queue = ? AND state = ?"  # noqa: S608
            " ORDER BY run_at LIMIT 1",
            (*params, queue, state),
        )
        times += [row[0] for row in rows]
    return min(times, default=None)


# ── moving on ────────────────────────────────────────────────────────────────────────────────────


async def move(
    tx: Transaction,
    keys: Sequence[JobKey],
    setting: str,
    new: Sequence[Value],
    condition: str,
    params: Sequence[Value] = (),
) -> list[Job]:
    """Change those of these jobs that meet a condition; what they are from now on.

    Args:
        setting: of an UPDATE, with placeholders for `new`; the version is moved with it.
        condition: the same of its WHERE, for `params`.
    """
    if not keys:
        return []
    where, bound = scoped(tx)
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id"),
        keys,
        f"UPDATE jobs SET {setting}, version = version + 1 FROM wanted"  # noqa: S608
        f" WHERE {where} AND merchant_id = wanted_merchant AND id = wanted_id AND {condition}"
        f" RETURNING {_JOBS.columns}",
        (*new, *bound, *params),
    )
    return _JOBS.parse(rows)


async def claim(tx: Transaction, keys: Sequence[JobKey], worker: str, now: str) -> list[Job]:
    """Take those of these jobs that are queued and do not stand still: each begins an attempt.

    Args:
        worker: who takes them, an id of `workers`.
        now: RFC 3339.
    """
    return await move(
        tx,
        keys,
        "state = 'running', attempt = attempt + 1, worker = ?, started_at = ?, updated_at = ?,"
        " progress = 0, note = NULL",
        (worker, now, now),
        f"state = 'queued' AND awaits IS NULL AND {UNPAUSED}",
    )


async def make_due(tx: Transaction, keys: Sequence[JobKey], now: str) -> list[Job]:
    """Let those of these jobs wait for a worker whose time has come."""
    return await move(
        tx,
        keys,
        "state = 'queued', updated_at = ?",
        (now,),
        "state IN ('scheduled', 'retrying') AND run_at <= ?",
        (now,),
    )


async def settle(tx: Transaction, job: Job, changes: Mapping[str, Any]) -> Job:
    """Write what came of an attempt.

    Args:
        job: as it was claimed; its `attempt` is the fence.
        changes: columns and what they become.

    Raises:
        Stale: it does not run in this attempt any more: it was cancelled, or given to another
            worker.
    """
    columns = {"worker": None, "cancelling": False, **changes}
    if columns.get("state") in ENDED_STATES:
        columns["awaits"] = None
    values = [
        encode_json(value) if name == "result" and value is not None else value
        for name, value in columns.items()
    ]
    setting = ", ".join(f"{name} = ?" for name in columns)
    where, bound = scoped(tx)
    rows = await tx.fetch(
        f"UPDATE jobs SET {setting}, version = version + 1"  # noqa: S608
        f" WHERE {where} AND merchant_id = ? AND id = ? AND attempt = ? AND state = 'running'"
        f" RETURNING {_JOBS.columns}",
        (*values, *bound, job.merchant_id, job.id, job.attempt),
    )
    if not rows:
        raise Stale(f"the job {job.id!r} does not run in attempt {job.attempt} any more")
    return _JOBS.parse(rows)[0]


async def put_result(tx: Transaction, job: Job, result: Any) -> Job:
    """Write the result of a job that this transaction has settled; raises NotFound, Stale."""
    changed = structs.replace(job, result=result)
    return await _JOBS.update(tx, changed, ("result",))


async def note_progress(
    tx: Transaction, job: Job, percent: int, note: str | None, now: str
) -> Job | None:
    """Write how far a running job is; None where it does not run in this attempt any more."""
    where, bound = scoped(tx)
    rows = await tx.fetch(
        f"UPDATE jobs SET progress = ?, note = ?, updated_at = ?, version = version + 1"  # noqa: S608
        f" WHERE {where} AND merchant_id = ? AND id = ? AND attempt = ? AND state = 'running'"
        f" RETURNING {_JOBS.columns}",
        (percent, note, now, *bound, job.merchant_id, job.id, job.attempt),
    )
    return _JOBS.parse(rows)[0] if rows else None


async def lost(tx: Transaction, since: str, limit: int) -> list[Job]:
    """Up to `limit` running jobs whose worker was not seen since a moment; those that bots hold
    are not among them: a bot may come back."""
    where, bound = scoped(tx)
    return await _JOBS.select(
        tx,
        f"{where} AND worker IS NOT NULL AND awaits IS NULL AND state = 'running' AND NOT EXISTS"  # noqa: S608
        " (SELECT 1 FROM workers AS w WHERE w.id = jobs.worker AND w.seen_at >= ?) LIMIT ?",
        (*bound, since, limit),
    )


async def held_by(tx: Transaction, worker: str) -> list[Job]:
    """The running jobs that a worker holds, or a hub for its bots."""
    where, bound = scoped(tx)
    return await _JOBS.select(
        tx, f"{where} AND worker = ? AND worker IS NOT NULL AND state = 'running'", (*bound, worker)
    )


async def cancelling(tx: Transaction, worker: str) -> list[JobKey]:
    """The running jobs of a worker that are to end."""
    return [(j.merchant_id, j.id) for j in await held_by(tx, worker) if j.cancelling]


async def expire(tx: Transaction, queue: Queue, state: JobState, before: str, limit: int) -> int:
    """Remove up to `limit` jobs of a queue that have ended in a state before a moment; how many
    they were. One whose parts are still there stays with them."""
    where, bound = scoped(tx)
    return await tx.execute(
        f"DELETE FROM jobs WHERE {where} AND (merchant_id, id) IN (SELECT merchant_id, id"  # noqa: S608
        " FROM jobs AS old WHERE queue = ? AND finished_at IS NOT NULL AND finished_at < ?"
        " AND state = ? AND NOT EXISTS (SELECT 1 FROM jobs AS part"
        " WHERE part.merchant_id = old.merchant_id AND part.parent_id = old.id"
        " AND part.parent_id IS NOT NULL) ORDER BY finished_at LIMIT ?)",
        (*bound, queue, before, state, limit),
    )


async def states_of_parts(tx: Transaction, parent_id: str) -> dict[JobState, int]:
    """How many parts of a job of the bound merchant are in each state."""
    where, params = of_one(tx)
    rows = await tx.fetch(
        f"SELECT state, count(*) FROM jobs WHERE {where} AND parent_id = ?"  # noqa: S608
        " AND parent_id IS NOT NULL GROUP BY state",
        (*params, parent_id),
    )
    return {state: int(count) for state, count in rows}
