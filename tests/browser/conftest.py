"""A real Chromium at a real hub."""

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.support.hub_process import HubProcess

PATIENCE_MS = 9_000
"""How long a page may take for anything: other tests run beside it, and no speed is meant here."""
expect.set_options(timeout=PATIENCE_MS)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


HERE = Path(__file__).parent


def pytest_itemcollected(item: pytest.Item) -> None:
    """The browser outlives a test, so its tests share one event loop, and so must every fixture
    of them that is a coroutine: `pytest_asyncio.fixture(loop_scope="session")`."""
    coroutine = inspect.iscoroutinefunction(getattr(item, "function", None))
    if coroutine and item.path.is_relative_to(HERE):
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def launched(playwright: Playwright, chromium: Path) -> AsyncIterator[Browser]:
    """One for all tests of this process: to start it takes longer than many a test."""
    started = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
    yield started
    await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(launched: Browser) -> AsyncIterator[Browser]:
    """Chromium with nothing open. What a test leaves open is closed behind it."""
    assert launched.contexts == []
    yield launched
    for context in launched.contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def hub(tmp_path: Path) -> AsyncIterator[HubProcess]:
    """A fresh hub without a limit of requests: these tests make more of them than people do."""
    async with HubProcess(tmp_path, {"HUB_RATE_LIMIT": "off"}) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def dashboard(browser: Browser, hub: HubProcess) -> AsyncIterator[Dashboard]:
    """The page, opened by nobody yet; whatever goes wrong in it fails the test."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    opened = Dashboard(await context.new_page(), hub)
    yield opened
    await context.close()
    assert opened.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def bot(playwright: Playwright, hub: HubProcess) -> AsyncIterator[Bot]:
    request = await playwright.request.new_context(
        base_url=hub.url, extra_http_headers={"Authorization": f"Bearer {hub.bot_key}"}
    )
    yield Bot(request)
    await request.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def admin(playwright: Playwright, hub: HubProcess) -> AsyncIterator[Bot]:
    request = await playwright.request.new_context(
        base_url=hub.url, extra_http_headers={"Authorization": f"Bearer {hub.admin_key}"}
    )
    yield Bot(request)
    await request.dispose()
