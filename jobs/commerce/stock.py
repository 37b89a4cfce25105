"""The stock: goods leave it with an order, and come back when the order is cancelled.

Row changes are carried out one after the other (the log's commit; on Postgres each holds the lock
of the log's head), so what is read here is still so when it is written.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct, structs

from hub.protocol.drafts import Origin
from hub.protocol.errors import Conflict, FieldError, HubError, InvalidParams
from jobs.context import WriteScope
from storage import products
from storage.merchant_records import Order, OrderItem, Product

from .told import product_updates

MOST = 2**53 - 1
"""The largest whole number that every reader of JSON keeps (RFC 8259 section 6)."""


class Wanted(Protocol):
    """So many of a product."""

    @property
    def product_id(self) -> str: ...
    @property
    def quantity(self) -> int: ...


class Basket(Struct, frozen=True):
    """What is ordered, at the prices of a moment; `total` in minor units of `currency`."""

    items: list[OrderItem]
    total: int
    currency: str


async def priced(scope: WriteScope, wanted: Sequence[Wanted], *, in_stock: bool) -> Basket:
    """What an order would be at this moment; nothing leaves the stock.

    Args:
        in_stock: whether there must be enough of everything.

    Raises:
        InvalidParams: no such product, one that is named twice, several currencies, too much money.
        Conflict: a product is not for sale, or too few of it are left.
    """
    return _basket(wanted, await _checked(scope, wanted, in_stock=in_stock))


async def take(scope: WriteScope, origin: Origin, wanted: Sequence[Wanted], now: str) -> Basket:
    """Take goods out of the stock, at the prices of this moment; all of them or none.

    Args:
        origin: of the products' events.
        now: RFC 3339.

    Raises:
        InvalidParams, Conflict: see `priced`.
    """
    found = await _checked(scope, wanted, in_stock=True)
    sold = [
        structs.replace(found[item.product_id], stock=found[item.product_id].stock - item.quantity)
        for item in wanted
    ]
    await product_updates(scope, origin, await products.restock(scope.tx, sold, now))
    return _basket(wanted, found)


async def give_back(scope: WriteScope, origin: Origin, order: Order, now: str) -> None:
    """Put the goods of an order back; those of a product that is gone have no place any more."""
    found = await products.by_ids(scope.tx, [item.product_id for item in order.items])
    returned = []
    for item in order.items:
        product = found.get(item.product_id)
        if product is not None:
            # More than this no reader of JSON keeps, and no order can take.
            stock = min(product.stock + item.quantity, MOST)
            returned.append(structs.replace(product, stock=stock))
    await product_updates(scope, origin, await products.restock(scope.tx, returned, now))


async def _checked(
    scope: WriteScope, wanted: Sequence[Wanted], *, in_stock: bool
) -> dict[str, Product]:
    found = await products.by_ids(scope.tx, [item.product_id for item in wanted])
    _check(wanted, found, in_stock=in_stock)
    return found


def _basket(wanted: Sequence[Wanted], found: dict[str, Product]) -> Basket:
    items = [
        OrderItem(item.product_id, product.name, item.quantity, product.price)
        for item in wanted
        for product in (found[item.product_id],)
    ]
    total = sum(item.price * item.quantity for item in items)
    return Basket(items, total, found[wanted[0].product_id].currency)


def _check(wanted: Sequence[Wanted], found: dict[str, Product], *, in_stock: bool) -> None:
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
        elif in_stock and product.stock < item.quantity:
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
