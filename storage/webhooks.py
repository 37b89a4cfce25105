"""The table `webhooks`."""

from .database import Transaction
from .errors import NotFound
from .merchant_records import Webhook
from .scope import scoped
from .table import Table

_WEBHOOKS = Table(
    "webhooks", Webhook, "webhook", notes=("retry_count", "last_triggered_at", "failing_since")
)


async def get(tx: Transaction, id_: str) -> Webhook:
    """Raises: NotFound."""
    return await _WEBHOOKS.get(tx, id_)


async def insert(tx: Transaction, webhook: Webhook) -> Webhook:
    """Add a webhook; raises Conflict."""
    return await _WEBHOOKS.insert(tx, webhook)


async def update(tx: Transaction, webhook: Webhook) -> Webhook:
    """Write a changed webhook, see `Table.update`; raises NotFound, Stale, Conflict."""
    return await _WEBHOOKS.update(tx, webhook)


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a webhook; raises NotFound, Stale, Conflict."""
    await _WEBHOOKS.delete(tx, id_, version)


async def page(
    tx: Transaction, after: str, limit: int, *, is_active: bool | None = None
) -> list[Webhook]:
    """Up to `limit` webhooks whose id sorts after `after`, by id."""
    return await _WEBHOOKS.page(tx, after, limit, {"is_active": is_active})


async def note_attempt(tx: Transaction, id_: str, now: str, *, failed: bool) -> int:
    """Note that a webhook was called; how often it failed since the last success.

    Raises:
        NotFound: it is gone.
    """
    where, params = scoped(tx)
    rows = await tx.fetch(
        "UPDATE webhooks SET last_triggered_at = ?,"  # noqa: S608
        " retry_count = CASE WHEN ? THEN retry_count + 1 ELSE 0 END"
        f" WHERE {where} AND id = ? RETURNING retry_count",
        (now, failed, *params, id_),
    )
    if not rows:
        raise NotFound(f"no webhook has the id {id_!r}")
    return int(rows[0][0])
