"""The screens of orders and products fit their windows, in every state and both themes."""

import pytest
from playwright.async_api import expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.layout import contrast_faults, layout_faults
from tests.browser.shop import Board, Line, demo

pytestmark = pytest.mark.browser

REFUSAL = {"code": "rate_limited", "message": "too many calls", "retry_after": 9}
SIZES = [(360, 740), (1440, 900)]
SCREENS = ["orders", "products"]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("screen", SCREENS)
async def test_lists_that_load_that_fail_and_that_are_empty_fit(
    dashboard: Dashboard, screen: str, width: int, height: int
) -> None:
    page, line = dashboard.page, Line()
    await line.before(page)
    await dashboard.resize(width, height)
    line.silent = True
    await dashboard.sign_in(address=f"/#/{screen}")
    await expect(page.locator(".bone").first).to_be_visible()
    assert await layout_faults(page) == []
    line.refusal = REFUSAL
    await page.reload()
    await expect(page.locator("empty-state")).to_contain_text("takes more in 9 s")
    assert await layout_faults(page) == []
    line.silent, line.refusal = False, None
    await dashboard.button("Try again").click()
    await expect(page.locator("empty-state")).to_contain_text(f"There are no {screen} yet")
    assert await layout_faults(page) == []


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_the_board_its_drawer_and_its_dialogs_fit(
    dashboard: Dashboard, admin: Bot, width: int, height: int
) -> None:
    page, board = dashboard.page, Board(dashboard)
    shop = await demo(admin)
    [order, *_] = await shop.fill()
    await dashboard.resize(width, height)
    await dashboard.sign_in(address="/#/orders")
    await expect(board.cards).to_have_count(6)
    await dashboard.settle()
    assert await layout_faults(page) == []
    await board.button(order).click()
    await expect(board.drawer.locator(".timeline-row")).to_have_count(1)
    assert await layout_faults(page) == []
    await board.drawer.get_by_role("button", name="Record a payment").click()
    payment = page.get_by_role("dialog", name="Record a payment")
    await payment.get_by_label("Amount").fill("much")
    await payment.get_by_role("button", name="Record", exact=True).click()
    await expect(payment.get_by_label("Amount")).to_be_focused()
    assert await layout_faults(page) == []
    await board.press("Escape")
    await board.drawer.get_by_role("button", name="Cancel the order").click()
    await expect(page.get_by_role("dialog", name="Cancel order")).to_be_visible()
    assert await layout_faults(page) == []
    await board.press("Escape", "Escape")
    await expect(board.drawer).to_be_hidden()
    await dashboard.button("New order").click()
    dialog = page.get_by_role("dialog", name="New order")
    for offer in range(3):
        await dialog.locator(".picker-offer:enabled").nth(offer % 2).click()
    await dialog.get_by_role("button", name="Take the order").click()
    await expect(dialog).to_contain_text("Whose order is it?")
    assert await layout_faults(page) == []
    await board.press("Escape")
    if width < 860:
        await dashboard.button("Menu").click()
        await expect(page.locator(".sidebar")).to_have_css("transform", "none")
        assert await layout_faults(page) == []
        await board.press("Escape")
        await expect(page.locator(".sidebar")).not_to_be_visible()
    await dashboard.hub.kill()
    await expect(dashboard.reading).to_contain_text("Not connected")
    assert await layout_faults(page) == []


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_the_products_their_drawer_and_their_form_fit(
    dashboard: Dashboard, admin: Bot, width: int, height: int
) -> None:
    page, board = dashboard.page, Board(dashboard)
    shop = await demo(admin)
    await shop.fill()
    pictured = await shop.product("Almonds")
    for _ in range(4):
        await shop.picture()
    await shop.show(pictured, await shop.picture(), await shop.picture())
    await dashboard.resize(width, height)
    await dashboard.sign_in(address="/#/products")
    rows = page.locator(".product-row")
    await expect(rows).to_have_count(5)
    assert await layout_faults(page) == []
    for row in (3, 4):
        await rows.nth(row).get_by_role("button").click()
        await expect(board.drawer).to_contain_text("No pictures yet")
        assert await layout_faults(page) == []
        await board.press("Escape")
        await expect(board.drawer).to_be_hidden()
    await rows.first.get_by_role("button").click()
    await expect(board.drawer.locator(".picture")).to_have_count(2)
    assert await layout_faults(page) == []
    await board.drawer.get_by_role("button", name="Add pictures").click()
    await expect(page.locator(".picture-option")).to_have_count(4)
    assert await layout_faults(page) == []
    await board.press("Escape", "Escape")
    await expect(board.drawer).to_be_hidden()
    await dashboard.button("New product").click()
    dialog = page.get_by_role("dialog", name="New product")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_label("Name")).to_be_focused()
    assert await layout_faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read(dashboard: Dashboard, admin: Bot, scheme: str) -> None:
    page, board = dashboard.page, Board(dashboard)
    await page.emulate_media(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    [order, *_] = await (await demo(admin)).fill()
    await dashboard.sign_in(address="/#/products")
    await expect(page.locator(".product-row")).to_have_count(4)
    await page.locator(".product-main").first.click()
    await expect(board.drawer).to_contain_text("No pictures yet")
    assert await contrast_faults(page) == []
    await page.goto(f"{dashboard.hub.url}/#/orders?order={order['id']}")
    await expect(board.drawer.locator(".timeline-row")).to_have_count(1)
    assert await contrast_faults(page) == []
    await dashboard.button("New order").click()
    await page.get_by_role("button", name="Take the order").click()
    await expect(page.get_by_role("dialog", name="New order")).to_contain_text("Whose order is it?")
    assert await contrast_faults(page) == []
    await board.press("Escape")
    await dashboard.hub.kill()
    await expect(dashboard.reading).to_contain_text("Not connected")
    assert await contrast_faults(page) == []
