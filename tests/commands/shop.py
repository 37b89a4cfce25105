"""A shop on a hub in this process: two merchants with their people, and what they do over REST."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from hub.settings import Settings
from storage.database import Database
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.support.rest import Answer, call, paged

PHONE = "+263771234567"
NOBODY = "00000000-0000-7000-8000-000000000000"
Body = dict[str, Any]


class Shop:
    """What the people of two merchants ask of a hub.

    Args:
        hub: has keys named admin; merchant, viewer, bot of the first merchant; owner, reader,
            driver of the second.
    """

    def __init__(self, hub: LocalHub) -> None:
        self.hub = hub

    async def ask(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        who: str = "merchant",
        *,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """One request below `/api`."""
        return await call(
            self.hub, method, f"/api{path}", body, key=self.hub.keys[who], headers=headers,
            query=query,
        )  # fmt: skip

    async def done(self, method: str, path: str, body: Body | None = None, **more: Any) -> Any:
        """The body of a request that succeeds."""
        answer = await self.ask(method, path, body, **more)
        assert answer.status in (200, 201), answer.body
        found = answer.json()
        assert found["success"] is True
        return found

    async def refused(
        self, status: int, method: str, path: str, body: Body | None = None, /, **more: Any
    ) -> list[str]:
        """The pointers of a request that is refused so."""
        answer = await self.ask(method, path, body, **more)
        assert answer.status == status, answer.body
        found = answer.json()
        assert found["success"] is False
        assert found["error"]
        return [error["pointer"] for error in found.get("errors", ())]

    async def product(self, who: str = "merchant", **changes: Any) -> Any:
        """A product that is made: 10 teas at 2.50 USD."""
        body = {"name": "Tea", "price": 250, "currency": "USD", "stock": 10, **changes}
        return (await self.done("POST", "/products", body, who=who))["product"]

    async def order(self, *items: tuple[Any, int], who: str = "bot", **changes: Any) -> Any:
        """An order that is taken, of so many of some products."""
        body = {"customer_phone": PHONE, "items": wanted(*items), **changes}
        return (await self.done("POST", "/orders", body, who=who))["order"]

    async def step(self, order: Any, *steps: str) -> Any:
        """An order that was moved on."""
        for status in steps:
            body = {"status": status}
            order = (await self.done("PATCH", f"/orders/{order['id']}/status", body))["order"]
        return order

    async def stock(self, product: Any) -> int:
        found = await self.done("GET", f"/products/{product['id']}")
        return int(found["product"]["stock"])

    async def end(self) -> int:
        """The log's end."""
        return int((await self.done("GET", "/products"))["offset"])

    async def events(self, since: int) -> list[Body]:
        """The merchant's events after an offset."""
        return await paged(self.hub, self.hub.keys["merchant"], since=since)


def wanted(*items: tuple[Any, int]) -> list[Body]:
    """What an order asks for."""
    return [{"product_id": product["id"], "quantity": count} for product, count in items]


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Shop]:
    """A shop that runs until the block ends."""
    hub = await prepared(database)
    for name, role in (("owner", "merchant"), ("reader", "viewer"), ("driver", "bot")):
        await hub.add_key(role, name, merchant_id=hub.other_merchant)  # type: ignore[arg-type]
    async with running(hub, Settings(rate_limit=None)):
        yield Shop(hub)
