"""The screen of webhooks: endpoints, their secrets, what was tried, and what is sent again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.layout import contrast_faults, layout_faults
from tests.browser.shop import demo
from tests.support.hub_process import HubProcess

pytestmark = pytest.mark.browser
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nthanks"
BROKEN = b"HTTP/1.1 500 No\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry"


class Endpoint:
    """Somebody who is called.

    Attributes:
        answer: what it says to the next calls.
        calls: how many there were.
    """

    def __init__(self) -> None:
        self.answer = OK
        self.calls = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        self.calls += 1
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def hub(tmp_path: Path) -> AsyncIterator[HubProcess]:
    """A hub that calls webhooks, also on this machine."""
    settings = {
        "HUB_RATE_LIMIT": "off", "HUB_WORKERS": "all", "HUB_WEBHOOK_ALLOW": "127.0.0.1",
    }  # fmt: skip
    async with HubProcess(tmp_path, settings) as running:
        yield running


def rows(page: Page) -> Locator:
    return page.locator(".webhook-row")


async def test_an_endpoint_from_its_making_to_its_end(
    dashboard: Dashboard, admin: Bot, endpoint: Endpoint
) -> None:
    page, shop = dashboard.page, await demo(admin)
    await dashboard.sign_in(await shop.key("merchant"), "/#/webhooks")
    await expect(page.locator("empty-state")).to_contain_text("There are no webhooks yet")
    await dashboard.button("New webhook").first.click()
    form = page.get_by_role("dialog", name="New webhook")
    await form.get_by_label("Address").fill(f"http://127.0.0.1:{endpoint.port}/hook")
    await form.get_by_label("Events").fill("order_*, nothing_like_it")
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_label("Events")).to_be_focused()
    await form.get_by_label("Events").fill("order_*\nproduct_created")
    await form.get_by_role("button", name="Save").click()
    secret = page.get_by_role("dialog", name="The webhook’s secret")
    await expect(secret.locator(".webhook-secret")).to_contain_text("whsec_")
    await secret.get_by_role("button", name="I have kept it").click()
    await expect(page.locator(".webhook-secret")).to_have_text("")

    endpoint.answer = BROKEN
    await shop.product("Tea")
    await expect(rows(page)).to_contain_text("failing")
    await rows(page).get_by_role("button").click()
    drawer = page.locator("dialog.drawer")
    failed = drawer.locator(".attempt").filter(has_text="product_created").last
    await failed.locator("summary").click()
    await expect(failed).to_contain_text("sorry")
    await expect(failed).to_contain_text("Tea")
    endpoint.answer = OK
    await drawer.get_by_role("button", name="Send a test").click()
    await expect(drawer.locator(".attempt").filter(has_text="success").first).to_be_visible()
    calls = endpoint.calls
    await failed.get_by_role("button", name="Send it again").click()
    await expect(drawer.locator(".attempt").filter(has_text="success")).to_have_count(2)
    assert endpoint.calls > calls

    await drawer.get_by_role("button", name="Rotate secret").click()
    question = page.get_by_role("dialog", name="Give this webhook another secret?")
    await question.get_by_role("button", name="Rotate").click()
    await expect(secret.locator(".webhook-secret")).to_contain_text("whsec_")
    await secret.get_by_role("button", name="I have kept it").click()
    await expect(drawer).to_contain_text("Both secrets until")
    await drawer.get_by_role("button", name="Deactivate").click()
    await expect(rows(page)).to_contain_text("inactive")
    await drawer.get_by_role("button", name="Remove").click()
    removal = page.get_by_role("dialog", name="Remove this webhook?")
    await removal.get_by_role("button", name="Remove").click()
    await expect(rows(page)).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1440, 900)])
async def test_webhooks_fit_their_window_and_can_be_read(
    dashboard: Dashboard, admin: Bot, endpoint: Endpoint, width: int, height: int
) -> None:
    page, shop = dashboard.page, await demo(admin)
    for number in range(3):
        url = f"http://127.0.0.1:{endpoint.port}/{'a-long-path/' * 9}{number}"
        body = {"merchant_id": shop.merchant_id, "url": url, "event_types": ["product_*"]}
        await admin.create("/api/webhooks", body)
    await shop.product("Tea")
    await dashboard.resize(width, height)
    await dashboard.sign_in(address="/#/webhooks")
    await expect(rows(page).filter(has_text="working")).to_have_count(3)
    await dashboard.settle()
    assert await layout_faults(page) == []
    assert await contrast_faults(page) == []
    await rows(page).first.get_by_role("button").click()
    await page.locator("dialog.drawer .attempt summary").first.click()
    assert await layout_faults(page) == []
    await page.keyboard.press("Escape")
    await page.emulate_media(color_scheme="dark")
    assert await contrast_faults(page) == []
