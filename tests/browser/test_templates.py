"""Templates: written with a preview, saved, sent live to others, and never lost."""

import base64
import json

import pytest
from playwright.async_api import Browser, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.drafts import BUTTONS, LIST, Desk, create, remove, stored, update
from tests.browser.layout import layout_faults
from tests.browser.shop import Line, another, demo
from tests.media.making import plain, saved

pytestmark = pytest.mark.browser


async def test_a_template_from_the_first_letter_to_an_old_version_over_a_death_of_the_hub(
    dashboard: Dashboard, admin: Bot
) -> None:
    hub, page, desk = dashboard.hub, dashboard.page, Desk(dashboard)
    shop = await demo(admin)
    await dashboard.sign_in(await shop.key("merchant"), "/#/templates")
    await expect(desk.rows).to_have_count(3)
    await dashboard.button("New template").click()
    await expect(desk.field("Name")).to_be_focused()
    await desk.field("Name").fill("order_ready")
    await page.locator(".segment", has_text="Buttons").click()
    await desk.body.fill("Your order *{{order_id}}* is ready")
    await desk.field("Label", "button 1").fill("Track it")
    await expect(desk.field("Id", "button 1")).to_have_value("track_it")
    await expect(desk.bubble.locator("strong .hole")).to_have_text("{{order_id}}")
    await expect(desk.editor.locator(".preview-missing")).to_contain_text("{{order_id}}")
    await desk.field("order_id").fill("ORD-7")
    await expect(desk.bubble.locator("strong")).to_have_text("ORD-7")
    await expect(desk.bubble.locator(".bubble-choice")).to_have_text("Track it")

    # The hub dies with the question on its way: whoever asks does not ask again, the page does.
    await hub.kill()
    await desk.act("Save").click()
    await expect(desk.act("Save")).to_be_disabled()
    await hub.start()
    await expect(desk.status).to_have_text("draft")
    await expect(desk.facts).to_have_text("version 1")
    listed = (await shop.get("/api/templates?status=draft"))["templates"]
    [made] = [each for each in listed if each["name"] == "order_ready"]
    assert made["example_payload"] == {"order_id": "ORD-7"}
    assert made["buttons"] == [{"id": "track_it", "label": "Track it"}]
    await desk.address(made["id"])
    await desk.act("Activate").click()
    await expect(desk.status).to_have_text("active")

    await desk.body.fill("Come and fetch {{order_id}}, _please_")
    await expect(desk.bubble).to_contain_text("Come and fetch ORD-7, please")
    await expect(desk.facts).to_have_text("version 2 · not saved")
    await desk.body.press("Control+s")
    await expect(desk.facts).to_have_text("version 3")
    assert (await stored(shop, made["id"]))["body"] == "Come and fetch {{order_id}}, _please_"

    await desk.tab("Versions")
    changes = desk.editor.locator(".change")
    await expect(changes).to_have_count(1)
    await expect(changes).to_contain_text("Come and fetch")
    await desk.editor.get_by_label("Compare from version 1").check()
    await expect(desk.editor.get_by_text("From version 1 to 3")).to_be_visible()
    await expect(changes).to_have_count(2)
    await desk.act("Restore version 1").click()
    await expect(dashboard.toast.last).to_contain_text("what it said in version 1")
    await expect(desk.editor.locator(".version")).to_have_count(4)
    await desk.tab("Edit")
    await expect(desk.body).to_have_value("Your order *{{order_id}}* is ready")
    restored = await stored(shop, made["id"])
    assert (restored["version"], restored["status"]) == (4, "active")


async def test_a_template_rests_and_goes_when_it_is_told_to(
    dashboard: Dashboard, admin: Bot
) -> None:
    desk = Desk(dashboard)
    shop = await demo(admin)
    await dashboard.sign_in(await shop.key("merchant"), "/#/templates")
    await desk.open("order_status")
    await desk.act("Archive").click()
    await expect(desk.status).to_have_text("archived")
    await desk.body.fill("Not saved")
    await desk.act("Delete").click()
    question = dashboard.page.get_by_role("dialog", name="Delete order_status?")
    await question.get_by_role("button", name="Keep it").click()
    await expect(desk.body).to_have_value("Not saved")
    await desk.act("Delete").click()
    await question.get_by_role("button", name="Delete").click()
    await expect(desk.rows).to_have_count(2)
    await expect(desk.editor).to_be_hidden()
    assert (await shop.get("/api/templates?type=text"))["count"] == 0


async def test_what_is_written_while_the_hub_is_away_is_shown_and_saved_when_it_is_back(
    dashboard: Dashboard, admin: Bot
) -> None:
    desk = Desk(dashboard)
    shop = await demo(admin)
    made = await create(shop, BUTTONS, example_payload={"order_id": "ORD-7"})
    await dashboard.sign_in(await shop.key("merchant"), f"/#/templates?template={made['id']}")
    await desk.body.fill("Come and fetch {{order_id}}")
    await expect(desk.bubble).to_contain_text("Come and fetch ORD-7")
    await dashboard.hub.kill()
    await expect(dashboard.badge).not_to_have_attribute("data-state", "live")
    await desk.body.press("End")
    await desk.body.type(", please")
    await dashboard.hub.start()
    await dashboard.live()
    await expect(desk.bubble).to_contain_text("Come and fetch ORD-7, please")
    await expect(desk.facts).to_have_text("version 1 · not saved")
    await desk.act("Save").click()
    await expect(desk.facts).to_have_text("version 2")
    assert (await stored(shop, made["id"]))["body"] == "Come and fetch {{order_id}}, please"


async def test_the_formats_of_all_gateways_stand_side_by_side(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, desk = dashboard.page, Desk(dashboard)
    shop = await demo(admin)
    await create(shop, LIST)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await dashboard.sign_in(await shop.key("viewer"), "/#/templates")
    await desk.open("delivery_window")
    await desk.tab("Formats")
    cards = desk.editor.locator(".format-card")
    await expect(cards).to_have_count(5)
    await expect(cards.locator("pre")).to_have_count(5)
    await expect(desk.editor.locator(".template-formats")).to_contain_text("numbered")
    cloud = desk.editor.get_by_role("region", name="Cloud API")
    await cloud.get_by_role("button", name="Copy").click()
    await expect(cloud.get_by_role("button", name="Copied")).to_be_visible()
    message = json.loads(await page.evaluate("navigator.clipboard.readText()"))
    assert message["interactive"]["type"] == "list"
    assert message["interactive"]["body"]["text"].startswith("When may we come, *Rudo*?")


async def test_what_is_too_much_or_wrong_is_said_at_its_field_before_it_is_saved(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, desk = dashboard.page, Desk(dashboard)
    shop = await demo(admin)
    await dashboard.sign_in(await shop.key("merchant"), "/#/templates?template=new")
    header = desk.field("Header (optional)")
    await header.fill("x" * 61)
    await expect(header).to_have_attribute("aria-invalid", "true")
    await expect(desk.editor.get_by_text("61 / 60")).to_be_visible()
    # Nobody is told that what they have not come to yet is empty.
    await expect(desk.faults.first).to_be_visible()
    await expect(desk.body).not_to_have_attribute("aria-invalid", "true")
    await header.fill("x" * 58 + "{{a}}")
    await expect(desk.editor.get_by_text("58 / 60")).to_be_visible()
    await desk.field("a").fill("yyy")
    await expect(desk.editor.get_by_text("61 / 60")).to_be_visible()
    await desk.field("a").fill("yy")
    await expect(header).not_to_have_attribute("aria-invalid", "true")

    await page.locator(".segment", has_text="Buttons").click()
    await desk.body.fill("Hello {{first name}}")
    await expect(desk.body).to_have_attribute("aria-invalid", "true")
    await desk.act("Add a button").click()
    await desk.field("Label", "button 1").fill("Yes")
    await expect(desk.field("Label", "button 2")).not_to_have_attribute("aria-invalid", "true")
    await desk.field("Label", "button 2").fill("Yes")
    await expect(desk.field("Id", "button 2")).to_have_value("yes_2")
    second = desk.field("Label", "button 2")
    await expect(second).to_have_attribute("aria-invalid", "true")
    await desk.faults.filter(has_text="Button 2").first.click()
    await expect(second).to_be_focused()
    await second.fill("No")
    await expect(second).not_to_have_attribute("aria-invalid", "true")
    await desk.body.fill("Hello")
    await expect(desk.faults).to_have_count(0)

    await desk.field("Name").fill("order_confirmation")
    await desk.act("Save").click()
    await expect(desk.field("Name")).to_have_attribute("aria-invalid", "true")
    await expect(desk.field("Name")).to_be_focused()
    await expect(desk.editor).to_contain_text("another template is called", ignore_case=True)
    await desk.field("Name").fill("Yes or no?")
    await desk.act("Save").click()
    await expect(desk.field("Name")).to_have_attribute("aria-invalid", "true")
    await desk.field("Name").fill("yes_or_no")
    await desk.act("Save and activate").click()
    await expect(desk.status).to_have_text("active")


async def test_the_keyboard_orders_the_choices_and_puts_variables_in(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, desk = dashboard.page, Desk(dashboard)
    shop = await demo(admin)
    made = await create(shop, BUTTONS)
    await dashboard.sign_in(await shop.key("merchant"), f"/#/templates?template={made['id']}")
    labels = desk.bubble.locator(".bubble-choice")
    await expect(labels).to_have_text(["Track", "Help"])
    await desk.act("Move down: button 1").press("Enter")
    await expect(labels).to_have_text(["Help", "Track"])
    # At the end there is no way down: the keyboard stays with what was moved.
    await expect(desk.field("Label", "button 2")).to_be_focused()
    await desk.act("Add a button").press("Enter")
    await expect(desk.field("Label", "button 3")).to_be_focused()
    await desk.field("Label", "button 3").type("Call us")
    await desk.act("Remove: button 1").press("Enter")
    await expect(labels).to_have_text(["Track", "Call us"])
    await desk.body.fill("Dear , hello")
    await desk.body.evaluate("(body) => body.setSelectionRange(5, 5)")
    await desk.field("Name of a new variable").fill("customer")
    await page.keyboard.press("Enter")
    await expect(desk.body).to_be_focused()
    await page.keyboard.type("!")
    await expect(desk.body).to_have_value("Dear {{customer}}!, hello")
    await desk.field("Header (optional)").focus()
    await desk.editor.get_by_role("button", name="{{customer}}").click()
    await expect(desk.field("Header (optional)")).to_have_value("{{customer}}")
    await desk.editor.get_by_role("tab", name="Edit").focus()
    await page.keyboard.press("ArrowRight")
    await expect(desk.editor.get_by_role("tab", name="Formats")).to_be_focused()
    await expect(desk.editor.locator(".format-card").first).to_be_visible()


async def test_lists_and_media_are_written_too(dashboard: Dashboard, admin: Bot) -> None:
    page, desk = dashboard.page, Desk(dashboard)
    shop = await demo(admin)
    await dashboard.sign_in(await shop.key("merchant"), "/#/templates?template=new")
    await desk.field("Name").fill("pick_a_time")
    await page.locator(".segment", has_text="List").click()
    await desk.body.fill("When?")
    await desk.field("Opener of the list").fill("Choose")
    await desk.field("Title", "row 1 of section 1").fill("Morning")
    await desk.act("Add a row").click()
    await desk.field("Title", "row 2 of section 1").fill("Evening")
    await desk.field("Description (optional)", "row 2 of section 1").fill("after 17")
    await desk.act("Add a section").click()
    sheet = desk.editor.locator(".phone-sheet")
    await expect(sheet.locator(".sheet-row-title").first).to_have_text("Morning")
    await desk.field("Title of the section", "section 1").fill("Today")
    await desk.field("Title of the section", "section 2").fill("Later")
    await desk.field("Title", "row 1 of section 2").fill("Any day")
    await expect(sheet.locator(".sheet-name")).to_have_text(["Today", "Later"])
    await expect(desk.faults).to_have_count(0)
    await desk.act("Save").click()
    await expect(desk.facts).to_have_text("version 1")
    [made] = (await shop.get("/api/templates?type=list"))["templates"]
    assert made["sections"][0] == {
        "title": "Today",
        "rows": [
            {"id": "morning", "title": "Morning"},
            {"id": "evening", "title": "Evening", "description": "after 17"},
        ],
    }

    await page.locator(".segment", has_text="Media").click()
    await desk.field("Address").fill("ftp://somewhere")
    await expect(desk.field("Address")).to_have_attribute("aria-invalid", "true")
    await desk.field("Address").fill("https://example.com/{{day}}.jpg")
    await desk.field("Caption (optional)").fill("The menu of *{{day}}*")
    await desk.field("day").fill("Friday")
    await expect(desk.bubble.locator(".bubble-file")).to_contain_text("Friday.jpg")
    await expect(desk.faults).to_have_count(0)
    await desk.act("Save").click()
    await expect(desk.facts).to_have_text("version 2")
    saved = await stored(shop, made["id"])
    caption = "The menu of *{{day}}*"
    url = "https://example.com/{{day}}.jpg"
    assert saved["media"] == {"type": "image", "url": url, "caption": caption}
    assert (saved["sections"], saved["body"]) == (None, None)


async def test_a_picture_of_the_media_is_chosen_and_seen(dashboard: Dashboard, admin: Bot) -> None:
    page, desk = dashboard.page, Desk(dashboard)
    shop = await demo(admin)
    uploaded = []
    for color in ((200, 40, 40), (40, 40, 200)):
        data = base64.b64encode(saved(plain(color=color), "PNG")).decode()
        body = {"file_data": data, "file_name": f"{color[0]}.png", "mime_type": "image/png"}
        body |= {"merchant_id": shop.merchant_id}
        uploaded.append((await admin.create("/api/media/upload", body))["media"])
    await dashboard.sign_in(await shop.key("merchant"), "/#/templates?template=new")
    await desk.field("Name").fill("menu_card")
    await page.locator(".segment", has_text="Media").click()
    await desk.field("From").select_option("The uploaded media")
    await desk.act("Choose a picture").click()
    dialog = page.get_by_role("dialog", name="Choose a picture")
    await expect(dialog.locator(".picture-option")).to_have_count(2)
    assert await layout_faults(page) == []
    await dialog.locator(".picture-option").filter(has_text="200.png").click()
    await dialog.get_by_role("button", name="Choose", exact=True).click()
    await expect(dialog).to_be_hidden()
    await expect(desk.field("Id of the media")).to_have_value(uploaded[0]["id"])
    picture = desk.bubble.locator("img")
    await expect(picture).to_have_js_property("naturalWidth", 60)
    await desk.field("Caption (optional)").fill("Our menu")
    await expect(desk.faults).to_have_count(0)
    await desk.act("Save and activate").click()
    await expect(desk.status).to_have_text("active")
    [made] = (await shop.get("/api/templates?type=media"))["templates"]
    expected = {"type": "image", "media_id": uploaded[0]["id"], "caption": "Our menu"}
    assert made["media"] == expected
    # One that is gone is told before anything is sent.
    await desk.field("Id of the media").fill("no-such-picture")
    await expect(desk.faults).to_contain_text("no media has this id")


async def test_what_others_do_is_seen_and_what_is_written_here_stays(
    dashboard: Dashboard, admin: Bot
) -> None:
    desk = Desk(dashboard)
    shop = await demo(admin)
    await dashboard.sign_in(await shop.key("merchant"), "/#/templates")
    made = await create(shop, BUTTONS)
    await expect(desk.row("order_ready")).to_have_count(1)
    await desk.open("order_ready")
    await update(shop, made, body="Theirs")
    await expect(desk.body).to_have_value("Theirs")
    await expect(desk.notice).to_contain_text("Version 2 was written elsewhere")
    await expect(desk.bubble).to_contain_text("Theirs")

    await desk.body.fill("Mine")
    await update(shop, made, header="Their header", body="Theirs again")
    await expect(desk.notice).to_contain_text("Version 3 was written elsewhere")
    await expect(desk.notice).to_contain_text("you both changed the body")
    await expect(desk.body).to_have_value("Mine")
    await desk.notice.get_by_role("button", name="See what changed").click()
    news = dashboard.page.get_by_role("dialog", name="What has changed")
    await expect(news.locator(".change-field")).to_have_text(["header", "body"])
    await news.get_by_role("button", name="Keep mine").click()
    await expect(desk.notice).to_be_hidden()
    await expect(desk.field("Header (optional)")).to_have_value("Their header")
    await expect(desk.body).to_have_value("Mine")
    await desk.act("Save").click()
    await expect(desk.facts).to_have_text("version 4")
    saved = await stored(shop, made["id"])
    assert (saved["header"], saved["body"]) == ("Their header", "Mine")

    await desk.body.fill("Mine, not saved")
    await update(shop, made, body="Theirs at last")
    await desk.notice.get_by_role("button", name="Drop mine").click()
    await expect(desk.body).to_have_value("Theirs at last")
    await desk.body.fill("All that is left")
    await remove(shop, made)
    await expect(desk.notice).to_contain_text("was deleted elsewhere")
    await desk.act("Save").click()
    await expect(desk.facts).to_have_text("version 1")
    assert (await shop.get("/api/templates?type=buttons"))["count"] == 3


async def test_a_save_that_comes_too_late_is_refused_and_says_what_changed(
    dashboard: Dashboard, admin: Bot
) -> None:
    desk, line = Desk(dashboard), Line()
    await line.before(dashboard.page)
    line.hidden = frozenset({"template_updated"})
    shop = await demo(admin)
    made = await create(shop, BUTTONS)
    await dashboard.sign_in(await shop.key("merchant"), f"/#/templates?template={made['id']}")
    await expect(desk.body).to_have_value(BUTTONS["body"])
    await update(shop, made, footer="Theirs")
    await desk.body.fill("Mine")
    await desk.act("Save").click()
    await expect(dashboard.toast).to_contain_text("It was not saved")
    await expect(desk.notice).to_contain_text("Version 2 was written elsewhere")
    await expect(desk.body).to_have_value("Mine")
    await desk.notice.get_by_role("button", name="Keep mine").click()
    await desk.act("Save").click()
    await expect(desk.facts).to_have_text("version 3")
    saved = await stored(shop, made["id"])
    assert (saved["footer"], saved["body"]) == ("Theirs", "Mine")


async def test_leaving_with_something_unsaved_is_asked_first(
    dashboard: Dashboard, admin: Bot
) -> None:
    page, desk = dashboard.page, Desk(dashboard)
    shop = await demo(admin)
    await create(shop, BUTTONS)
    await dashboard.sign_in(await shop.key("merchant"), "/#/templates")
    await desk.open("order_ready")
    await desk.body.fill("Mine")
    for leave in ("Orders", "All templates"):
        await page.get_by_role("link", name=leave, exact=True).click()
        await expect(desk.question).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(desk.body).to_have_value("Mine")
    await dashboard.button("Sign out").click()
    await desk.question.get_by_role("button", name="Stay here").click()
    await page.go_back()
    await desk.question.get_by_role("button", name="Leave without saving").click()
    await expect(desk.row("order_ready")).to_be_visible()
    await expect(page).to_have_url(f"{dashboard.hub.url}/#/templates")
    # The keyboard is where it was, and nothing was saved.
    await expect(desk.row("order_ready").locator("a")).to_be_focused()
    # The way forth leads to it still.
    await page.go_forward()
    await expect(desk.body).to_have_value(BUTTONS["body"])
    await page.get_by_role("link", name="Orders", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Orders")


async def test_who_only_reads_sees_all_and_changes_nothing(
    dashboard: Dashboard, admin: Bot
) -> None:
    desk = Desk(dashboard)
    shop = await demo(admin)
    made = await create(shop, BUTTONS)
    await update(shop, made, body="Hello {{name}}")
    await dashboard.sign_in(await shop.key("viewer"), "/#/templates")
    await expect(desk.rows).to_have_count(4)
    await expect(dashboard.button("New template")).to_have_count(0)
    await desk.open("order_ready")
    await expect(desk.body).to_have_value("Hello {{name}}")
    assert await desk.body.get_attribute("readonly") is not None
    for act in ("Save", "Activate", "Delete", "Archive", "Add a button", "Remove: button 1"):
        await expect(desk.act(act)).to_have_count(0)
    # To try a value changes nothing.
    await desk.field("name").fill("Rudo")
    await expect(desk.bubble).to_contain_text("Hello Rudo")
    await desk.tab("Versions")
    await expect(desk.editor.locator(".change-field")).to_have_text(["body", "variables"])
    await expect(desk.act("Restore version 1")).to_have_count(0)
    await dashboard.page.get_by_role("link", name="All templates").click()
    await expect(desk.rows).to_have_count(4)
    assert (await stored(shop, made["id"]))["version"] == 2


async def test_templates_are_found_by_name_type_and_state(dashboard: Dashboard, admin: Bot) -> None:
    page, desk = dashboard.page, Desk(dashboard)
    shop = await demo(admin)
    made = await create(shop, BUTTONS)
    await dashboard.sign_in(await shop.key("merchant"), "/#/templates")
    await expect(desk.rows).to_have_count(4)
    await page.get_by_label("Find templates").fill("order st")
    await expect(desk.rows).to_have_count(1)
    await page.get_by_label("Find templates").fill("")
    await page.get_by_label("Type", exact=True).select_option("Buttons")
    await expect(desk.rows).to_have_count(3)
    await page.get_by_label("Status", exact=True).select_option("Draft")
    await expect(desk.rows).to_have_count(1)
    # It is no draft any more, and the list knows.
    await shop.admin.request.post(f"/api/templates/{made['id']}/activate")
    await expect(page.locator("empty-state")).to_contain_text("No template matches")
    await dashboard.button("Show all").click()
    await expect(desk.rows).to_have_count(4)
    await expect(desk.row("order_ready").locator("status-pill")).to_have_text("active")


async def test_an_admin_says_whose_a_new_template_is(dashboard: Dashboard, admin: Bot) -> None:
    page, desk = dashboard.page, Desk(dashboard)
    theirs = await another(admin, "Chino")
    await dashboard.sign_in(address="/#/templates")
    await expect(desk.rows).to_have_count(6)
    await dashboard.button("New template").click()
    await desk.field("Merchant").select_option("Chino")
    await desk.field("Name").fill("greeting")
    await desk.body.fill("Hello")
    await desk.act("Save").click()
    await expect(desk.facts).to_contain_text("Chino · version 1")
    listed = (await theirs.get(f"/api/templates?merchant_id={theirs.merchant_id}"))["templates"]
    assert "greeting" in [each["name"] for each in listed]
    # Whose templates are shown is chosen for the whole page.
    await page.get_by_role("complementary").get_by_label("Merchant").select_option("demo")
    await expect(desk.rows).to_have_count(3)
    await page.get_by_role("complementary").get_by_label("Merchant").select_option("Chino")
    await expect(desk.rows).to_have_count(4)
    await dashboard.button("New template").click()
    await expect(desk.field("Merchant")).to_be_hidden()


async def test_two_merchants_see_nothing_of_each_other(
    dashboard: Dashboard, admin: Bot, browser: Browser
) -> None:
    mine, theirs = await demo(admin), await another(admin, "Chino")
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    other = Dashboard(await context.new_page(), dashboard.hub)
    await dashboard.sign_in(await mine.key("merchant"), "/#/templates")
    await other.sign_in(await theirs.key("merchant"), "/#/templates")
    own = await create(mine, BUTTONS, body="Ours alone")
    foreign = await create(theirs, BUTTONS, body="Theirs alone")
    for seen, text, hidden in (
        (dashboard, "Ours alone", foreign),
        (other, "Theirs alone", own),
    ):
        desk = Desk(seen)
        await expect(desk.row(text)).to_have_count(1)
        await expect(desk.rows).to_have_count(4)
        await seen.page.goto(f"{seen.hub.url}/#/templates?template={hidden['id']}")
        await expect(desk.editor).to_contain_text("This template is not there any more")
        await seen.page.goto(f"{seen.hub.url}/#/templates")
    await update(theirs, foreign, body="Theirs anew")
    await expect(Desk(other).row("Theirs anew")).to_have_count(1)
    await expect(Desk(dashboard).row("Ours alone")).to_have_count(1)
    await expect(Desk(dashboard).rows).to_have_count(4)
    assert other.complaints == []
    await context.close()
