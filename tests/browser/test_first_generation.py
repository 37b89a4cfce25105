"""A page of the first generation in a real browser, on a site of its own beside the hub."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key, new_merchant

pytestmark = pytest.mark.browser

# What such pages have: a table by type, a ping, and a reconnect that gives up when it is told to.
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Orders</title>
<ul id="orders"></ul>
<p id="state">connecting</p>
<script>
const asked = new URLSearchParams(location.hash.slice(1));
const state = (text) => { document.getElementById('state').textContent = text; };
window.frames_ = [];
function connect() {
  const address = asked.get('hub') + '?merchant_id=' + asked.get('merchant')
    + '&token=' + asked.get('token');
  const ws = new WebSocket(address);
  let timer;
  ws.onopen = () => {
    state('open');
    timer = setInterval(() => ws.send(JSON.stringify({ type: 'ping', timestamp: Date.now() })),
      200);
  };
  ws.onmessage = (message) => {
    const { type, data, timestamp } = JSON.parse(message.data);
    window.frames_.push(type);
    if (type === 'order_created') {
      const item = document.createElement('li');
      item.textContent = data.orderId + ' ' + data.totalAmount + ' ' + timestamp;
      document.getElementById('orders').append(item);
    }
  };
  ws.onclose = (event) => { clearInterval(timer); state('closed ' + event.code); };
  window.publish = (type, data) =>
    ws.send(JSON.stringify({ type, data, timestamp: new Date().toISOString() }));
}
connect();
</script>
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A test's output is not the place for an access log."""


@contextmanager
def site(directory: Path) -> Iterator[str]:
    """A web server of static files; its origin."""
    directory.mkdir()
    (directory / "index.html").write_text(PAGE, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[str]:
    with site(tmp_path / "site") as found:
        yield found


async def open_page(
    browser: Browser, origin: str, hub: HubProcess, merchant: str, key: str
) -> Page:
    page = await (await browser.new_context()).new_page()
    await page.goto(f"{origin}/#hub={hub.ws_url}&merchant={merchant}&token={key}")
    return page


async def says(page: Page, text: str) -> None:
    """Wait until the page shows this state."""
    await page.wait_for_function(
        "(text) => document.getElementById('state').textContent === text", arg=text, timeout=9000
    )


async def test_a_page_of_an_allowed_origin(browser: Browser, origin: str, tmp_path: Path) -> None:
    settings = {"HUB_RATE_LIMIT": "off", "HUB_ALLOWED_ORIGINS": origin}
    async with HubProcess(tmp_path, settings) as hub:
        merchant = await merchant_of(hub, hub.admin_key)
        key, id_ = await new_key(hub, hub.admin_key, "merchant", merchant)
        page = await open_page(browser, origin, hub, merchant, key)
        await says(page, "open")
        await page.wait_for_function("window.frames_.includes('live')", timeout=9000)
        order = {"orderId": "ORD-1", "customerId": "C-1", "items": [], "totalAmount": 500}
        event = {"type": "order_created", "timestamp": "2026-11-22T10:00:00.000Z", "data": order}
        assert (await call(hub, "POST", "/api/events", event, key=hub.bot_key)).status == 201
        item = page.locator("#orders li")
        await item.first.wait_for(timeout=9000)
        assert await item.all_text_contents() == ["ORD-1 500 2026-11-22T10:00:00.000Z"]
        # It publishes in the same shape, and is answered like a publisher of today.
        await page.evaluate(
            "(data) => publish('order_created', data)", order | {"orderId": "ORD-2"}
        )
        await item.nth(1).wait_for(timeout=9000)
        listed = await call(hub, "GET", "/api/events?types=order_*", key=key)
        assert [e["data"]["orderId"] for e in listed.json()["events"]] == ["ORD-1", "ORD-2"]
        # Its pings are answered, and nothing that it sends is an error.
        await page.wait_for_function("window.frames_.filter((t) => t === 'pong').length > 2")
        frames = await page.evaluate("window.frames_")
        assert "error" not in frames, json.dumps(frames)
        answer = await call(hub, "DELETE", f"/api/keys/{id_}", key=hub.admin_key)
        assert answer.status == 200
        await says(page, "closed 4001")


async def test_a_page_of_a_foreign_origin(browser: Browser, origin: str, tmp_path: Path) -> None:
    """A browser tells it nothing but that there is no connection."""
    settings = {"HUB_RATE_LIMIT": "off", "HUB_ALLOWED_ORIGINS": "https://panel.example"}
    async with HubProcess(tmp_path, settings) as hub:
        merchant = await merchant_of(hub, hub.admin_key)
        key, _ = await new_key(hub, hub.admin_key, "merchant", merchant)
        page = await open_page(browser, origin, hub, merchant, key)
        await says(page, "closed 1006")
        assert await page.evaluate("window.frames_") == []


async def test_what_is_wrong_is_told_by_the_close_code(
    browser: Browser, origin: str, tmp_path: Path
) -> None:
    settings = {"HUB_RATE_LIMIT": "off", "HUB_ALLOWED_ORIGINS": origin}
    async with HubProcess(tmp_path, settings) as hub:
        merchant = await merchant_of(hub, hub.admin_key)
        other = await new_merchant(hub, hub.admin_key, "other")
        key, _ = await new_key(hub, hub.admin_key, "merchant", merchant)
        await says(await open_page(browser, origin, hub, other, key), "closed 4003")
        await says(await open_page(browser, origin, hub, merchant, "wrong"), "closed 4001")
