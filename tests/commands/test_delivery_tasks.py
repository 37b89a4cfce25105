"""Delivery tasks, through the doors."""

from typing import Any

import pytest

from tests.commands.shop import NOBODY, Body, Shop

pytestmark = pytest.mark.both_engines
PICKUP = {"pickup_lat": -17.8, "pickup_lng": 31.05}


async def task_of(shop: Shop, **fields: Any) -> Any:
    """A delivery task of a fresh order."""
    order = await shop.order((await shop.product(), 1))
    body = {"order_id": order["id"], **fields}
    return (await shop.done("POST", "/delivery-tasks", body, who="bot"))["delivery_task"]


async def move(shop: Shop, task: Any, status: str, **fields: Any) -> Any:
    """A task that was moved on, and its event."""
    end = await shop.end()
    path = f"/delivery-tasks/{task['id']}/status"
    answer = await shop.done("PATCH", path, {"status": status, **fields}, who="bot")
    [event] = await shop.events(end)
    assert event["subject"] == f"delivery/{task['id']}"
    assert event["data"]["version"] == answer["delivery_task"]["version"] == task["version"] + 1
    return answer["delivery_task"], event


async def test_a_delivery_from_door_to_door(shop: Shop) -> None:
    end = await shop.end()
    fields = {**PICKUP, "driver_id": "d-1", "fee": 150, "distance_km": 3.25, "notes": "blue gate"}
    task = await task_of(shop, **fields)
    assert task.items() >= fields.items()
    assert (task["status"], task["version"], task["completed_at"]) == ("pending", 1, None)
    made = (await shop.events(end))[-1]
    assert (made["type"], made["data"]["version"]) == ("delivery_updated", 1)
    path = f"/delivery-tasks/{task['id']}"
    found = await shop.ask("GET", path, who="viewer")
    assert (found.json()["delivery_task"], found.headers["etag"]) == (task, '"1"')
    for status in ("accepted", "arrived"):
        task, event = await move(shop, task, status)
        assert (event["type"], event["data"]["status"]) == ("delivery_updated", status)
    task, event = await move(shop, task, "in_transit")
    assert event["type"] == "delivery_started"
    assert event["data"] == {
        "deliveryTaskId": task["id"], "orderId": task["order_id"], "driverId": "d-1",
        "location": {"lat": -17.8, "lng": 31.05}, "status": "in_transit", "completedAt": None,
        "version": 4,
    }  # fmt: skip
    task, event = await move(shop, task, "delivered", signature="T. Moyo")
    assert event["type"] == "delivery_completed"
    assert event["data"]["completedAt"] == task["completed_at"] == task["updated_at"]
    assert event["data"]["signature"] == "T. Moyo"
    again = await shop.done("PATCH", f"{path}/status", {"status": "delivered"})
    assert again["delivery_task"] == task
    assert await shop.refused(409, "PATCH", f"{path}/status", {"status": "failed"}) == ["/status"]
    await shop.refused(409, "PATCH", path, {"fee": 1})
    await shop.refused(409, "DELETE", path)
    order = await shop.done("GET", f"/orders/{task['order_id']}")
    assert order["order"]["status"] == "pending", "an order has steps of its own"


async def test_where_a_driver_starts_from(shop: Shop) -> None:
    for fields, said, location in (
        ({}, {}, None),
        (PICKUP, {"location": {"lat": 1.5, "lng": 2.0}}, {"lat": 1.5, "lng": 2.0}),
    ):
        task = await task_of(shop, driver_id="d", **fields)
        for status in ("accepted", "arrived"):
            task, _ = await move(shop, task, status)
        task, event = await move(shop, task, "in_transit", **said)
        assert event["data"]["location"] == location
        task, event = await move(shop, task, "failed")
        assert (event["type"], event["data"]["status"]) == ("delivery_updated", "failed")
        assert task["completed_at"] is None


async def test_nobody_is_on_the_way_without_a_driver(shop: Shop) -> None:
    task = await task_of(shop)
    path = f"/delivery-tasks/{task['id']}"
    await shop.refused(409, "PATCH", f"{path}/status", {"status": "accepted"})
    await shop.done("PATCH", path, {"driver_id": "d-2"}, who="bot")
    await shop.done("PATCH", f"{path}/status", {"status": "accepted"})
    await shop.refused(409, "PATCH", path, {"driver_id": None})
    changed = await shop.done("PATCH", path, {"driver_id": "d-3"})
    assert changed["delivery_task"]["driver_id"] == "d-3"


async def test_changes_and_their_versions(shop: Shop) -> None:
    task = await task_of(shop)
    path = f"/delivery-tasks/{task['id']}"
    end = await shop.end()
    body: Body = {"estimated_time_minutes": 20, "dropoff_lat": 1.0, "notes": None}
    changed = (await shop.done("PATCH", path, body, headers={"If-Match": '"1"'}))["delivery_task"]
    assert changed == {**task, **body, "version": 2, "updated_at": changed["updated_at"]}
    assert (await shop.done("PATCH", path, body))["delivery_task"] == changed
    [event] = await shop.events(end)
    assert (event["type"], event["data"]["version"]) == ("delivery_updated", 2)
    for method, where, said in (
        ("PATCH", path, {"fee": 9}), ("DELETE", path, None),
        ("PATCH", f"{path}/status", {"status": "cancelled"}),
    ):  # fmt: skip
        await shop.refused(412, method, where, said, headers={"If-Match": '"1"'})
    for body in (
        {"pickup_lat": 90.5}, {"pickup_lng": -181}, {"distance_km": -1}, {"fee": -1},
        {"estimated_time_minutes": 1.5}, {"driver_id": ""}, {"order_id": NOBODY},
    ):  # fmt: skip
        assert await shop.refused(422, "PATCH", path, body) == [f"/{next(iter(body))}"]
    assert (await shop.done("DELETE", path))["id"] == task["id"]
    assert (await shop.events(end))[-1]["type"] == "delivery_deleted"
    await shop.refused(404, "GET", path)


async def test_lists_are_filtered(shop: Shop) -> None:
    tasks = [await task_of(shop, driver_id=f"d-{n % 2}") for n in range(4)]
    tasks[0], _ = await move(shop, tasks[0], "accepted")

    async def found(**query: Any) -> list[Any]:
        page = await shop.done("GET", "/delivery-tasks", who="viewer", **query)
        assert page["count"] == len(page["delivery_tasks"])
        return list(page["delivery_tasks"])

    assert await found() == tasks
    assert await found(driver_id="d-1") == tasks[1::2]
    assert await found(order_id=tasks[2]["order_id"]) == [tasks[2]]
    assert await found(status="accepted", driver_id="d-0") == [tasks[0]]
    assert await found(limit=2) == tasks[:2]
    assert await found(limit=2, after=tasks[1]["id"]) == tasks[2:]


async def test_a_delivery_needs_an_order_that_is_open(shop: Shop) -> None:
    theirs = await shop.order((await shop.product(who="owner"), 1), who="driver")
    for id_ in (NOBODY, theirs["id"]):
        assert await shop.refused(422, "POST", "/delivery-tasks", {"order_id": id_}) == [
            "/order_id"
        ]
    order = await shop.order((await shop.product(), 1))
    await shop.step(order, "cancelled")
    body = {"order_id": order["id"]}
    assert await shop.refused(409, "POST", "/delivery-tasks", body) == ["/order_id"]
