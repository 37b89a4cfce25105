"""The table `jobs` as people change it: what they cancel, begin anew and discard.

Every change says in which states it is possible, so that whoever comes late changes nothing.
"""

from collections.abc import Mapping, Sequence

from .database import Transaction, Value
from .jobs import JobKey, move
from .merchant_records import Job, Queue
from .scope import scoped

_ENDED = "state IN ('succeeded', 'dead', 'cancelled')"
_NOT_HELD = (
    "(state IN ('scheduled', 'queued', 'retrying') OR (state = 'running' AND awaits IS NOT NULL))"
)


async def _change(
    tx: Transaction,
    keys: Sequence[JobKey],
    setting: str,
    new: Sequence[Value],
    condition: str,
    params: Sequence[Value] = (),
) -> list[Job]:
    """As `jobs.move`, in the order in which the jobs were made."""
    changed = await move(tx, keys, setting, new, condition, params)
    return sorted(changed, key=lambda job: (job.created_at, job.id))


async def cancel(tx: Transaction, keys: Sequence[JobKey], now: str) -> list[Job]:
    """End those of these jobs that no worker performs: a bot's too, whose answer comes too late.

    Args:
        now: RFC 3339.
    """
    return await _change(
        tx,
        keys,
        "state = 'cancelled', finished_at = ?, updated_at = ?, worker = NULL, awaits = NULL,"
        " cancelling = FALSE",
        (now, now),
        _NOT_HELD,
    )


async def ask_to_end(tx: Transaction, keys: Sequence[JobKey], now: str) -> list[Job]:
    """Note of those of these jobs that a worker performs that they are to end."""
    return await _change(
        tx,
        keys,
        "cancelling = TRUE, updated_at = ?",
        (now,),
        "state = 'running' AND awaits IS NULL AND NOT cancelling",
    )


async def begin_anew(
    tx: Transaction, keys: Sequence[JobKey], attempts: Mapping[Queue, int], now: str
) -> list[Job]:
    """Queue those of these jobs that are dead or cancelled; their attempts are counted on.

    What was of use until a time that is over is of use again: somebody asks for it.

    Args:
        attempts: how many further ones each job has, by its queue.

    Raises:
        Conflict: another open job has the unique key of one of them.
    """
    cases = " ".join("WHEN ? THEN CAST(? AS INTEGER)" for _ in attempts)
    numbers = [value for pair in attempts.items() for value in pair]
    return await _change(
        tx,
        keys,
        "state = 'queued', run_at = ?, updated_at = ?, finished_at = NULL, worker = NULL,"
        " awaits = NULL, cancelling = FALSE, progress = 0, note = NULL, result = NULL,"
        f" max_attempts = attempt + CASE queue {cases} END,"
        " expires_at = CASE WHEN expires_at > ? THEN expires_at ELSE NULL END",
        (now, now, *numbers, now),
        "state IN ('dead', 'cancelled')",
    )


async def await_parts(tx: Transaction, keys: Sequence[JobKey], now: str) -> list[Job]:
    """Let those of these queued jobs wait for their parts, all of which there are already."""
    return await _change(
        tx,
        keys,
        "awaits = 'children', updated_at = ?",
        (now,),
        "state = 'queued' AND awaits IS NULL AND NOT EXISTS (SELECT 1 FROM job_inputs AS i"
        " WHERE i.merchant_id = wanted_merchant AND i.job_id = wanted_id)"
        " AND EXISTS (SELECT 1 FROM jobs AS part WHERE part.merchant_id = wanted_merchant"
        " AND part.parent_id = wanted_id AND part.parent_id IS NOT NULL)",
    )


async def discard(tx: Transaction, keys: Sequence[JobKey]) -> int:
    """Remove those of these jobs that have ended and have no parts; how many they were."""
    if not keys:
        return 0
    where, bound = scoped(tx, "jobs.")
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id"),
        keys,
        f"DELETE FROM jobs WHERE {where} AND {_ENDED}"  # noqa: S608
        " AND (merchant_id, id) IN (SELECT wanted_merchant, wanted_id FROM wanted)"
        " AND NOT EXISTS (SELECT 1 FROM jobs AS part WHERE part.merchant_id = jobs.merchant_id"
        " AND part.parent_id = jobs.id AND part.parent_id IS NOT NULL) RETURNING id",
        bound,
    )
    return len(rows)
