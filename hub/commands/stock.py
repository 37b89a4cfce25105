"""The stock: goods leave it with an order, and come back when the order is cancelled.

Row changes are carried out one after the other (`EventLog.commit`; on Postgres each holds the lock
of the log's head), so what is read here is still so when it is written.
"""

from collections.abc import Sequence

from msgspec import Struct, structs

from hub.protocol.errors import Conflict, FieldError, HubError, InvalidParams
from hub.stream.waiting import WriteScope
from storage import products
from storage.merchant_records import Order, OrderItem, Product

from .command import Invocation
from .params import MOST, Positive, Word
from .products import record_updates


class WantedItem(Struct, forbid_unknown_fields=True):
    """So many of a product."""

    product_id: Word
    quantity: Positive


class Basket(Struct, frozen=True):
    """What was taken out of the stock for an order; `total` in minor units of `currency`."""

    items: list[OrderItem]
    total: int
    currency: str


async def take(call: Invocation, scope: WriteScope, wanted: Sequence[WantedItem]) -> Basket:
    """Take goods out of the stock, at the prices of this moment; all of them or none.

    Raises:
        InvalidParams: no such product, one that is named twice, several currencies, too much money.
        Conflict: a product is not for sale, or too few of it are left.
    """
    found = await products.by_ids(scope.tx, [item.product_id for item in wanted])
    _check(wanted, found)
    sold, items = [], []
    for item in wanted:
        product = found[item.product_id]
        items.append(OrderItem(product.id, product.name, item.quantity, product.price))
        sold.append(structs.replace(product, stock=product.stock - item.quantity))
    await record_updates(call, scope, await products.restock(scope.tx, sold, call.now))
    total = sum(item.price * item.quantity for item in items)
    return Basket(items, total, found[wanted[0].product_id].currency)


async def give_back(call: Invocation, scope: WriteScope, order: Order) -> None:
    """Put the goods of an order back; those of a product that is gone have no place any more."""
    found = await products.by_ids(scope.tx, [item.product_id for item in order.items])
    returned = []
    for item in order.items:
        product = found.get(item.product_id)
        if product is not None:
            # More than this no reader of JSON keeps, and no order can take.
            stock = min(product.stock + item.quantity, MOST)
            returned.append(structs.replace(product, stock=stock))
    await record_updates(call, scope, await products.restock(scope.tx, returned, call.now))


def _check(wanted: Sequence[WantedItem], found: dict[str, Product]) -> None:
    """Name everything that is wrong with a basket: first what is asked, then what there is."""
    wrong: list[FieldError] = []
    short: list[FieldError] = []
    first: dict[str, int] = {}
    currency: str | None = None
    total = 0
    for place, item in enumerate(wanted):
        at = f"/items/{place}"
        product = found.get(item.product_id)
        if first.setdefault(item.product_id, place) != place:
            message = f"stands in /items/{first[item.product_id]} already; give one quantity"
            wrong.append(FieldError(f"{at}/product_id", message))
        elif product is None:
            wrong.append(FieldError(f"{at}/product_id", "no product has this id"))
        elif product.currency != (currency := currency or product.currency):
            message = f"is sold in {product.currency}, those before in {currency}"
            wrong.append(FieldError(f"{at}/product_id", message))
        elif not product.is_active:
            short.append(FieldError(f"{at}/product_id", f"{product.name} is not for sale"))
        elif product.stock < item.quantity:
            message = f"{product.stock} of {product.name} are left"
            short.append(FieldError(f"{at}/quantity", message))
        else:
            total += product.price * item.quantity
    if not wrong and total > MOST:
        wrong.append(FieldError("/items", f"they cost more than {MOST}"))
    kind: type[HubError] = InvalidParams if wrong else Conflict
    if wrong or short:
        errors = tuple(wrong or short)
        raise kind("; ".join(f"{e.pointer}: {e.message}" for e in errors), errors)
