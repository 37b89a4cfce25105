"""The hub goes away and comes back; the stream goes on."""

import asyncio
from datetime import datetime, timedelta

import pytest
from playwright.async_api import Route, WebSocketRoute, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard

pytestmark = pytest.mark.browser


async def caught_up(dashboard: Dashboard, bot: Bot) -> None:
    """Until the page has read as far as the bot has published."""
    await dashboard.live()
    last = bot.acknowledged[-1][1]
    await expect(dashboard.badge.locator(".badge-detail")).to_have_text(f"#{last:,}")
    await dashboard.settle()


async def test_killed_and_started_again_without_a_gap_or_a_duplicate(
    dashboard: Dashboard, bot: Bot
) -> None:
    await dashboard.sign_in()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bot.publish_until(stop))
        for _ in range(2):
            while len(bot.acknowledged) < 30:
                await asyncio.sleep(0.01)
            await dashboard.hub.kill()
            await expect(dashboard.badge).not_to_have_attribute("data-state", "live")
            await dashboard.hub.start()
            more = len(bot.acknowledged) + 30
            while len(bot.acknowledged) < more:
                await asyncio.sleep(0.01)
        stop.set()
    await caught_up(dashboard, bot)
    offsets = [offset for _, offset in bot.acknowledged]
    assert offsets == sorted(set(offsets))
    shown = [
        (int(offset.strip("#").replace(",", "")), summary)
        for offset, type_, summary in await dashboard.all_rows()
        if type_ == "custom_tick"
    ]
    numbers = range(1, len(offsets) + 1)
    expected = [(offset, f"n: {n}") for offset, n in zip(offsets, numbers, strict=True)]
    assert shown == expected[::-1]


async def test_a_hub_that_is_shut_down_is_waited_for(dashboard: Dashboard, bot: Bot) -> None:
    await dashboard.sign_in()
    await bot.publish()
    await dashboard.hub.terminate()
    await expect(dashboard.badge).to_contain_text("Reconnecting")
    await dashboard.hub.start()
    await dashboard.live()
    second = await bot.publish()
    await expect(dashboard.row(f"#{second}")).to_have_count(1)
    await expect(dashboard.rows).to_have_count(2)


async def test_who_does_not_want_to_wait_need_not(dashboard: Dashboard) -> None:
    await dashboard.page.clock.install()
    await dashboard.sign_in()
    # From here on the page's time stands still: its own timer will never end the wait.
    await dashboard.page.clock.pause_at(datetime.now() + timedelta(seconds=2))
    await dashboard.hub.kill()
    await dashboard.hub.start()
    await expect(dashboard.badge).to_contain_text("Reconnecting")
    await dashboard.button("Try now").click()
    await dashboard.live()


async def test_a_test_event_sent_while_the_hub_is_away_is_stored_once(
    dashboard: Dashboard,
) -> None:
    await dashboard.sign_in()
    # Whose event it is must be known before the hub is away.
    await expect(dashboard.page.get_by_role("option", name="demo").first).to_be_attached()
    await dashboard.hub.kill()
    await dashboard.button("Send test event").click()
    await dashboard.button("Send").click()
    await dashboard.hub.start()
    await expect(dashboard.page.locator(".toast")).to_contain_text("Stored at offset")
    await expect(dashboard.row("custom_test")).to_have_count(1)


async def test_a_paused_list_stays_as_it_is_over_a_restart(dashboard: Dashboard, bot: Bot) -> None:
    first = await bot.publish()
    await dashboard.sign_in()
    await expect(dashboard.rows).to_have_count(1)
    await dashboard.button("Pause").click()
    await dashboard.hub.kill()
    await dashboard.hub.start()
    second = await bot.publish()
    await expect(dashboard.pill).to_have_text("1 new")
    assert await dashboard.offsets() == [first]
    await dashboard.button("Resume").click()
    await expect(dashboard.rows).to_have_count(2)
    assert await dashboard.offsets() == [second, first]


async def test_a_gap_is_a_visible_row(dashboard: Dashboard, bot: Bot) -> None:
    """The hub is real; only the announcement is put between, for it takes days to earn one."""

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def forward(message: str | bytes) -> None:
            text = str(message)
            if '"custom_after"' in text:
                gap = '{"type":"gap","from":2,"to":121,"reason":"retention","resume":1}'
                socket.send(gap)
            socket.send(text)

        server.on_message(forward)

    await dashboard.page.route_web_socket("**/ws*", between)
    await bot.publish()
    await dashboard.sign_in()
    await bot.publish("custom_after")
    row = dashboard.row("120 events are no longer stored (#2 – #121)")
    await expect(row).to_be_visible()
    await expect(dashboard.rows).to_have_count(3)


async def test_a_refusal_is_said_and_may_be_tried_again(dashboard: Dashboard) -> None:
    refuse = True

    async def between(socket: WebSocketRoute) -> None:
        if refuse:
            await socket.close(code=4003, reason="no")
        else:
            socket.connect_to_server()

    await dashboard.page.route_web_socket("**/ws*", between)
    await dashboard.page.goto(dashboard.hub.url)
    await dashboard.page.get_by_label("Key").fill(dashboard.hub.admin_key)
    await dashboard.button("Sign in").click()
    await expect(dashboard.badge).to_have_attribute("data-state", "stopped")
    await expect(dashboard.badge).to_contain_text("do not allow")
    refuse = False
    await dashboard.button("Try again").click()
    await dashboard.live()


async def test_a_session_that_ended_while_the_hub_was_away_leads_to_the_sign_in(
    dashboard: Dashboard,
) -> None:
    await dashboard.sign_in()
    await dashboard.hub.kill()
    await dashboard.page.context.clear_cookies()
    await dashboard.hub.start()
    await expect(dashboard.page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_the_hub_is_asked_for_nothing_but_itself(dashboard: Dashboard, bot: Bot) -> None:
    foreign: list[str] = []

    async def note(route: Route) -> None:
        if not route.request.url.startswith(dashboard.hub.url):
            foreign.append(route.request.url)
        await route.continue_()

    await dashboard.page.route("**/*", note)
    await bot.publish()
    await dashboard.sign_in()
    await dashboard.rows.first.click()
    await expect(dashboard.inspector).to_be_visible()
    assert foreign == []
