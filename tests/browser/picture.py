"""Takes the README's picture of the live stream: `python -m tests.browser.picture FILE [dark]`."""

import asyncio
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from playwright.async_api import APIRequestContext, Playwright, async_playwright, expect

from tests.browser.bot import Bot
from tests.browser.conftest import ARGUMENTS
from tests.browser.dashboard import Dashboard
from tests.support.hub_process import HubProcess

Story = list[tuple[str, str | None, dict[str, Any]]]


def order(number: int, phone: str, name: str, items: list[tuple[str, str, int, int]]) -> Story:
    """One customer, from the first question to the signature: type, subject, data."""
    order_id, task = f"ORD-{number}", f"DT-{number - 1700}"
    about, chat = f"order/{order_id}", f"chat/{phone}"
    total = sum(quantity * price for _, _, quantity, price in items)
    lines = [
        {"productId": sku, "name": title, "quantity": quantity, "price": price}
        for sku, title, quantity, price in items
    ]
    first = items[0][1]
    return [
        ("message_received", chat, {"messageId": f"wamid.{number}a", "fromPhone": phone,
         "text": f"Hi, is the {first} available today?", "timestamp": ""}),
        ("message_sent", chat, {"messageId": f"wamid.{number}b", "toPhone": phone,
         "text": f"Hello {name}! Yes, it is. Shall I put it aside for you?"}),
        ("order_created", about, {"orderId": order_id, "customerId": phone, "items": lines,
         "totalAmount": total, "currency": "USD"}),
        ("payment_received", about, {"orderId": order_id, "amount": total,
         "paymentMethod": "EcoCash", "transactionId": f"TX-{number * 37 % 9000 + 1000}"}),
        ("order_status_changed", about, {"orderId": order_id, "oldStatus": "pending",
         "newStatus": "confirmed", "updatedAt": ""}),
        ("delivery_started", about, {"deliveryTaskId": task, "orderId": order_id,
         "driverId": "tendai", "location": {"lat": -17.8252, "lng": 31.0335}}),
        ("delivery_completed", about, {"deliveryTaskId": task, "orderId": order_id,
         "completedAt": "", "signature": name}),
    ]  # fmt: skip


STORIES = [
    order(1841, "263772018845", "Rudo", [("SKU-7", "Roasted coffee 250 g", 2, 450)]),
    order(1842, "263713557120", "Farai", [("SKU-31", "Sourdough loaf", 1, 320)]),
    order(1843, "263774402917", "Chipo", [("SKU-12", "Honey 500 g", 1, 780),
                                         ("SKU-7", "Roasted coffee 250 g", 1, 450)]),
    order(1844, "263778861203", "Tatenda", [("SKU-40", "Rooibos tea", 3, 260)]),
    order(1845, "263771190336", "Nyasha", [("SKU-52", "Maize meal 10 kg", 1, 690)]),
    order(1846, "263719004582", "Kuda", [("SKU-7", "Roasted coffee 250 g", 1, 450),
                                        ("SKU-33", "Almond croissant", 4, 180)]),
    order(1847, "263775623091", "Rumbi", [("SKU-12", "Honey 500 g", 2, 780)]),
]  # fmt: skip
ASIDE: Story = [
    ("product_updated", "product/SKU-7", {"productId": "SKU-7", "name": "Roasted coffee 250 g",
     "price": 450, "stock": 31, "mediaIds": []}),
    ("custom_loyalty_points", "chat/263772018845", {"customerId": "263772018845", "points": 12,
     "tier": "gold"}),
    ("product_updated", "product/SKU-33", {"productId": "SKU-33", "name": "Almond croissant",
     "price": 180, "stock": 8, "mediaIds": []}),
]  # fmt: skip
WHEN = ("timestamp", "updatedAt", "completedAt")


def woven() -> list[tuple[int, str, str | None, dict[str, Any]]]:
    """The stories at once, each two steps behind the one before, with their merchants' numbers."""
    told = []
    for step in range(7 + 2 * (len(STORIES) - 1)):
        for index, story in enumerate(STORIES):
            at = step - 2 * index
            if 0 <= at < len(story):
                told.append((index % 2, *story[at]))
    for place, line in zip((9, 17, 38), ASIDE, strict=True):
        told.insert(place, (0, *line))
    return told


def dated(data: dict[str, Any]) -> dict[str, Any]:
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {name: stamp if name in WHEN else value for name, value in data.items()}


async def take(file: Path, dark: bool) -> None:
    chromium = shutil.which("chromium")
    assert chromium is not None, "no Chromium on PATH"
    with tempfile.TemporaryDirectory() as directory:
        async with HubProcess(Path(directory)) as hub, async_playwright() as playwright:
            admin = Bot(await door(playwright, hub, hub.admin_key))
            tills = []
            for merchant in ("Chino's Coffee", "Mbare Market"):
                key = await bot_key(admin, merchant)
                tills.append(Bot(await door(playwright, hub, key)))
            browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            context = await browser.new_context(
                viewport={"width": 1440, "height": 900},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
            )
            dashboard = Dashboard(await context.new_page(), hub)
            await dashboard.sign_in()
            # Fast enough to watch, slow enough for a minute's bars to have a shape.
            for number, (till, type_, subject, data) in enumerate(woven()):
                about = {"id": str(uuid4()), "subject": subject, "data": dated(data)}
                await tills[till].publish(type_, **about)
                await asyncio.sleep(0.1 + 1.3 * (number % 5 == 3) + 0.7 * (number % 7 == 2))
            await dashboard.row("order_created").first.click()
            await expect(dashboard.inspector).to_be_visible()
            await dashboard.page.mouse.move(720, 20)
            await dashboard.page.wait_for_timeout(500)
            await dashboard.page.screenshot(path=file)
            await browser.close()


async def door(playwright: Playwright, hub: HubProcess, key: str) -> APIRequestContext:
    headers = {"Authorization": f"Bearer {key}"}
    return await playwright.request.new_context(base_url=hub.url, extra_http_headers=headers)


async def bot_key(admin: Bot, merchant: str) -> str:
    made = (await admin.create("/api/merchants", {"name": merchant}))["merchant"]
    wanted = {"merchant_id": made["id"], "role": "bot", "name": "till-1"}
    return str((await admin.create("/api/keys", wanted))["token"])


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1]), "dark" in sys.argv[2:]))
