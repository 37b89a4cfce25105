"""The screen of pictures and the dialog that chooses them fit, in every state and both themes."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.gallery import Gallery, no_picture, picture, stored
from tests.browser.layout import contrast_faults, layout_faults
from tests.browser.shop import Line, Row, Shop, demo

pytestmark = pytest.mark.browser

REFUSAL = {"code": "rate_limited", "message": "too many calls", "retry_after": 9}
SIZES = [(360, 740), (1440, 900)]
LONG = "a photograph of tea with a name that does not fit into one line of a tile.png"
WHOLE = """
(pictures) => pictures.map((picture) => {
  const image = picture.querySelector('img');
  const [outer, inner] = [picture, image].map((each) => each.getBoundingClientRect());
  const inside = inner.width <= outer.width + 1 && inner.height <= outer.height + 1;
  return inside && getComputedStyle(image).objectFit === 'contain';
})
"""


async def fill(shop: Shop) -> Row:
    """Pictures of odd shapes and names; the one that is given back is shown by products."""
    media = await stored(shop, picture(LONG, (80, 40), 1))
    for number, size in enumerate([(20, 200), (200, 20), (8, 8), (60, 60)], 2):
        await stored(shop, picture(f"{number}.webp", size, number, see_through=90))
    for name in ("Rooibos tea", "W" * 120):
        await shop.show(await shop.product(name), media)
    return media


async def whole(page: Page) -> None:
    """Every picture is to be seen from edge to edge."""
    assert all(await page.locator("media-picture").evaluate_all(WHOLE))


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_a_grid_that_loads_that_fails_and_that_is_empty_fits(
    dashboard: Dashboard, width: int, height: int
) -> None:
    page, line = dashboard.page, Line()
    await line.before(page)
    await dashboard.resize(width, height)
    line.silent = True
    await dashboard.sign_in(address="/#/media")
    await expect(page.locator(".bone").first).to_be_visible()
    assert await layout_faults(page) == []
    line.refusal = REFUSAL
    await page.reload()
    await expect(page.locator("empty-state")).to_contain_text("takes more in 9 s")
    assert await layout_faults(page) == []
    line.silent, line.refusal = False, None
    await dashboard.button("Try again").click()
    await expect(page.locator("empty-state")).to_contain_text("There are no pictures yet")
    assert await layout_faults(page) == []


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_the_grid_its_uploads_its_drawer_and_its_dialogs_fit(
    dashboard: Dashboard, admin: Bot, width: int, height: int
) -> None:
    page, gallery = dashboard.page, Gallery(dashboard)
    shop = await demo(admin)
    await fill(shop)
    await dashboard.resize(width, height)
    await dashboard.sign_in(address="/#/media")
    await expect(gallery.tiles).to_have_count(5)
    await gallery.shows(gallery.tiles.first)
    assert await layout_faults(page) == []
    await whole(page)
    await gallery.hold(picture())
    await expect(page.locator(".file-drop")).to_be_visible()
    assert await layout_faults(page) == []
    # So slow that nothing of it comes before it is cancelled.
    await gallery.slow()
    await gallery.drop(no_picture(LONG), picture(LONG, (300, 250), 9), picture("5.webp", seed=5))
    question = page.get_by_role("dialog", name="Whose pictures are these?")
    await expect(question).to_be_visible()
    await expect(page.locator(".file-drop")).to_be_hidden()
    assert await layout_faults(page) == []
    await question.get_by_role("button", name="Upload").click()
    await expect(gallery.upload(LONG, "refused")).to_be_visible()
    await expect(gallery.upload(LONG, "sending")).to_be_visible()
    assert await layout_faults(page) == []
    await dashboard.button(f"Cancel {LONG}").click()
    await expect(gallery.upload(LONG, "cancelled")).to_be_visible()
    assert await layout_faults(page) == []
    await dashboard.button("Clear what is finished").click()
    await gallery.tile(LONG).click()
    await expect(gallery.drawer).to_contain_text("Rooibos tea")
    await gallery.shows(gallery.drawer)
    assert await layout_faults(page) == []
    await whole(page)
    await gallery.drawer.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("dialog", name="Delete a photograph")).to_be_visible()
    assert await layout_faults(page) == []
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(gallery.drawer).to_be_hidden()
    await dashboard.hub.kill()
    await expect(dashboard.reading).to_contain_text("Not connected")
    assert await layout_faults(page) == []


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_the_dialog_that_chooses_pictures_and_those_of_a_product_fit(
    dashboard: Dashboard, admin: Bot, width: int, height: int
) -> None:
    page, gallery = dashboard.page, Gallery(dashboard)
    shop = await demo(admin)
    media = await fill(shop)
    product = await shop.product("Coffee")
    await shop.show(product, media)
    await dashboard.resize(width, height)
    await dashboard.sign_in(address=f"/#/products?product={product['id']}")
    await gallery.shows(page.locator("li.picture"))
    assert await layout_faults(page) == []
    await dashboard.button("Add pictures").click()
    picker = page.get_by_role("dialog", name="Add pictures")
    await picker.locator(".picture-option").nth(1).click()
    await expect(picker.get_by_role("button", name="Add 1")).to_be_visible()
    await gallery.shows(picker.locator(".picture-option").first)
    assert await layout_faults(page) == []
    await whole(page)
    await picker.get_by_label("Find pictures").fill("nothing is called so")
    await expect(picker.locator("empty-state")).to_contain_text("No picture matches")
    assert await layout_faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read(dashboard: Dashboard, admin: Bot, scheme: str) -> None:
    page, gallery = dashboard.page, Gallery(dashboard)
    await page.emulate_media(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    media = await fill(await demo(admin))
    await dashboard.sign_in(address=f"/#/media?media={media['id']}")
    await expect(gallery.drawer).to_contain_text("Rooibos tea")
    await page.locator("#merchant").select_option("demo")
    line = await gallery.slow()
    await gallery.choose(no_picture(), picture("5.webp", (300, 250), 9), picture("6.webp", seed=8))
    await expect(gallery.upload("notes.png", "refused")).to_be_visible()
    await expect(gallery.upload("6.webp", "done")).to_be_visible()
    await expect(gallery.upload("5.webp", "sending")).to_be_visible()
    assert await contrast_faults(page) == []
    await dashboard.hub.kill()
    await gallery.fast(line)
    await expect(gallery.upload("5.webp", "broken")).to_be_visible()
    await expect(dashboard.reading).to_contain_text("Not connected")
    assert await contrast_faults(page) == []
