"""Events about orders, goods and deliveries, alike whoever causes them."""

from collections.abc import Sequence
from typing import Any

from hub.protocol.drafts import Origin
from jobs.context import WriteScope
from storage import product_media
from storage.merchant_records import DeliveryTask, Order, Product


def order_event(
    scope: WriteScope, origin: Origin, type_: str, order: Order, data: dict[str, Any]
) -> None:
    """Record an event about an order; all of them say its status and version."""
    more = {"status": order.status, "paymentStatus": order.payment_status, "version": order.version}
    scope.record(origin, type_, {**data, **more}, f"order/{order.id}")


def product_event(
    scope: WriteScope, origin: Origin, type_: str, product: Product, media_ids: list[str]
) -> None:
    """Record an event about a product.

    Args:
        media_ids: the pictures that show it, in their order.
    """
    data: dict[str, Any] = {
        "productId": product.id, "name": product.name, "price": product.price,
        "stock": product.stock, "mediaIds": media_ids, "currency": product.currency,
        "category": product.category, "isActive": product.is_active, "version": product.version,
    }  # fmt: skip
    scope.record(origin, type_, data, f"product/{product.id}")


async def product_updates(scope: WriteScope, origin: Origin, found: Sequence[Product]) -> None:
    """Record one `product_updated` for each of these products, as they are after the change."""
    shown = await product_media.media_ids(scope.tx, [product.id for product in found])
    for product in found:
        product_event(scope, origin, "product_updated", product, shown[product.id])


def delivery_event(
    scope: WriteScope, origin: Origin, type_: str, task: DeliveryTask, **more: Any
) -> None:
    """Record an event about a delivery task.

    Args:
        more: members that this type has besides.
    """
    data = {
        "deliveryTaskId": task.id, "orderId": task.order_id, "driverId": task.driver_id,
        "status": task.status, "completedAt": task.completed_at, **more, "version": task.version,
    }  # fmt: skip
    scope.record(origin, type_, data, f"delivery/{task.id}")
