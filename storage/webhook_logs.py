"""The table `webhook_logs`: attempts to call webhooks."""

from .database import Transaction
from .merchant_records import WebhookLog, WebhookLogStatus
from .scope import scoped
from .table import Table

_LOGS = Table("webhook_logs", WebhookLog, "attempt")


async def get(tx: Transaction, id_: str) -> WebhookLog:
    """Raises: NotFound."""
    return await _LOGS.get(tx, id_)


async def insert(tx: Transaction, attempt: WebhookLog) -> WebhookLog:
    """Add an attempt of a webhook; raises Conflict."""
    return await _LOGS.insert(tx, attempt)


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
    """Up to `limit` attempts whose next one is due since a moment, the longest first."""
    where, params = scoped(tx)
    return await _LOGS.select(
        tx,
        f"{where} AND next_retry_at IS NOT NULL AND next_retry_at <= ?"
        " ORDER BY next_retry_at, id LIMIT ?",
        (*params, now, limit),
    )
