"""A step of an order that commands and a queue make alike."""

from msgspec import structs

from hub.protocol.drafts import Origin
from jobs.context import WriteScope
from storage import orders
from storage.merchant_records import Order, OrderStatus

from . import stock
from .told import order_event


async def move(
    scope: WriteScope, origin: Origin, before: Order, status: OrderStatus, now: str
) -> Order:
    """Move an order on, legal or not: goods that it has not taken yet leave the stock, and those of
    a cancelled order come back.

    Args:
        origin: of its events.
        now: RFC 3339.

    Raises:
        InvalidParams, Conflict: the goods are not there any more; see `stock.take`.
    """
    taken = status != "cancelled"
    if taken and not before.stock_taken:
        await stock.take(scope, origin, before.items, now)
    order = await orders.update(
        scope.tx, structs.replace(before, status=status, stock_taken=taken, updated_at=now)
    )
    data = {
        "orderId": order.id, "oldStatus": before.status, "newStatus": order.status,
        "updatedAt": order.updated_at,
    }  # fmt: skip
    order_event(scope, origin, "order_status_changed", order, data)
    if order.status == "cancelled":
        told = {"orderId": order.id, "oldStatus": before.status}
        order_event(scope, origin, "order_cancelled", order, told)
        if before.stock_taken:
            await stock.give_back(scope, origin, order, now)
    return order
