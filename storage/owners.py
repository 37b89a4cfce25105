"""Whose row it is that an id names."""

from .database import Transaction
from .errors import NotFound
from .scope import scoped


async def of(tx: Transaction, table: str, id_: str) -> str:
    """The merchant of a row.

    Args:
        table: one whose rows have an `id` and a `merchant_id`.

    Raises:
        NotFound: the scope has no row with this id.
    """
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT merchant_id FROM {table} WHERE {where} AND id = ? LIMIT 1",  # noqa: S608
        (*params, id_),
    )
    if not rows:
        raise NotFound(f"no row of {table} has this id")
    merchant_id: str = rows[0][0]
    return merchant_id
