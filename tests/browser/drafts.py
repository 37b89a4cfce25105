"""Templates at a hub, and the screen that shows them."""

from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.dashboard import Dashboard
from tests.browser.shop import Shop

Row = dict[str, Any]

LIST: Row = {
    "name": "delivery_window", "type": "list", "header": "Delivery", "footer": "Chino's Coffee",
    "body": "When may we come, *{{customer}}*? Choose a _window_ that suits you.",
    "button_text": "Choose a time", "description": "Asks when a driver may come. " * 6,
    "sections": [
        {"title": "Today", "rows": [
            {"id": "am", "title": "Morning", "description": "8 to 12"},
            {"id": "pm", "title": "W" * 24, "description": "Best for offices and for shops " * 2}]},
        {"title": "Tomorrow", "rows": [{"id": "early", "title": "Morning"}]},
    ],
    "example_payload": {"customer": "Rudo"},
}  # fmt: skip
MEDIA: Row = {
    "name": "menu_" + "w" * 45, "type": "media",
    "media": {"type": "image", "url": "https://example.com/" + "menu-" * 40 + "/{{day}}.jpg",
              "caption": "The menu of {{day}}. " + "long_" * 60},
}  # fmt: skip
BUTTONS: Row = {
    "name": "order_ready", "type": "buttons", "body": "Your order *{{order_id}}* is ready",
    "buttons": [{"id": "track", "label": "Track"}, {"id": "help", "label": "Help"}],
}  # fmt: skip


async def create(shop: Shop, template: Row, **changes: Any) -> Row:
    body = template | changes | {"merchant_id": shop.merchant_id}
    return dict((await shop.admin.create("/api/templates", body))["template"])


async def stored(shop: Shop, id_: str) -> Row:
    return dict((await shop.get(f"/api/templates/{id_}"))["template"])


async def update(shop: Shop, template: Row, **changes: Any) -> None:
    await shop.patch(f"/api/templates/{template['id']}", changes)


async def remove(shop: Shop, template: Row) -> None:
    answer = await shop.admin.request.delete(f"/api/templates/{template['id']}")
    assert answer.status == 200, await answer.text()


class Desk:
    """The screen of templates in a page."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.page: Page = dashboard.page

    @property
    def rows(self) -> Locator:
        return self.page.locator(".template-row")

    def row(self, name: str) -> Locator:
        return self.rows.filter(has_text=name)

    @property
    def editor(self) -> Locator:
        return self.page.locator(".template-editor")

    @property
    def status(self) -> Locator:
        return self.editor.locator(".editor-name status-pill")

    @property
    def facts(self) -> Locator:
        return self.editor.locator(".editor-facts")

    @property
    def notice(self) -> Locator:
        return self.editor.locator(".notice")

    @property
    def bubble(self) -> Locator:
        return self.editor.locator(".bubble")

    @property
    def faults(self) -> Locator:
        return self.editor.locator(".fault")

    @property
    def body(self) -> Locator:
        return self.field("Body")

    @property
    def question(self) -> Locator:
        return self.page.get_by_role("dialog", name="Leave without saving?")

    def field(self, label: str, inside: str = "") -> Locator:
        part = self.editor.get_by_label(inside, exact=True) if inside else self.editor
        return part.get_by_label(label, exact=True)

    def act(self, name: str) -> Locator:
        return self.editor.get_by_role("button", name=name, exact=True)

    async def tab(self, name: str) -> None:
        await self.editor.get_by_role("tab", name=name).click()

    async def open(self, name: str) -> None:
        await self.row(name).locator("a").click()
        await expect(self.bubble).to_be_visible()

    async def address(self, id_: str) -> None:
        """Wait until a link to what is shown leads to this template."""
        await expect(self.page).to_have_url(f"{self.dashboard.hub.url}/#/templates?template={id_}")
