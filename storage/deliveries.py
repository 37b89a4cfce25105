"""The table `delivery_tasks`."""

from .database import Transaction
from .merchant_records import DeliveryStatus, DeliveryTask
from .table import Table

_TASKS = Table("delivery_tasks", DeliveryTask, "delivery task")


async def get(tx: Transaction, id_: str) -> DeliveryTask:
    """Raises: NotFound."""
    return await _TASKS.get(tx, id_)


async def insert(tx: Transaction, task: DeliveryTask) -> DeliveryTask:
    """Add a delivery task; raises Conflict."""
    return await _TASKS.insert(tx, task)


async def update(tx: Transaction, task: DeliveryTask) -> DeliveryTask:
    """Write a changed delivery task, see `Table.update`; raises NotFound, Stale, Conflict."""
    return await _TASKS.update(tx, task)


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a delivery task; raises NotFound, Stale, Conflict."""
    await _TASKS.delete(tx, id_, version)


async def page(
    tx: Transaction,
    after: str,
    limit: int,
    *,
    order_id: str | None = None,
    driver_id: str | None = None,
    status: DeliveryStatus | None = None,
) -> list[DeliveryTask]:
    """Up to `limit` delivery tasks whose id sorts after `after`, by id."""
    filters = {"order_id": order_id, "driver_id": driver_id, "status": status}
    return await _TASKS.page(tx, after, limit, filters)
