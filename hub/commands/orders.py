"""Orders: taken at the prices of the moment, moved step by step, paid, and told as a timeline."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.protocol.errors import Conflict
from hub.protocol.frames import Event
from hub.protocol.ids import uuid7
from hub.stream.waiting import WriteScope
from jobs.commerce import stock
from jobs.commerce.steps import move
from jobs.commerce.told import order_event
from jobs.order_processing.begin import queue_processing
from storage import deliveries, events, orders, payments
from storage.database import Transaction
from storage.merchant_records import Job, Order, OrderStatus, PaymentStatus
from storage.records import StoredEvent

from . import transitions
from .command import EVERYBODY, OPERATORS, SELLERS, Command, Invocation, Result
from .params import (
    MOST,
    PAGE,
    ById,
    Limit,
    ListOf,
    Phone,
    Positive,
    RowId,
    Text,
    Word,
    changed,
    next_of,
)

CustomerId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]
"""The merchant's own id of a customer."""
_ITEMS = 100
"""Most different products of an order: its event stays within the 64 KiB of one."""
_OPEN = ("pending", "confirmed", "preparing")
"""While the goods are in the house, what is noted of an order may still change."""


class ListOrders(ListOf, forbid_unknown_fields=True):
    """`order` is by the time of their making; `next` goes on in it."""

    status: OrderStatus | None = None
    payment_status: PaymentStatus | None = None
    customer_phone: Phone | None = None
    order: Literal["oldest", "newest"] = "oldest"


class WantedItem(Struct, forbid_unknown_fields=True):
    """So many of a product."""

    product_id: Word
    quantity: Positive


class NewOrder(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a customer orders.

    Attributes:
        process: whether the queue confirms it and brings it on its way.
        take_stock: whether its goods leave the stock at once, so that an order of what is not
            there is refused; else they leave it when it is confirmed.
    """

    customer_phone: Phone
    items: Annotated[list[WantedItem], Meta(min_length=1, max_length=_ITEMS)]
    customer_id: CustomerId | None = None
    notes: Text | None = None
    process: bool = True
    take_stock: bool = True
    id: RowId | None = None
    merchant_id: Word | None = None


class OrderChange(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to be different; what is left out stays."""

    id: Word
    notes: Text | UnsetType | None = UNSET
    customer_id: CustomerId | UnsetType | None = UNSET


class OrderStep(Struct, forbid_unknown_fields=True):
    id: Word
    status: OrderStatus


class Timeline(Struct, forbid_unknown_fields=True):
    """`after` is an offset: the `next` of the page before."""

    id: Word
    after: Annotated[int, Meta(ge=0, le=MOST)] = 0
    limit: Limit = 100


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


async def list_(call: Invocation, params: ListOrders) -> Result:
    """A page of orders."""
    limit = min(params.limit, PAGE)
    found = await call.read(
        lambda tx: orders.page(
            tx, params.after, limit, status=params.status,
            payment_status=params.payment_status, customer_phone=params.customer_phone,
            newest_first=params.order == "newest",
        )
    )  # fmt: skip
    return {"orders": found, "count": len(found), "next": next_of(found, limit)}


async def get(call: Invocation, params: ById) -> Result:
    """One order."""
    return {"order": await call.read(lambda tx: orders.get(tx, params.id))}


async def timeline(call: Invocation, params: Timeline) -> Result:
    """A page of the events about an order, oldest first, as far as the log keeps them."""
    limit = min(params.limit, PAGE)

    async def read(tx: Transaction) -> list[StoredEvent]:
        await orders.get(tx, params.id)
        return await events.of_order(tx, params.id, params.after, limit)

    found = await call.read(read)
    return {
        "events": [msgspec.Raw(event.frame) for event in found],
        "count": len(found),
        "next": found[-1].offset if len(found) == limit else None,
    }


# ── changing ─────────────────────────────────────────────────────────────────────────────────────


async def create(call: Invocation, params: NewOrder) -> Result:
    """Take an order: its goods leave the stock in the same transaction, and the job that confirms
    it is written.

    Raises:
        InvalidParams, Conflict: see `stock.priced`.
    """

    async def work(scope: WriteScope) -> Result:
        if params.take_stock:
            basket = await stock.take(scope, call.origin, params.items, call.now)
        else:
            basket = await stock.priced(scope, params.items, in_stock=False)
        order = Order(
            id=params.id or uuid7(), merchant_id=call.merchant_id,
            customer_phone=params.customer_phone, customer_id=params.customer_id,
            items=basket.items, total=basket.total, currency=basket.currency,
            payment_status=transitions.payment_status(basket.total, 0), notes=params.notes,
            stock_taken=params.take_stock,
            created_at=call.now, updated_at=call.now,
        )  # fmt: skip
        await orders.insert(scope.tx, order)
        data = {
            "orderId": order.id, "customerId": order.customer_id or order.customer_phone,
            "customerPhone": order.customer_phone, "items": order.items,
            "totalAmount": order.total, "currency": order.currency,
        }  # fmt: skip
        order_event(scope, call.origin, "order_created", order, data)
        if params.process:
            await queue_processing(scope, order, call.now, call.actor.source)
        return {"order": order}

    return await call.commit(work)


async def update(call: Invocation, params: OrderChange) -> Result:
    """Change what is noted of an order; what makes no difference is no change.

    Raises:
        Conflict: the order has left the house, or is cancelled.
    """

    async def work(scope: WriteScope) -> Result:
        order = await orders.get(scope.tx, params.id)
        call.check_version(order.version)
        after = changed(order, params, call.now)
        if after is not order:
            if order.status not in _OPEN:
                raise Conflict(f"the order is {order.status}; it is changed no more")
            order = await orders.update(scope.tx, after)
            data = {"orderId": order.id, "customerId": order.customer_id, "notes": order.notes}
            order_event(scope, call.origin, "order_updated", order, data)
        return {"order": order}

    return await call.commit(work)


async def set_status(call: Invocation, params: OrderStep) -> Result:
    """Move an order on, or cancel it: then its goods go back to the stock.

    Raises:
        Conflict: that is no step from where it is, see `transitions.ORDER`, or the goods that it
            has not taken yet are not there.
    """

    async def work(scope: WriteScope) -> Result:
        before = await orders.get(scope.tx, params.id)
        call.check_version(before.version)
        if params.status == before.status:
            return {"order": before}
        transitions.check(transitions.ORDER, "order", before.status, params.status)
        order = await move(scope, call.origin, before, params.status, call.now)
        return {"order": order}

    return await call.commit(work)


async def process(call: Invocation, params: ById) -> Result:
    """Have the queue confirm an order and bring it on its way, once however often this is asked.

    Raises:
        NotFound: there is no such order.
    """

    async def work(scope: WriteScope) -> Result:
        order = await orders.get(scope.tx, params.id)
        return {"job": await queue_processing(scope, order, call.now, call.actor.source)}

    return await call.commit(work)


async def delete(call: Invocation, params: ById) -> Result:
    """Remove a cancelled order of which nothing else is known.

    Raises:
        Conflict: it is not cancelled, or has payments or delivery tasks.
    """

    async def work(scope: WriteScope) -> Result:
        tx = scope.tx
        order = await orders.get(tx, params.id)
        call.check_version(order.version)
        if order.status != "cancelled":
            raise Conflict(f"the order is {order.status}; cancel it first")
        if await payments.of_order(tx, order.id, "", 1):
            raise Conflict("the order has payments; it stays, as their proof")
        if await deliveries.page(tx, "", 1, order_id=order.id):
            raise Conflict("the order has delivery tasks; delete them first")
        await orders.delete(tx, order.id, order.version)
        order_event(scope, call.origin, "order_deleted", order, {"orderId": order.id})
        return {"id": order.id}

    return await call.commit(work)


COMMANDS = (
    Command(
        name="orders.list", http="GET /api/orders", roles=EVERYBODY,
        summary="The merchant's orders, oldest or newest first",
        params=ListOrders, run=list_,
        answer={"orders": list[Order], "count": int, "next": str | None},
    ),
    Command(
        name="orders.get", http="GET /api/orders/{id}", roles=EVERYBODY,
        summary="One order", params=ById, run=get, answer={"order": Order}, table="orders",
    ),
    Command(
        name="orders.create", http="POST /api/orders", roles=SELLERS,
        summary="Take an order at the prices of the moment; its goods leave the stock, and unless "
        "`process` is false, the queue confirms it",
        params=NewOrder, run=create, answer={"order": Order}, status=201,
        message="The order is taken.", events=("order_created", "product_updated", "job_queued"),
    ),
    Command(
        name="orders.process", http="POST /api/orders/{id}/process", roles=SELLERS,
        summary="Have the queue confirm an order, make its delivery task and write to its "
        "customer; asked again, it answers the same job",
        params=ById, run=process, answer={"job": Job}, status=202,
        message="The order is being processed.", events=("job_queued",), table="orders",
    ),
    Command(
        name="orders.update", http="PATCH /api/orders/{id}", roles=SELLERS,
        summary="Change the notes or the customer of an order that has not left the house",
        params=OrderChange, run=update, answer={"order": Order}, events=("order_updated",),
        versioned=True, table="orders",
    ),
    Command(
        name="orders.set_status", http="PATCH /api/orders/{id}/status", roles=SELLERS,
        summary="Move an order on, or cancel it, which gives its goods back to the stock",
        params=OrderStep, run=set_status, answer={"order": Order},
        events=("order_status_changed", "order_cancelled", "product_updated"),
        versioned=True, table="orders",
    ),
    Command(
        name="orders.delete", http="DELETE /api/orders/{id}", roles=OPERATORS,
        summary="Remove a cancelled order without payments and delivery tasks",
        params=ById, run=delete, answer={"id": str}, message="The order is removed.",
        events=("order_deleted",), versioned=True, table="orders",
    ),
    Command(
        name="orders.timeline", http="GET /api/orders/{id}/timeline", roles=EVERYBODY,
        summary="The events about an order, oldest first, as far as the log keeps them",
        params=Timeline, run=timeline,
        answer={"events": list[Event], "count": int, "next": int | None}, table="orders",
    ),
)  # fmt: skip
