"""The screen of jobs: what waits, what runs, what failed, and what is done about it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.layout import contrast_faults, layout_faults
from tests.browser.shop import PHONE, Shop, demo
from tests.support.hub_process import HubProcess

pytestmark = pytest.mark.browser


@pytest_asyncio.fixture(loop_scope="session")
async def hub(tmp_path: Path) -> AsyncIterator[HubProcess]:
    """A hub that does its work itself."""
    settings = {"HUB_RATE_LIMIT": "off", "HUB_WORKERS": "all"}
    async with HubProcess(tmp_path, settings) as running:
        yield running


def rows(page: Page) -> Locator:
    return page.locator(".job-row")


def card(page: Page, queue: str) -> Locator:
    return page.locator(f".queue-card[data-queue='{queue}']")


async def send(shop: Shop, text: str = "Hello", to: str = PHONE) -> str:
    """A message to be sent; the id of its job."""
    body = {"merchant_id": shop.merchant_id, "to": to, "text": text}
    answer = await shop.admin.request.post("/api/messages/send", data=body)
    assert answer.status == 202, await answer.text()
    return str((await answer.json())["job"]["id"])


async def test_a_message_waits_for_a_bot_and_is_cancelled_retried_and_discarded(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, shop = dashboard.page, await demo(admin)
    await dashboard.sign_in(await shop.key("merchant"), "/#/jobs")
    await expect(page.locator(".job-listed empty-state")).to_contain_text("There are no jobs yet")
    await send(shop)
    await expect(rows(page)).to_contain_text("waits for a bot")
    await expect(card(page, "message_sending")).to_contain_text("1 wait for a bot")
    await rows(page).get_by_role("button").click()
    drawer = page.locator("dialog.drawer")
    await expect(drawer).to_contain_text(PHONE.removeprefix("+"))
    await expect(drawer.get_by_role("button", name="Retry")).to_be_hidden()
    await drawer.get_by_role("button", name="Cancel").click()
    await expect(rows(page)).to_contain_text("cancelled")
    await drawer.get_by_role("button", name="Retry").click()
    await expect(rows(page)).to_contain_text("waits for a bot")
    await drawer.get_by_role("button", name="Cancel").click()
    await drawer.get_by_role("button", name="Discard").click()
    await expect(rows(page)).to_have_count(0)
    assert (await shop.get("/api/jobs"))["jobs"] == []


async def test_many_are_chosen_or_all_that_the_filter_names(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, shop = dashboard.page, await demo(admin)
    for number in range(4):
        await send(shop, f"Hello {number}", f"+26377000000{number}")
    await dashboard.sign_in(address="/#/jobs")
    await expect(rows(page)).to_have_count(4)
    boxes = rows(page).get_by_role("checkbox")
    await boxes.nth(0).check()
    await boxes.nth(1).check()
    await page.locator(".job-acts").get_by_role("button", name="Cancel 2").click()
    await page.get_by_role("dialog", name="Cancel 2 jobs?").get_by_text("Do it").click()
    await expect(rows(page).filter(has_text="cancelled")).to_have_count(2)
    await page.get_by_label("State").select_option("Queued")
    await expect(rows(page)).to_have_count(2)
    await page.locator(".job-acts").get_by_role("button", name="Cancel all").click()
    question = page.get_by_role("dialog", name="Cancel all queued jobs?")
    await expect(question.get_by_role("button", name="Leave them")).to_be_focused()
    await question.get_by_text("Do it").click()
    await expect(page.locator(".job-listed empty-state")).to_contain_text("No job matches")
    await page.get_by_label("State").select_option("Cancelled")
    await expect(rows(page)).to_have_count(4)
    await page.locator(".job-acts").get_by_role("button", name="Discard all").click()
    await (
        page.get_by_role("dialog", name="Discard all cancelled jobs?").get_by_text("Do it").click()
    )
    await expect(rows(page)).to_have_count(0)


async def test_a_queue_stands_still_and_goes_on_over_a_death_of_the_hub(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, hub, shop = dashboard.page, dashboard.hub, await demo(admin)
    await dashboard.sign_in(address="/#/jobs")
    orders = card(page, "order_processing")
    await orders.get_by_role("button", name="Pause Orders").click()
    await expect(orders).to_contain_text("paused")
    product = await shop.product()
    order = await shop.order((product, 1))
    await expect(orders).to_contain_text("1 waiting")
    await hub.kill()
    await hub.start()
    await dashboard.live()
    await expect(orders).to_contain_text("paused")
    await orders.get_by_role("button", name="Resume Orders").click()
    await expect(rows(page).filter(has_text="Process an order")).to_contain_text("succeeded")
    found = (await shop.get(f"/api/orders/{order['id']}"))["order"]
    assert found["status"] == "confirmed"
    await orders.get_by_role("button", name="Orders").first.click()
    await expect(page.get_by_label("Queue")).to_have_value("order_processing")


async def test_a_viewer_sees_and_changes_nothing(dashboard: Dashboard, admin: Bot) -> None:
    page, shop = dashboard.page, await demo(admin)
    await send(shop)
    await dashboard.sign_in(await shop.key("viewer"), "/#/jobs")
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page).get_by_role("checkbox")).to_have_count(0)
    await expect(page.get_by_role("button", name="Pause Messages")).to_have_count(0)
    await rows(page).get_by_role("button").click()
    await expect(page.locator("dialog.drawer")).to_contain_text("Arguments")
    await expect(page.locator("dialog.drawer").get_by_role("button", name="Cancel")).to_be_hidden()


async def test_what_recurs_is_made_changed_and_removed(dashboard: Dashboard, admin: Bot) -> None:
    page, shop = dashboard.page, await demo(admin)
    await dashboard.sign_in(await shop.key("merchant"), "/#/jobs")
    await page.get_by_role("tab", name="Recurring").click()
    await expect(page.locator(".recurring empty-state")).to_contain_text("Nothing recurs yet")
    await dashboard.button("New recurring job").first.click()
    dialog = page.get_by_role("dialog", name="New recurring job")
    await dialog.get_by_label("Name").fill("Monday greeting")
    await dialog.get_by_label("Schedule").fill("0 9 * *")
    await dialog.get_by_label("Time zone").fill("Africa/Harare")
    await dialog.get_by_label("Task").select_option("send")
    await dialog.get_by_label("Arguments").fill("{")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_contain_text("no JSON")
    await dialog.get_by_label("Arguments").fill(f'{{"to": "{PHONE}", "text": "Hello"}}')
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_label("Schedule")).to_be_focused()
    await dialog.get_by_label("Schedule").fill("0 9 * * 1")
    await dialog.get_by_role("button", name="Save").click()
    row = page.locator(".recurring-row")
    await expect(row).to_contain_text("Monday greeting")
    await expect(row).to_contain_text("Africa/Harare")
    await row.get_by_role("button", name="Rest").click()
    await expect(row).to_contain_text("inactive")
    await row.get_by_role("button", name="Remove").click()
    await (
        page.get_by_role("dialog", name="Remove Monday greeting?")
        .get_by_text("Remove", exact=True)
        .last.click()
    )
    await expect(row).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1440, 900)])
async def test_jobs_fit_their_window_and_can_be_read(
    dashboard: Dashboard, admin: Bot, width: int, height: int
) -> None:
    page, shop = dashboard.page, await demo(admin)
    for number in range(3):
        await send(shop, f"Hello {number}", f"+26377000000{number}")
    await dashboard.resize(width, height)
    await dashboard.sign_in(address="/#/jobs")
    await expect(rows(page)).to_have_count(3)
    await dashboard.settle()
    assert await layout_faults(page) == []
    assert await contrast_faults(page) == []
    await rows(page).first.get_by_role("button").click()
    await expect(page.locator("dialog.drawer")).to_contain_text("Arguments")
    assert await layout_faults(page) == []
    await page.keyboard.press("Escape")
    await page.emulate_media(color_scheme="dark")
    assert await contrast_faults(page) == []
