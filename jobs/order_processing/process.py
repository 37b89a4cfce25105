"""The task `process`: a pending order is confirmed, or the result says why not.

Everything that it changes is written with the job's end: the goods leave the stock unless they have
left it with the order, the order is confirmed, its delivery task is made, and the message that says
so to the customer is queued. An order that cannot be confirmed stays as it is: that is an answer,
and trying again would give the same.
"""

from typing import Any

from hub.protocol.drafts import Origin
from hub.protocol.errors import HubError, InvalidParams
from jobs.commerce.money import amount
from jobs.commerce.steps import move
from jobs.commerce.told import delivery_event
from jobs.context import SOURCE, WriteScope
from jobs.message_sending.recipients import recipient_of
from jobs.message_sending.send import queue_message
from jobs.outcome import Done
from jobs.run import Run
from jobs.tasks import Process
from storage import deliveries, orders, products
from storage.errors import NotFound
from storage.merchant_records import DeliveryTask, Order

TEMPLATE = "order_confirmation"
_SOON = "soon"
"""When a delivery comes of which nobody has said so yet."""


async def process(run: Run, args: Process) -> Done:
    """Confirm an order, or say why it is not."""

    async def write(scope: WriteScope) -> dict[str, Any]:
        try:
            order = await orders.get(scope.tx, args.order_id)
        except NotFound:
            return _refused("the order was removed")
        reason = await _fault(scope, order)
        if reason is not None:
            return _refused(reason)
        return await _confirmed(scope, order, run.context.now)

    return Done(write=write)


async def _fault(scope: WriteScope, order: Order) -> str | None:
    """Why an order is not confirmed, as far as nothing has to be changed to know it."""
    if order.status != "pending":
        return f"the order is {order.status}"
    if not order.items:
        return "the order has no items"
    try:
        recipient_of(order.customer_phone)
    except InvalidParams:
        return "the customer's phone is no telephone number"
    found = await products.by_ids(scope.tx, [item.product_id for item in order.items])
    for item in order.items:
        product = found.get(item.product_id)
        if product is None:
            return f"{item.name} is gone"
        if not product.is_active:
            return f"{item.name} is not for sale"
    return None


async def _confirmed(scope: WriteScope, order: Order, now: str) -> dict[str, Any]:
    origin = Origin(order.merchant_id, SOURCE)
    try:
        order = await move(scope, origin, order, "confirmed", now)
    except HubError as error:  # the goods are not there; nothing was written before that was known
        return _refused(str(error))
    task = await _delivery(scope, origin, order, now)
    minutes = task.estimated_time_minutes
    result = {"confirmed": True, "orderId": order.id, "deliveryTaskId": task.id}
    variables = {
        "order_id": order.id, "amount": amount(order.total, order.currency),
        "eta": _SOON if minutes is None else f"{minutes} minutes",
    }  # fmt: skip
    try:
        message, _ = await queue_message(
            scope, merchant_id=order.merchant_id, to=order.customer_phone, template=TEMPLATE,
            variables=variables, now=now,
        )  # fmt: skip
    except InvalidParams as error:  # its merchant has archived the template
        return {**result, "messageId": None, "unsaid": str(error)}
    return {**result, "messageId": message.id}


async def _delivery(scope: WriteScope, origin: Origin, order: Order, now: str) -> DeliveryTask:
    """The order's delivery task: the one there is, or a new one."""
    known = await deliveries.page(scope.tx, "", 1, order_id=order.id)
    if known:
        return known[0]
    task = await deliveries.insert(
        scope.tx,
        DeliveryTask(
            id=scope.new_id(), merchant_id=order.merchant_id, order_id=order.id,
            created_at=now, updated_at=now,
        ),
    )  # fmt: skip
    delivery_event(scope, origin, "delivery_updated", task)
    return task


def _refused(reason: str) -> dict[str, Any]:
    return {"confirmed": False, "reason": reason}
