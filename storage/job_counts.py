"""The table `jobs` in numbers: how many are in each state, how old, how fast they end.

A count goes over an index and ends at `MOST`, so that a long history costs no more than that.
"""

from typing import NamedTuple

from .database import Transaction, Value
from .job_lists import QUEUES, STATES
from .merchant_records import JobState, Queue
from .scope import scoped

MOST = 100_000
"""What is more is counted as so many: that takes some milliseconds."""
_FINISHED = 500
"""So many of the last jobs of a queue say how long its jobs take."""
_OLDEST = 100
"""Among so many by the time of making the one that waits longest is looked for, where one
merchant's are counted: no index has their times."""


class Finished(NamedTuple):
    """A job that has ended: when, and when its last attempt began; RFC 3339."""

    state: JobState
    started_at: str | None
    finished_at: str


async def by_state(tx: Transaction) -> dict[tuple[Queue, JobState], int]:
    """How many jobs of each queue are in each state; those that are none are left out."""
    where, bound = scoped(tx)
    arms, params = [], list[Value]()
    for queue in QUEUES:
        for state in STATES:
            arms.append(
                f"SELECT '{queue}' AS q, '{state}' AS s, count(*) AS n FROM (SELECT 1 FROM jobs"  # noqa: S608
                f" WHERE {where} AND queue = ? AND state = ? LIMIT ?) AS counted"
            )
            params += (*bound, queue, state, MOST)
    rows = await tx.fetch(" UNION ALL ".join(arms), params)
    return {(queue, state): int(count) for queue, state, count in rows if count}


async def awaiting_bot(tx: Transaction, queue: Queue) -> tuple[int, int]:
    """How many jobs of a queue wait for a bot, also for another attempt, and how many a bot has."""
    where, bound = scoped(tx)
    [(known,)] = await tx.fetch(
        f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {where} AND queue = ?"  # noqa: S608
        " AND awaits = 'bot' AND awaits IS NOT NULL LIMIT ?) AS counted",
        (*bound, queue, MOST),
    )
    # Of those that are held there are few, and an index of their own.
    [(held,)] = await tx.fetch(
        f"SELECT count(*) FROM jobs WHERE {where} AND worker IS NOT NULL"  # noqa: S608
        " AND queue = ? AND awaits = 'bot' AND state = 'running'",
        (*bound, queue),
    )
    return int(known) - int(held), int(held)


async def waiting_since(tx: Transaction, queue: Queue) -> str | None:
    """Since when the job of a queue waits that has waited longest; RFC 3339, None if none does."""
    where, bound = scoped(tx)
    if tx.scope.merchant_id is None:
        rows = await tx.fetch(
            f"SELECT run_at FROM jobs WHERE {where} AND queue = ? AND state = ?"  # noqa: S608
            " ORDER BY run_at, id LIMIT ?",
            (*bound, queue, "queued", 1),
        )
    else:
        rows = await tx.fetch(
            f"SELECT run_at FROM jobs WHERE {where} AND queue = ? AND state = ?"  # noqa: S608
            " ORDER BY created_at, id LIMIT ?",
            (*bound, queue, "queued", _OLDEST),
        )
    return min((run_at for (run_at,) in rows), default=None)


async def last_finished(tx: Transaction, queue: Queue, since: str) -> list[Finished]:
    """The last jobs of a queue that have ended since a moment, the last one first; bounded."""
    where, bound = scoped(tx)
    rows = await tx.fetch(
        f"SELECT state, started_at, finished_at FROM jobs WHERE {where} AND queue = ?"  # noqa: S608
        " AND finished_at IS NOT NULL AND finished_at >= ? ORDER BY finished_at DESC LIMIT ?",
        (*bound, queue, since, _FINISHED),
    )
    return [Finished(*row) for row in rows]


async def finished_since(tx: Transaction, queue: Queue, since: str) -> int:
    """How many jobs of a queue have ended since a moment."""
    where, bound = scoped(tx)
    [(count,)] = await tx.fetch(
        f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {where} AND queue = ?"  # noqa: S608
        " AND finished_at IS NOT NULL AND finished_at >= ? LIMIT ?) AS counted",
        (*bound, queue, since, MOST),
    )
    return int(count)
