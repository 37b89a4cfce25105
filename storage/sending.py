"""What sending messages asks of `jobs` and `messages`, many rows at a time.

A job of `message_sending` that awaits a bot is `queued`, or `retrying` after an attempt that
failed, until a bot takes it; then it is `running` until there is an answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from .database import Transaction, Value
from .jobs import UNPAUSED, JobKey
from .merchant_records import Job, MessageStatus
from .scope import scoped
from .table import Table, encode_json, of_one

_JOBS = Table("jobs", Job, "job")
_WAITING = "queue = 'message_sending' AND awaits = 'bot' AND state IN ('queued', 'retrying')"
_PARENT_GOES_ON = (
    "(parent_id IS NULL OR NOT EXISTS (SELECT 1 FROM jobs AS p"
    " WHERE p.merchant_id = jobs.merchant_id AND p.id = jobs.parent_id"
    " AND (p.cancelling OR p.state IN ('dead', 'cancelled'))))"
)
"""The condition that a job is no part of one that was ended: nothing of it is sent any more."""
_OPEN = "state IN ('scheduled', 'queued', 'running', 'retrying')"


class Sendable(Struct, frozen=True):
    """A message as far as sending it goes."""

    id: str
    phone: str
    chat: str | None
    text: str | None
    template_id: str | None
    status: MessageStatus
    provider_id: str | None
    event_id: str | None
    version: int


_SENDABLE = ", ".join(f"x.{name}" for name in Sendable.__struct_fields__)


# ── jobs that await a bot ────────────────────────────────────────────────────────────────────────


async def waiting(tx: Transaction, now: str, limit: int) -> list[Job]:
    """Up to `limit` jobs of the bound merchant that a bot may take: by priority, then by time.

    Args:
        now: RFC 3339.
    """
    where, params = of_one(tx)
    return await _JOBS.select(
        tx,
        f"{where} AND {_WAITING} AND run_at <= ? AND {UNPAUSED} AND {_PARENT_GOES_ON}"
        " ORDER BY priority DESC, run_at, id LIMIT ?",
        (*params, now, limit),
    )


async def next_waiting_at(tx: Transaction) -> str | None:
    """From when on the bound merchant's next job may be taken, whether that is over or to come."""
    where, params = of_one(tx)
    [(first,)] = await tx.fetch(
        f"SELECT min(run_at) FROM jobs WHERE {where} AND {_WAITING} AND {UNPAUSED}"  # noqa: S608
        f" AND {_PARENT_GOES_ON}",
        params,
    )
    return None if first is None else str(first)


async def with_waiting(tx: Transaction, merchant_ids: Sequence[str], now: str) -> list[str]:
    """Those of these merchants that have a job which a bot may take."""
    where, params = scoped(tx, "j.")
    rows = await tx.fetch_wanted(
        ("wanted_merchant",),
        [(id_,) for id_ in merchant_ids],
        "SELECT wanted_merchant FROM wanted WHERE EXISTS (SELECT 1 FROM jobs AS j"  # noqa: S608
        f" WHERE {where} AND j.merchant_id = wanted_merchant AND j.queue = 'message_sending'"
        " AND j.awaits = 'bot' AND j.state IN ('queued', 'retrying') AND j.run_at <= ?)",
        (*params, now),
    )
    return [merchant_id for (merchant_id,) in rows]


async def postpone(tx: Transaction, until: Mapping[str, Sequence[str]], now: str) -> None:
    """Let jobs of the bound merchant wait longer.

    Args:
        until: moments, and the ids of the jobs that wait for each.
    """
    where, params = of_one(tx)
    for moment, ids in until.items():
        await tx.fetch_wanted(
            ("wanted_merchant", "wanted_id"),
            [(*params, id_) for id_ in ids],
            "UPDATE jobs SET run_at = ?, updated_at = ?, version = version + 1 FROM wanted"  # noqa: S608
            f" WHERE {where} AND merchant_id = wanted_merchant AND id = wanted_id AND {_WAITING}",
            (moment, now, *params),
        )


async def hand_over(tx: Transaction, ids: Sequence[str], worker: str, now: str) -> list[Job]:
    """Give jobs of the bound merchant to a bot: each begins an attempt.

    Args:
        worker: the hub that holds them for it, an id of `workers`.

    Returns:
        Those that were there to be given, as they are now.
    """
    return await _changed(
        tx,
        ids,
        "state = 'running', attempt = attempt + 1, worker = ?, started_at = ?, updated_at = ?,"
        " progress = 0, note = NULL",
        (worker, now, now),
        _WAITING,
    )


async def take_over(tx: Transaction, ids: Sequence[str], worker: str, now: str) -> list[Job]:
    """Hold jobs of the bound merchant here that a bot has, whoever held them for it before."""
    return await _changed(
        tx,
        ids,
        "worker = ?, updated_at = ?",
        (worker, now),
        "queue = 'message_sending' AND awaits = 'bot' AND state = 'running'",
    )


async def held_by_others(tx: Transaction, worker: str, since: str, limit: int) -> list[Job]:
    """Up to `limit` jobs that bots hold of hubs which were not seen since a moment.

    Args:
        worker: the hub that asks.
    """
    where, params = scoped(tx)
    return await _JOBS.select(
        tx,
        f"{where} AND worker IS NOT NULL AND worker <> ? AND awaits = 'bot' AND awaits IS NOT NULL"  # noqa: S608
        " AND state = 'running' AND NOT EXISTS (SELECT 1 FROM workers AS w"
        " WHERE w.id = jobs.worker AND w.seen_at >= ?) LIMIT ?",
        (*params, worker, since, limit),
    )


async def note_progress(
    tx: Transaction, ids: Sequence[str], percent: int, note: str | None, now: str
) -> None:
    """Write how far jobs of the bound merchant are that bots hold."""
    await _changed(
        tx,
        ids,
        "progress = ?, note = ?, updated_at = ?",
        (percent, note, now),
        "awaits = 'bot' AND state = 'running'",
    )


async def take_up_again(tx: Transaction, ids: Sequence[str], now: str) -> list[Job]:
    """Let jobs of the bound merchant run in the attempt that was given up, before a bot has begun
    the next one."""
    return await _changed(tx, ids, "state = 'running', updated_at = ?", (now,), _WAITING)


async def jobs(tx: Transaction, ids: Sequence[str]) -> dict[str, Job]:
    """The bound merchant's jobs that there are of these, by id."""
    return await _JOBS.by_ids(tx, ids)


async def put_args(tx: Transaction, job_id: str, args: dict[str, Any], now: str) -> None:
    """Change what a job of the bound merchant is given."""
    await _changed(tx, [job_id], "args = ?, updated_at = ?", (encode_json(args), now), "TRUE")


async def _changed(
    tx: Transaction, ids: Sequence[str], setting: str, new: Sequence[Value], condition: str
) -> list[Job]:
    if not ids:
        return []
    where, params = of_one(tx)
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id"),
        [(*params, id_) for id_ in ids],
        f"UPDATE jobs SET {setting}, version = version + 1 FROM wanted"  # noqa: S608
        f" WHERE {where} AND merchant_id = wanted_merchant AND id = wanted_id AND {condition}"
        f" RETURNING {_JOBS.columns}",
        (*new, *params),
    )
    return _JOBS.parse(rows)


# ── parts of a bulk send ─────────────────────────────────────────────────────────────────────────


async def count_parts(tx: Transaction, parent_id: str) -> int:
    """How many parts a job of the bound merchant has by now."""
    where, params = of_one(tx)
    [(count,)] = await tx.fetch(
        f"SELECT count(*) FROM jobs WHERE {where} AND parent_id = ? AND parent_id IS NOT NULL",  # noqa: S608
        (*params, parent_id),
    )
    return int(count)


async def open_parts(tx: Transaction, parent_id: str, limit: int) -> list[str]:
    """The ids of up to `limit` parts of a job of the bound merchant that have not ended."""
    where, params = of_one(tx)
    rows = await tx.fetch(
        f"SELECT id FROM jobs WHERE {where} AND parent_id = ? AND parent_id IS NOT NULL"  # noqa: S608
        f" AND {_OPEN} LIMIT ?",
        (*params, parent_id, limit),
    )
    return [id_ for (id_,) in rows]


async def cancel_jobs(tx: Transaction, ids: Sequence[str], now: str) -> list[Job]:
    """Cancel jobs of the bound merchant that have not ended; those that were."""
    return await _changed(
        tx,
        ids,
        "state = 'cancelled', awaits = NULL, worker = NULL, cancelling = FALSE, finished_at = ?,"
        " updated_at = ?",
        (now, now),
        _OPEN,
    )


async def parents(tx: Transaction, limit: int) -> list[JobKey]:
    """Up to `limit` jobs that await the end of their parts."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT merchant_id, id FROM jobs WHERE {where} AND awaits = 'children' LIMIT ?",  # noqa: S608
        (*params, limit),
    )
    return [(merchant_id, id_) for merchant_id, id_ in rows]


async def uncertain_parts(tx: Transaction, parent_id: str) -> int:
    """How many parts of a job of the bound merchant nobody knows of whether they were done."""
    where, params = of_one(tx, "j.")
    [(count,)] = await tx.fetch(
        "SELECT count(*) FROM jobs AS j JOIN job_attempts AS a"  # noqa: S608
        " ON a.merchant_id = j.merchant_id AND a.job_id = j.id AND a.attempt = j.attempt"
        f" WHERE {where} AND j.parent_id = ? AND j.parent_id IS NOT NULL AND j.state = 'dead'"
        " AND a.outcome = 'uncertain'",
        (*params, parent_id),
    )
    return int(count)


async def dead_parts(tx: Transaction, parent_id: str, limit: int) -> list[tuple[str, str, str]]:
    """The ids of up to `limit` dead parts of a job of the bound merchant, with recipients and
    errors."""
    where, params = of_one(tx)
    rows = await tx.fetch(
        f"SELECT id, recipient, error FROM jobs WHERE {where} AND parent_id = ?"  # noqa: S608
        " AND parent_id IS NOT NULL AND state = 'dead' ORDER BY id LIMIT ?",
        (*params, parent_id, limit),
    )
    return [(id_, recipient or "", error or "") for id_, recipient, error in rows]


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


async def messages(tx: Transaction, ids: Sequence[str]) -> dict[str, Sendable]:
    """The bound merchant's messages that there are of these, by id."""
    _, (merchant_id,) = of_one(tx)
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id"),
        [(merchant_id, id_) for id_ in ids],
        f"SELECT {_SENDABLE} FROM wanted JOIN messages AS x"  # noqa: S608
        " ON x.merchant_id = wanted_merchant AND x.id = wanted_id",
    )
    return {row[0]: Sendable(*row) for row in rows}


async def by_provider_ids(tx: Transaction, ids: Sequence[str]) -> dict[str, Sendable]:
    """The bound merchant's messages that their gateway calls so, by its ids."""
    _, (merchant_id,) = of_one(tx)
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id"),
        [(merchant_id, id_) for id_ in ids],
        f"SELECT {_SENDABLE} FROM wanted JOIN messages AS x"  # noqa: S608
        " ON x.merchant_id = wanted_merchant AND x.provider_id = wanted_id",
    )
    found = [Sendable(*row) for row in rows]
    return {each.provider_id: each for each in found if each.provider_id is not None}


async def mark_sent(
    tx: Transaction, sent: Sequence[tuple[str, str | None, MessageStatus]], now: str
) -> None:
    """Note that messages of the bound merchant have been sent; raises Conflict.

    Args:
        sent: their ids, what their gateway calls them, and how far they are by now.
    """
    where, params = of_one(tx)
    await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id", "wanted_provider", "wanted_status"),
        [(*params, *each) for each in sent],
        "UPDATE messages SET status = wanted_status, provider_id = wanted_provider, error = NULL,"  # noqa: S608
        " updated_at = ?, version = version + 1 FROM wanted"
        f" WHERE {where} AND merchant_id = wanted_merchant AND id = wanted_id",
        (now, *params),
    )


async def mark_failed(tx: Transaction, ids: Sequence[str], error: str, now: str) -> None:
    """Note that messages of the bound merchant will not be sent, if they still were to be."""
    if not ids:
        return
    where, params = of_one(tx)
    await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id"),
        [(*params, id_) for id_ in ids],
        "UPDATE messages SET status = 'failed', error = ?, updated_at = ?, version = version + 1"  # noqa: S608
        f" FROM wanted WHERE {where} AND merchant_id = wanted_merchant AND id = wanted_id"
        " AND status = 'queued'",
        (error, now, *params),
    )
