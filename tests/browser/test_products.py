"""The list of products: made, changed, taken off sale, searched."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.shop import Line, another, demo

pytestmark = pytest.mark.browser


def rows(page: Page) -> Locator:
    return page.locator(".product-row")


async def test_a_product_from_its_making_to_its_end_over_a_death_of_the_hub(
    dashboard: Dashboard, admin: Bot
) -> None:
    hub, page = dashboard.hub, dashboard.page
    shop = await demo(admin)
    await dashboard.sign_in(await shop.key("merchant"), "/#/products")
    await expect(page.locator("empty-state")).to_contain_text("There are no products yet")
    await dashboard.button("New product").first.click()
    dialog = page.get_by_role("dialog", name="New product")
    await dialog.get_by_label("Name").fill("Rooibos tea")
    await dialog.get_by_label("Price").fill("2,505")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_contain_text("up to 2 decimals")
    await dialog.get_by_label("Price").fill("2,50")
    await dialog.get_by_label("Stock").fill("40")
    await hub.kill()
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_attribute("aria-busy", "true")
    await hub.start()
    await dashboard.live()
    await expect(dialog).to_be_hidden()
    await expect(rows(page)).to_have_count(1)
    [product] = (await shop.get("/api/products"))["products"]
    made = (product["name"], product["price"], product["currency"], product["stock"])
    assert made == ("Rooibos tea", 250, "USD", 40)

    await rows(page).get_by_role("button").click()
    drawer = page.locator("dialog.drawer")
    await drawer.get_by_role("button", name="Edit").click()
    edit = page.get_by_role("dialog", name="Edit Rooibos tea")
    await edit.get_by_label("Price").fill("3")
    await edit.get_by_label("Category").fill("Drinks")
    await edit.get_by_role("button", name="Save").click()
    await expect(edit).to_be_hidden()
    await expect(drawer).to_contain_text("$3.00")
    await expect(rows(page)).to_contain_text("Drinks")
    await drawer.get_by_role("button", name="Deactivate").click()
    await expect(rows(page)).to_contain_text("inactive")
    await expect(drawer.get_by_role("button", name="Activate", exact=True)).to_be_visible()
    await drawer.get_by_role("button", name="Delete").click()
    question = page.get_by_role("dialog", name="Delete Rooibos tea?")
    await expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    await question.get_by_role("button", name="Delete").click()
    await expect(rows(page)).to_have_count(0)
    await expect(drawer).to_be_hidden()
    assert (await shop.get("/api/products"))["products"] == []


async def test_who_was_slower_is_told_what_is_different_and_decides_anew(
    dashboard: Dashboard, admin: Bot
) -> None:
    page = dashboard.page
    shop = await demo(admin)
    product = await shop.product("Honey", price=780)
    await dashboard.sign_in(address=f"/#/products?product={product['id']}")
    await page.locator("dialog.drawer").get_by_role("button", name="Edit").click()
    edit = page.get_by_role("dialog", name="Edit Honey")
    await edit.get_by_label("Stock").fill("12")
    await shop.patch(f"/api/products/{product['id']}", {"price": 800})
    await edit.get_by_role("button", name="Save").click()
    await expect(edit.locator(".form-note")).to_contain_text("the price is $8.00 now")
    await expect(edit.locator(".form-problem")).to_contain_text("has version 2 by now")
    await edit.get_by_label("Price").fill("8.00")
    await edit.get_by_role("button", name="Save").click()
    await expect(edit).to_be_hidden()
    saved = (await shop.get(f"/api/products/{product['id']}"))["product"]
    assert (saved["price"], saved["stock"], saved["version"]) == (800, 12, 3)


async def test_products_are_found_by_their_name_and_follow_what_happens(
    dashboard: Dashboard, admin: Bot
) -> None:
    page = dashboard.page
    shop, other = await demo(admin), await another(admin, "Chino")
    for name in ("Rooibos tea", "Green tea", "Coffee 100 %"):
        await shop.product(name, stock=9)
    await other.product("Black tea")
    await dashboard.sign_in(address="/#/products")
    await expect(rows(page)).to_have_count(4)
    names = page.locator(".product-name")
    await expect(names).to_have_text(["Black tea", "Coffee 100 %", "Green tea", "Rooibos tea"])
    await page.locator("#merchant").select_option("demo")
    await expect(rows(page)).to_have_count(3)
    await page.get_by_label("Find products").fill("TEA")
    await expect(names).to_have_text(["Green tea", "Rooibos tea"])
    await shop.product("Mint tea", stock=2)
    await expect(names).to_have_text(["Green tea", "Mint tea", "Rooibos tea"])
    await expect(rows(page).nth(1)).to_contain_text("low")
    await page.get_by_label("Find products").fill("100 %")
    await expect(names).to_have_text(["Coffee 100 %"])
    await page.get_by_label("Find products").fill("")
    await page.get_by_label("State").select_option("Inactive")
    await expect(page.locator("empty-state")).to_contain_text("No product matches")
    await dashboard.button("Show all").click()
    await expect(rows(page)).to_have_count(4)


async def test_an_admin_says_for_which_merchant_and_a_refusal_stands_in_the_form(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, line = dashboard.page, Line()
    await line.before(page)
    shop = await another(admin, "Chino")
    await dashboard.sign_in(address="/#/products")
    await dashboard.button("New product").first.click()
    dialog = page.get_by_role("dialog", name="New product")
    await dialog.get_by_label("Merchant").select_option("Chino")
    await dialog.get_by_label("Name").fill("Coffee")
    await dialog.get_by_label("Price").fill("4.5")
    line.refusal = {"code": "rate_limited", "message": "too many calls", "retry_after": 2.4}
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert").last).to_contain_text("takes more in 3 s")
    line.refusal = None
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_be_hidden()
    await expect(rows(page)).to_contain_text("Chino")
    listed = await shop.get(f"/api/products?merchant_id={shop.merchant_id}")
    assert [product["name"] for product in listed["products"]] == ["Coffee"]


async def test_pictures_are_chosen_put_in_order_and_taken_away(
    dashboard: Dashboard, admin: Bot
) -> None:
    page = dashboard.page
    shop = await demo(admin)
    product = await shop.product("Honey")
    files = [await shop.picture() for _ in range(3)]
    await dashboard.sign_in(await shop.key("merchant"), f"/#/products?product={product['id']}")
    drawer = page.locator("dialog.drawer")
    await expect(drawer).to_contain_text("No pictures yet")
    await drawer.get_by_role("button", name="Add pictures").click()
    dialog = page.get_by_role("dialog", name="Add pictures")
    # The newest comes first.
    for place in (2, 1, 0):
        await dialog.locator(".picture-option").nth(place).click()
    await dialog.get_by_role("button", name="Add 3").click()
    await expect(dialog).to_be_hidden()
    pictures = drawer.locator(".picture")
    await expect(pictures).to_have_count(3)
    ids = [file["id"] for file in files]

    async def shown() -> tuple[list[str], list[bool]]:
        media = (await shop.get(f"/api/products/{product['id']}/media"))["media"]
        return [row["media_id"] for row in media], [row["is_primary"] for row in media]

    assert await shown() == (ids, [True, False, False])
    await expect(pictures.first).to_contain_text("Main")
    # Each is a picture that the browser could show.
    for number in range(3):
        await expect(pictures.nth(number).locator("img")).to_have_js_property("naturalWidth", 30)
    await pictures.nth(2).get_by_role("button", name="Earlier").click()
    await expect(pictures.nth(1)).to_have_attribute("data-media", ids[2])
    await expect(pictures.nth(1).get_by_role("button", name="Earlier")).to_be_focused()
    await pictures.nth(1).get_by_role("button", name="Make it the main one").click()
    await expect(pictures.nth(1)).to_contain_text("Main")
    assert await shown() == ([ids[0], ids[2], ids[1]], [False, True, False])
    await pictures.nth(0).get_by_role("button", name="Take away").click()
    await expect(pictures).to_have_count(2)
    assert await shown() == ([ids[2], ids[1]], [True, False])
    # What another does is seen at once.
    await shop.show(product, files[0])
    await expect(pictures).to_have_count(1)
