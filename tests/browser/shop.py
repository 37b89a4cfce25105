"""What is sold and ordered at a hub, and the screens that show it."""

import json
from typing import Any

from playwright.async_api import Locator, Page, WebSocketRoute, expect

from tests.api.pictures import UPLOAD, fresh
from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard

Row = dict[str, Any]
PHONE = "+263771234567"


class Shop:
    """One merchant's goods and orders, made over REST by an admin.

    Args:
        admin: the admin's key at the REST door.
        merchant_id: whose they are.
    """

    def __init__(self, admin: Bot, merchant_id: str) -> None:
        self.admin = admin
        self.merchant_id = merchant_id

    async def product(self, name: str = "Rooibos tea", **changes: Any) -> Row:
        body = {"name": name, "price": 250, "currency": "USD", "stock": 100, **changes}
        made = await self.admin.create("/api/products", body | {"merchant_id": self.merchant_id})
        return dict(made["product"])

    async def order(self, *items: tuple[Row, int], phone: str = PHONE, **changes: Any) -> Row:
        wanted = [{"product_id": product["id"], "quantity": count} for product, count in items]
        body = {"customer_phone": phone, "items": wanted, "merchant_id": self.merchant_id}
        return dict((await self.admin.create("/api/orders", body | changes))["order"])

    async def step(self, order: Row, *steps: str) -> None:
        for status in steps:
            await self.patch(f"/api/orders/{order['id']}/status", {"status": status})

    async def patch(self, path: str, body: Row) -> None:
        answer = await self.admin.request.patch(path, data=body)
        assert answer.status == 200, await answer.text()

    async def get(self, path: str) -> Row:
        answer = await self.admin.request.get(path)
        assert answer.status == 200, await answer.text()
        return dict(await answer.json())

    async def picture(self) -> Row:
        """A picture that nobody has uploaded before, 30 pixels wide."""
        query: dict[str, str | float | bool] = {"merchant_id": self.merchant_id}
        answer = await self.admin.request.post(
            UPLOAD, data=fresh(), params=query, headers={"Content-Type": "image/png"}
        )
        assert answer.status == 201, await answer.text()
        return dict((await answer.json())["media"])

    async def show(self, product: Row, *pictures: Row) -> None:
        """Put pictures on a product, in this order."""
        answer = await self.admin.request.put(
            f"/api/products/{product['id']}/media",
            data={"media_ids": [picture["id"] for picture in pictures]},
        )
        assert answer.status == 200, await answer.text()

    async def key(self, role: str, name: str = "someone") -> str:
        wanted = {"merchant_id": self.merchant_id, "role": role, "name": name}
        return str((await self.admin.create("/api/keys", wanted))["token"])

    async def orders(self) -> list[Row]:
        return list((await self.get("/api/orders"))["orders"])

    async def fill(self) -> list[Row]:
        """Orders in every column, of products with long and short names; the newest last."""
        coffee = await self.product("Roasted coffee 250 g", price=450, category="Groceries")
        tea = await self.product(
            "Rooibos tea, a box of eighty bags with a name that does not fit into one line",
            price=1_234_567, stock=3, description="From the Cederberg. " * 12,
        )  # fmt: skip
        await self.product("Honey", stock=0, is_active=False)
        await self.product("W" * 120, price=2**40, category="C" * 60)
        ways: tuple[list[str], ...] = ([], ["confirmed"], ["confirmed", "preparing"], ["cancelled"],
                ["confirmed", "preparing", "dispatched"],
                ["confirmed", "preparing", "dispatched", "delivered"])  # fmt: skip
        made = []
        for number, way in enumerate(ways):
            items = [(coffee, 1 + number)] + ([(tea, 1)] if number == 0 else [])
            order = await self.order(*items, phone=f"+26377000000{number}", notes="Ring. " * 30)
            await self.step(order, *way)
            made.append(order)
        return made


async def demo(admin: Bot) -> Shop:
    """The shop of the merchant that every hub begins with."""
    listed = await (await admin.request.get("/api/merchants")).json()
    return Shop(admin, listed["merchants"][0]["id"])


async def another(admin: Bot, name: str) -> Shop:
    """The shop of a merchant that is made for it."""
    made = await admin.create("/api/merchants", {"name": name})
    return Shop(admin, made["merchant"]["id"])


class Board:
    """The screen of orders in a page."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.page = dashboard.page

    @property
    def cards(self) -> Locator:
        return self.page.locator(".column .card-item")

    def column(self, status: str) -> Locator:
        return self.page.locator(f'.column[data-place="{status}"]')

    def card(self, order: Row, status: str | None = None) -> Locator:
        """The card of an order, wherever it is or in one column."""
        inside = f'.column[data-place="{status}"] ' if status else ".column "
        return self.page.locator(f'{inside}.card-item[data-id="{order["id"]}"]')

    def button(self, order: Row) -> Locator:
        """The card as it is focused and pressed."""
        return self.card(order).locator(".card-main")

    @property
    def spoken(self) -> Locator:
        return self.page.locator("order-board > [role=status]")

    @property
    def drawer(self) -> Locator:
        return self.page.locator("dialog.drawer")

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    async def drag(self, order: Row, to: str) -> None:
        """Take a card by the mouse and let it go in a column."""
        await self.button(order).hover()
        await self.page.mouse.down()
        box = await self.column(to).locator(".column-scroll").bounding_box()
        assert box is not None
        await self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 200, steps=6)
        await self.page.mouse.up()

    async def stands(self, order: Row, status: str) -> None:
        await expect(self.card(order, status)).to_have_count(1)


class Line:
    """Between a page and its hub, which are real; put there by `await line.before(page)`.

    Attributes:
        silent: whether calls do not reach the hub.
        deaf: whether their replies do not reach the page.
        refusal: what every call is refused with, if anything: code, message, retry_after.
        hidden: the types of the events that do not reach the page.
    """

    def __init__(self) -> None:
        self.silent = False
        self.deaf = False
        self.refusal: Row | None = None
        self.hidden: frozenset[str] = frozenset()

    async def before(self, page: Page) -> None:
        await page.route_web_socket("**/ws*", self._route)

    def _route(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def to_hub(message: str | bytes) -> None:
            frame = json.loads(message)
            if frame["type"] != "call" or not (self.silent or self.refusal):
                server.send(message)
            elif self.refusal:
                socket.send(json.dumps({"type": "error", "ref": frame["ref"], **self.refusal}))

        def to_page(message: str | bytes) -> None:
            kind = json.loads(message)["type"]
            if kind not in self.hidden and not (self.deaf and kind == "reply"):
                socket.send(message)

        socket.on_message(to_hub)
        server.on_message(to_page)
