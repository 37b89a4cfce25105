"""The page fits its screen, in both themes, and stays quick in a flood."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.layout import contrast_faults, layout_faults

pytestmark = pytest.mark.browser

SIZES = [(360, 740), (768, 1024), (1440, 900)]

EVENTS: list[dict[str, Any]] = [
    {"type": "message_received", "data": {"messageId": "m", "fromPhone": "263771234567",
     "text": "A long question about an order, " * 8, "timestamp": "2026-11-22T10:00:00Z"}},
    {"type": "order_status_changed", "subject": "order/" + "9" * 200, "data": {"orderId": "ORD-1",
     "oldStatus": "pending", "newStatus": "confirmed", "updatedAt": "2026-11-22T10:00:00Z"}},
    {"type": "custom_" + "long_" * 20, "data": {"deep": {"a": ["x" * 400]}, "flag": True}},
    {"type": "payment_received", "data": {"orderId": "ORD-1", "amount": 1, "paymentMethod": "cash",
     "transactionId": "TX"}},
    {"type": "product_updated", "data": {"productId": "P", "name": "Coffee", "price": 450,
     "stock": 3, "mediaIds": []}},
    {"type": "bot_connected", "data": {"botStatus": "online", "timestamp": "2026-11-22T10:00:00Z"}},
    {"type": "delivery_started", "data": {"deliveryTaskId": "D", "orderId": "ORD-1",
     "driverId": "d-4", "location": {"lat": 1.5, "lng": 2.5}}},
]  # fmt: skip


async def fill(bot: Bot) -> None:
    for _ in range(5):
        await bot.publish_all(EVENTS)


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_nothing_overlaps_or_sticks_out(
    dashboard: Dashboard, bot: Bot, width: int, height: int
) -> None:
    page = dashboard.page
    await fill(bot)
    await dashboard.resize(width, height)
    await page.goto(dashboard.hub.url)
    await expect(page.get_by_label("Key")).to_be_visible()
    assert await layout_faults(page) == []

    await dashboard.sign_in()
    await expect(dashboard.page.locator(".chip-count").last).not_to_be_empty()
    await dashboard.settle()
    assert await layout_faults(page) == []

    await dashboard.row("custom_long").first.click()
    await expect(dashboard.inspector).to_be_visible()
    assert await layout_faults(page) == []
    await dashboard.button("Close").click()

    await dashboard.button("Send test event").click()
    assert await layout_faults(page) == []
    await page.keyboard.press("Escape")

    if width < 860:
        await dashboard.button("Menu").click()
        await page.wait_for_timeout(250)  # it slides in
        assert await layout_faults(page) == []
        await page.mouse.click(width - 5, height / 2)
        await expect(page.locator(".sidebar")).not_to_be_visible()

    await dashboard.button("Pause").click()
    await bot.publish()
    await expect(dashboard.pill).to_be_visible()
    await dashboard.hub.kill()
    await expect(dashboard.button("Try now")).to_be_visible()
    assert await layout_faults(page) == []


@pytest.mark.parametrize("width", [360, 1440])
async def test_the_empty_state_fits(dashboard: Dashboard, width: int) -> None:
    await dashboard.resize(width)
    await dashboard.sign_in()
    await expect(dashboard.page.locator("empty-state pre")).to_be_visible()
    assert await layout_faults(dashboard.page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read(dashboard: Dashboard, bot: Bot, scheme: str) -> None:
    await dashboard.page.emulate_media(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    await fill(bot)
    await dashboard.page.goto(dashboard.hub.url)
    await expect(dashboard.page.get_by_label("Key")).to_be_visible()
    assert await contrast_faults(dashboard.page) == []
    await dashboard.sign_in()
    await expect(dashboard.page.locator(".chip-count").last).not_to_be_empty()
    await dashboard.row("custom_long").first.click()
    await expect(dashboard.inspector).to_be_visible()
    assert await contrast_faults(dashboard.page) == []
    await dashboard.button("Pause").click()
    await dashboard.hub.kill()
    await expect(dashboard.button("Try now")).to_be_visible()
    assert await contrast_faults(dashboard.page) == []


async def test_a_theme_is_chosen_and_kept(dashboard: Dashboard) -> None:
    page = dashboard.page
    await page.emulate_media(color_scheme="dark")
    await dashboard.sign_in()

    async def shade() -> str:
        return str(await page.evaluate("getComputedStyle(document.body).backgroundColor"))

    dark = await shade()
    await page.get_by_role("button", name="Theme: as the system").click()
    light = await shade()
    assert light != dark
    await page.reload()
    assert await shade() == light
    await page.get_by_role("button", name="Theme: light").click()
    assert await shade() == dark
    await page.get_by_role("button", name="Theme: dark").click()
    await page.emulate_media(color_scheme="light")
    assert await shade() == light


async def test_focus_can_be_seen_wherever_the_keyboard_goes(dashboard: Dashboard, bot: Bot) -> None:
    await bot.publish()
    await dashboard.sign_in()
    await expect(dashboard.rows).to_have_count(1)
    await dashboard.page.evaluate("document.activeElement.blur()")
    visited = []
    for _ in range(30):
        await dashboard.page.keyboard.press("Tab")
        where = await dashboard.page.evaluate(
            """() => {
              const at = document.activeElement;
              if (at === document.body) return null;
              const marked = [at, at.parentElement].some((element) =>
                ['', '::after'].some((part) => {
                  const style = getComputedStyle(element, part);
                  return style.outlineStyle !== 'none' && style.outlineWidth !== '0px';
                }));
              return [at.className || at.id, marked];
            }"""
        )
        if where is None:
            break
        visited.append(where)
    assert [name for name, marked in visited if not marked] == []
    assert "list-scroller" in [name for name, _ in visited]


async def test_a_thousand_events_a_second_do_not_freeze_the_page(
    dashboard: Dashboard, bot: Bot
) -> None:
    page = dashboard.page
    await dashboard.sign_in()
    await page.evaluate(
        """() => {
          window.longest = 0;
          let last = performance.now();
          const frame = (now) => {
            window.longest = Math.max(window.longest, now - last);
            last = now;
            requestAnimationFrame(frame);
          };
          requestAnimationFrame(frame);
        }"""
    )
    loop = asyncio.get_running_loop()
    began = loop.time()
    batch = [{"type": f"custom_flood_{n % 7}", "data": {"n": n}} for n in range(100)]
    for round_ in range(1, 56):
        await bot.publish_all(batch)
        await asyncio.sleep(max(0.0, began + round_ * 0.1 - loop.time()))
    rate = 5_500 / (loop.time() - began)
    await expect(dashboard.status).to_contain_text("5,000 rows · 5,000 of 5,000 in buffer")
    assert rate > 700, "the machine was too busy to make a flood"
    assert await page.evaluate("window.longest") < 250
    assert await dashboard.rows.count() < 60
