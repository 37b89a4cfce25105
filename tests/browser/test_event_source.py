"""The browser's own `EventSource` follows the log: it comes back by itself, with what it has."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Playwright

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.support.hub_process import HubProcess

pytestmark = pytest.mark.browser

FOLLOW = """
() => {
  window.seen = [];
  window.opened = 0;
  window.controls = [];
  window.source = new EventSource('/api/events?types=custom_tick&since=0');
  source.onopen = () => { opened += 1; };
  source.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    seen.push([frame.id, frame.offset, event.lastEventId]);
  };
  for (const type of ['subscribed', 'live', 'gap', 'bye'])
    source.addEventListener(type, (event) => controls.push(JSON.parse(event.data)));
}
"""

# A ticket is good for one connection. When the browser comes back by itself with the same one, it
# is refused, which closes the source for good: the page gets a new one and says where it was.
FOLLOW_FROM_ELSEWHERE = """
async ([hub, key]) => {
  window.seen = [];
  window.opened = 0;
  let place = '';
  const follow = (ticket) => new Promise((closed) => {
    const asked = new URLSearchParams({ types: 'custom_tick', token: ticket, since: 0 });
    if (place) {
      const [epoch, since] = place.split(':');
      asked.set('epoch', epoch);
      asked.set('since', since);
    }
    const source = new EventSource(`${hub}/api/events?${asked}`);
    source.onopen = () => { window.opened += 1; };
    source.onmessage = (event) => {
      const frame = JSON.parse(event.data);
      place = event.lastEventId;
      window.seen.push([frame.id, frame.offset, event.lastEventId]);
    };
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) closed(); };
  });
  (async () => {
    for (;;) {
      try {
        const headers = { Authorization: `Bearer ${key}` };
        const answer = await fetch(`${hub}/api/tickets`, { method: 'POST', headers });
        await follow((await answer.json()).ticket);
      } catch {
        await new Promise((done) => setTimeout(done, 100));
      }
    }
  })();
}
"""

Seen = list[tuple[str, int, str]]


async def more(bot: Bot, count: int) -> None:
    """Until so many further events are acknowledged."""
    until = len(bot.acknowledged) + count
    while len(bot.acknowledged) < until:
        await asyncio.sleep(0.01)


async def seen_by(page: Page, bot: Bot) -> Seen:
    """Everything the page has seen, once it has seen the last event."""
    last = bot.acknowledged[-1][1]
    await page.wait_for_function(
        "(last) => window.seen.length > 0 && window.seen.at(-1)[1] >= last", arg=last, timeout=7_000
    )
    await asyncio.sleep(0.2)  # what would come twice
    seen: list[list[str | int]] = await page.evaluate("window.seen")
    return [(str(id_), int(offset), str(place)) for id_, offset, place in seen]


def check(seen: Seen, bot: Bot) -> None:
    assert [(id_, offset) for id_, offset, _ in seen] == bot.acknowledged
    [epoch] = {place.partition(":")[0] for _, _, place in seen}
    assert [place for _, _, place in seen] == [f"{epoch}:{o}" for _, o in bot.acknowledged]


async def test_from_the_hubs_own_page_through_a_kill(dashboard: Dashboard, bot: Bot) -> None:
    """By the cookie alone; `Last-Event-ID` is the browser's own doing."""
    await dashboard.sign_in()
    page = dashboard.page
    await page.evaluate(FOLLOW)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bot.publish_until(stop))
        await more(bot, 40)
        await dashboard.hub.kill()
        await dashboard.hub.start()
        await more(bot, 40)
        await page.wait_for_function("() => window.opened === 2", timeout=7_000)
        await more(bot, 20)
        stop.set()
    check(await seen_by(page, bot), bot)
    controls = await page.evaluate("window.controls")
    # The second time it went on where it was, not at the address's `since=0`.
    assert [c["type"] for c in controls] == ["subscribed", "live"] * 2
    assert [c["recovered"] for c in controls if c["type"] == "subscribed"] == [True, True]
    assert 0 < controls[2]["offset"] <= controls[3]["offset"]


async def test_from_the_hubs_own_page_through_a_stop(dashboard: Dashboard, bot: Bot) -> None:
    """The stream ends as a whole body, after `bye`; the browser comes back all the same."""
    await dashboard.sign_in()
    page = dashboard.page
    await page.evaluate(FOLLOW)
    await bot.publish("custom_tick")
    await seen_by(page, bot)
    await dashboard.hub.terminate()
    await dashboard.hub.start()
    await bot.publish("custom_tick")
    await bot.publish("custom_tick", data={"text": "№\n\r\u2028 data: x"})
    check(await seen_by(page, bot), bot)
    types = [c["type"] for c in await page.evaluate("window.controls")]
    assert types == ["subscribed", "live", "bye", "subscribed", "live"]


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere() -> AsyncIterator[str]:
    """The origin of somebody else's page."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"<!doctype html><title>elsewhere</title>"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "not allowed"])
async def test_from_a_page_of_another_origin_by_tickets(
    browser: Browser, playwright: Playwright, tmp_path: Path, elsewhere: str, allowed: bool
) -> None:
    settings = {"HUB_RATE_LIMIT": "off"}
    if allowed:
        settings["HUB_ALLOWED_ORIGINS"] = elsewhere
    async with HubProcess(tmp_path, settings) as hub:
        request = await playwright.request.new_context(
            base_url=hub.url, extra_http_headers={"Authorization": f"Bearer {hub.bot_key}"}
        )
        bot = Bot(request)
        page = await browser.new_page()
        await page.goto(elsewhere)
        await page.evaluate(FOLLOW_FROM_ELSEWHERE, [hub.url, hub.admin_key])
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bot.publish_until(stop))
            await more(bot, 30)
            if allowed:
                await hub.kill()
                await hub.start()
                await more(bot, 30)
                await page.wait_for_function("() => window.opened === 2", timeout=7_000)
            stop.set()
        if allowed:
            check(await seen_by(page, bot), bot)
        else:
            assert await page.evaluate("[window.opened, window.seen.length]") == [0, 0]
        await page.close()
        await request.dispose()
