"""The table `orders`."""

from .database import Transaction
from .merchant_records import Order, OrderStatus, PaymentStatus
from .table import Table

_ORDERS = Table("orders", Order, "order")


async def get(tx: Transaction, id_: str) -> Order:
    """Raises: NotFound."""
    return await _ORDERS.get(tx, id_)


async def insert(tx: Transaction, order: Order) -> Order:
    """Add an order; raises Conflict."""
    return await _ORDERS.insert(tx, order)


async def update(tx: Transaction, order: Order) -> Order:
    """Write a changed order, see `Table.update`; raises NotFound, Stale, Conflict."""
    return await _ORDERS.update(tx, order)


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove an order; raises NotFound, Stale, Conflict."""
    await _ORDERS.delete(tx, id_, version)


async def page(
    tx: Transaction,
    after: str,
    limit: int,
    *,
    status: OrderStatus | None = None,
    payment_status: PaymentStatus | None = None,
    customer_phone: str | None = None,
    newest_first: bool = False,
) -> list[Order]:
    """Up to `limit` orders behind `after`, by id.

    Args:
        after: the id behind which the page begins; empty for the first page.
        newest_first: with ids that descend.
    """
    filters = {
        "status": status, "payment_status": payment_status, "customer_phone": customer_phone,
    }  # fmt: skip
    return await _ORDERS.page(tx, after, limit, filters, newest_first=newest_first)
