"""Orders, their payments and their timelines, through the doors."""

import asyncio
from typing import Any

import pytest

from hub.protocol.ids import uuid7
from tests.commands.shop import NOBODY, PHONE, Body, Shop, wanted
from tests.gateway.calling import called
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines


async def test_an_order_is_taken_at_the_prices_of_the_moment(shop: Shop) -> None:
    tea, cup = await shop.product(), await shop.product(name="Cup", price=999, stock=1)
    end = await shop.end()
    body = {
        "customer_phone": PHONE, "customer_id": "c-7", "notes": "ring\ntwice",
        "items": wanted((tea, 4), (cup, 1)),
    }  # fmt: skip
    answer = await shop.ask("POST", "/orders", body, who="bot")
    assert answer.status == 201
    order = answer.json()["order"]
    assert answer.headers["location"] == f"/api/orders/{order['id']}"
    items = [
        {"product_id": tea["id"], "name": "Tea", "quantity": 4, "price": 250},
        {"product_id": cup["id"], "name": "Cup", "quantity": 1, "price": 999},
    ]
    assert order == {
        "id": order["id"], "merchant_id": shop.hub.merchant_id, "customer_phone": PHONE,
        "customer_id": "c-7", "items": items, "total": 1999, "currency": "USD",
        "status": "pending", "payment_status": "unpaid", "notes": "ring\ntwice",
        "stock_taken": True, "version": 1,
        "created_at": order["created_at"], "updated_at": order["created_at"],
    }  # fmt: skip
    assert (await shop.done("GET", f"/orders/{order['id']}", who="viewer"))["order"] == order
    assert [await shop.stock(product) for product in (tea, cup)] == [6, 0]
    events = await shop.events(end)
    assert events[-1]["offset"] == answer.json()["offset"]
    queued, created = events.pop(), events.pop()
    assert (queued["type"], queued["subject"]) == ("job_queued", f"job/order-{order['id']}")
    assert (created["type"], created["subject"]) == ("order_created", f"order/{order['id']}")
    assert created["source"] == "bot:bot"
    assert created["data"] == {
        "orderId": order["id"], "customerId": "c-7", "customerPhone": PHONE, "items": items,
        "totalAmount": 1999, "currency": "USD", "status": "pending", "paymentStatus": "unpaid",
        "version": 1,
    }  # fmt: skip
    assert [(e["type"], e["data"]["productId"], e["data"]["stock"]) for e in events] == [
        ("product_updated", tea["id"], 6), ("product_updated", cup["id"], 0),
    ]  # fmt: skip
    assert [event["data"]["version"] for event in events] == [2, 2]
    # What was bought stays as it was sold.
    await shop.done("PATCH", f"/products/{tea['id']}", {"price": 1, "name": "Other"})
    await shop.done("DELETE", f"/products/{cup['id']}")
    assert (await shop.done("GET", f"/orders/{order['id']}"))["order"] == order
    other = await shop.order((tea, 1))
    assert (other["total"], other["customer_id"]) == (1, None)


async def test_what_is_wrong_with_a_basket_is_named(shop: Shop) -> None:
    tea, sold_out = await shop.product(), await shop.product(stock=0)
    euro, hidden = await shop.product(currency="EUR"), await shop.product(is_active=False)
    dear = await shop.product(price=2**53 - 1)
    theirs = await shop.product(who="owner")
    nobody = {"id": NOBODY}
    end = await shop.end()
    for status, items, pointers in (
        (422, [(tea, 1), (theirs, 1)], ["/items/1/product_id"]),
        (422, [(nobody, 1), (tea, 1), (nobody, 1)], ["/items/0/product_id", "/items/2/product_id"]),
        (422, [(tea, 1), (euro, 1), (sold_out, 1)], ["/items/1/product_id"]),
        (422, [(tea, 1), (tea, 2)], ["/items/1/product_id"]),
        (422, [(dear, 2)], ["/items"]),
        (422, [(tea, 0)], ["/items/0/quantity"]),
        (422, [], ["/items"]),
        (422, [(tea, 1)] * 101, ["/items"]),
        (409, [(tea, 11), (sold_out, 1)], ["/items/0/quantity", "/items/1/quantity"]),
        (409, [(tea, 1), (hidden, 1)], ["/items/1/product_id"]),
    ):
        body = {"customer_phone": PHONE, "items": wanted(*items)}
        assert await shop.refused(status, "POST", "/orders", body) == pointers, items
    # That somebody else has a product of this id is not to be told from a wrong id.
    told = [
        (await shop.ask("POST", "/orders", {"customer_phone": PHONE, "items": wanted((p, 1))}))
        for p in (theirs, nobody)
    ]
    assert told[0].json()["errors"] == told[1].json()["errors"]
    odd: list[tuple[Body, str]] = [
        ({"items": wanted((tea, 1))}, "/customer_phone"),
        ({"customer_phone": "me", "items": wanted((tea, 1))}, "/customer_phone"),
        ({"customer_phone": PHONE}, "/items"),
        ({"customer_phone": PHONE, "items": [{"product_id": "x"}]}, "/items/0/quantity"),
        ({"customer_phone": PHONE, "items": [{"sku": "x"}]}, "/items/0/sku"),
        ({"customer_phone": PHONE, "items": wanted((tea, 1)), "total": 1}, "/total"),
    ]
    for body, pointer in odd:
        assert await shop.refused(422, "POST", "/orders", body) == [pointer]
    assert await shop.end() == end, "nothing happened"
    assert await shop.stock(tea) == 10
    assert (await shop.done("GET", "/orders"))["orders"] == []


async def test_a_board_reads_the_newest_first(shop: Shop) -> None:
    tea = await shop.product(stock=99)
    made = [await shop.order((tea, 1), customer_phone=f"+26377{n % 2}000") for n in range(5)]
    made[1] = await shop.step(made[1], "confirmed")
    made[2] = await shop.step(made[2], "cancelled")

    async def found(**query: Any) -> list[Any]:
        rows: list[Any] = []
        while True:
            page = await shop.done("GET", "/orders", who="viewer", **query)
            rows += page["orders"]
            if page["next"] is None:
                return rows
            query["after"] = page["next"]

    assert await found() == made
    assert await found(limit=2) == made
    assert await found(order="newest") == made[::-1]
    assert await found(order="newest", limit=2) == made[::-1]
    assert await found(status="pending", order="newest") == [made[4], made[3], made[0]]
    assert await found(status="cancelled") == [made[2]]
    assert await found(customer_phone="+263771000") == [made[1], made[3]]
    assert await found(customer_phone="+263771000", status="confirmed") == [made[1]]
    assert await found(payment_status="unpaid") == made
    assert await found(payment_status="paid") == []
    assert await shop.refused(422, "GET", "/orders", status="lost") == ["/status"]
    assert await shop.refused(422, "GET", "/orders", order="random") == ["/order"]


async def test_notes_change_until_it_leaves_the_house(shop: Shop) -> None:
    order = await shop.order((await shop.product(), 1))
    path = f"/orders/{order['id']}"
    end = await shop.end()
    changed = (await shop.done("PATCH", path, {"notes": "soon"}, who="bot"))["order"]
    assert changed == {
        **order, "notes": "soon", "version": 2, "updated_at": changed["updated_at"],
    }  # fmt: skip
    assert (await shop.done("PATCH", path, {"notes": "soon"}))["order"] == changed
    assert (await shop.done("PATCH", path, {}))["order"] == changed
    [event] = await shop.events(end)
    assert (event["type"], event["subject"]) == ("order_updated", f"order/{order['id']}")
    assert (event["data"]["notes"], event["data"]["version"]) == ("soon", 2)
    assert await shop.refused(412, "PATCH", path, {"notes": "x"}, headers={"If-Match": '"1"'}) == []
    others: list[Body] = [{"total": 1}, {"status": "confirmed"}, {"items": []}]
    for body in others:
        assert await shop.refused(422, "PATCH", path, body) == [f"/{next(iter(body))}"]
    await shop.step(order, "confirmed", "preparing", "dispatched")
    await shop.refused(409, "PATCH", path, {"notes": None})
    assert await shop.done("PATCH", path, {"notes": "soon"}), "that is no change"


async def test_an_order_goes_step_by_step(shop: Shop) -> None:
    tea = await shop.product()
    order = await shop.order((tea, 2))
    path = f"/orders/{order['id']}/status"
    end = await shop.end()
    before = order
    for n, status in enumerate(("confirmed", "preparing", "dispatched", "delivered"), 2):
        answer = await shop.ask(
            "PATCH", path, {"status": status}, headers={"If-Match": f'"{n - 1}"'}
        )
        assert answer.status == 200, answer.body
        after = answer.json()["order"]
        assert (after["status"], after["version"], answer.headers["etag"]) == (status, n, f'"{n}"')
        again = await shop.done("PATCH", path, {"status": status})
        assert again["order"] == after, "it is there already"
        [event] = await shop.events(end)
        end = event["offset"]
        assert event["type"] == "order_status_changed"
        assert event["data"] == {
            "orderId": order["id"], "oldStatus": before["status"], "newStatus": status,
            "updatedAt": after["updated_at"], "status": status, "paymentStatus": "unpaid",
            "version": n,
        }  # fmt: skip
        before = after
        stale = {"If-Match": f'"{n - 1}"'}
        await shop.refused(412, "PATCH", path, {"status": "cancelled"}, headers=stale)
    assert await shop.refused(409, "PATCH", path, {"status": "cancelled"}) == ["/status"]
    assert await shop.refused(422, "PATCH", path, {"status": "eaten"}) == ["/status"]
    assert await shop.stock(tea) == 8


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
async def test_a_cancelled_order_gives_its_goods_back(shop: Shop, steps: int) -> None:
    tea, cup = await shop.product(), await shop.product(name="Cup")
    gone = await shop.product(name="Gone")
    order = await shop.order((tea, 3), (cup, 1), (gone, 5))
    order = await shop.step(order, *("confirmed", "preparing", "dispatched")[:steps])
    await shop.done("DELETE", f"/products/{gone['id']}")
    end = await shop.end()
    cancelled = await shop.step(order, "cancelled")
    assert cancelled["status"] == "cancelled"
    assert [await shop.stock(product) for product in (tea, cup)] == [10, 10]
    events = await shop.events(end)
    assert [event["type"] for event in events] == [
        "order_status_changed", "order_cancelled", "product_updated", "product_updated",
    ]  # fmt: skip
    assert events[0]["data"]["oldStatus"] == order["status"]
    assert events[1]["data"] == {
        "orderId": order["id"], "oldStatus": order["status"], "status": "cancelled",
        "paymentStatus": "unpaid", "version": cancelled["version"],
    }  # fmt: skip
    assert [event["data"]["stock"] for event in events[2:]] == [10, 10]
    again = await shop.done("PATCH", f"/orders/{order['id']}/status", {"status": "cancelled"})
    assert again["order"] == cancelled
    assert await shop.stock(tea) == 10, "it comes back once"


async def test_only_a_cancelled_order_is_deleted(shop: Shop) -> None:
    tea = await shop.product()
    order = await shop.order((tea, 1))
    path = f"/orders/{order['id']}"
    await shop.refused(409, "DELETE", path)
    order = await shop.step(order, "cancelled")
    await shop.refused(412, "DELETE", path, headers={"If-Match": '"1"'})
    end = await shop.end()
    assert (await shop.done("DELETE", path))["id"] == order["id"]
    [event] = await shop.events(end)
    assert (event["type"], event["data"]["version"]) == ("order_deleted", 2)
    await shop.refused(404, "GET", path)
    await shop.refused(404, "GET", f"{path}/timeline")
    assert await shop.stock(tea) == 10
    kept = await shop.order((tea, 1))
    task = await shop.done("POST", "/delivery-tasks", {"order_id": kept["id"]})
    await shop.step(kept, "cancelled")
    await shop.refused(409, "DELETE", f"/orders/{kept['id']}")
    await shop.done("DELETE", f"/delivery-tasks/{task['delivery_task']['id']}")
    assert await shop.done("DELETE", f"/orders/{kept['id']}")
    paid = await shop.order((tea, 1))
    body = {"amount": 1, "method": "cash", "transaction_id": "t"}
    await shop.done("POST", f"/orders/{paid['id']}/payments", body)
    await shop.step(paid, "cancelled")
    await shop.refused(409, "DELETE", f"/orders/{paid['id']}")


# ── payments ─────────────────────────────────────────────────────────────────────────────────────


def paid(amount: int, transaction: str, method: str = "ecocash") -> dict[str, Any]:
    return {"amount": amount, "method": method, "transaction_id": transaction}


async def test_payments_add_up(shop: Shop) -> None:
    order = await shop.order((await shop.product(), 4))
    path = f"/orders/{order['id']}/payments"
    end = await shop.end()
    made = []
    for n, (amount, status, sum_) in enumerate(
        [(300, "partial", 300), (1, "partial", 301), (699, "paid", 1000)], 2
    ):
        answer = await shop.ask("POST", path, paid(amount, f"t-{n}"), who="bot")
        assert answer.status == 201
        payment, order = answer.json()["payment"], answer.json()["order"]
        assert (order["payment_status"], order["version"]) == (status, n)
        assert payment == {
            "id": payment["id"], "merchant_id": order["merchant_id"], "order_id": order["id"],
            "amount": amount, "currency": "USD", "method": "ecocash", "transaction_id": f"t-{n}",
            "created_by": shop.hub.key_ids["bot"], "created_at": order["updated_at"],
        }  # fmt: skip
        made.append(payment)
        [event] = await shop.events(end)
        end = event["offset"]
        assert (event["type"], event["subject"]) == ("payment_received", f"order/{order['id']}")
        assert event["data"] == {
            "orderId": order["id"], "amount": amount, "paymentMethod": "ecocash",
            "transactionId": f"t-{n}", "paymentId": payment["id"], "currency": "USD",
            "paidAmount": sum_, "totalAmount": 1000, "status": "pending",
            "paymentStatus": status, "version": n,
        }  # fmt: skip
    assert await shop.refused(409, "POST", path, paid(1, "more")) == ["/amount"]
    found = await shop.done("GET", path, who="viewer")
    assert (found["payments"], found["count"], found["next"]) == (made, 3, None)
    first = await shop.done("GET", path, limit=2)
    rest = await shop.done("GET", path, limit=2, after=first["next"])
    assert first["payments"] + rest["payments"] == made


async def test_a_transaction_counts_once(shop: Shop) -> None:
    tea = await shop.product()
    one, two = await shop.order((tea, 2)), await shop.order((tea, 2))
    path = f"/orders/{one['id']}/payments"
    answers = await asyncio.gather(
        *(shop.done("POST", path, paid(200, "t"), who="bot") for _ in range(10))
    )
    assert len({answer["payment"]["id"] for answer in answers}) == 1
    assert {answer["order"]["version"] for answer in answers} == {2}
    end = await shop.end()
    for body, where in (
        (paid(201, "t"), one),
        (paid(200, "t", "cash"), one),
        (paid(200, "t"), two),
    ):
        pointers = await shop.refused(409, "POST", f"/orders/{where['id']}/payments", body)
        assert pointers == ["/transaction_id"]
    assert (await shop.done("POST", path, paid(200, "t")))["payment"] == answers[0]["payment"]
    assert await shop.end() == end
    # Another merchant's transactions are its own.
    theirs = await shop.order((await shop.product(who="owner"), 1), who="driver")
    other = f"/orders/{theirs['id']}/payments"
    assert await shop.done("POST", other, paid(200, "t"), who="driver")


async def test_what_is_not_paid(shop: Shop) -> None:
    order = await shop.order((await shop.product(), 1))
    path = f"/orders/{order['id']}/payments"
    assert await shop.refused(409, "POST", path, paid(251, "t")) == ["/amount"]
    assert await shop.refused(422, "POST", path, paid(0, "t")) == ["/amount"]
    assert await shop.refused(422, "POST", path, paid(1, "")) == ["/transaction_id"]
    assert await shop.refused(404, "POST", f"/orders/{NOBODY}/payments", paid(1, "t")) == []
    assert (await shop.done("GET", path))["payments"] == []
    await shop.step(order, "cancelled")
    await shop.refused(409, "POST", path, paid(1, "t"))
    gift = await shop.order((await shop.product(price=0), 1))
    assert gift["payment_status"] == "paid"


# ── the timeline ─────────────────────────────────────────────────────────────────────────────────


async def test_a_timeline_has_the_events_of_its_order(shop: Shop) -> None:
    tea = await shop.product()
    order = await shop.order((tea, 1))
    other = await shop.order((tea, 1))
    await shop.step(other, "confirmed")
    await shop.step(order, "confirmed")
    await shop.done("PATCH", f"/orders/{order['id']}", {"notes": "soon"})
    await shop.done("POST", f"/orders/{order['id']}/payments", paid(250, "t"))
    await shop.step(order, "cancelled")
    path = f"/orders/{order['id']}/timeline"
    told = await shop.done("GET", path, who="viewer")
    assert [event["type"] for event in told["events"]] == [
        "order_created", "order_status_changed", "order_updated", "payment_received",
        "order_status_changed", "order_cancelled",
    ]  # fmt: skip
    assert (told["count"], told["next"]) == (6, None)
    assert {event["subject"] for event in told["events"]} == {f"order/{order['id']}"}
    assert told["events"] == [
        event for event in await shop.events(0) if event["subject"] == f"order/{order['id']}"
    ]
    events: list[Any] = []
    after = 0
    while True:
        answer = await shop.ask("GET", path, limit=4, after=after)
        page = answer.json()
        events += page["events"]
        if page["next"] is None:
            break
        after = page["next"]
        assert f"after={after}" in answer.headers["link"]
    assert events == told["events"]
    async with connect(shop.hub, shop.hub.keys["viewer"]) as viewer:
        found = await called(viewer, "orders.timeline", {"id": order["id"]})
        assert found["result"]["events"] == told["events"]
    await shop.refused(404, "GET", path, who="reader")


# ── the same call again ──────────────────────────────────────────────────────────────────────────


async def test_a_key_makes_one_order_over_both_doors(shop: Shop) -> None:
    tea = await shop.product()
    body = {"customer_phone": PHONE, "items": wanted((tea, 2))}
    async with connect(shop.hub, shop.hub.keys["bot"]) as bot:
        headers = {"Idempotency-Key": "cart-1"}
        answers = await asyncio.gather(
            *(shop.done("POST", "/orders", body, who="bot", headers=headers) for _ in range(10)),
            called(bot, "orders.create", body, key="cart-1"),
        )
        assert answers[-1]["result"]["order"] == answers[0]["order"]
        assert len({answer["order"]["id"] for answer in answers[:-1]}) == 1
        other = {**body, "items": wanted((tea, 3))}
        conflict = await called(bot, "orders.create", other, "error", key="cart-1")
        assert conflict["code"] == "conflict"
    assert await shop.stock(tea) == 8
    assert (await shop.done("GET", "/orders"))["count"] == 1


async def test_an_id_makes_one_order_over_both_doors(shop: Shop) -> None:
    tea = await shop.product()
    body = {"customer_phone": PHONE, "items": wanted((tea, 2)), "id": uuid7()}
    first = await shop.done("POST", "/orders", body, who="bot")
    assert first["order"]["id"] == body["id"]
    async with connect(shop.hub, shop.hub.keys["bot"]) as bot:
        again = await called(bot, "orders.create", body)
        assert again["result"]["order"] == first["order"]
        taken = {**body, "notes": "another"}
        assert (await called(bot, "orders.create", taken, "error"))["code"] == "conflict"
    # Under a key of its own it is another request, for a row that is there.
    await shop.refused(409, "POST", "/orders", body, headers={"Idempotency-Key": "k"})
    assert await shop.stock(tea) == 8


async def test_many_products_move_in_one_step_there_and_back(shop: Shop) -> None:
    goods = [await shop.product(name=f"Tea {number}") for number in range(11)]
    order = await shop.order(*((product, number % 5 + 1) for number, product in enumerate(goods)))
    found = (await shop.done("GET", "/products", limit=200))["products"]
    assert [product["stock"] for product in found] == [9 - number % 5 for number in range(11)]
    assert {product["version"] for product in found} == {2}
    end = await shop.end()
    await shop.step(order, "cancelled")
    found = (await shop.done("GET", "/products", limit=200))["products"]
    assert {(product["stock"], product["version"]) for product in found} == {(10, 3)}
    updates = [each for each in await shop.events(end) if each["type"] == "product_updated"]
    assert len(updates) == 11
    assert {(each["data"]["stock"], each["data"]["version"]) for each in updates} == {(10, 3)}


async def test_what_comes_back_is_never_more_than_a_reader_of_json_keeps(shop: Shop) -> None:
    tea = await shop.product(price=0)
    order = await shop.order((tea, 10))
    await shop.done("PATCH", f"/products/{tea['id']}", {"stock": 2**53 - 1})
    await shop.step(order, "cancelled")
    assert await shop.stock(tea) == 2**53 - 1


async def test_an_id_that_two_merchants_have_is_nobodys_for_an_admin(shop: Shop) -> None:
    id_ = uuid7()
    await shop.product(id=id_, name="ours")
    await shop.product("owner", id=id_, name="theirs")
    await shop.refused(409, "PATCH", f"/products/{id_}", {"price": 1}, who="admin")
    await shop.refused(409, "GET", f"/products/{id_}", who="admin")
    found = await shop.done("PATCH", f"/products/{id_}", {"price": 1}, who="owner")
    assert found["product"]["name"] == "theirs"
    query = f"merchant_id={shop.hub.merchant_id}"
    async with connect(shop.hub, shop.hub.keys["admin"], query=query) as admin:
        got = await called(admin, "products.get", {"id": id_})
    assert (got["result"]["product"]["name"], got["result"]["product"]["price"]) == ("ours", 250)


async def test_an_admin_says_for_which_merchant(shop: Shop) -> None:
    body = {"customer_phone": PHONE, "items": wanted((await shop.product(), 1))}
    answer = await shop.ask("POST", "/orders", body, who="admin")
    assert (answer.status, answer.json()["code"]) == (422, "invalid_params")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/merchant_id"]
