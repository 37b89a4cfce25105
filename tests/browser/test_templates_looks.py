"""The screen of templates fits its windows, in every state and both themes."""

import pytest
from playwright.async_api import expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.drafts import LIST, MEDIA, Desk, create, remove, update
from tests.browser.layout import contrast_faults, layout_faults
from tests.browser.shop import Line, demo

pytestmark = pytest.mark.browser

REFUSAL = {"code": "rate_limited", "message": "too many calls", "retry_after": 9}
SIZES = [(360, 740), (1440, 900)]


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_a_list_that_loads_that_fails_and_that_is_empty_fits(
    dashboard: Dashboard, admin: Bot, width: int, height: int
) -> None:
    page, line = dashboard.page, Line()
    shop = await demo(admin)
    for each in (await shop.get("/api/templates"))["templates"]:
        await remove(shop, each)
    await line.before(page)
    await dashboard.resize(width, height)
    line.silent = True
    await dashboard.sign_in(address="/#/templates")
    await expect(page.locator(".bone").first).to_be_visible()
    assert await layout_faults(page) == []
    line.refusal = REFUSAL
    await page.reload()
    await expect(page.locator("empty-state")).to_contain_text("takes more in 9 s")
    assert await layout_faults(page) == []
    await page.goto(f"{dashboard.hub.url}/#/templates?template=none")
    await expect(page.locator(".editor-note")).to_contain_text("takes more in 9 s")
    assert await layout_faults(page) == []
    await page.goto(f"{dashboard.hub.url}/#/templates")
    line.silent, line.refusal = False, None
    await dashboard.button("Try again").click()
    await expect(page.locator("empty-state")).to_contain_text("There are no templates yet")
    assert await layout_faults(page) == []


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_the_list_and_the_editor_fit(
    dashboard: Dashboard, admin: Bot, width: int, height: int
) -> None:
    page, desk = dashboard.page, Desk(dashboard)
    shop = await demo(admin)
    made = await create(shop, LIST)
    await create(shop, MEDIA)
    await update(shop, made, body="When? {{" + "v" * 64 + "}}", header="W" * 60)
    await dashboard.resize(width, height)
    await dashboard.sign_in(await shop.key("merchant"), "/#/templates")
    await expect(desk.rows).to_have_count(5)
    assert await layout_faults(page) == []
    await desk.open("menu_")
    assert await layout_faults(page) == []
    await page.get_by_role("link", name="All templates").click()
    await desk.open("delivery_window")
    assert await layout_faults(page) == []
    for part in (".sections", ".variable-chips", "phone-preview"):
        await page.locator(part).scroll_into_view_if_needed()
        assert await layout_faults(page) == []
    await desk.tab("Formats")
    await expect(desk.editor.locator("pre").first).to_be_visible()
    assert await layout_faults(page) == []
    await desk.tab("Versions")
    await expect(desk.editor.locator(".change").first).to_be_visible()
    assert await layout_faults(page) == []

    await desk.tab("Edit")
    await desk.body.fill("{{wrong name}}")
    await update(shop, made, header="Theirs")
    await expect(desk.notice).to_be_visible()
    await expect(desk.faults.first).to_be_attached()
    assert await layout_faults(page) == []
    await desk.faults.first.scroll_into_view_if_needed()
    assert await layout_faults(page) == []
    await desk.notice.get_by_role("button", name="See what changed").click()
    assert await layout_faults(page) == []
    await page.keyboard.press("Escape")
    await page.get_by_role("link", name="All templates").click()
    await expect(desk.question).to_be_visible()
    assert await layout_faults(page) == []
    await page.keyboard.press("Escape")
    await dashboard.hub.kill()
    await expect(dashboard.reading).to_contain_text("Not connected")
    assert await layout_faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read(dashboard: Dashboard, admin: Bot, scheme: str) -> None:
    page, desk = dashboard.page, Desk(dashboard)
    await page.emulate_media(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    shop = await demo(admin)
    made = await create(shop, LIST)
    await update(shop, made, body="When, *{{who}}*? ```{{when}}```")
    await dashboard.sign_in(await shop.key("merchant"), "/#/templates")
    await expect(desk.rows).to_have_count(4)
    assert await contrast_faults(page) == []
    await desk.open("delivery_window")
    await expect(desk.bubble.locator(".hole")).to_have_count(2)
    assert await contrast_faults(page) == []
    await desk.tab("Formats")
    await expect(desk.editor.locator("json-view").first).to_be_visible()
    assert await contrast_faults(page) == []
    await desk.tab("Versions")
    await expect(desk.editor.locator(".change").first).to_be_visible()
    assert await contrast_faults(page) == []
    await desk.tab("Edit")
    await desk.body.fill("x" * 1025)
    await expect(desk.faults.first).to_be_visible()
    await update(shop, made, header="Theirs")
    await expect(desk.notice).to_be_visible()
    assert await contrast_faults(page) == []
    await dashboard.hub.kill()
    await expect(dashboard.reading).to_contain_text("Not connected")
    assert await contrast_faults(page) == []
