"""The table `payments`; a payment is never changed."""

from .database import Transaction
from .merchant_records import Payment
from .table import Table, of_one

_PAYMENTS = Table("payments", Payment, "payment")


async def get(tx: Transaction, id_: str) -> Payment:
    """Raises: NotFound."""
    return await _PAYMENTS.get(tx, id_)


async def insert(tx: Transaction, payment: Payment) -> Payment:
    """Add a payment; raises Conflict."""
    return await _PAYMENTS.insert(tx, payment)


async def by_transaction(tx: Transaction, transaction_id: str) -> Payment | None:
    """The payment of the bound merchant that the payer's side calls so."""
    where, params = of_one(tx)
    found = await _PAYMENTS.select(tx, f"{where} AND transaction_id = ?", (*params, transaction_id))
    return found[0] if found else None


async def paid(tx: Transaction, order_id: str) -> int:
    """What the bound merchant was paid for an order, in minor units."""
    where, params = of_one(tx)
    [(total,)] = await tx.fetch(
        f"SELECT COALESCE(SUM(amount), 0) FROM payments WHERE {where} AND order_id = ?",  # noqa: S608
        (*params, order_id),
    )
    return int(total)


async def of_order(tx: Transaction, order_id: str, after: str, limit: int) -> list[Payment]:
    """Up to `limit` payments of an order whose id sorts after `after`, by id."""
    return await _PAYMENTS.page(tx, after, limit, {"order_id": order_id})
