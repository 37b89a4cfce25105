"""The page of the REST door: read, filtered, tried by a browser's session and by a pasted key."""

import pytest
from playwright.async_api import Locator, Page, expect

from hub.commands.table import COMMANDS
from tests.browser.dashboard import Dashboard
from tests.browser.layout import contrast_faults, layout_faults

pytestmark = pytest.mark.browser

SIZES = [(360, 740), (768, 1024), (1440, 900)]


async def open_docs(dashboard: Dashboard, anchor: str = "") -> Page:
    page = dashboard.page
    await page.goto(f"{dashboard.hub.url}/docs{anchor}")
    await expect(page.get_by_role("heading", name="REST", exact=True)).to_be_visible()
    return page


def operation(page: Page, name: str) -> Locator:
    return page.locator(f"details[id='{name}']")


async def test_every_command_of_rest_is_on_the_page(dashboard: Dashboard) -> None:
    page = await open_docs(dashboard)
    shown = await page.locator("details.operation").evaluate_all("all => all.map(each => each.id)")
    assert {name for name, command in COMMANDS.items() if command.http is not None} <= set(shown)


async def test_a_filter_leaves_what_matches(dashboard: Dashboard) -> None:
    page = await open_docs(dashboard)
    await page.get_by_label("Filter").fill("keys post")
    await expect(page.get_by_text("1 operation", exact=True)).to_be_visible()
    await expect(operation(page, "keys.create")).to_be_visible()
    await expect(operation(page, "keys.list")).to_be_hidden()
    await expect(page.get_by_role("link", name="merchants")).to_be_hidden()


async def test_a_request_is_tried_with_a_pasted_key(dashboard: Dashboard) -> None:
    page = await open_docs(dashboard, "#merchants.create")
    made = operation(page, "merchants.create")
    await page.get_by_label("Key", exact=True).fill(dashboard.hub.admin_key)
    await made.get_by_label("Body, JSON").fill('{"name": "Tried"}')
    # By the keyboard alone, as in an editor.
    await made.get_by_label("Body, JSON").press("Control+Enter")
    await expect(made.get_by_role("status")).to_contain_text("201 Created")
    await expect(made.locator("json-view").first).to_contain_text('"name": "Tried"')
    await made.get_by_text("header fields").click()
    await expect(made.locator(".try-answer")).to_contain_text("etag:")
    # Nothing of the key is kept.
    kept = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert dashboard.hub.admin_key not in kept
    await page.reload()
    await expect(page.get_by_label("Key", exact=True)).to_have_value("")


async def test_a_refusal_is_shown_as_it_came(dashboard: Dashboard) -> None:
    page = await open_docs(dashboard, "#keys.revoke")
    revoke = operation(page, "keys.revoke")
    await page.get_by_label("Key", exact=True).fill(dashboard.hub.admin_key)
    await revoke.get_by_role("button", name="Send").click()
    await expect(revoke.get_by_role("status")).to_contain_text("404 Not Found")
    await expect(revoke.locator(".try-answer")).to_contain_text("not_found")


async def test_a_signed_in_browser_needs_no_key(dashboard: Dashboard) -> None:
    await dashboard.page.goto(dashboard.hub.url)
    await dashboard.sign_in()
    page = await open_docs(dashboard, "#merchants.list")
    await expect(page.get_by_text("Signed in as")).to_be_visible()
    listed = operation(page, "merchants.list")
    await listed.get_by_role("button", name="Send").click()
    await expect(listed.get_by_role("status")).to_contain_text("200 OK")
    await expect(listed.locator("json-view").first).to_contain_text('"name": "demo"')


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_and_can_be_read(
    dashboard: Dashboard, width: int, height: int, scheme: str
) -> None:
    page = dashboard.page
    await page.set_viewport_size({"width": width, "height": height})
    await page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    await open_docs(dashboard, "#keys.create")
    opened = operation(page, "keys.create")
    await page.get_by_label("Key", exact=True).fill(dashboard.hub.admin_key)
    await opened.get_by_role("button", name="Send").click()
    await expect(opened.get_by_role("status")).to_contain_text("422")
    await opened.locator(".answers summary").first.click()
    assert await layout_faults(page) == []
    assert await contrast_faults(page) == []
