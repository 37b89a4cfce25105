"""The table `recurring_jobs`: jobs that come again and again."""

from .database import Transaction
from .merchant_records import RecurringJob
from .scope import scoped
from .table import Table

_RECURRING = Table("recurring_jobs", RecurringJob, "recurring job")


async def get(tx: Transaction, id_: str) -> RecurringJob:
    """Raises: NotFound."""
    return await _RECURRING.get(tx, id_)


async def insert(tx: Transaction, recurring: RecurringJob) -> RecurringJob:
    """Add a recurring job; raises Conflict."""
    return await _RECURRING.insert(tx, recurring)


async def update(tx: Transaction, recurring: RecurringJob) -> RecurringJob:
    """Write a changed one, see `Table.update`; raises NotFound, Stale, Conflict."""
    return await _RECURRING.update(tx, recurring)


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a recurring job; raises NotFound, Stale, Conflict."""
    await _RECURRING.delete(tx, id_, version)


async def page(tx: Transaction, after: str, limit: int) -> list[RecurringJob]:
    """Up to `limit` recurring jobs whose id sorts after `after`, by id."""
    return await _RECURRING.page(tx, after, limit, {})


async def due(tx: Transaction, now: str, limit: int) -> list[RecurringJob]:
    """Up to `limit` active ones whose time has come, the longest due first."""
    where, params = scoped(tx)
    return await _RECURRING.select(
        tx,
        f"{where} AND is_active AND next_run_at IS NOT NULL AND next_run_at <= ?"
        " ORDER BY next_run_at, id LIMIT ?",
        (*params, now, limit),
    )


async def move_on(
    tx: Transaction, recurring: RecurringJob, next_run_at: str | None, last_run_at: str | None
) -> bool:
    """Note when one came last and when it comes next; False where that was done already, or it
    was changed or removed.

    Args:
        recurring: as it was read; its version is the fence.
        next_run_at: None for never again.
    """
    where, params = scoped(tx)
    return bool(
        await tx.execute(
            "UPDATE recurring_jobs SET next_run_at = ?, last_run_at = ?, version = version + 1"  # noqa: S608
            f" WHERE {where} AND merchant_id = ? AND id = ? AND version = ? AND is_active",
            (
                next_run_at, last_run_at, *params, recurring.merchant_id, recurring.id,
                recurring.version,
            ),
        )
    )  # fmt: skip


async def next_run_at(tx: Transaction) -> str | None:
    """When the next recurring job comes due."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT min(next_run_at) FROM recurring_jobs WHERE {where} AND is_active"  # noqa: S608
        " AND next_run_at IS NOT NULL",
        tuple(params),
    )
    value: str | None = rows[0][0]
    return value
