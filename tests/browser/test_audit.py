"""The screen of what was changed: live, filtered, exported, and each merchant's own."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.browser.between import Between, change
from tests.browser.bot import Bot
from tests.browser.conftest import PATIENCE_MS
from tests.browser.dashboard import Dashboard
from tests.browser.layout import contrast_faults, layout_faults
from tests.support.hub_process import HubProcess

pytestmark = pytest.mark.browser

SIZES = [(360, 740), (1440, 900)]


async def new_key(admin: Bot, merchant_id: str, name: str, role: str = "bot") -> dict[str, Any]:
    """A key of a merchant: `key`, and its secret as `token`."""
    return await admin.create("/api/keys", {"role": role, "name": name, "merchant_id": merchant_id})


async def merchant_of(admin: Bot) -> str:
    answer = await (await admin.request.get("/api/merchants")).json()
    return str(answer["merchants"][0]["id"])


def line(row: Locator) -> Locator:
    return row.locator(".audit-line")


@pytest.mark.alone
async def test_what_happens_appears_as_it_happens(dashboard: Dashboard, admin: Bot) -> None:
    merchant = await merchant_of(admin)
    await dashboard.sign_in()
    await dashboard.open("Audit")
    # The first start has made a merchant and its keys.
    await expect(dashboard.change("made merchant demo")).to_have_count(1)
    made = await new_key(admin, merchant, "till-1 <b>bold</b>")
    created = dashboard.change("made key till-1 <b>bold</b>")
    await expect(created).to_have_count(1, timeout=1_000)
    await expect(dashboard.changes.first).to_have_attribute("data-action", "CREATE")
    await expect(created).to_contain_text("bootstrap")
    await expect(created).to_contain_text("demo")
    assert (await admin.request.delete(f"/api/keys/{made['key']['id']}")).ok
    revoked = dashboard.changes.first
    await expect(revoked).to_contain_text("changed key till-1 <b>bold</b>: revoked", timeout=1_000)
    await line(revoked).click()
    detail = revoked.locator(".audit-detail")
    await expect(detail.locator(".change-field")).to_have_text(["revoked_at", "version"])
    version = detail.locator(".change").nth(1)
    await expect(version.locator(".removed")).to_have_text("−Before: 1")
    await expect(version.locator(".added")).to_have_text("+After: 2")
    await expect(detail).to_contain_text(made["key"]["id"])
    await expect(detail).to_contain_text("127.0.0.1")
    assert made["token"] not in await dashboard.page.content()
    await expect(dashboard.page.locator("audit-list b")).to_have_count(0)


async def test_a_change_without_an_event_is_found_too(dashboard: Dashboard, admin: Bot) -> None:
    await dashboard.sign_in()
    await dashboard.open("Audit")
    await expect(dashboard.changes).not_to_have_count(0)
    await admin.create("/api/keys", {"role": "admin", "name": "second admin"})
    row = dashboard.change("made key second admin")
    await expect(row).to_have_count(1, timeout=6_000)
    await expect(row).to_contain_text("no merchant")


async def test_what_is_filtered_is_in_the_address(dashboard: Dashboard, admin: Bot) -> None:
    page, merchant = dashboard.page, await merchant_of(admin)
    first = await new_key(admin, merchant, "first")
    second = await new_key(admin, merchant, "second")
    assert (await admin.request.delete(f"/api/keys/{second['key']['id']}")).ok
    await dashboard.sign_in()
    await dashboard.open("Audit")
    await expect(dashboard.change("second")).to_have_count(2)
    await page.get_by_label("Action").select_option("Changed")
    await expect(dashboard.changes).to_have_count(1)
    await expect(dashboard.changes.first).to_contain_text("second: revoked")
    assert page.url.endswith("#/audit?action=UPDATE")
    # Somebody else's change is none of these.
    await new_key(admin, merchant, "third")
    await page.wait_for_timeout(300)
    await expect(dashboard.changes).to_have_count(1)

    await line(dashboard.changes.first).click()
    await dashboard.button("Only this target").click()
    assert page.url.endswith(f"action=UPDATE&target_type=key&target_id={second['key']['id']}")
    await page.get_by_label("Action").select_option("Any action")
    await expect(dashboard.changes).to_have_count(2)
    await page.reload()
    await dashboard.live()
    await expect(dashboard.changes).to_have_count(2)
    await expect(page.get_by_label("Target")).to_have_value(second["key"]["id"])

    await page.get_by_label("Target").fill(first["key"]["id"])
    await page.get_by_label("Target").press("Enter")
    await expect(dashboard.changes).to_have_count(1)
    await dashboard.button("Clear").click()
    assert page.url.endswith("#/audit")
    # An actor is chosen by name.
    await page.get_by_label("Actor").fill("bootstrap")
    await page.get_by_label("Actor").press("Enter")
    await expect(page).to_have_url(re.compile("actor_id=0"))
    await expect(page.get_by_label("Actor")).to_have_value("bootstrap")
    await expect(dashboard.change("made key")).not_to_have_count(0)
    await page.get_by_label("From").fill("2099-01-01T00:00")
    await expect(page.locator("empty-state")).to_contain_text("No change matches")
    await dashboard.button("Clear the filters").click()
    await expect(dashboard.change("third")).to_have_count(1)


async def test_a_link_that_the_hub_refuses_says_so(dashboard: Dashboard) -> None:
    await dashboard.sign_in(address="/#/audit?action=EXPLODE&from=soon")
    empty = dashboard.page.locator("empty-state")
    await expect(empty).to_contain_text("The audit could not be read")
    await expect(empty).to_contain_text("EXPLODE")
    await dashboard.button("Clear the filters").click()
    await expect(dashboard.changes).not_to_have_count(0)


async def test_files_hold_what_is_filtered(
    dashboard: Dashboard, admin: Bot, tmp_path: Path
) -> None:
    page, merchant = dashboard.page, await merchant_of(admin)
    made = await new_key(admin, merchant, "=1+1")
    assert (await admin.request.delete(f"/api/keys/{made['key']['id']}")).ok
    await dashboard.sign_in(address=f"/#/audit?target_id={made['key']['id']}")
    await expect(dashboard.changes).to_have_count(2)
    contents = {}
    for name in ("CSV", "NDJSON"):
        async with page.expect_download() as downloading:
            await page.get_by_role("link", name=name, exact=True).click()
        download = await downloading.value
        assert re.fullmatch(rf"audit-\d{{8}}T\d{{6}}Z\.{name.lower()}", download.suggested_filename)
        await download.save_as(tmp_path / name)
        contents[name] = (tmp_path / name).read_bytes().decode()
    head, *records = csv.reader(io.StringIO(contents["CSV"], newline=""), strict=True)
    lines = [json.loads(text) for text in contents["NDJSON"].splitlines()]
    assert [record[0] for record in records] == [row["id"] for row in lines]
    assert [row["action"] for row in lines] == ["UPDATE", "CREATE"]
    assert head[0] == "id"


async def test_what_is_read_does_not_move(dashboard: Dashboard, admin: Bot) -> None:
    page, merchant = dashboard.page, await merchant_of(admin)
    for n in range(60):
        await new_key(admin, merchant, f"key {n}")
    await dashboard.sign_in()
    await dashboard.open("Audit")
    await expect(dashboard.changes).to_have_count(50)
    count = page.locator(".session-count")
    await expect(count).to_have_text("50 changes, and more")

    # Scrolled down.
    row = dashboard.change("key 30")
    await row.scroll_into_view_if_needed()
    await dashboard.settle()
    place = await row.bounding_box()
    for name in ("new 1", "new 2", "new 3"):
        await new_key(admin, merchant, name)
    await expect(dashboard.pill).to_have_text("3 new")
    assert await row.bounding_box() == place
    await dashboard.button("Show more").click()
    await expect(dashboard.change("key 5")).not_to_have_count(0)
    await expect(dashboard.change("new 1")).to_have_count(0)
    await dashboard.pill.click()
    await expect(dashboard.changes.first).to_contain_text("new 3")
    await expect(dashboard.changes.first).to_be_in_viewport()
    await expect(line(dashboard.changes.first)).to_be_focused()
    await expect(dashboard.pill).to_be_hidden()

    # Among the rows, or at an open one.
    await line(dashboard.change("new 2")).click()
    place = await dashboard.change("new 2").bounding_box()
    await new_key(admin, merchant, "new 4")
    await expect(dashboard.pill).to_have_text("1 new")
    assert await dashboard.change("new 2").bounding_box() == place
    await line(dashboard.change("new 2")).click()
    await page.get_by_label("Action").focus()
    await expect(dashboard.changes.first).to_contain_text("new 4")
    await expect(dashboard.pill).to_be_hidden()


async def test_a_hub_that_is_killed_and_started_again(dashboard: Dashboard, admin: Bot) -> None:
    merchant = await merchant_of(admin)
    await dashboard.sign_in()
    await dashboard.open("Audit")
    await expect(dashboard.changes).not_to_have_count(0)
    before = await dashboard.changes.count()
    await dashboard.hub.kill()
    await expect(dashboard.reading).to_contain_text("Not connected.Shown as of")
    await expect(dashboard.page.locator(".audit")).to_have_class("audit stale")
    await expect(dashboard.changes).to_have_count(before)
    await dashboard.hub.start()
    await new_key(admin, merchant, "after the restart")
    await dashboard.live()
    await expect(dashboard.change("after the restart")).to_have_count(1)
    await expect(dashboard.reading).to_have_text("Up to date")
    ids = await dashboard.changes.evaluate_all("rows => rows.map((row) => row.dataset.audit)")
    assert ids == sorted(set(ids), reverse=True), "each once, newest first"


async def test_two_merchants_see_nothing_of_each_other(
    browser: Browser, hub: HubProcess, admin: Bot
) -> None:
    pages = {}
    for name in ("Chino", "Mbare"):
        merchant = (await admin.create("/api/merchants", {"name": name}))["merchant"]
        owner = await new_key(admin, merchant["id"], f"owner of {name}", "merchant")
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        one = Dashboard(await context.new_page(), hub)
        await one.sign_in(owner["token"], "/#/audit")
        await expect(one.change(f"made key owner of {name}")).to_have_count(1)
        pages[name] = (one, merchant["id"], owner["token"])
    chino, mbare = pages["Chino"][0], pages["Mbare"][0]
    for name, (one, merchant, _) in pages.items():
        await new_key(admin, merchant, f"till of {name}")
        await expect(one.change(f"till of {name}")).to_have_count(1)
        # Who did it is an admin, whose name is not theirs to know.
        await expect(one.change(f"till of {name}")).to_contain_text("admin…")
    await expect(chino.page.get_by_text("Mbare")).to_have_count(0)
    await expect(mbare.page.get_by_text("Chino")).to_have_count(0)
    # A link to what is another's shows nothing of it.
    foreign = pages["Mbare"][1]
    await chino.page.goto(f"{hub.url}/#/audit?merchant={foreign}&target_id={foreign}")
    await expect(chino.page.locator("empty-state")).to_contain_text("No change matches")
    for one, _, _ in pages.values():
        assert one.complaints == []
        await one.page.context.close()


@pytest.mark.parametrize("role", ["viewer", "bot"])
async def test_others_do_not_find_the_screen(dashboard: Dashboard, admin: Bot, role: str) -> None:
    key = (await new_key(admin, await merchant_of(admin), "someone", role))["token"]
    await dashboard.sign_in(key, "/#/audit")
    await expect(dashboard.page.get_by_role("heading", level=1)).to_have_text("Live stream")
    await expect(dashboard.page.get_by_role("link", name="Audit")).to_have_count(0)


@pytest.mark.alone
async def test_an_admin_sees_all_or_one_merchant(dashboard: Dashboard, admin: Bot) -> None:
    chino = (await admin.create("/api/merchants", {"name": "Chino"}))["merchant"]
    await new_key(admin, chino["id"], "anna")
    await dashboard.sign_in()
    await dashboard.open("Audit")
    await expect(dashboard.change("made merchant demo")).to_have_count(1)
    await dashboard.page.locator("#merchant").select_option("Chino")
    await expect(dashboard.change("demo")).to_have_count(0)
    await expect(dashboard.change("made key anna")).to_have_count(1)
    link = dashboard.page.get_by_role("link", name="CSV", exact=True)
    assert f"merchant_id={chino['id']}" in str(await link.get_attribute("href"))
    # A filter of the live stream does not keep the audit from hearing.
    await dashboard.page.goto(f"{dashboard.hub.url}/#/stream?types=order_*&merchant={chino['id']}")
    await dashboard.live()
    await dashboard.open("Audit")
    await expect(dashboard.change("made key anna")).to_have_count(1)
    await new_key(admin, chino["id"], "bella")
    await expect(dashboard.change("made key bella")).to_have_count(1, timeout=1_500)
    await dashboard.open("Live stream")
    assert "types=order_*" in dashboard.page.url


async def test_the_keyboard_is_enough(dashboard: Dashboard, admin: Bot) -> None:
    page, merchant = dashboard.page, await merchant_of(admin)
    await new_key(admin, merchant, "one")
    await new_key(admin, merchant, "two")
    await dashboard.sign_in()
    await dashboard.open("Audit")
    await expect(dashboard.change("two")).to_have_count(1)
    await page.get_by_role("link", name="NDJSON", exact=True).focus()
    await page.keyboard.press("Tab")
    await expect(line(dashboard.change("two"))).to_be_focused()
    await page.keyboard.press("ArrowDown")
    one = line(dashboard.change("made key one"))
    await expect(one).to_be_focused()
    await expect(one).to_have_attribute("aria-expanded", "false")
    await page.keyboard.press("Enter")
    await expect(one).to_have_attribute("aria-expanded", "true")
    await page.keyboard.press("Tab")
    await expect(dashboard.button("Only this actor")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Space")
    await expect(one).to_have_attribute("aria-expanded", "false")
    await page.keyboard.press("End")
    await expect(line(dashboard.changes.last)).to_be_focused()


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_nothing_overlaps_or_sticks_out(
    dashboard: Dashboard, width: int, height: int
) -> None:
    page = dashboard.page
    between = Between()
    await between.before(page)
    await dashboard.resize(width, height)
    between.silent = True
    await dashboard.sign_in(address="/#/audit")
    await expect(page.locator("empty-state")).to_contain_text("Loading")
    assert await layout_faults(page) == []
    between.silent = False
    await page.reload()
    await expect(dashboard.changes).to_have_count(50)
    await dashboard.settle()
    assert await layout_faults(page) == []
    for row in range(3):
        await line(dashboard.changes.nth(row)).click()
        assert await layout_faults(page) == []
    between.changes.insert(0, change(121))
    await expect(dashboard.pill).to_have_text("1 new")
    assert await layout_faults(page) == []
    if width < 900:
        await page.get_by_role("button", name="Filters").click()
        assert await layout_faults(page) == []
    between.changes = []
    await page.goto(f"{dashboard.hub.url}/#/audit?action=DELETE&from=2026-11-22T10:00:07.000Z")
    await expect(page.locator("empty-state")).to_contain_text("No change matches")
    assert await layout_faults(page) == []
    between.refusal = {"code": "unavailable", "message": "the database did not answer"}
    await page.reload()
    await expect(page.locator("empty-state")).to_contain_text("could not be read")
    assert await layout_faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read(dashboard: Dashboard, scheme: str) -> None:
    page = dashboard.page
    await page.emulate_media(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    between = Between()
    await between.before(page)
    await dashboard.sign_in(address="/#/audit?action=UPDATE")
    await expect(dashboard.changes).to_have_count(50)
    await line(dashboard.changes.first).click()
    await line(dashboard.changes.nth(2)).click()
    assert await contrast_faults(page) == []
    between.changes.insert(0, change(121))
    await expect(dashboard.pill).to_have_text("1 new")
    assert await contrast_faults(page) == []
    await dashboard.hub.kill()
    await expect(dashboard.reading).to_contain_text("Not connected")
    assert await contrast_faults(page) == []
