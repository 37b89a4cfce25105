"""The table `webhooks`.

Who keeps webhooks in memory compares `changes` with what it was when they were read: every change
that matters adds one to it, in its own transaction.
"""

import msgspec
from msgspec import Struct, structs

from .database import Transaction
from .errors import NotFound
from .merchant_records import Webhook
from .scope import HUB, scoped
from .table import Table, of_one

_NOTES = (
    "retry_count", "last_triggered_at", "failing_since", "last_success_at", "last_failure_at",
    "last_error",
)  # fmt: skip
_WEBHOOKS = Table("webhooks", Webhook, "webhook", notes=_NOTES)
_patterns = msgspec.json.Decoder(list[str])


class Called(Struct, frozen=True):
    """What decides which events a webhook hears of."""

    merchant_id: str
    id: str
    event_types: list[str]
    heard_from: int


class Target(Struct, frozen=True):
    """What an attempt needs of a webhook, and what it posts; None where that is not kept."""

    url: str
    secret: str
    previous_secret: str | None
    previous_until: str | None
    is_active: bool
    disabled_reason: str | None
    failing_since: str | None
    payload: str | None


async def get(tx: Transaction, id_: str) -> Webhook:
    """Raises: NotFound."""
    return await _WEBHOOKS.get(tx, id_)


async def insert(tx: Transaction, webhook: Webhook) -> Webhook:
    """Add a webhook; raises Conflict."""
    added = await _WEBHOOKS.insert(tx, webhook)
    await _note_change(tx)
    return added


async def update(tx: Transaction, webhook: Webhook) -> Webhook:
    """Write a changed webhook, see `Table.update`; raises NotFound, Stale, Conflict."""
    changed = await _WEBHOOKS.update(tx, webhook)
    await _note_change(tx)
    return changed


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a webhook; raises NotFound, Stale, Conflict."""
    await _WEBHOOKS.delete(tx, id_, version)
    await _note_change(tx)


async def page(
    tx: Transaction, after: str, limit: int, *, is_active: bool | None = None
) -> list[Webhook]:
    """Up to `limit` webhooks whose id sorts after `after`, by id."""
    return await _WEBHOOKS.page(tx, after, limit, {"is_active": is_active})


# ── who is called ────────────────────────────────────────────────────────────────────────────────


async def changes(tx: Transaction) -> int:
    """How often webhooks were changed, for whoever keeps them in memory."""
    [(count,)] = await tx.fetch("SELECT webhook_changes FROM log_state")
    return int(count)


async def active(tx: Transaction) -> list[Called]:
    """The webhooks of the scope that are called."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        "SELECT merchant_id, id, event_types, heard_from FROM webhooks"  # noqa: S608
        f" WHERE {where} AND is_active ORDER BY merchant_id, id",
        params,
    )
    return [Called(merchant, id_, _patterns.decode(types), at) for merchant, id_, types, at in rows]


async def target(tx: Transaction, id_: str, delivery_id: str) -> Target:
    """What an attempt of a delivery to a webhook of the bound merchant needs.

    Raises:
        NotFound: it is gone.
    """
    where, params = of_one(tx)
    rows = await tx.fetch(
        "SELECT url, secret, previous_secret, previous_until, is_active, disabled_reason,"  # noqa: S608
        f" failing_since, (SELECT payload FROM webhook_logs WHERE {where} AND delivery_id = ?"
        f" ORDER BY attempt DESC LIMIT 1) FROM webhooks WHERE {where} AND id = ?",
        (*params, delivery_id, *params, id_),
    )
    if not rows:
        raise NotFound("no webhook has this id")
    url, secret, previous, until, is_active, *rest = rows[0]
    return Target(url, secret, previous, until, bool(is_active), *rest)


async def _note_change(tx: Transaction) -> None:
    async with tx.savepoint(HUB):
        await tx.execute("UPDATE log_state SET webhook_changes = webhook_changes + 1")


# ── how it went ──────────────────────────────────────────────────────────────────────────────────


async def note_success(tx: Transaction, id_: str, now: str, since: str) -> None:
    """Note that a webhook was called and took it.

    Args:
        since: what is noted already from then on, and says the same, is not written again.
    """
    where, params = scoped(tx)
    await tx.execute(
        "UPDATE webhooks SET last_triggered_at = ?, last_success_at = ?, retry_count = 0,"  # noqa: S608
        f" failing_since = NULL WHERE {where} AND id = ? AND (retry_count > 0"
        " OR failing_since IS NOT NULL OR last_success_at IS NULL OR last_success_at < ?)",
        (now, now, *params, id_, since),
    )


async def note_failure(tx: Transaction, id_: str, now: str, error: str) -> tuple[int, str]:
    """Note that a webhook was called and did not take it.

    Args:
        error: why, 1 to 500 characters.

    Returns:
        How often it failed since the last success, and since when.

    Raises:
        NotFound: it is gone.
    """
    where, params = scoped(tx)
    rows = await tx.fetch(
        "UPDATE webhooks SET last_triggered_at = ?, last_failure_at = ?, last_error = ?,"  # noqa: S608
        " retry_count = retry_count + 1, failing_since = COALESCE(failing_since, ?)"
        f" WHERE {where} AND id = ? RETURNING retry_count, failing_since",
        (now, now, error, now, *params, id_),
    )
    if not rows:
        raise NotFound(f"no webhook has the id {id_!r}")
    return int(rows[0][0]), str(rows[0][1])


async def forget_failures(tx: Transaction, id_: str) -> None:
    """Let a webhook begin with good health, whatever was noted."""
    where, params = scoped(tx)
    await tx.execute(
        f"UPDATE webhooks SET retry_count = 0, failing_since = NULL WHERE {where} AND id = ?",  # noqa: S608
        (*params, id_),
    )


async def disable(tx: Transaction, id_: str, reason: str, now: str) -> Webhook | None:
    """Call a webhook no longer; None where that is so already.

    Raises:
        NotFound: it is gone.
    """
    webhook = await get(tx, id_)
    if not webhook.is_active:
        return None
    return await update(
        tx, structs.replace(webhook, is_active=False, disabled_reason=reason, updated_at=now)
    )
