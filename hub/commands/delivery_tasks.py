"""Delivery tasks: orders on their way to the customer, with their driver."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from hub.protocol.errors import Conflict, InvalidParams, invalid
from hub.protocol.ids import uuid7
from hub.stream.waiting import WriteScope
from jobs.commerce.told import delivery_event
from storage import deliveries, orders
from storage.errors import NotFound
from storage.merchant_records import DeliveryStatus, DeliveryTask, Order

from . import transitions
from .command import EVERYBODY, OPERATORS, SELLERS, Command, Invocation, Result
from .params import PAGE, Amount, ById, ListOf, RowId, Text, Word, changed, next_of

DriverId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Kilometres = Annotated[float, Meta(ge=0, le=100_000)]
Signature = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
_WITHOUT_DRIVER = ("pending", "cancelled")
_AT_REST = ("pending", "failed", "cancelled")


class ListTasks(ListOf, forbid_unknown_fields=True):
    order_id: Word | None = None
    driver_id: DriverId | None = None
    status: DeliveryStatus | None = None


class NewTask(Struct, forbid_unknown_fields=True, kw_only=True):
    """Places in degrees, `fee` in minor units of the order's currency."""

    order_id: Word
    driver_id: DriverId | None = None
    pickup_lat: Latitude | None = None
    pickup_lng: Longitude | None = None
    dropoff_lat: Latitude | None = None
    dropoff_lng: Longitude | None = None
    estimated_time_minutes: Amount | None = None
    distance_km: Kilometres | None = None
    fee: Amount = 0
    notes: Text | None = None
    id: RowId | None = None
    merchant_id: Word | None = None


class TaskChange(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to be different; what is left out stays."""

    id: Word
    driver_id: DriverId | UnsetType | None = UNSET
    pickup_lat: Latitude | UnsetType | None = UNSET
    pickup_lng: Longitude | UnsetType | None = UNSET
    dropoff_lat: Latitude | UnsetType | None = UNSET
    dropoff_lng: Longitude | UnsetType | None = UNSET
    estimated_time_minutes: Amount | UnsetType | None = UNSET
    distance_km: Kilometres | UnsetType | None = UNSET
    fee: Amount | UnsetType = UNSET
    notes: Text | UnsetType | None = UNSET


class Place(Struct, forbid_unknown_fields=True):
    """Degrees."""

    lat: Latitude
    lng: Longitude


class TaskStep(Struct, forbid_unknown_fields=True, kw_only=True):
    """`location` is where the driver starts from, if not from the pickup; `signature` is what the
    customer signed with: a name, or where a picture of it is."""

    id: Word
    status: DeliveryStatus
    location: Place | None = None
    signature: Signature | None = None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


async def list_(call: Invocation, params: ListTasks) -> Result:
    """A page of delivery tasks, by id."""
    limit = min(params.limit, PAGE)
    found = await call.read(
        lambda tx: deliveries.page(
            tx, params.after, limit, order_id=params.order_id, driver_id=params.driver_id,
            status=params.status,
        )
    )  # fmt: skip
    return {"delivery_tasks": found, "count": len(found), "next": next_of(found, limit)}


async def get(call: Invocation, params: ById) -> Result:
    """One delivery task."""
    return {"delivery_task": await call.read(lambda tx: deliveries.get(tx, params.id))}


# ── changing ─────────────────────────────────────────────────────────────────────────────────────


async def create(call: Invocation, params: NewTask) -> Result:
    """Make a task of delivering an order.

    Raises:
        InvalidParams: there is no such order.
        Conflict: the order is delivered or cancelled.
    """

    async def work(scope: WriteScope) -> Result:
        order = await _order(scope, params.order_id)
        if not transitions.ORDER[order.status]:
            raise invalid(Conflict, "/order_id", f"the order is {order.status}")
        given = structs.asdict(params) | {
            "id": params.id or uuid7(), "merchant_id": call.merchant_id,
            "created_at": call.now, "updated_at": call.now,
        }  # fmt: skip
        task = await deliveries.insert(scope.tx, DeliveryTask(**given))
        delivery_event(scope, call.origin, "delivery_updated", task)
        return {"delivery_task": task}

    return await call.commit(work)


async def update(call: Invocation, params: TaskChange) -> Result:
    """Change a task that is under way; what makes no difference is no change.

    Raises:
        Conflict: the task has come to its end, or would be without the driver that it needs.
    """

    async def work(scope: WriteScope) -> Result:
        task = await deliveries.get(scope.tx, params.id)
        call.check_version(task.version)
        after = changed(task, params, call.now)
        if after is not task:
            if not transitions.DELIVERY[task.status]:
                raise Conflict(f"the delivery task is {task.status}; it is changed no more")
            _check_driver(after)
            task = await deliveries.update(scope.tx, after)
            delivery_event(scope, call.origin, "delivery_updated", task)
        return {"delivery_task": task}

    return await call.commit(work)


async def set_status(call: Invocation, params: TaskStep) -> Result:
    """Move a delivery task on; the order's own status is not touched.

    Raises:
        Conflict: that is no step from where it is, see `transitions.DELIVERY`, or it has no driver.
    """

    async def work(scope: WriteScope) -> Result:
        task = await deliveries.get(scope.tx, params.id)
        call.check_version(task.version)
        if params.status == task.status:
            return {"delivery_task": task}
        transitions.check(transitions.DELIVERY, "delivery task", task.status, params.status)
        after = structs.replace(
            task, status=params.status, updated_at=call.now,
            completed_at=call.now if params.status == "delivered" else None,
        )  # fmt: skip
        _check_driver(after)
        task = await deliveries.update(scope.tx, after)
        if task.status == "in_transit":
            delivery_event(
                scope, call.origin, "delivery_started", task, location=_location(task, params)
            )
        elif task.status == "delivered":
            delivery_event(
                scope, call.origin, "delivery_completed", task, signature=params.signature
            )
        else:
            delivery_event(scope, call.origin, "delivery_updated", task)
        return {"delivery_task": task}

    return await call.commit(work)


async def delete(call: Invocation, params: ById) -> Result:
    """Remove a task that nobody has begun, or that was cancelled or failed.

    Raises:
        Conflict: a driver is on it, or has delivered it.
    """

    async def work(scope: WriteScope) -> Result:
        task = await deliveries.get(scope.tx, params.id)
        call.check_version(task.version)
        if task.status not in _AT_REST:
            raise Conflict(f"the delivery task is {task.status}; it is not deleted")
        await deliveries.delete(scope.tx, task.id, task.version)
        delivery_event(scope, call.origin, "delivery_deleted", task)
        return {"id": task.id}

    return await call.commit(work)


async def _order(scope: WriteScope, order_id: str) -> Order:
    try:
        return await orders.get(scope.tx, order_id)
    except NotFound:
        raise invalid(InvalidParams, "/order_id", "no order has this id") from None


def _check_driver(task: DeliveryTask) -> None:
    if task.driver_id is None and task.status not in _WITHOUT_DRIVER:
        raise Conflict(f"a delivery task that is {task.status} has a driver; set driver_id")


def _location(task: DeliveryTask, params: TaskStep) -> dict[str, float] | None:
    """Where the way begins: as the driver says, or where the goods were picked up."""
    if params.location is not None:
        return {"lat": params.location.lat, "lng": params.location.lng}
    if task.pickup_lat is None or task.pickup_lng is None:
        return None
    return {"lat": task.pickup_lat, "lng": task.pickup_lng}


COMMANDS = (
    Command(
        name="delivery_tasks.list", http="GET /api/delivery-tasks", roles=EVERYBODY,
        summary="The merchant's delivery tasks, by id",
        params=ListTasks, run=list_,
        answer={"delivery_tasks": list[DeliveryTask], "count": int, "next": str | None},
    ),
    Command(
        name="delivery_tasks.get", http="GET /api/delivery-tasks/{id}", roles=EVERYBODY,
        summary="One delivery task", params=ById, run=get,
        answer={"delivery_task": DeliveryTask}, table="delivery_tasks",
    ),
    Command(
        name="delivery_tasks.create", http="POST /api/delivery-tasks", roles=SELLERS,
        summary="Make a task of delivering an order",
        params=NewTask, run=create, answer={"delivery_task": DeliveryTask}, status=201,
        message="The delivery task is made.", events=("delivery_updated",),
    ),
    Command(
        name="delivery_tasks.update", http="PATCH /api/delivery-tasks/{id}", roles=SELLERS,
        summary="Change a delivery task that has not come to its end",
        params=TaskChange, run=update, answer={"delivery_task": DeliveryTask},
        events=("delivery_updated",), versioned=True, table="delivery_tasks",
    ),
    Command(
        name="delivery_tasks.set_status", http="PATCH /api/delivery-tasks/{id}/status",
        roles=SELLERS, summary="Move a delivery task on; its order is not touched",
        params=TaskStep, run=set_status, answer={"delivery_task": DeliveryTask},
        events=("delivery_started", "delivery_completed", "delivery_updated"),
        versioned=True, table="delivery_tasks",
    ),
    Command(
        name="delivery_tasks.delete", http="DELETE /api/delivery-tasks/{id}", roles=OPERATORS,
        summary="Remove a delivery task that nobody has begun, or that was cancelled or failed",
        params=ById, run=delete, answer={"id": str}, message="The delivery task is removed.",
        events=("delivery_deleted",), versioned=True, table="delivery_tasks",
    ),
)  # fmt: skip
