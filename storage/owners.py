"""Whose row it is that an id names."""

from .database import Transaction
from .errors import Conflict, NotFound
from .scope import scoped


async def of(tx: Transaction, table: str, id_: str) -> str:
    """The merchant of a row.

    Args:
        table: one whose rows have an `id` and a `merchant_id`.

    Raises:
        NotFound: the scope has no row with this id.
        Conflict: several merchants have one: ids may be chosen, and are unique within one.
    """
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT merchant_id FROM {table} WHERE {where} AND id = ? LIMIT 2",  # noqa: S608
        (*params, id_),
    )
    if not rows:
        raise NotFound(f"no row of {table} has this id")
    if len(rows) > 1:
        raise Conflict(
            f"several merchants have a row of {table} with this id: connect for one of them alone,"
            " /ws?merchant_id=…"
        )
    merchant_id: str = rows[0][0]
    return merchant_id
