"""What stands around the jobs: who holds them, what came of attempts, large inputs, queues that
stand still, cursors over the log, and when a recipient may be sent the next message."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from .database import Transaction
from .merchant_records import Job, JobAttempt, Queue
from .scope import EVERY_MERCHANT, scoped
from .table import Table, encode_json, of_one

_ATTEMPTS = Table("job_attempts", JobAttempt, "attempt")
WorkerKind = Literal["worker", "bots"]


class Worker(Struct, frozen=True):
    """Who may hold running jobs; see the columns of `workers`."""

    id: str
    instance_id: str
    kind: WorkerKind
    queues: list[Queue]
    host: str
    pid: int
    started_at: str
    seen_at: str


_WORKERS = Table("workers", Worker, "worker")


# ── workers ──────────────────────────────────────────────────────────────────────────────────────


async def enter(tx: Transaction, worker: Worker) -> None:
    """Note that a worker has started."""
    await _WORKERS.insert(tx, worker)


async def beat(tx: Transaction, worker: str, now: str) -> bool:
    """Note that a worker lives; False when it was taken for dead."""
    return bool(await tx.execute("UPDATE workers SET seen_at = ? WHERE id = ?", (now, worker)))


async def leave(tx: Transaction, worker: str) -> None:
    """Note that a worker has ended: what it still held is lost."""
    await tx.execute("DELETE FROM workers WHERE id = ?", (worker,))


async def end_former(tx: Transaction, instance_id: str) -> list[Worker]:
    """Remove the workers that earlier lives of a data directory have left behind."""
    found = await _WORKERS.select(tx, "instance_id = ? AND kind = 'worker'", (instance_id,))
    await tx.execute(
        "DELETE FROM workers WHERE instance_id = ? AND kind = 'worker'", (instance_id,)
    )
    return found


async def bury(tx: Transaction, since: str) -> int:
    """Remove the workers that were not seen since a moment; how many they were."""
    return await tx.execute("DELETE FROM workers WHERE seen_at < ?", (since,))


async def workers(tx: Transaction) -> list[Worker]:
    """All workers, the silent ones too, by id, which is in the order in which they started."""
    return await _WORKERS.select(tx, "TRUE ORDER BY id", ())


# ── attempts and inputs ──────────────────────────────────────────────────────────────────────────


async def add_attempt(tx: Transaction, attempt: JobAttempt) -> None:
    """Keep what came of an attempt; raises Conflict."""
    await _ATTEMPTS.insert(tx, attempt)


async def attempts(tx: Transaction, job: Job) -> list[JobAttempt]:
    """The attempts of a job that did not succeed, the first one first."""
    where, params = scoped(tx)
    return await _ATTEMPTS.select(
        tx,
        f"{where} AND merchant_id = ? AND job_id = ? ORDER BY merchant_id, job_id, attempt",
        (*params, job.merchant_id, job.id),
    )


async def forget_attempt(tx: Transaction, job: Job) -> None:
    """Forget what was kept of the attempt that a job is in: it goes on."""
    where, params = scoped(tx)
    await tx.execute(
        f"DELETE FROM job_attempts WHERE {where} AND merchant_id = ? AND job_id = ?"  # noqa: S608
        " AND attempt = ?",
        (*params, job.merchant_id, job.id, job.attempt),
    )


async def lost_attempts(tx: Transaction, job: Job) -> int:
    """How many attempts of a job were lost."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT count(*) FROM job_attempts WHERE {where} AND merchant_id = ? AND job_id = ?"  # noqa: S608
        " AND outcome = 'lost'",
        (*params, job.merchant_id, job.id),
    )
    return int(rows[0][0])


async def put_input(tx: Transaction, job_id: str, input_: Sequence[Any]) -> None:
    """Keep what a job of the bound merchant works on; raises Conflict."""
    _, (merchant_id,) = of_one(tx)
    await tx.execute(
        "INSERT INTO job_inputs (merchant_id, job_id, input) VALUES (?, ?, ?)",
        (merchant_id, job_id, encode_json(input_)),
    )


async def get_input(tx: Transaction, job_id: str) -> list[Any] | None:
    """What a job of the bound merchant works on; None where that was used."""
    where, params = of_one(tx)
    rows = await tx.fetch(
        f"SELECT input FROM job_inputs WHERE {where} AND job_id = ?",  # noqa: S608
        (*params, job_id),
    )
    return msgspec.json.decode(rows[0][0], type=list[Any]) if rows else None


async def drop_input(tx: Transaction, job_id: str) -> None:
    """Forget what a job of the bound merchant worked on."""
    where, params = of_one(tx)
    await tx.execute(f"DELETE FROM job_inputs WHERE {where} AND job_id = ?", (*params, job_id))  # noqa: S608


# ── queues that stand still ──────────────────────────────────────────────────────────────────────


async def pause(tx: Transaction, queue: Queue, by: str | None, now: str) -> bool:
    """Let a queue stand still, the bound merchant's or everybody's; False where it did already."""
    rows = await tx.fetch(
        "INSERT INTO paused_queues (merchant_id, queue, paused_by, paused_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (merchant_id, queue) DO NOTHING RETURNING queue",
        (tx.scope.bound, queue, by, now),
    )
    return bool(rows)


async def resume(tx: Transaction, queue: Queue) -> bool:
    """Let a queue go on, the bound merchant's or everybody's; False where it did not stand still.

    One that stands still for everybody goes on for nobody alone.
    """
    return bool(
        await tx.execute(
            "DELETE FROM paused_queues WHERE merchant_id = ? AND queue = ?", (tx.scope.bound, queue)
        )
    )


async def paused(tx: Transaction) -> list[tuple[str, Queue]]:
    """The queues that stand still: whose, `*` for everybody's, and which."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT merchant_id, queue FROM paused_queues WHERE {where}",  # noqa: S608
        tuple(params),
    )
    return [(merchant_id, queue) for merchant_id, queue in rows]


async def paused_for_all(tx: Transaction) -> list[Queue]:
    """The queues that stand still for everybody; for a scope of every merchant."""
    rows = await tx.fetch(
        "SELECT queue FROM paused_queues WHERE merchant_id = ?", (EVERY_MERCHANT,)
    )
    return [queue for (queue,) in rows]


# ── cursors ──────────────────────────────────────────────────────────────────────────────────────


async def cursor(tx: Transaction, name: str) -> int | None:
    """Up to which offset somebody has followed the log; None: never yet."""
    rows = await tx.fetch("SELECT log_offset FROM log_cursors WHERE name = ?", (name,))
    return int(rows[0][0]) if rows else None


async def move_cursor(tx: Transaction, name: str, before: int | None, to: int, now: str) -> bool:
    """Move a cursor; False when it is not where it was: another one has moved it."""
    if before is None:
        rows = await tx.fetch(
            "INSERT INTO log_cursors (name, log_offset, updated_at) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO NOTHING RETURNING name",
            (name, to, now),
        )
        return bool(rows)
    return bool(
        await tx.execute(
            "UPDATE log_cursors SET log_offset = ?, updated_at = ?"
            " WHERE name = ? AND log_offset = ?",
            (to, now, name, before),
        )
    )


# ── when a recipient may be sent the next message ────────────────────────────────────────────────


async def take_slots(
    tx: Transaction, phones: Sequence[str], now: str, until: str
) -> dict[str, str]:
    """Take the next message's time of recipients of the bound merchant.

    Args:
        phones: each once.
        until: when each of them is free again.

    Returns:
        The recipients that are not free yet, and when they are; the others are taken.
    """
    _, (merchant_id,) = of_one(tx)
    wanted = [(merchant_id, phone) for phone in phones]
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_phone"),
        wanted,
        "SELECT phone, free_at FROM wanted JOIN send_slots"
        " ON merchant_id = wanted_merchant AND phone = wanted_phone WHERE free_at > ?",
        (now,),
    )
    busy = {str(phone): str(free_at) for phone, free_at in rows}
    free = [pair for pair in wanted if pair[1] not in busy]
    if free:
        await tx.fetch_wanted(
            ("wanted_merchant", "wanted_phone"),
            free,
            "INSERT INTO send_slots (merchant_id, phone, free_at)"
            " SELECT wanted_merchant, wanted_phone, ? FROM wanted WHERE TRUE"
            " ON CONFLICT (merchant_id, phone) DO UPDATE SET free_at = excluded.free_at",
            (until,),
        )
    return busy


async def forget_slots(tx: Transaction, now: str, limit: int) -> int:
    """Remove up to `limit` times that are over; how many they were."""
    where, params = scoped(tx)
    return await tx.execute(
        f"DELETE FROM send_slots WHERE {where} AND (merchant_id, phone) IN"  # noqa: S608
        " (SELECT merchant_id, phone FROM send_slots WHERE free_at <= ? LIMIT ?)",
        (*params, now, limit),
    )
