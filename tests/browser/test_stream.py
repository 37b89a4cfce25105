"""The live stream: what happens is on the screen."""

import json
import shutil
import subprocess

import pytest
from playwright.async_api import expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard

pytestmark = pytest.mark.browser

ORDER = {"orderId": "ORD-1", "customerId": "c-1", "items": [{"sku": "A"}], "totalAmount": 1500}
PAYMENT = {"orderId": "ORD-1", "amount": 1500, "paymentMethod": "cash", "transactionId": "TX-1"}


async def test_the_line_of_the_empty_state_publishes_a_first_event(dashboard: Dashboard) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the line needs curl")
    await dashboard.sign_in()
    empty = dashboard.page.locator("empty-state")
    await expect(empty.get_by_role("heading")).to_have_text("No events yet")
    line = await empty.locator("code").inner_text()
    subprocess.run(["sh", "-c", line], cwd=dashboard.hub.log.parent, check=True, timeout=10)
    await expect(dashboard.rows).to_have_count(1)
    await expect(empty).to_be_hidden()


async def test_events_appear_as_they_happen_newest_on_top(dashboard: Dashboard, bot: Bot) -> None:
    await bot.publish("custom_before")
    await dashboard.sign_in()
    await expect(dashboard.rows).to_have_count(1)
    offset = await bot.publish("order_created", data=ORDER, subject="order/ORD-1")
    row = dashboard.row("order_created")
    await expect(row).to_contain_text(f"#{offset}")
    await expect(row).to_contain_text("1 item")
    await expect(row).to_contain_text("order/ORD-1")
    await expect(dashboard.badge).to_contain_text(f"#{offset}")
    assert await dashboard.offsets() == [offset, offset - 1]


async def test_the_last_200_are_loaded(dashboard: Dashboard, bot: Bot) -> None:
    await bot.publish_all([{"type": "custom_old", "data": {"n": n}} for n in range(230)])
    await dashboard.sign_in()
    await expect(dashboard.status).to_contain_text("200 rows")
    offsets = await dashboard.offsets()
    assert offsets == list(range(max(offsets), max(offsets) - 200, -1))


async def test_pause_holds_still_and_counts(dashboard: Dashboard, bot: Bot) -> None:
    first = await bot.publish()
    await dashboard.sign_in()
    await expect(dashboard.rows).to_have_count(1)
    await dashboard.page.keyboard.press("Space")
    await expect(dashboard.button("Resume")).to_have_attribute("aria-pressed", "true")
    for _ in range(3):
        await bot.publish()
    await expect(dashboard.pill).to_have_text("3 new")
    assert await dashboard.offsets() == [first]
    await dashboard.page.keyboard.press("Space")
    await expect(dashboard.rows).to_have_count(4)
    await expect(dashboard.pill).to_be_hidden()
    await dashboard.button("Pause").click()
    await bot.publish()
    await dashboard.pill.filter(has_text="1 new").click()
    await expect(dashboard.rows).to_have_count(5)


async def test_what_one_reads_does_not_move(dashboard: Dashboard, bot: Bot) -> None:
    await bot.publish_all([{"type": "custom_old", "data": {"n": n}} for n in range(150)])
    await dashboard.sign_in()
    await expect(dashboard.status).to_contain_text("150 rows")
    scroller = dashboard.page.locator(".list-scroller")
    await scroller.hover()
    await dashboard.page.mouse.wheel(0, 1_500)
    await expect(dashboard.status).to_contain_text("held while you read")
    read = dashboard.row("n: 90")
    before = await read.bounding_box()
    await bot.publish_all([{"type": "custom_new", "data": {}}] * 40)
    await expect(dashboard.pill).to_have_text("40 new")
    assert await read.bounding_box() == before
    await dashboard.page.mouse.wheel(0, -3_000)
    await expect(dashboard.pill).to_be_hidden()
    await expect(dashboard.row("custom_new").first).to_be_visible()
    await expect(dashboard.status).to_contain_text("190 rows")


async def test_the_filter_is_the_hubs_and_is_kept_in_the_address(
    dashboard: Dashboard, bot: Bot
) -> None:
    order = await bot.publish("order_created", data=ORDER)
    # More than a page loads: a filter over what is loaded would not find the order.
    await bot.publish_all([{"type": "custom_noise", "data": {}}] * 220)
    payment = await bot.publish("payment_received", data=PAYMENT)
    await dashboard.sign_in()
    await expect(dashboard.status).to_contain_text("200 rows")

    await dashboard.page.keyboard.press("/")
    await dashboard.page.keyboard.type("order_")
    await dashboard.page.keyboard.press("Enter")
    await expect(dashboard.rows).to_have_count(1)
    assert await dashboard.offsets() == [order]

    await dashboard.page.locator(".chip", has_text="payment_received").click()
    await expect(dashboard.rows).to_have_count(2)
    assert await dashboard.offsets() == [payment, order]
    assert dashboard.page.url.endswith("#/stream?types=order_*,payment_received")

    await bot.publish("custom_noise")
    second = await bot.publish("order_created", data=ORDER)
    await expect(dashboard.rows).to_have_count(3)
    await dashboard.page.reload()
    await dashboard.live()
    assert await dashboard.offsets() == [second, payment, order]

    await dashboard.button("All types").click()
    await expect(dashboard.status).to_contain_text("200 rows")


async def test_a_filter_that_matches_nothing_says_so(dashboard: Dashboard, bot: Bot) -> None:
    await bot.publish()
    await dashboard.sign_in(address="/#/stream?types=payment_*")
    await expect(dashboard.page.locator("empty-state")).to_contain_text("No stored event matches")
    await dashboard.button("Show all types").click()
    await expect(dashboard.rows).to_have_count(1)


async def test_what_is_no_pattern_is_refused_in_place(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    await dashboard.page.get_by_label("Filter by type or prefix").fill("*_created")
    await dashboard.page.keyboard.press("Enter")
    await expect(dashboard.page.locator(".filter-problem")).to_contain_text("*_created")
    await dashboard.page.keyboard.type("x")
    await expect(dashboard.page.locator(".filter-problem")).to_be_hidden()


async def test_an_admin_chooses_a_merchant(dashboard: Dashboard, bot: Bot, admin: Bot) -> None:
    made = (await admin.create("/api/merchants", {"name": "Chino"}))["merchant"]
    demo = await bot.publish("custom_demo")
    chino = await admin.publish("custom_chino", merchant_id=made["id"])
    await dashboard.sign_in()
    await expect(dashboard.row("custom_demo")).to_contain_text("demo")
    await expect(dashboard.row("custom_chino")).to_contain_text("Chino")
    choice = dashboard.page.locator("#merchant")
    late = (await admin.create("/api/merchants", {"name": "Late"}))["merchant"]
    await admin.publish("custom_late", merchant_id=late["id"])
    await expect(dashboard.row("custom_late")).to_contain_text("Late")
    await choice.select_option("Chino")
    await expect(dashboard.row("custom_demo")).to_have_count(0)
    await dashboard.live()
    assert chino in await dashboard.offsets()
    assert demo not in await dashboard.offsets()
    await dashboard.page.reload()
    await dashboard.live()
    await expect(choice).to_have_value(made["id"])
    assert demo not in await dashboard.offsets()


async def test_the_inspector_shows_everything(dashboard: Dashboard, bot: Bot) -> None:
    context = dashboard.page.context
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    offset = await bot.publish("order_created", data=ORDER, subject="order/ORD-1")
    await dashboard.sign_in()
    await dashboard.row("order_created").click()
    for text in ("order_created", f"#{offset}", "own-1", "order/ORD-1", "demo", "ago"):
        await expect(dashboard.inspector).to_contain_text(text)
    await expect(dashboard.inspector.locator("json-view")).to_contain_text('"totalAmount": 1500')
    await dashboard.button("Copy JSON").click()
    await expect(dashboard.button("Copied")).to_be_visible()
    copied = json.loads(await dashboard.page.evaluate("navigator.clipboard.readText()"))
    assert copied["data"] == ORDER
    assert copied["offset"] == offset
    await dashboard.page.keyboard.press("Escape")
    await expect(dashboard.inspector).to_be_hidden()


async def test_the_keyboard_is_enough(dashboard: Dashboard, bot: Bot) -> None:
    await bot.publish_all([{"type": "custom_old", "data": {"n": n}} for n in range(100)])
    await dashboard.sign_in()
    await expect(dashboard.status).to_contain_text("100 rows")
    await dashboard.page.locator(".list-scroller").focus()
    await dashboard.page.keyboard.press("ArrowDown")
    await expect(dashboard.inspector).to_contain_text('"n": 99')
    await dashboard.page.keyboard.press("ArrowDown")
    await expect(dashboard.inspector).to_contain_text('"n": 98')
    # Faster than the page draws: no stroke may be lost.
    await dashboard.page.locator(".list-scroller").evaluate(
        """(list) => {
          const stroke = () => new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true });
          for (let count = 0; count < 10; count += 1) list.dispatchEvent(stroke());
        }"""
    )
    await expect(dashboard.inspector).to_contain_text('"n": 88')
    await dashboard.page.keyboard.press("End")
    await expect(dashboard.inspector).to_contain_text('"n": 0\n')
    await expect(dashboard.page.locator(".row[aria-selected=true]")).to_be_in_viewport()
    await dashboard.page.keyboard.press("Home")
    await expect(dashboard.inspector).to_contain_text('"n": 99')
    await dashboard.settle()
    selected = await dashboard.page.locator(".row[aria-selected=true]").get_attribute("id")
    scroller = dashboard.page.locator(".list-scroller")
    await expect(scroller).to_have_attribute("aria-activedescendant", selected or "")


async def test_markup_in_an_event_stays_text(dashboard: Dashboard, bot: Bot) -> None:
    markup = "<img src=x onerror=alert(1)>"
    await bot.publish("custom_markup", data={"<b>k</b>": markup}, subject=markup)
    await dashboard.sign_in()
    await dashboard.row("custom_markup").click()
    await expect(dashboard.inspector).to_contain_text(markup)
    assert await dashboard.page.locator("event-list img, event-inspector img, b").count() == 0


async def test_a_test_event_is_acknowledged(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    await dashboard.button("Send test event").click()
    await dashboard.button("Send").click()
    row = dashboard.row("custom_test")
    await expect(row).to_contain_text("Hello from the dashboard")
    offset = await row.locator(".cell-offset").inner_text()
    await expect(dashboard.page.locator(".toast")).to_contain_text(f"Stored at offset {offset}")


async def test_every_sample_is_accepted(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    options = dashboard.page.locator("#publish-types option")
    types = await options.evaluate_all("(all) => all.map((one) => one.value)")
    assert len(types) == 11
    for type_ in types:
        await dashboard.button("Send test event").click()
        await dashboard.page.get_by_label("Type", exact=True).fill(type_)
        await dashboard.button("Send").click()
        await expect(dashboard.row(type_)).to_have_count(1)


async def test_a_refused_test_event_names_the_field(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    await dashboard.button("Send test event").click()
    problems = dashboard.page.locator("#publish-problems")
    data = dashboard.page.get_by_label("Data (a JSON object)")
    await data.fill('{"orderId": ')
    await dashboard.button("Send").click()
    await expect(problems).to_contain_text("is not JSON")
    await data.fill("[1]")
    await dashboard.button("Send").click()
    await expect(problems).to_contain_text("must be a JSON object")
    await dashboard.page.get_by_label("Type", exact=True).fill("order_created")
    await data.fill(json.dumps(ORDER | {"totalAmount": "much"}))
    await dashboard.button("Send").click()
    await expect(problems).to_contain_text("/data/totalAmount")
    await dashboard.page.keyboard.press("Escape")
    await expect(dashboard.page.get_by_role("dialog")).to_be_hidden()
