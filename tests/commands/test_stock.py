"""What is sold is in stock: nothing is sold twice, and nothing is lost."""

import asyncio
from itertools import chain
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.settings import Settings
from tests.commands.shop import PHONE, Shop, opened, wanted
from tests.gateway.calling import called
from tests.gateway.local_hub import LocalHub, running
from tests.support.databases import Store
from tests.support.ws import Socket, connect

pytestmark = pytest.mark.both_engines

STOCK = [5, 3, 0]
"""Of the three products in the property below."""
STEPS = ("confirmed", "preparing", "dispatched", "delivered", "cancelled")


async def test_of_a_hundred_a_hundred_are_sold(shop: Shop) -> None:
    """200 customers at once, over four connections, for the last hundred."""
    tea, cup = await shop.product(stock=100), await shop.product(name="Cup", stock=1000)
    end = await shop.end()
    body = {"customer_phone": PHONE, "items": wanted((tea, 1), (cup, 2))}

    async def crowd() -> list[str]:
        async with connect(shop.hub, shop.hub.keys["bot"]) as bot:
            for n in range(50):
                frame = {"type": "call", "ref": f"{n}", "method": "orders.create", "params": body}
                await bot.send(frame)
            answers: list[Any] = []
            while len(answers) < 50:
                frame = await bot.next(deadline=20)
                answers += [frame] if frame["type"] in ("reply", "error") else []
            for refused in answers:
                if refused["type"] == "error":
                    assert refused["code"] == "conflict", refused
                    assert [e["pointer"] for e in refused["errors"]] == ["/params/items/0/quantity"]
            return [frame["type"] for frame in answers]

    crowds = await asyncio.gather(*(crowd() for _ in range(4)))
    answers = [*chain.from_iterable(crowds)]
    assert (answers.count("reply"), answers.count("error")) == (100, 100)
    assert [await shop.stock(product) for product in (tea, cup)] == [0, 800]
    assert (await shop.done("GET", "/orders", limit=1000))["count"] == 100
    events = await shop.events(end)
    told = [e["data"] for e in events if e["type"] == "product_updated"]
    for product, left in ((tea, range(99, -1, -1)), (cup, range(998, 798, -2))):
        mine = [data for data in told if data["productId"] == product["id"]]
        assert [data["stock"] for data in mine] == list(left)
        assert [data["version"] for data in mine] == list(range(2, 102))


quantities = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=3,
    unique_by=lambda item: item[0],
)  # fmt: skip
orders = st.tuples(st.just("order"), quantities)
steps = st.tuples(st.just("step"), st.tuples(st.integers(0, 9), st.sampled_from(STEPS)))


@pytest.fixture
async def seller(shop: Shop) -> Any:
    async with connect(shop.hub, shop.hub.keys["merchant"]) as socket:
        yield socket


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actions=st.lists(orders | steps, max_size=12))
async def test_what_is_left_and_what_is_ordered_is_what_there_was(
    shop: Shop, seller: Socket, actions: list[Any]
) -> None:
    products = [await shop.product(stock=count) for count in STOCK]
    left = list(STOCK)
    made: list[Any] = []
    for kind, what in actions:
        if kind == "order":
            items = wanted(*((products[number], count) for number, count in what))
            params = {"customer_phone": PHONE, "items": items}
            enough = all(left[number] >= count for number, count in what)
            answer = await called(seller, "orders.create", params, "reply" if enough else "error")
            if enough:
                made.append(answer["result"]["order"])
                for number, count in what:
                    left[number] -= count
        elif made:
            number = what[0] % len(made)
            params = {"id": made[number]["id"], "status": what[1]}
            await seller.send(
                {"type": "call", "ref": "s", "method": "orders.set_status", "params": params}
            )
            while (answer := await seller.next())["type"] not in ("reply", "error"):
                pass
            if answer["type"] == "reply":
                made[number] = answer["result"]["order"]
        reserved = [0, 0, 0]
        ids = [product["id"] for product in products]
        for order in made:
            if order["status"] != "cancelled":
                for item in order["items"]:
                    reserved[ids.index(item["product_id"])] += item["quantity"]
        left = [count - taken for count, taken in zip(STOCK, reserved, strict=True)]
    assert [await shop.stock(product) for product in products] == left
    assert min(left) >= 0


async def test_two_hubs_do_not_sell_the_same(postgres_url: str) -> None:
    """On one Postgres; a SQLite file belongs to one hub alone."""
    store = Store("postgres", postgres_url)
    async with store.open() as one, store.open() as two, opened(one) as first:
        tea = await first.product(stock=10)
        beside = LocalHub(two, first.hub.merchant_id, first.hub.other_merchant)
        beside.keys = first.hub.keys
        async with running(beside, Settings(rate_limit=None)):
            second = Shop(beside)
            body = {"customer_phone": PHONE, "items": wanted((tea, 1))}
            answers = await asyncio.gather(
                *(hub.ask("POST", "/orders", body) for hub in (first, second) for _ in range(15))
            )
            assert sorted(answer.status for answer in answers) == [201] * 10 + [409] * 20
            assert [await hub.stock(tea) for hub in (first, second)] == [0, 0]
