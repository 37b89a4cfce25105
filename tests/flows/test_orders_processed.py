"""Orders by the hundred, over REST, while their queue confirms them: nothing is sold twice."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key, paged

PATIENCE = 120.0
STOCK, ORDERS = 100, 200


class Till:
    """What a merchant's key asks of a hub."""

    def __init__(self, hub: HubProcess, key: str) -> None:
        self.hub = hub
        self.key = key

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return await call(
            self.hub, method, f"/api{path}", body, key=self.key, query=query, deadline=PATIENCE
        )

    async def all_of(self, name: str, **query: Any) -> list[Any]:
        """Every row of a list."""
        found: list[Any] = []
        after = ""
        while True:
            page = (await self.ask("GET", f"/{name}", limit=200, after=after, **query)).json()
            found += page[name.replace("-", "_")]
            if page["next"] is None:
                return found
            after = page["next"]


@pytest.mark.slow
@pytest.mark.parametrize("take_stock", [True, False])
async def test_two_hundred_orders_sell_a_hundred(tmp_path: Path, take_stock: bool) -> None:
    async with HubProcess(tmp_path, {"HUB_WORKERS": "order_processing"}) as hub:
        merchant = await merchant_of(hub, hub.admin_key)
        till = Till(hub, (await new_key(hub, hub.admin_key, "merchant", merchant))[0])
        body = {"name": "Tea", "price": 250, "currency": "USD", "stock": STOCK}
        product = (await till.ask("POST", "/products", body)).json()["product"]
        order = {
            "customer_phone": "+263771234567", "take_stock": take_stock,
            "items": [{"product_id": product["id"], "quantity": 1}],
        }  # fmt: skip
        answers = await asyncio.gather(*(till.ask("POST", "/orders", order) for _ in range(ORDERS)))
        statuses = Counter(answer.status for answer in answers)
        assert statuses == ({201: STOCK, 409: ORDERS - STOCK} if take_stock else {201: ORDERS})
        made = [answer.json()["order"]["id"] for answer in answers if answer.status == 201]
        async with asyncio.timeout(PATIENCE):
            while True:
                jobs = await till.all_of("jobs", queue="order_processing")
                if all(job["state"] == "succeeded" for job in jobs) and len(jobs) == len(made):
                    break
                await asyncio.sleep(0.2)
        results = [job["result"] for job in jobs]
        assert sum(result["confirmed"] for result in results) == STOCK
        assert all("are left" in r["reason"] for r in results if not r["confirmed"])
        orders = Counter(order["status"] for order in await till.all_of("orders"))
        assert orders["confirmed"] == STOCK
        assert orders["pending"] == len(made) - STOCK
        product = (await till.ask("GET", f"/products/{product['id']}")).json()["product"]
        assert product["stock"] == 0
        tasks = await till.all_of("delivery-tasks")
        assert len({task["order_id"] for task in tasks}) == len(tasks) == STOCK
        confirmations = await paged(hub, till.key, types="order_status_changed")
        assert len({event["data"]["orderId"] for event in confirmations}) == STOCK
        # Asked again, an order has the job that it had.
        again = await till.ask("POST", f"/orders/{made[0]}/process")
        assert (again.status, again.json()["job"]["id"]) == (202, f"order-{made[0]}")
        assert len(await till.all_of("jobs", queue="order_processing")) == len(made)
