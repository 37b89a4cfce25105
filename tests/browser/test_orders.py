"""The board of orders: taken, moved, paid, and never in two places at once."""

import asyncio

import pytest
from playwright.async_api import Browser, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.shop import PHONE, Board, Line, another, demo

pytestmark = pytest.mark.browser


async def test_an_order_from_the_first_call_to_the_last_payment_over_two_deaths_of_the_hub(
    dashboard: Dashboard, admin: Bot
) -> None:
    hub, page, board, line = dashboard.hub, dashboard.page, Board(dashboard), Line()
    await line.before(page)
    shop = await demo(admin)
    tea = await shop.product("Rooibos tea", price=250, stock=10)
    await dashboard.sign_in(await shop.key("merchant"), "/#/orders")
    await expect(page.locator("empty-state")).to_contain_text("There are no orders yet")

    await dashboard.button("New order").first.click()
    dialog = page.get_by_role("dialog", name="New order")
    await dialog.get_by_label("Customer’s phone").fill("+263 77 123 4567")
    await dialog.get_by_label("Find products").fill("rooi")
    await dialog.locator(".picker-offer", has_text="Rooibos").click()
    await dialog.get_by_label("Quantity of Rooibos tea").fill("3")
    await expect(dialog.locator(".picker-total")).to_contain_text("$7.50")
    # The hub takes the order and dies before its answer arrives: the page asks once more, and is
    # answered what it would have been.
    line.deaf = True
    await dialog.get_by_role("button", name="Take the order").click()
    while not await shop.orders():
        await asyncio.sleep(0.02)
    await expect(dialog).to_have_attribute("aria-busy", "true")
    await hub.kill()
    line.deaf = False
    await hub.start()
    await dashboard.live()
    await expect(dialog).to_be_hidden()
    await expect(board.cards).to_have_count(1)
    [order] = await shop.orders()
    assert (order["customer_phone"], order["total"]) == (PHONE, 750)
    assert (await shop.get(f"/api/products/{tea['id']}"))["product"]["stock"] == 7

    await board.stands(order, "pending")
    await hub.kill()
    await expect(dashboard.badge).not_to_have_attribute("data-state", "live")
    await board.button(order).focus()
    await board.press("Space", "ArrowRight", "Space")
    await board.stands(order, "confirmed")
    await hub.start()
    await dashboard.live()
    await expect(board.spoken).to_contain_text("is confirmed")
    await board.stands(order, "confirmed")

    await board.button(order).press("Enter")
    await expect(board.drawer.locator("status-pill").first).to_have_text("confirmed")
    await board.drawer.get_by_role("button", name="Record a payment").click()
    payment = page.get_by_role("dialog", name="Record a payment")
    await expect(payment.get_by_label("Amount")).to_have_value("7.50")
    await payment.get_by_label("Method").fill("Cash")
    await payment.get_by_role("button", name="Record", exact=True).click()
    await expect(payment).to_be_hidden()
    await expect(board.drawer.get_by_role("region", name="Payments")).to_contain_text("$7.50")
    await expect(board.card(order)).to_contain_text("paid")
    timeline = board.drawer.locator(".timeline-row .event-type")
    told = ["order_created", "order_status_changed", "payment_received"]
    await expect(timeline).to_have_text(told)
    await expect(board.drawer.get_by_role("button", name="Record a payment")).to_have_count(0)


async def test_a_card_is_dragged_to_where_it_may_go_and_nowhere_else(
    dashboard: Dashboard, admin: Bot
) -> None:
    board = Board(dashboard)
    shop = await demo(admin)
    order = await shop.order((await shop.product(), 1))
    await dashboard.sign_in(address="/#/orders")
    await board.stands(order, "pending")
    await board.drag(order, "delivered")
    await expect(board.spoken).to_contain_text("is back in Pending")
    await board.drag(order, "confirmed")
    await board.stands(order, "confirmed")
    await expect(board.spoken).to_contain_text("is confirmed")
    assert (await shop.get(f"/api/orders/{order['id']}"))["order"]["status"] == "confirmed"
    # Nothing was opened by the way.
    await expect(board.drawer).to_be_hidden()

    await board.button(order).hover()
    await dashboard.page.mouse.down()
    await dashboard.page.mouse.move(20, 400, steps=5)
    await board.press("Escape")
    await expect(board.spoken).to_contain_text("is back in Confirmed")
    await dashboard.page.mouse.up()
    await expect(dashboard.page.locator(".lifted")).to_have_count(0)


async def test_the_keyboard_goes_from_card_to_card_and_moves_them(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, board = dashboard.page, Board(dashboard)
    shop = await demo(admin)
    tea = await shop.product()
    first, second, third = [await shop.order((tea, 1)) for _ in range(3)]
    await shop.step(third, "confirmed", "preparing")
    await dashboard.sign_in(address="/#/orders")
    await expect(board.cards).to_have_count(3)
    await page.get_by_label("Payment", exact=True).focus()
    await board.press("Tab")
    await expect(board.button(second)).to_be_focused()
    await board.press("ArrowDown")
    await expect(board.button(first)).to_be_focused()
    await board.press("ArrowRight")
    await expect(board.button(third)).to_be_focused()
    await board.press("Space")
    await expect(board.spoken).to_contain_text("It may go to Dispatched or Cancelled")
    await board.press("ArrowRight")
    await expect(board.spoken).to_have_text("Over Dispatched.")
    await expect(dashboard.page.locator(".column.target")).to_contain_text("Dispatched")
    await board.press("Escape")
    await expect(board.spoken).to_contain_text("is back in Preparing")
    await board.press("Space", "ArrowRight", "Space")
    await board.stands(third, "dispatched")
    # The keyboard went with it.
    await expect(board.button(third)).to_be_focused()
    await board.press("Enter")
    await expect(board.drawer).to_be_visible()
    await board.press("Escape")
    await expect(board.drawer).to_be_hidden()
    await expect(board.button(third)).to_be_focused()


async def test_cancelling_is_asked_first_and_gives_the_goods_back(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, board = dashboard.page, Board(dashboard)
    shop = await demo(admin)
    tea = await shop.product(stock=10)
    order = await shop.order((tea, 4))
    await dashboard.sign_in(address="/#/orders")
    await board.drag(order, "cancelled")
    question = page.get_by_role("dialog", name="Cancel order")
    await expect(question).to_contain_text("goes back to the stock")
    await question.get_by_role("button", name="Keep it").click()
    await board.stands(order, "pending")
    await board.drag(order, "cancelled")
    await question.get_by_role("button", name="Cancel the order").click()
    await board.stands(order, "cancelled")
    await dashboard.open("Products")
    await expect(page.locator(".product-row .product-stock .number")).to_have_text("10")


async def test_a_move_that_comes_too_late_goes_back_with_the_hubs_sentence(
    dashboard: Dashboard, admin: Bot
) -> None:
    board, line = Board(dashboard), Line()
    await line.before(dashboard.page)
    shop = await demo(admin)
    order = await shop.order((await shop.product(), 1))
    line.hidden = frozenset({"order_status_changed"})
    await dashboard.sign_in(address="/#/orders")
    await board.stands(order, "pending")
    await shop.step(order, "confirmed", "preparing")
    await board.stands(order, "pending")
    await board.drag(order, "confirmed")
    await expect(dashboard.toast).to_contain_text("was not moved")
    await expect(dashboard.toast).to_contain_text("The row has version 3 by now")
    await board.stands(order, "preparing")


async def test_what_others_do_is_seen_as_it_happens(dashboard: Dashboard, admin: Bot) -> None:
    page, board = dashboard.page, Board(dashboard)
    shop = await demo(admin)
    tea = await shop.product(price=250)
    await dashboard.sign_in(address="/#/orders")
    order = await shop.order((tea, 2))
    await board.stands(order, "pending")
    await board.button(order).click()
    await expect(page).to_have_url(f"{dashboard.hub.url}/#/orders?order={order['id']}")
    await shop.step(order, "confirmed")
    await board.stands(order, "confirmed")
    await expect(board.drawer.get_by_role("button", name="Start preparing")).to_be_visible()
    task = await admin.create(
        "/api/delivery-tasks",
        {"order_id": order["id"], "driver_id": "tendai", "merchant_id": shop.merchant_id},
    )
    assert task["delivery_task"]["status"] == "pending"
    deliveries = board.drawer.get_by_role("region", name="Deliveries")
    await expect(deliveries).to_contain_text("driver tendai")
    # A link to it shows the same.
    await page.reload()
    await expect(board.drawer).to_contain_text("driver tendai")
    link = board.drawer.get_by_role("link", name="Conversation")
    chat = f"#/conversations?merchant={shop.merchant_id}&phone=%2B263771234567"
    await expect(link).to_have_attribute("href", chat)
    await page.get_by_label("Find orders").fill("nobody")
    await expect(page.locator("empty-state")).to_contain_text("No order matches")
    await dashboard.button("Show all").click()
    await board.stands(order, "confirmed")


async def test_older_orders_come_in_pages_and_by_their_whole_number(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, board = dashboard.page, Board(dashboard)
    shop = await demo(admin)
    tea = await shop.product(stock=1_000)
    oldest = await shop.order((tea, 1), phone="+263770000001")
    for _ in range(32):
        await shop.order((tea, 1))
    await dashboard.sign_in(address="/#/orders")
    await expect(board.cards).to_have_count(30)
    await page.get_by_label("Find orders").fill("+263770000001")
    await expect(board.cards).to_have_count(1)
    await board.stands(oldest, "pending")
    await page.get_by_label("Find orders").fill("")
    await expect(board.cards).to_have_count(30)
    await board.column("pending").get_by_role("button", name="Show more").click()
    await expect(board.cards).to_have_count(33)
    await expect(page.locator(".session-count")).to_have_text("33 orders")


async def test_what_is_wrong_with_an_order_is_said_at_its_field(
    dashboard: Dashboard, admin: Bot
) -> None:
    page = dashboard.page
    shop = await demo(admin)
    tea = await shop.product(stock=5)
    await dashboard.sign_in(address="/#/orders")
    await dashboard.button("New order").first.click()
    dialog = page.get_by_role("dialog", name="New order")
    await dialog.get_by_role("button", name="Take the order").click()
    await expect(dialog.get_by_label("Customer’s phone")).to_be_focused()
    await expect(dialog).to_contain_text("Whose order is it?")
    await expect(dialog).to_contain_text("Choose a product")
    await dialog.get_by_label("Customer’s phone").fill("call me")
    await dialog.locator(".picker-offer").first.click()
    quantity = dialog.get_by_label("Quantity of Rooibos tea")
    await quantity.fill("6")
    await dialog.get_by_role("button", name="Take the order").click()
    # The hub's own words, of the field of the params.
    await expect(dialog.get_by_label("Customer’s phone")).to_have_attribute("aria-invalid", "true")
    await dialog.get_by_label("Customer’s phone").fill(PHONE)
    await dialog.get_by_role("button", name="Take the order").click()
    await expect(quantity).to_have_attribute("aria-invalid", "true")
    await expect(dialog).to_contain_text("5 of Rooibos tea are left")
    await quantity.fill("5")
    await dialog.get_by_role("button", name="Take the order").click()
    await expect(dialog).to_be_hidden()
    assert (await shop.get(f"/api/products/{tea['id']}"))["product"]["stock"] == 0


async def test_who_only_reads_is_offered_nothing_else(dashboard: Dashboard, admin: Bot) -> None:
    board = Board(dashboard)
    shop = await demo(admin)
    order = await shop.order((await shop.product(), 1))
    await dashboard.sign_in(await shop.key("viewer"), "/#/orders")
    await board.stands(order, "pending")
    await expect(dashboard.button("New order")).to_have_count(0)
    await board.button(order).focus()
    await board.press("Space", "ArrowRight", "Space")
    await board.drag(order, "confirmed")
    await board.stands(order, "pending")
    await board.button(order).press("Enter")
    await expect(board.drawer.locator(".timeline-row")).to_have_count(1)
    await expect(board.drawer.locator("footer")).to_be_hidden()
    assert (await shop.get(f"/api/orders/{order['id']}"))["order"]["version"] == 1
    await dashboard.open("Products")
    await dashboard.page.locator(".product-main").click()
    await expect(board.drawer).to_contain_text("No pictures yet")
    await expect(board.drawer.locator("footer")).to_be_hidden()
    await expect(board.drawer.get_by_role("button", name="Add pictures")).to_be_hidden()
    await expect(dashboard.button("New product")).to_have_count(0)


async def test_two_merchants_see_nothing_of_each_other(
    dashboard: Dashboard, admin: Bot, browser: Browser
) -> None:
    mine, theirs = await demo(admin), await another(admin, "Chino")
    coffee = await theirs.product("Roasted coffee")
    tea = await mine.product("Rooibos tea")
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    other = Dashboard(await context.new_page(), dashboard.hub)
    await dashboard.sign_in(await mine.key("merchant"), "/#/orders")
    await other.sign_in(await theirs.key("merchant"), "/#/orders")
    own, foreign = await mine.order((tea, 1)), await theirs.order((coffee, 1))
    for seen, order, hidden in ((dashboard, own, foreign), (other, foreign, own)):
        board = Board(seen)
        await board.stands(order, "pending")
        await expect(board.cards).to_have_count(1)
        await seen.page.goto(f"{seen.hub.url}/#/orders?order={hidden['id']}")
        await expect(board.drawer).to_contain_text("This order is not there")
        await seen.page.goto(f"{seen.hub.url}/#/products")
        await expect(seen.page.locator(".product-row")).to_have_count(1)
        await seen.page.goto(f"{seen.hub.url}/#/orders")
    await theirs.step(foreign, "confirmed")
    await Board(other).stands(foreign, "confirmed")
    await expect(Board(dashboard).cards).to_have_count(1)
    await Board(dashboard).stands(own, "pending")
    assert other.complaints == []
    await context.close()


async def test_a_phone_shows_one_column_with_a_button_for_the_next_step(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, board = dashboard.page, Board(dashboard)
    await dashboard.resize(390, 844)
    shop = await demo(admin)
    order = await shop.order((await shop.product(), 1))
    await dashboard.sign_in(address="/#/orders")
    await board.card(order).get_by_role("button", name="Confirm").click()
    await expect(board.card(order)).to_be_hidden()
    await expect(dashboard.toast).to_contain_text("is confirmed")
    chosen = page.get_by_role("group", name="Status").get_by_role("button", name="Confirmed")
    await expect(chosen).to_have_text("Confirmed1")
    await chosen.click()
    await expect(board.card(order)).to_be_visible()
    await board.button(order).click()
    # Over the list, and nothing behind it can be reached.
    await expect(board.drawer.get_by_role("button", name="Start preparing")).to_be_visible()
    assert await board.drawer.evaluate("(drawer) => drawer.matches(':modal')")
    await board.press("Escape")
    await expect(board.drawer).to_be_hidden()
    await dashboard.button("Menu").click()
    await expect(page.get_by_role("link", name="Orders")).to_be_focused()
    await board.press("Escape")
    await expect(dashboard.button("Menu")).to_be_focused()
