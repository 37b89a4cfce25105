"""The screen of those who are connected: they are there, they can be told to go."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import expect

from tests.browser.between import Between
from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.layout import contrast_faults, layout_faults
from tests.support.ws import Socket, connect

pytestmark = pytest.mark.browser

ORDERS = "types=order_*&subjects=order/*"


async def greeted(socket: Socket) -> Socket:
    await socket.next(type="connected")
    return socket


async def test_who_is_connected_is_listed_with_what_they_do(dashboard: Dashboard, bot: Bot) -> None:
    hub = dashboard.hub
    async with connect(hub, hub.bot_key, query=ORDERS, headers={"User-Agent": "till/7"}) as till:
        await greeted(till)
        await till.send({"type": "custom_x", "id": "x-1", "data": {}})
        await till.next(type="ack")
        await dashboard.sign_in()
        await dashboard.open("Sessions")
        row = dashboard.session("till/7")
        for text in ("bot", "demo", "127.0.0.1", "WebSocket", "order_* · order/*", "live", "#"):
            await expect(row).to_contain_text(text)
        await expect(row).to_contain_text("1 event published")
        own = dashboard.session("this page")
        await expect(own).to_contain_text("admin")
        await expect(own).to_contain_text("everything")
        await expect(own.get_by_role("button")).to_be_hidden()
        await expect(dashboard.page.locator(".session-count")).to_have_text("2 connections")
        await till.send({"type": "custom_x", "id": "x-2", "data": {}})
        await expect(row).to_contain_text("2 events published")
    await expect(row).to_have_count(0)
    await expect(dashboard.reading).to_have_text("Up to date")


async def test_a_connection_is_ended_after_a_question(dashboard: Dashboard) -> None:
    hub = dashboard.hub
    await dashboard.sign_in()
    await dashboard.open("Sessions")
    async with connect(hub, hub.bot_key, query=ORDERS) as till:
        await greeted(till)
        row = dashboard.session("order_*")
        await row.get_by_role("button").click()
        dialog = dashboard.page.get_by_role("dialog")
        await expect(dialog).to_contain_text("closed at once")
        await dialog.get_by_role("button", name="Cancel").click()
        await expect(dialog).to_be_hidden()
        assert await till.silent(0.3, type="bye")
        await row.get_by_role("button").click()
        await dialog.get_by_role("button", name="Disconnect").click()
        assert await till.closed() == 4004
    await expect(dashboard.toast).to_contain_text("was disconnected")
    await expect(row).to_contain_text("ended")
    await dashboard.page.get_by_label("Find connections").focus()
    await expect(row).to_have_count(0)


async def test_a_hub_that_is_killed_and_started_again(dashboard: Dashboard) -> None:
    hub = dashboard.hub
    await dashboard.sign_in()
    await dashboard.open("Sessions")
    async with connect(hub, hub.bot_key, query=ORDERS) as till:
        await greeted(till)
        row = dashboard.session("order_*")
        await expect(row).to_have_count(1)
        await hub.kill()
        await expect(dashboard.reading).to_contain_text("Not connected.Shown as of")
        await expect(dashboard.page.locator(".sessions")).to_have_class("sessions stale")
        await expect(row).to_have_count(1)
        await row.get_by_role("button").click()
        dialog = dashboard.page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Disconnect").click()
        await expect(dashboard.page.get_by_role("alert")).to_contain_text(
            "no connection to the hub"
        )
    await hub.start()
    await dashboard.live()
    await dashboard.page.get_by_label("Find connections").focus()
    await expect(row).to_have_count(0)
    await expect(dashboard.reading).to_have_text("Up to date")
    await expect(dashboard.session("this page")).to_have_count(1)
    async with connect(hub, hub.bot_key, query=ORDERS) as till:
        await greeted(till)
        await expect(row).to_have_count(1)
        await row.get_by_role("button").click()
        await dialog.get_by_role("button", name="Disconnect").click()
        assert await till.closed() == 4004


async def test_a_page_that_an_operator_removed_says_so_and_may_come_back(
    dashboard: Dashboard, admin: Bot
) -> None:
    await dashboard.sign_in()
    await dashboard.open("Sessions")
    await expect(dashboard.sessions).to_have_count(1)
    own = await dashboard.sessions.get_attribute("data-session")
    assert (await admin.request.delete(f"/api/sessions/{own}")).ok
    await expect(dashboard.badge).to_contain_text("An operator removed this connection.")
    await expect(dashboard.reading).to_contain_text("Not connected.")
    await dashboard.button("Try again").click()
    await dashboard.live()
    await expect(dashboard.reading).to_have_text("Up to date")
    assert await dashboard.sessions.get_attribute("data-session") != own


async def test_the_keyboard_is_enough_and_nothing_moves_under_it(dashboard: Dashboard) -> None:
    hub, page = dashboard.hub, dashboard.page
    await dashboard.sign_in()
    async with AsyncExitStack() as others:
        first = await others.enter_async_context(connect(hub, hub.bot_key, query="types=order_*"))
        await greeted(first)
        async with connect(hub, hub.bot_key, query="types=chat_*") as second:
            await greeted(second)
            await dashboard.open("Sessions")
            await expect(dashboard.sessions).to_have_count(3)
            # Newest first: chat, order, this page.
            await page.get_by_label("Order").focus()
            await page.keyboard.press("Tab")
            await expect(dashboard.session("chat_*")).to_be_focused()
            await page.keyboard.press("ArrowDown")
            row = dashboard.session("order_*")
            await expect(row).to_be_focused()
            place = await row.bounding_box()
        late = await others.enter_async_context(connect(hub, hub.bot_key, query="types=late_*"))
        await greeted(late)
        await expect(dashboard.session("chat_*")).to_contain_text("ended")
        await expect(dashboard.sessions.last).to_contain_text("late_*")
        assert await row.bounding_box() == place
        await expect(row).to_be_focused()

        await page.keyboard.press("Delete")
        await expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(row).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(row.get_by_role("button")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.get_by_role("dialog").get_by_role("button", name="Disconnect").press("Enter")
        assert await first.closed() == 4004
        await expect(row).to_contain_text("ended")
        await expect(row.get_by_role("button")).to_be_focused()
        # Nobody is among the rows any more: now they may move.
        await page.get_by_label("Order").focus()
        await expect(dashboard.sessions).to_have_count(2)
        await expect(dashboard.sessions.first).to_contain_text("late_*")


async def test_what_is_sought_is_kept_in_the_address(dashboard: Dashboard) -> None:
    hub = dashboard.hub
    async with connect(hub, hub.bot_key, query="types=order_*") as till:
        await greeted(till)
        await dashboard.sign_in()
        await dashboard.open("Sessions")
        field = dashboard.page.get_by_label("Find connections")
        await field.fill("BOT order_")
        await expect(dashboard.sessions).to_have_count(1)
        count = dashboard.page.locator(".session-count")
        await expect(count).to_have_text("1 of 2 connections")
        await dashboard.page.get_by_label("Order").select_option("Most bytes out")
        assert dashboard.page.url.endswith("#/sessions?find=BOT%20order_&order=sent")
        await dashboard.page.reload()
        await dashboard.live()
        await expect(field).to_have_value("BOT order_")
        await expect(count).to_have_text("1 of 2 connections")
        await field.fill("nobody")
        await expect(dashboard.page.locator("empty-state")).to_contain_text("No connection matches")
        await dashboard.button("Show all").click()
        await expect(dashboard.sessions).to_have_count(2)
        await dashboard.open("Health")
        await dashboard.open("Sessions")
        assert dashboard.page.url.endswith("#/sessions?order=sent"), "as it was left"


async def test_an_admin_sees_all_or_one_merchant_and_a_merchant_their_own(
    dashboard: Dashboard, admin: Bot
) -> None:
    hub = dashboard.hub
    chino = (await admin.create("/api/merchants", {"name": "Chino"}))["merchant"]
    wanted = {"merchant_id": chino["id"], "role": "merchant", "name": "anna"}
    anna = (await admin.create("/api/keys", wanted))["token"]
    async with connect(hub, hub.bot_key) as till, connect(hub, anna) as other:
        await greeted(till)
        await greeted(other)
        await dashboard.sign_in()
        await dashboard.open("Sessions")
        await expect(dashboard.sessions).to_have_count(3)
        await dashboard.page.locator("#merchant").select_option("Chino")
        await expect(dashboard.session("demo")).to_have_count(0)
        await expect(dashboard.session("anna")).to_contain_text("Chino")
        await dashboard.open("Live stream")
        assert dashboard.page.url.endswith(f"#/stream?merchant={chino['id']}")

        await dashboard.button("Sign out").click()
        await expect(dashboard.page.get_by_label("Key")).to_be_visible()
        await dashboard.sign_in(anna, "/#/sessions")
        await expect(dashboard.sessions).to_have_count(2)
        await expect(dashboard.session("demo")).to_have_count(0)
        await expect(dashboard.session("this page")).to_contain_text("anna")


@pytest.mark.parametrize("role", ["viewer", "bot"])
async def test_others_do_not_find_the_screen(dashboard: Dashboard, admin: Bot, role: str) -> None:
    chino = (await admin.create("/api/merchants", {"name": "Chino"}))["merchant"]
    wanted = {"merchant_id": chino["id"], "role": role, "name": "someone"}
    key = (await admin.create("/api/keys", wanted))["token"]
    await dashboard.sign_in(key, "/#/sessions")
    await expect(dashboard.page.get_by_role("heading", level=1)).to_have_text("Live stream")
    await expect(dashboard.page.get_by_role("link", name="Sessions")).to_have_count(0)
    await dashboard.open("Health")
    await expect(dashboard.page.locator(".health-status")).to_have_text("Ready")


async def test_beyond_two_hundred_there_is_more(dashboard: Dashboard) -> None:
    hub = dashboard.hub
    async with AsyncExitStack() as crowd:
        for _ in range(26):
            opening = [connect(hub, hub.bot_key) for _ in range(20)]
            await asyncio.gather(*(crowd.enter_async_context(one) for one in opening))
        await dashboard.sign_in()
        await dashboard.open("Sessions")
        count = dashboard.page.locator(".session-count")
        await expect(count).to_have_text("200 connections, and more")
        await dashboard.button("Show more").click()
        await expect(count).to_have_text("400 connections, and more")
        await dashboard.button("Show more").click()
        await expect(count).to_have_text("521 connections")
        await expect(dashboard.button("Show more")).to_be_hidden()


async def test_a_limit_is_told_with_its_wait_and_ends(dashboard: Dashboard) -> None:
    between = Between()
    await between.before(dashboard.page)
    await dashboard.sign_in()
    limited = {"code": "rate_limited", "message": "too many calls", "retry_after": 2.4}
    between.refusal = limited
    await dashboard.open("Sessions")
    await expect(dashboard.page.locator("empty-state")).to_contain_text("takes more in 3 s")
    between.refusal = None
    await expect(dashboard.reading).to_have_text("Up to date")
    between.refusal = limited
    await dashboard.sessions.nth(3).get_by_role("button").click()
    dialog = dashboard.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Disconnect").click()
    await expect(dashboard.toast).to_contain_text("is still connected")
    await expect(dashboard.toast).to_contain_text("takes more in 3 s")
    await expect(dashboard.reading).to_contain_text("takes more in 3 s")


async def test_a_page_that_nobody_looks_at_asks_for_nothing(dashboard: Dashboard) -> None:
    page = dashboard.page
    await dashboard.sign_in()
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda text: sent.append(str(text))))
    await page.reload()
    await dashboard.open("Sessions")
    await expect(dashboard.sessions).to_have_count(1)
    await page.evaluate(
        """() => {
          Object.defineProperty(document, 'visibilityState', { value: 'hidden', writable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    await page.wait_for_timeout(300)
    before = len(sent)
    assert before > 0
    await page.wait_for_timeout(2_500)
    assert len(sent) == before
    await page.evaluate(
        """() => {
          document.visibilityState = 'visible';
          document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    async with asyncio.timeout(9):
        while len(sent) == before:
            await page.wait_for_timeout(20)
    assert len(sent) == before + 1


@pytest.mark.parametrize(("width", "height"), [(360, 740), (390, 844), (1440, 900)])
async def test_nothing_overlaps_or_sticks_out(
    dashboard: Dashboard, width: int, height: int
) -> None:
    page = dashboard.page
    between = Between()
    await between.before(page)
    await dashboard.resize(width, height)
    between.silent = True
    await dashboard.sign_in(address="/#/sessions")
    await expect(page.locator("empty-state")).to_contain_text("Loading")
    assert await layout_faults(page) == []
    between.silent = False
    await page.reload()
    await expect(dashboard.sessions).to_have_count(30)
    await dashboard.settle()
    assert await layout_faults(page) == []
    await dashboard.sessions.nth(3).get_by_role("button").click()
    assert await layout_faults(page) == []
    await page.keyboard.press("Escape")
    between.refusal = {"code": "rate_limited", "message": "too many calls", "retry_after": 9}
    await expect(dashboard.reading).to_contain_text("takes more in 9 s")
    assert await layout_faults(page) == []
    await page.get_by_label("Find connections").fill("nobody")
    await expect(dashboard.button("Show all")).to_be_visible()
    assert await layout_faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read(dashboard: Dashboard, scheme: str) -> None:
    page = dashboard.page
    await page.emulate_media(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    between = Between()
    await between.before(page)
    await dashboard.sign_in(address="/#/sessions")
    await expect(dashboard.sessions).to_have_count(30)
    assert await contrast_faults(page) == []
    await dashboard.sessions.nth(3).get_by_role("button").click()
    assert await contrast_faults(page) == []
    await page.keyboard.press("Escape")
    between.sessions = between.sessions[:10]
    await expect(dashboard.session("ended").first).to_be_visible()
    assert await contrast_faults(page) == []
    await dashboard.hub.kill()
    await expect(dashboard.reading).to_contain_text("Not connected")
    assert await contrast_faults(page) == []
