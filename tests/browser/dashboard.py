"""The page as the tests see it."""

import re

from playwright.async_api import ConsoleMessage, Locator, Page, expect

from tests.support.hub_process import HubProcess

# What the browser itself reports about a hub that is away, or a visitor who is not signed in.
EXPECTED = re.compile(r"Failed to load resource|WebSocket connection to .* failed")

# Every row there is, read by scrolling: the list keeps only those on the screen.
ALL_ROWS = """
async (list) => {
  const scroller = list.querySelector('.list-scroller');
  const rows = new Map();
  for (let top = 0; ; top += scroller.clientHeight) {
    scroller.scrollTop = top;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    for (const row of list.querySelectorAll('.row')) {
      const cell = (name) => row.querySelector(`.cell-${name}`).textContent;
      const y = new DOMMatrix(getComputedStyle(row).transform).m42;
      rows.set(y, [cell('offset'), cell('type'), cell('summary')]);
    }
    if (top + scroller.clientHeight >= scroller.scrollHeight) break;
  }
  scroller.scrollTop = 0;
  return [...rows].sort(([a], [b]) => a - b).map(([, cells]) => cells);
}
"""


class Dashboard:
    """One tab.

    Attributes:
        complaints: uncaught errors, and what the console should not say.
    """

    def __init__(self, page: Page, hub: HubProcess) -> None:
        self.page = page
        self.hub = hub
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not EXPECTED.search(message.text):
            self.complaints.append(message.text)

    @property
    def badge(self) -> Locator:
        return self.page.locator("connection-badge")

    @property
    def rows(self) -> Locator:
        return self.page.locator("event-list .row")

    @property
    def status(self) -> Locator:
        return self.page.locator(".status-text")

    @property
    def pill(self) -> Locator:
        return self.page.locator(".pill")

    @property
    def inspector(self) -> Locator:
        return self.page.locator("event-inspector")

    @property
    def sessions(self) -> Locator:
        return self.page.locator("session-table .session")

    def session(self, text: str) -> Locator:
        return self.sessions.filter(has_text=text)

    @property
    def changes(self) -> Locator:
        return self.page.locator("audit-list .audit-row")

    def change(self, text: str) -> Locator:
        return self.changes.filter(has_text=text)

    @property
    def reading(self) -> Locator:
        """How fresh the sessions or the health are that are shown."""
        return self.page.locator("reading-status .reading")

    @property
    def toast(self) -> Locator:
        return self.page.locator(".toast")

    def panel(self, title: str) -> Locator:
        """A card of the health view."""
        return self.page.get_by_role("region", name=title, exact=True)

    def fact(self, panel: str, name: str) -> Locator:
        """The value beside a name in a card of the health view."""
        row = self.panel(panel).locator(".panel-facts > div").filter(has_text=name)
        return row.locator("dd")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def row(self, text: str) -> Locator:
        return self.rows.filter(has_text=text)

    async def sign_in(self, key: str | None = None, address: str = "/") -> None:
        """Sign in by a key, the admin's unless another is given, and wait until it is live."""
        await self.page.goto(self.hub.url + address)
        await self.page.get_by_label("Key").fill(key or self.hub.admin_key)
        await self.button("Sign in").click()
        await self.live()

    async def open(self, title: str) -> None:
        """Go to another view by its link."""
        await self.page.get_by_role("link", name=title, exact=True).click()
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(title)

    async def live(self) -> None:
        # Behind a restart, the wait for the next attempt may be as long as its cap.
        await expect(self.badge).to_have_attribute("data-state", "live", timeout=9_000)

    async def all_rows(self) -> list[tuple[str, str, str]]:
        """Offset, type and summary of every row, newest first."""
        rows = await self.page.locator("event-list").evaluate(ALL_ROWS)
        return [(offset, type_, summary) for offset, type_, summary in rows]

    async def offsets(self) -> list[int]:
        """The offsets of all rows, newest first."""
        return [int(offset.strip("#").replace(",", "")) for offset, _, _ in await self.all_rows()]

    async def resize(self, width: int, height: int = 780) -> None:
        await self.page.set_viewport_size({"width": width, "height": height})

    async def settle(self) -> None:
        """Wait until two frames are drawn."""
        await self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
