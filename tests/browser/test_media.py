"""The screen of pictures: uploaded, shown, used, removed."""

import asyncio
import re

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.gallery import Gallery, events_of, media_of, no_picture, picture, stored
from tests.browser.shop import another, demo

pytestmark = pytest.mark.browser

LARGE = (300, 250)
"""Pixels of a picture of noise with 225 kB: it takes its time on a slow line."""


async def test_pictures_are_dropped_opened_and_put_on_a_product_over_a_death_of_the_hub(
    dashboard: Dashboard, admin: Bot
) -> None:
    hub, page, gallery = dashboard.hub, dashboard.page, Gallery(dashboard)
    shop = await demo(admin)
    product = await shop.product("Rooibos tea")
    await dashboard.sign_in(await shop.key("merchant"), "/#/media")
    await expect(page.locator("empty-state")).to_contain_text("There are no pictures yet")
    line = await gallery.slow()
    await gallery.drop(picture("tea.png", LARGE), no_picture("notes.png"))
    await expect(gallery.upload("notes.png", "refused")).to_contain_text(
        "JPEG, PNG and WebP are taken"
    )
    await expect(gallery.spoken).to_contain_text("notes.png: ")
    bar = gallery.upload("tea.png").get_by_role("progressbar")
    await expect(gallery.upload("tea.png")).to_contain_text(re.compile(r"kB of 2\d\d kB"))
    await expect(bar).not_to_have_js_property("value", 0)
    await hub.kill()
    await expect(gallery.upload("tea.png", "broken")).to_contain_text("sent again by itself")
    await gallery.fast(line)
    await hub.start()
    await dashboard.live()
    await expect(gallery.upload("tea.png", "done")).to_be_visible()
    await expect(gallery.spoken).to_contain_text("1 picture uploaded, 1 not")
    await expect(gallery.names).to_have_text(["tea.png"])
    await gallery.shows(gallery.tiles)
    [media] = await media_of(shop)

    await gallery.tile("tea.png").click()
    await gallery.shows(gallery.drawer)
    for fact in ("PNG", "300 × 250", media["hash"], media["id"], "No product and no template"):
        await expect(gallery.drawer).to_contain_text(fact)

    await page.goto(f"{hub.url}/#/products?product={product['id']}")
    await dashboard.button("Add pictures").click()
    picker = page.get_by_role("dialog", name="Add pictures")
    await picker.locator(".picture-option").filter(has_text="tea.png").click()
    await expect(picker.get_by_role("checkbox", name="tea.png")).to_be_checked()
    await picker.get_by_role("button", name="Add 1").click()
    await expect(picker).to_be_hidden()
    await gallery.shows(page.locator("li.picture"))


async def test_a_picture_that_is_shown_is_kept_and_then_deleted_over_a_death_of_the_hub(
    dashboard: Dashboard, admin: Bot
) -> None:
    hub, page, gallery = dashboard.hub, dashboard.page, Gallery(dashboard)
    shop = await demo(admin)
    product = await shop.product("Rooibos tea")
    media = await stored(shop, picture("tea.png"))
    await shop.show(product, media)
    await dashboard.sign_in(await shop.key("merchant"), f"/#/media?media={media['id']}")
    await expect(gallery.drawer.get_by_role("link", name="Rooibos tea")).to_be_visible()
    await gallery.drawer.get_by_role("button", name="Delete").click()
    question = page.get_by_role("dialog", name="Delete tea.png?")
    await question.get_by_role("button", name="Delete").click()
    await expect(question.get_by_role("alert")).to_contain_text(
        "shown by the product 'Rooibos tea'"
    )
    await question.get_by_role("button", name="Cancel").click()
    await gallery.drawer.get_by_role("link", name="Rooibos tea").click()
    await dashboard.button("Take away: picture 1 of 1").click()
    await expect(page.locator(".drawer")).to_contain_text("No pictures yet")
    await page.goto(f"{hub.url}/#/media?media={media['id']}")
    await expect(gallery.drawer).to_contain_text("No product and no template")
    await gallery.drawer.get_by_role("button", name="Delete").click()
    await hub.kill()
    await question.get_by_role("button", name="Delete").click()
    await expect(question).to_have_attribute("aria-busy", "true")
    await hub.start()
    await dashboard.live()
    await expect(question).to_be_hidden()
    await expect(gallery.drawer).to_be_hidden()
    await expect(gallery.tiles).to_have_count(0)
    assert await media_of(shop) == []


async def test_a_file_whose_answer_is_lost_is_stored_once(dashboard: Dashboard, admin: Bot) -> None:
    hub, page, gallery = dashboard.hub, dashboard.page, Gallery(dashboard)
    shop = await demo(admin)
    answered: list[int] = []

    async def lose(route: Route) -> None:
        """The hub has stored it; it dies before the page hears of it."""
        answered.append((await route.fetch()).status)
        await hub.kill()
        await route.abort("connectionreset")

    await dashboard.sign_in(await shop.key("merchant"), "/#/media")
    await page.route("**/api/media/upload*", lose, times=1)
    await gallery.choose(picture("tea.png"))
    await expect(gallery.upload("tea.png", "broken")).to_be_visible()
    assert answered == [201]
    await hub.start()
    await dashboard.live()
    # It is the first answer: to the page the picture is one that was not there before.
    await expect(gallery.upload("tea.png", "done")).to_contain_text("Uploaded")
    await expect(gallery.names).to_have_text(["tea.png"])
    assert len(await media_of(shop)) == 1
    assert len(await events_of(admin, "media_uploaded")) == 1


async def test_two_merchants_see_nothing_of_each_other_and_what_comes_from_elsewhere(
    dashboard: Dashboard, browser: Browser, admin: Bot
) -> None:
    mine, theirs = await demo(admin), await another(admin, "Chino")
    gallery = Gallery(dashboard)
    other = Dashboard(await (await browser.new_context()).new_page(), dashboard.hub)
    their_gallery = Gallery(other)
    await dashboard.sign_in(await mine.key("merchant"), "/#/media")
    await other.sign_in(await theirs.key("merchant"), "/#/media")
    await gallery.choose(picture("mine.png", seed=1))
    await their_gallery.choose(picture("theirs.png", seed=2))
    await expect(gallery.names).to_have_text(["mine.png"])
    await expect(their_gallery.names).to_have_text(["theirs.png"])
    # The same content is another merchant's own, and no duplicate.
    await their_gallery.choose(picture("theirs too.png", seed=1))
    await expect(their_gallery.upload("theirs too.png", "done")).to_contain_text("Uploaded")
    media = await stored(mine, picture("by a bot.webp", seed=3))
    await expect(gallery.names).to_have_text(["by a bot.webp", "mine.png"])
    removed = await admin.request.delete(f"/api/media/{media['id']}")
    assert removed.status == 200, await removed.text()
    await expect(gallery.names).to_have_text(["mine.png"])
    await expect(their_gallery.names).to_have_text(["theirs too.png", "theirs.png"])
    # Who knows an id finds nothing either.
    [own] = await media_of(mine)
    await other.page.goto(f"{other.hub.url}/#/media?media={own['id']}")
    await expect(their_gallery.drawer).to_contain_text("not there any more")
    assert other.complaints == []


async def test_what_a_browser_knows_is_said_at_once_and_what_is_there_already_too(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, gallery = dashboard.page, Gallery(dashboard)
    shop = await demo(admin)
    await stored(shop, picture("tea.png"))
    await dashboard.sign_in(await shop.key("merchant"), "/#/media")
    await expect(gallery.names).to_have_text(["tea.png"])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await gallery.choose(
        {"name": "notes.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4"},
        {"name": "none.png", "mimeType": "image/png", "buffer": b""},
    )
    await expect(gallery.upload("notes.pdf", "refused")).to_contain_text("no JPEG, PNG or WebP")
    await expect(gallery.upload("none.png", "refused")).to_contain_text("empty")
    assert [url for url in asked if "upload" in url] == []
    await dashboard.button("Clear what is finished").click()
    await expect(page.locator(".upload-row")).to_have_count(0)
    await gallery.paste(picture("copy of tea.png"))
    await expect(gallery.upload("copy of tea.png", "done")).to_contain_text("there already")
    await expect(gallery.names).to_have_text(["tea.png"])
    await dashboard.button("Show copy of tea.png").click()
    await expect(gallery.drawer).to_contain_text("60 × 40")


async def test_a_file_is_cancelled_and_sent_after_all_while_another_screen_is_shown(
    dashboard: Dashboard, admin: Bot
) -> None:
    gallery = Gallery(dashboard)
    shop = await demo(admin)
    await dashboard.sign_in(await shop.key("merchant"), "/#/media")
    line = await gallery.slow()
    names = [f"{number}.png" for number in range(1, 6)]
    await gallery.choose(*(picture(name, LARGE, seed) for seed, name in enumerate(names)))
    await expect(gallery.upload(".png", "sending")).to_have_count(3)
    await expect(gallery.upload(".png", "waiting")).to_have_count(2)
    await dashboard.button("Cancel 2.png").click()
    await expect(gallery.upload("2.png", "cancelled")).to_be_visible()
    await expect(gallery.upload("4.png", "sending")).to_be_visible()
    await dashboard.open("Orders")
    await gallery.fast(line)
    await dashboard.open("Media")
    await expect(gallery.upload(".png", "done")).to_have_count(4)
    await expect(gallery.tiles).to_have_count(4)
    await dashboard.button("Try again: 2.png").click()
    await expect(gallery.upload("2.png", "done")).to_be_visible()
    await expect(gallery.tiles).to_have_count(5)


async def test_the_keyboard_goes_through_the_grid_and_back_to_it(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, gallery = dashboard.page, Gallery(dashboard)
    shop = await demo(admin)
    for number in range(1, 10):
        await stored(shop, picture(f"{number}.png", seed=number))
    await dashboard.sign_in(await shop.key("merchant"), "/#/media")
    await expect(gallery.tiles).to_have_count(9)
    await page.get_by_label("State").focus()
    await page.keyboard.press("Tab")
    await expect(gallery.tile("9.png")).to_be_focused()
    for key, name in (
        ("ArrowRight", "8.png"), ("ArrowLeft", "9.png"), ("ArrowLeft", "9.png"), ("End", "1.png"),
        ("ArrowDown", "1.png"), ("Home", "9.png"), ("ArrowDown", "2.png"), ("ArrowUp", "9.png"),
    ):  # fmt: skip
        await page.keyboard.press(key)
        await expect(gallery.tile(name)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(gallery.drawer).to_contain_text("SHA-256")
    await page.keyboard.press("Escape")
    await expect(gallery.drawer).to_be_hidden()
    await expect(gallery.tile("9.png")).to_be_focused()


async def test_pictures_are_found_by_name_in_all_that_there_are_and_shown_page_by_page(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, gallery = dashboard.page, Gallery(dashboard)
    shop = await demo(admin)
    await stored(shop, picture("The first Tea.png", (2, 2), seed=1_000))
    for batch in range(0, 61, 8):
        files = [
            picture(f"cup {number}.png", (2, 2), seed=number)
            for number in range(batch, min(batch + 8, 61))
        ]
        await asyncio.gather(*(stored(shop, file) for file in files))
    await dashboard.sign_in(await shop.key("viewer"), "/#/media")
    await expect(gallery.tiles).to_have_count(60)
    await expect(page.locator(".session-count")).to_have_text("60 pictures, and more")
    await page.get_by_label("Find pictures").fill("tea")
    await expect(gallery.names).to_have_text(["The first Tea.png"])
    await page.get_by_label("State").select_option("Failed")
    await expect(page.locator("empty-state")).to_contain_text("No picture matches")
    await dashboard.button("Show all").click()
    await expect(gallery.tiles).to_have_count(60)
    await dashboard.button("Show more").click()
    await expect(gallery.tiles).to_have_count(62)
    await expect(dashboard.button("Show more")).to_be_hidden()


async def test_a_viewer_changes_nothing_and_takes_what_there_is(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, gallery = dashboard.page, Gallery(dashboard)
    shop = await demo(admin)
    file = picture("tea.png")
    media = await stored(shop, file)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await dashboard.sign_in(await shop.key("viewer"), "/#/media")
    await gallery.tile("tea.png").click()
    await expect(gallery.drawer).to_contain_text(media["hash"])
    await expect(gallery.drawer.get_by_role("button", name="Delete")).to_have_count(0)
    await expect(dashboard.button("Upload")).to_have_count(0)
    await gallery.drop(picture("other.png", seed=2))
    await gallery.drawer.get_by_role("button", name="Copy id").click()
    await gallery.copied(media["id"])
    await gallery.drawer.get_by_role("button", name="Copy address").click()
    await gallery.copied(f"{dashboard.hub.url}/api/media/{media['id']}/content?exp=")
    async with page.expect_download() as started:
        await gallery.drawer.get_by_role("link", name="Download").click()
    download = await started.value
    assert download.suggested_filename == "tea.png"
    assert (await download.path()).read_bytes() == file["buffer"]
    await expect(page.locator(".upload-row")).to_have_count(0)
    assert len(await media_of(shop)) == 1


async def test_an_admin_says_whose_pictures_they_are_and_a_dialog_takes_uploads_too(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, gallery = dashboard.page, Gallery(dashboard)
    shop = await another(admin, "Chino")
    product = await shop.product("Coffee")
    await dashboard.sign_in(address="/#/media")
    await gallery.drop(picture("beans.png"))
    whose = page.get_by_role("dialog", name="Whose pictures are these?")
    await whose.get_by_label("Merchant").select_option("Chino")
    await whose.get_by_role("button", name="Upload").click()
    await expect(gallery.tiles).to_contain_text(["Chino"])
    [beans] = await media_of(shop)
    assert beans["original_name"] == "beans.png"
    await page.goto(f"{dashboard.hub.url}/#/products?product={product['id']}")
    await dashboard.button("Add pictures").click()
    picker = page.get_by_role("dialog", name="Add pictures")
    await picker.get_by_role("button", name="Add", exact=True).click()
    await expect(picker.get_by_role("alert")).to_contain_text("Choose a picture first")
    async with page.expect_file_chooser() as chooser:
        await picker.get_by_role("button", name="Upload").click()
    await (await chooser.value).set_files([picture("cup.png", seed=2)])  # type: ignore[arg-type]
    # What is uploaded there is wanted there.
    await expect(picker.get_by_role("checkbox", name="cup.png")).to_be_checked()
    await picker.get_by_role("button", name="Add 1").click()
    await expect(picker).to_be_hidden()
    await gallery.shows(page.locator("li.picture"))
    cup = (await media_of(shop))[1]
    shown = (await shop.get(f"/api/products/{product['id']}/media"))["media"]
    assert [each["media_id"] for each in shown] == [cup["id"]]
    # What it shows already is not offered.
    await dashboard.button("Add pictures").click()
    await expect(picker.get_by_role("checkbox")).to_have_count(1)
    await expect(picker.get_by_role("checkbox", name="beans.png")).not_to_be_checked()
