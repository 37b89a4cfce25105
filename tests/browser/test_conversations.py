"""The screen of conversations: what customers and bots write, as it is written."""

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.bot import Bot
from tests.browser.conftest import PATIENCE_MS
from tests.browser.dashboard import Dashboard
from tests.browser.layout import contrast_faults, layout_faults
from tests.browser.shop import Line, another, demo

pytestmark = pytest.mark.browser

ANNA, BEN = "+263771234567", "263772000000@s.whatsapp.net"
REFUSAL = {"code": "rate_limited", "message": "too many calls", "retry_after": 9}
SIZES = [(360, 740), (1440, 900)]


async def received(bot: Bot, id_: str, phone: str, text: str, **more: str) -> None:
    """A customer writes."""
    data = {"messageId": id_, "fromPhone": phone, "text": text, "timestamp": 0}
    await bot.publish("message_received", data=data, **more)


async def sent(bot: Bot, id_: str, phone: str, text: str) -> None:
    """The bot answers."""
    await bot.publish("message_sent", data={"messageId": id_, "toPhone": phone, "text": text})


async def fill(bot: Bot) -> None:
    """Conversations with long and short texts, a name that is no number, and every state."""
    long = "A text that does not fit into one line of any screen there is. " * 6
    for n in range(12):
        await received(bot, f"r{n}", f"+26377100000{n}", long if n % 2 else "Hello?\nAnd again.")
        await sent(bot, f"s{n}", f"+26377100000{n}", "W" * 200 if n % 3 == 0 else "Yes!")
    await bot.publish("message_delivered", data={"messageId": "s1"})
    await bot.publish("message_read", data={"messageId": "s2"})
    await bot.publish("message_failed", data={"messageId": "s11", "error": "blocked by Meta " * 9})
    await received(bot, "odd", "a gateway's own name", "")


def rows(page: Page) -> Locator:
    return page.locator(".conversation-row")


def texts(page: Page) -> Locator:
    return page.locator(".thread-message .message-text")


async def test_a_conversation_is_read_as_it_is_written_over_a_death_of_the_hub(
    dashboard: Dashboard, admin: Bot, bot: Bot
) -> None:
    hub, page = dashboard.hub, dashboard.page
    shop = await demo(admin)
    await dashboard.sign_in(await shop.key("viewer"), "/#/conversations")
    nothing = page.locator(".screen-list empty-state")
    await expect(nothing).to_contain_text("There are no conversations yet")
    await received(bot, "a1", ANNA, "Do you have coffee?")
    await expect(rows(page)).to_have_count(1)
    await rows(page).get_by_role("button").click()
    await expect(page.locator(".thread-title")).to_have_text(ANNA)
    await expect(page.locator(".thread-title")).to_be_focused()
    await expect(texts(page)).to_have_text(["Do you have coffee?"])
    await sent(bot, "a2", ANNA, "We do.\nA box?")
    await expect(texts(page)).to_have_text(["Do you have coffee?", "We do. A box?"])
    mark = page.locator(".thread-message .message-tick").last
    await expect(mark).to_have_attribute("aria-label", "sent")
    await bot.publish("message_read", data={"messageId": "a2"})
    await expect(mark).to_have_attribute("aria-label", "read")
    await hub.kill()
    await expect(page.locator("reading-status")).to_contain_text("Not connected")
    await expect(texts(page)).to_have_count(2)
    await hub.start()
    await received(bot, "a3", "263771234567@c.us", "Two, please.")
    await received(bot, "b1", BEN, "Hello")
    await dashboard.live()
    await expect(texts(page).last).to_have_text("Two, please.")
    await expect(rows(page).locator(".conversation-name")).to_have_text(["+263772000000", ANNA])
    # What is shown is in the address: a colleague's page shows the same.
    await page.reload()
    await expect(texts(page)).to_have_count(3)


async def test_two_merchants_see_nothing_of_each_other(
    dashboard: Dashboard, browser: Browser, admin: Bot
) -> None:
    one, two = await demo(admin), await another(admin, "Chino")
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    other = Dashboard(await context.new_page(), dashboard.hub)
    await dashboard.sign_in(await one.key("merchant"), "/#/conversations")
    await other.sign_in(await two.key("merchant"), "/#/conversations")
    await received(admin, "x1", ANNA, "for one", merchant_id=one.merchant_id)
    await received(admin, "x2", ANNA, "for two", merchant_id=two.merchant_id)
    for tab, said in ((dashboard, "for one"), (other, "for two")):
        await expect(rows(tab.page)).to_have_count(1)
        await expect(rows(tab.page)).to_contain_text(said)
        await rows(tab.page).get_by_role("button").click()
        await expect(texts(tab.page)).to_have_text([said])
    assert other.complaints == []


async def test_an_admin_chooses_whose_conversations(
    dashboard: Dashboard, admin: Bot, bot: Bot
) -> None:
    page = dashboard.page
    await received(bot, "a1", ANNA, "Do you have coffee?")
    await dashboard.sign_in(address="/#/conversations")
    await expect(page.locator(".screen-list empty-state")).to_contain_text("Choose a merchant")
    await page.locator("#merchant").select_option("demo")
    await expect(rows(page)).to_have_count(1)


async def test_a_conversation_is_found_and_left_by_the_keyboard(
    dashboard: Dashboard, admin: Bot, bot: Bot
) -> None:
    page = dashboard.page
    await received(bot, "a1", ANNA, "Do you have coffee?")
    await received(bot, "b1", BEN, "Hello")
    await dashboard.sign_in(await (await demo(admin)).key("merchant"), "/#/conversations")
    await expect(rows(page)).to_have_count(2)
    await page.get_by_label("Find conversations").fill("coffee")
    await expect(rows(page)).to_have_count(1)
    await page.get_by_label("Find conversations").fill("+263 772")
    await expect(rows(page).locator(".conversation-name")).to_have_text(["+263772000000"])
    await rows(page).get_by_role("button").press("Enter")
    await expect(texts(page)).to_have_text(["Hello"])
    await page.keyboard.press("Escape")
    await expect(rows(page).get_by_role("button")).to_be_focused()
    await page.get_by_label("Find conversations").fill("263779999999")
    await dashboard.button("Open +263779999999").click()
    await expect(page.locator(".thread empty-state")).to_contain_text("Nothing was written here")


async def test_what_was_said_before_is_read_on_demand_and_stays_in_place(
    dashboard: Dashboard, admin: Bot, bot: Bot
) -> None:
    page = dashboard.page
    said = [
        {"messageId": f"m{n}", "fromPhone": ANNA, "text": f"number {n}", "timestamp": 0}
        for n in range(70)
    ]
    await bot.publish_all([{"type": "message_received", "data": data} for data in said])
    key = await (await demo(admin)).key("merchant")
    await dashboard.sign_in(key, "/#/conversations?phone=263771234567")
    await expect(texts(page)).to_have_count(50)
    await expect(texts(page).last).to_be_in_viewport()
    await dashboard.button("Older messages").click()
    await expect(texts(page)).to_have_count(70)
    await expect(texts(page).filter(has_text="number 20")).to_be_in_viewport()
    await received(bot, "m70", ANNA, "number 70")
    await expect(texts(page)).to_have_count(71)
    await expect(texts(page).last).not_to_be_in_viewport()


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_it_fits_in_every_state(
    dashboard: Dashboard, admin: Bot, bot: Bot, width: int, height: int
) -> None:
    page, line = dashboard.page, Line()
    await line.before(page)
    await dashboard.resize(width, height)
    line.silent = True
    key = await (await demo(admin)).key("merchant")
    await dashboard.sign_in(key, "/#/conversations")
    await expect(page.locator(".bone").first).to_be_visible()
    assert await layout_faults(page) == []
    line.refusal = REFUSAL
    await page.reload()
    failed = page.locator(".screen-list empty-state")
    await expect(failed).to_contain_text("takes more in 9 s")
    assert await layout_faults(page) == []
    line.silent, line.refusal = False, None
    await failed.get_by_role("button", name="Try again").click()
    await expect(failed).to_contain_text("There are no conversations yet")
    assert await layout_faults(page) == []
    await fill(bot)
    await expect(rows(page)).to_have_count(13)
    assert await layout_faults(page) == []
    for number in ("+263771000003", "+2637710000011"):
        await rows(page).filter(has_text=number).get_by_role("button").click()
        await expect(texts(page)).to_have_count(2)
        assert await layout_faults(page) == []
        if width < 860:
            await dashboard.button("All conversations").click()
    await dashboard.hub.kill()
    await expect(page.locator(".screen.stale")).to_be_visible()
    assert await layout_faults(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_it_can_be_read_in_both_themes(
    dashboard: Dashboard, admin: Bot, bot: Bot, theme: str
) -> None:
    page = dashboard.page
    await fill(bot)
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    key = await (await demo(admin)).key("merchant")
    await dashboard.sign_in(key, "/#/conversations?phone=2637710000011")
    await expect(texts(page)).to_have_count(2)
    await expect(page.locator(".message-error").last).to_contain_text("blocked by Meta")
    assert await contrast_faults(page) == []
