"""Orders on their way: confirmed in one commit or refused with a reason, once each."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from hub.protocol.ids import uuid7
from storage import orders
from storage.database import Transaction
from storage.merchant_records import Job, OrderItem
from storage.scope import Scope
from tests.commands.shop import NOBODY, PHONE, Shop, wanted
from tests.jobs.workbench import Workbench
from tests.storage import samples
from tests.support.rest import call

pytestmark = pytest.mark.both_engines


async def order_of(shop: Shop, order: Any) -> Any:
    return (await shop.done("GET", f"/orders/{order['id']}"))["order"]


async def deliveries_of(shop: Shop, order: Any) -> list[Any]:
    found = await shop.done("GET", "/delivery-tasks", order_id=order["id"])
    return list(found["delivery_tasks"])


async def put_order(shop: Shop, product: Any, quantity: int = 1, **changes: Any) -> Any:
    """An order that comes from elsewhere, and not by a command."""
    price = product["price"]
    row = samples.order(
        merchant_id=shop.hub.merchant_id, id=uuid7(), customer_phone=PHONE,
        items=[OrderItem(product["id"], product["name"], quantity, price)], total=price * quantity,
        currency=product["currency"], **changes,
    )  # fmt: skip
    await shop.hub.database.write(lambda tx: orders.insert(tx, row), Scope(shop.hub.merchant_id))
    return {"id": row.id}


async def asked(shop: Shop, order: Any, who: str = "merchant") -> Any:
    answer = await shop.ask("POST", f"/orders/{order['id']}/process", who=who)
    assert answer.status == 202, answer.body
    return answer.json()["job"]


async def test_an_order_is_confirmed_with_everything_that_follows(
    shop: Shop, bench: Workbench
) -> None:
    product = await shop.product(stock=10)
    since = await shop.end()
    order = await shop.order((product, 2))
    assert (order["status"], order["stock_taken"]) == ("pending", True)
    (job,) = await bench.work()
    assert job.state == "succeeded"
    after = await order_of(shop, order)
    assert (after["status"], after["version"]) == ("confirmed", 2)
    assert await shop.stock(product) == 8
    (task,) = await deliveries_of(shop, order)
    assert (task["status"], task["order_id"]) == ("pending", order["id"])
    events = await shop.events(since)
    assert [event["type"] for event in events] == [
        "product_updated", "order_created", "job_queued",
        "order_status_changed", "delivery_updated", "job_queued", "job_completed",
    ]  # fmt: skip
    changed = events[3]
    assert changed["source"] == "hub"
    assert (changed["data"]["oldStatus"], changed["data"]["newStatus"]) == ("pending", "confirmed")
    result = events[-1]["data"]["result"]
    assert result["confirmed"] is True
    assert (result["orderId"], result["deliveryTaskId"]) == (order["id"], task["id"])
    message = (await shop.done("GET", f"/messages/{result['messageId']}"))["message"]
    assert message["status"] == "queued"
    assert order["id"] in message["text"]
    assert "USD 5.00" in message["text"]
    assert message["phone"] == PHONE.removeprefix("+")


async def test_however_often_it_is_asked_it_is_one_job(shop: Shop, bench: Workbench) -> None:
    product = await shop.product()
    order = await shop.order((product, 1), process=False)
    assert await bench.work() == []
    made = await asyncio.gather(*(asked(shop, order, who) for who in ("merchant", "bot") * 5))
    assert {job["id"] for job in made} == {f"order-{order['id']}"}
    assert len(await bench.work()) == 1
    assert (await asked(shop, order))["state"] == "succeeded"
    assert await bench.work() == []
    assert len(await deliveries_of(shop, order)) == 1
    await shop.refused(404, "POST", f"/orders/{NOBODY}/process")
    await shop.refused(404, "POST", f"/orders/{order['id']}/process", who="owner")
    await shop.refused(403, "POST", f"/orders/{order['id']}/process", who="viewer")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("cancel", "the order is cancelled"),
        ("confirm", "the order is confirmed"),
        ("retire", "Tea is not for sale"),
        ("remove", "Tea is gone"),
    ],
)
async def test_what_cannot_be_confirmed_is_answered_and_no_error(
    shop: Shop, bench: Workbench, spoil: str, reason: str
) -> None:
    product = await shop.product()
    order = await shop.order((product, 3))
    if spoil == "cancel":
        await shop.step(order, "cancelled")
    elif spoil == "confirm":
        await shop.step(order, "confirmed")
    elif spoil == "retire":
        await shop.done("PATCH", f"/products/{product['id']}", {"is_active": False})
    else:
        await shop.done("DELETE", f"/products/{product['id']}")
    before = await order_of(shop, order)
    (job,) = await bench.work()
    assert job.state == "succeeded"
    assert job.result == {"confirmed": False, "reason": reason}
    assert await order_of(shop, order) == before
    assert await deliveries_of(shop, order) == []


async def test_an_order_that_is_gone_or_has_no_phone(shop: Shop, bench: Workbench) -> None:
    product = await shop.product()
    gone = await shop.order((product, 1))
    await shop.step(gone, "cancelled")
    await shop.done("DELETE", f"/orders/{gone['id']}")
    (job,) = await bench.work()
    assert job.result == {"confirmed": False, "reason": "the order was removed"}
    nobody = await put_order(shop, product)
    scope = Scope(shop.hub.merchant_id)

    async def spoil(tx: Transaction) -> None:
        await tx.execute(
            "UPDATE orders SET customer_phone = 'unknown', version = version + 1"
            " WHERE merchant_id = ? AND id = ?", (scope.merchant_id, nobody["id"]),
        )  # fmt: skip

    await shop.hub.database.write(spoil, scope)
    await asked(shop, nobody)
    (job,) = await bench.work()
    assert job.result == {
        "confirmed": False, "reason": "the customer's phone is no telephone number",
    }  # fmt: skip


async def test_goods_that_have_not_left_the_stock_leave_it_now(
    shop: Shop, bench: Workbench
) -> None:
    product = await shop.product(stock=5)
    order = await shop.order((product, 4), take_stock=False)
    other = await put_order(shop, product, 3, stock_taken=False)
    assert order["stock_taken"] is False
    assert await shop.stock(product) == 5
    (job,) = await bench.work()
    assert job.result is not None
    assert job.result["confirmed"] is True
    assert await shop.stock(product) == 1
    assert (await order_of(shop, order))["stock_taken"] is True
    await asked(shop, other)
    (job,) = await bench.work()
    assert job.result == {"confirmed": False, "reason": "/items/0/quantity: 1 of Tea are left"}
    after = await order_of(shop, other)
    assert (after["status"], after["stock_taken"], after["version"]) == ("pending", False, 1)
    # What it has not taken does not come back.
    await shop.step(other, "cancelled")
    assert await shop.stock(product) == 1
    await shop.step(order, "cancelled")
    assert await shop.stock(product) == 5


async def test_confirmed_by_hand_goods_leave_the_stock_too(shop: Shop) -> None:
    product = await shop.product(stock=2)
    order = await shop.order((product, 2), take_stock=False, process=False)
    late = await shop.order((product, 1), take_stock=False, process=False)
    await shop.step(order, "confirmed")
    assert await shop.stock(product) == 0
    body = {"status": "confirmed"}
    await shop.refused(409, "PATCH", f"/orders/{late['id']}/status", body)


async def test_two_hundred_at_once_sell_what_there_is(shop: Shop, bench: Workbench) -> None:
    """Half of them take their goods at once, and half when they are confirmed."""
    product = await shop.product(stock=100)

    async def order(number: int) -> int:
        body = {
            "customer_phone": PHONE, "items": wanted((product, 1)), "take_stock": number % 2 == 0,
        }  # fmt: skip
        answer = await call(
            shop.hub, "POST", "/api/orders", body, key=shop.hub.keys["bot"], deadline=120.0
        )
        return answer.status

    asking = [asyncio.create_task(order(number)) for number in range(200)]
    done: list[Job] = []
    while not all(task.done() for task in asking):
        done += await bench.work()
    done += await bench.work()
    statuses = Counter(task.result() for task in asking)
    assert set(statuses) <= {201, 409}
    confirmed = [job for job in done if job.result and job.result["confirmed"]]
    refused = [job.result for job in done if job.result and not job.result["confirmed"]]
    assert await shop.stock(product) == 0
    assert len(confirmed) == 100
    assert len(refused) + statuses[409] == 100
    assert all("are left" in result["reason"] for result in refused)


async def test_a_merchant_without_the_template_confirms_without_a_message(
    shop: Shop, bench: Workbench
) -> None:
    found = await shop.done("GET", "/templates", status="active")
    (template,) = [t for t in found["templates"] if t["name"] == "order_confirmation"]
    await shop.done("POST", f"/templates/{template['id']}/archive")
    product = await shop.product()
    order = await shop.order((product, 1))
    (job,) = await bench.work()
    assert job.result is not None
    assert (job.result["confirmed"], job.result["messageId"]) == (True, None)
    assert "archived" in job.result["unsaid"]
    assert (await order_of(shop, order))["status"] == "confirmed"


async def test_a_delivery_task_that_there_is_stays_the_only_one(
    shop: Shop, bench: Workbench
) -> None:
    product = await shop.product()
    order = await shop.order((product, 1))
    body = {"order_id": order["id"], "estimated_time_minutes": 45}
    task = (await shop.done("POST", "/delivery-tasks", body))["delivery_task"]
    (job,) = await bench.work()
    assert job.result is not None
    assert job.result["deliveryTaskId"] == task["id"]
    assert len(await deliveries_of(shop, order)) == 1
    message = (await shop.done("GET", f"/messages/{job.result['messageId']}"))["message"]
    assert "45 minutes" in message["text"]
