"""The table `webhook_logs`: attempts to call webhooks.

Of a delivery that has not ended, one attempt is `pending`: the next one, or the one under way.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from .database import Transaction
from .merchant_records import WebhookLog, WebhookLogStatus
from .scope import scoped
from .table import Table, of_one

_LOGS = Table("webhook_logs", WebhookLog, "attempt")


class PendingAttempt(Struct, frozen=True, kw_only=True):
    """An attempt that is to be made.

    Attributes:
        payload: the event's JSON as it is posted.
        next_retry_at: when it is due, where that is not at once.
    """

    id: str
    merchant_id: str
    webhook_id: str
    delivery_id: str
    event_id: str
    attempt: int
    payload: str
    next_retry_at: str | None = None
    created_at: str
    updated_at: str


_COLUMNS = dict.fromkeys(PendingAttempt.__struct_fields__, "text") | {
    "attempt": "bigint",
    "payload": "jsonb",
    "next_retry_at": "timestamptz",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
}


async def get(tx: Transaction, id_: str) -> WebhookLog:
    """Raises: NotFound."""
    return await _LOGS.get(tx, id_)


async def insert(tx: Transaction, attempt: WebhookLog) -> WebhookLog:
    """Add an attempt of a webhook; raises Conflict."""
    return await _LOGS.insert(tx, attempt)


async def insert_many(tx: Transaction, attempts: Sequence[PendingAttempt]) -> None:
    """Add attempts that are to be made; raises Conflict."""
    await tx.insert("webhook_logs", _COLUMNS, [msgspec.structs.astuple(each) for each in attempts])


async def update(tx: Transaction, attempt: WebhookLog) -> WebhookLog:
    """Write a changed attempt, see `Table.update`; raises NotFound, Stale, Conflict."""
    return await _LOGS.update(tx, attempt)


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove an attempt of a webhook; raises NotFound, Stale, Conflict."""
    await _LOGS.delete(tx, id_, version)


async def page(
    tx: Transaction,
    after: str,
    limit: int,
    *,
    webhook_id: str | None = None,
    delivery_id: str | None = None,
    status: WebhookLogStatus | None = None,
) -> list[WebhookLog]:
    """Up to `limit` attempts, newest first.

    Args:
        after: the last id of the page before; empty for the newest.
    """
    filters = {"webhook_id": webhook_id, "delivery_id": delivery_id, "status": status}
    return await _LOGS.page(tx, after, limit, filters, newest_first=True)


async def due(tx: Transaction, now: str, limit: int) -> list[WebhookLog]:
    """Up to `limit` attempts that are due since a moment, the longest first."""
    where, params = scoped(tx)
    return await _LOGS.select(
        tx,
        f"{where} AND next_retry_at IS NOT NULL AND next_retry_at <= ?"
        " ORDER BY next_retry_at, id LIMIT ?",
        (*params, now, limit),
    )


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────


async def payload(tx: Transaction, delivery_id: str) -> str | None:
    """The JSON text that a delivery of the bound merchant posts; None where no attempt is kept."""
    where, params = of_one(tx)
    rows = await tx.fetch(
        f"SELECT payload FROM webhook_logs WHERE {where} AND delivery_id = ?"  # noqa: S608
        " ORDER BY attempt DESC LIMIT 1",
        (*params, delivery_id),
    )
    return str(rows[0][0]) if rows else None


class Made(Struct, frozen=True, kw_only=True):
    """What came of an attempt; see the columns of `webhook_logs`."""

    status: WebhookLogStatus
    response_status: int | None = None
    response_body: str | None = None
    duration_ms: int | None = None
    error_message: str | None = None


async def settle(tx: Transaction, delivery_id: str, attempt: int, made: Made, now: str) -> bool:
    """Write what came of the pending attempt of a delivery of the bound merchant.

    Args:
        attempt: its number, which has grown where a worker was lost meanwhile.

    Returns:
        Whether one was pending.
    """
    where, params = of_one(tx)
    return bool(
        await tx.execute(
            "UPDATE webhook_logs SET attempt = CASE WHEN attempt < ? THEN ? ELSE attempt END,"  # noqa: S608
            " status = ?, response_status = ?, response_body = ?, duration_ms = ?,"
            " error_message = ?, next_retry_at = NULL,"
            f" updated_at = ?, version = version + 1 WHERE {where} AND delivery_id = ?"
            " AND attempt = (SELECT MAX(attempt) FROM webhook_logs"
            f" WHERE {where} AND delivery_id = ?) AND status = 'pending'",
            (attempt, attempt, made.status, made.response_status, made.response_body,
             made.duration_ms, made.error_message, now, *params, delivery_id, *params, delivery_id),
        )
    )  # fmt: skip


async def expire(tx: Transaction, before: str, limit: int) -> int:
    """Remove up to `limit` attempts that were noted before a moment and are not pending; how many
    they were.

    Args:
        before: the least id of that moment.
    """
    where, bound = scoped(tx)
    return await tx.execute(
        f"DELETE FROM webhook_logs WHERE {where} AND (merchant_id, id) IN (SELECT merchant_id, id"  # noqa: S608
        " FROM webhook_logs AS old WHERE id < ? AND status <> 'pending' ORDER BY id LIMIT ?)",
        (*bound, before, limit),
    )
