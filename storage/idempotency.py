"""The table `idempotency_keys`: first answers, so that a repeated call is answered alike."""

from .database import Transaction
from .errors import NotFound
from .merchant_records import IdempotencyKey
from .scope import scoped
from .table import Table, encode_json

_KEYS = Table("idempotency_keys", IdempotencyKey, "call")


async def get(
    tx: Transaction, merchant_id: str, method: str, key: str, now: str
) -> IdempotencyKey | None:
    """What is known of a call; None once it is forgotten.

    Args:
        merchant_id: whose call; `*` for an admin's that is about no merchant.
    """
    where, params = scoped(tx)
    found = await _KEYS.select(
        tx,
        f"{where} AND merchant_id = ? AND method = ? AND key = ? AND expires_at > ?",
        (*params, merchant_id, method, key, now),
    )
    return found[0] if found else None


async def put(tx: Transaction, call: IdempotencyKey) -> None:
    """Keep a call in place of one that is forgotten since it was made.

    Raises:
        Conflict: it is known.
    """
    where, params = scoped(tx)
    await tx.execute(
        f"DELETE FROM idempotency_keys WHERE {where}"  # noqa: S608
        " AND merchant_id = ? AND method = ? AND key = ? AND expires_at <= ?",
        (*params, call.merchant_id, call.method, call.key, call.created_at),
    )
    await _KEYS.insert(tx, call)


async def answer(
    tx: Transaction, merchant_id: str, method: str, key: str, response: dict[str, object]
) -> None:
    """Keep the answer of a call; raises NotFound."""
    where, params = scoped(tx)
    changed = await tx.execute(
        f"UPDATE idempotency_keys SET response = ? WHERE {where}"  # noqa: S608
        " AND merchant_id = ? AND method = ? AND key = ?",
        (encode_json(response), *params, merchant_id, method, key),
    )
    if changed == 0:
        raise NotFound(f"no call of {method} has the key {key!r}")


async def expire(tx: Transaction, now: str, limit: int) -> int:
    """Remove about `limit` calls that are forgotten since a moment, the oldest first; how many.

    Fewer than `limit` means that none is left to remove.
    """
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT expires_at FROM idempotency_keys WHERE {where} AND expires_at <= ?"  # noqa: S608
        " ORDER BY expires_at LIMIT ?",
        (*params, now, limit),
    )
    if not rows:
        return 0
    return await tx.execute(
        f"DELETE FROM idempotency_keys WHERE {where} AND expires_at <= ?",  # noqa: S608
        (*params, rows[-1][0]),
    )
