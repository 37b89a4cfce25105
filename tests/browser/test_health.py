"""The screen of the hub's health."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.between import Between
from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.layout import contrast_faults, layout_faults
from tests.support.ws import connect

pytestmark = pytest.mark.browser

SIZES = [(360, 740), (1440, 900)]


async def rate(dashboard: Dashboard, title: str) -> float:
    text = await dashboard.panel(title).locator(".rate-number").inner_text()
    return 0.0 if text == "–" else float(text.replace(",", ""))


async def test_a_working_hub_is_ready_and_its_rates_are_shown(
    dashboard: Dashboard, bot: Bot
) -> None:
    await dashboard.sign_in()
    await dashboard.open("Health")
    await expect(dashboard.page.locator(".health-status")).to_have_text("Ready")
    await expect(dashboard.panel("Checks").locator(".check-state").first).to_have_text("works")
    await expect(dashboard.fact("Connections", "admin")).to_have_text("1")
    await expect(dashboard.fact("Connections", "WebSocket")).to_have_text("1")
    stop = asyncio.Event()
    async with asyncio.timeout(9), asyncio.TaskGroup() as tasks:
        tasks.create_task(bot.publish_until(stop))
        while await rate(dashboard, "Events in") < 2 or await rate(dashboard, "Events out") < 2:
            await asyncio.sleep(0.2)
        stop.set()
    last = bot.acknowledged[-1][1]
    await expect(dashboard.fact("Log", "Newest offset")).to_have_text(f"#{last:,}")
    line = dashboard.panel("Events in").locator(".spark-stroke")
    assert "L" in str(await line.get_attribute("d")), "two points make a line"
    await expect(dashboard.fact("Process", "Memory")).to_contain_text("MB")
    await expect(dashboard.fact("Process", "Processor")).to_contain_text("%")


async def test_a_hub_that_is_killed_and_started_again_counts_anew(
    dashboard: Dashboard, bot: Bot
) -> None:
    await dashboard.sign_in()
    await bot.publish()
    await dashboard.open("Health")
    events = dashboard.fact("Storing and replaying", "Events in since start")
    await expect(events).not_to_have_text("0")
    await dashboard.hub.kill()
    await expect(dashboard.reading).to_contain_text("Not connected.Shown as of")
    await expect(dashboard.page.locator(".health")).to_have_class("health stale")
    await expect(dashboard.page.locator(".health-status")).to_have_text("Ready")
    await dashboard.hub.start()
    await dashboard.live()
    await expect(dashboard.reading).to_have_text("Up to date")
    await expect(events).to_have_text("0")
    await expect(dashboard.page.locator(".health-run")).to_contain_text(" s")
    assert await rate(dashboard, "Events in") == 0


async def test_closed_connections_are_counted_by_what_their_codes_mean(
    dashboard: Dashboard,
) -> None:
    hub = dashboard.hub
    await dashboard.sign_in()
    await dashboard.open("Health")
    async with connect(hub, hub.bot_key) as socket:
        await socket.next(type="connected")
        await socket.send_raw(b"\0")
        assert await socket.closed() == 1003
    closes = dashboard.panel("Closed connections since start")
    await expect(closes.locator(".panel-facts > div")).to_have_text("1003Binary message1")


async def test_a_check_that_fails_is_named(dashboard: Dashboard) -> None:
    between = Between()
    await between.before(dashboard.page)
    await dashboard.sign_in()
    await dashboard.open("Health")
    status = dashboard.page.locator(".health-status")
    await expect(status).to_have_text("Ready")
    between.failing = True
    await expect(status).to_have_text("Unavailable")
    failed = dashboard.panel("Checks").locator("li").filter(has_text="fails")
    await expect(failed).to_contain_text("disk I/O error")
    await expect(dashboard.page.locator(".health-head [role=status]")).to_contain_text(
        "Unavailable"
    )
    between.refusal = {"code": "rate_limited", "message": "too many calls", "retry_after": 12}
    await expect(dashboard.reading).to_contain_text("takes more in 12 s")


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_nothing_overlaps_or_sticks_out(
    dashboard: Dashboard, width: int, height: int
) -> None:
    page = dashboard.page
    between = Between()
    await between.before(page)
    await dashboard.resize(width, height)
    await dashboard.sign_in(address="/#/health")
    await expect(page.locator(".health-status")).to_have_text("Ready")
    assert await layout_faults(page) == []
    scroller = page.locator(".health-scroll")
    for _ in range(4):
        await scroller.evaluate("(box) => box.scrollBy(0, box.clientHeight * 0.8)")
        await dashboard.settle()
        assert await layout_faults(page) == []
    await scroller.evaluate("(box) => box.scrollTo(0, 0)")
    between.failing = True
    await expect(page.locator(".health-status")).to_have_text("Unavailable")
    assert await layout_faults(page) == []
    between.refusal = {"code": "rate_limited", "message": "too many calls", "retry_after": 12}
    await expect(dashboard.reading).to_contain_text("takes more in 12 s")
    assert await layout_faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read(dashboard: Dashboard, scheme: str) -> None:
    page = dashboard.page
    await page.emulate_media(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    between = Between()
    between.failing = True
    await between.before(page)
    await dashboard.sign_in(address="/#/health")
    await expect(page.locator(".health-status")).to_have_text("Unavailable")
    assert await contrast_faults(page) == []
    await dashboard.hub.kill()
    await expect(dashboard.reading).to_contain_text("Not connected")
    assert await contrast_faults(page) == []
