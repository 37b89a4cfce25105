"""Who may see the dashboard."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard

pytestmark = pytest.mark.browser

LINK = re.compile(r"http://\S+/#ticket=\S+")


def link_of(dashboard: Dashboard) -> str:
    """The link of the banner that the hub printed last."""
    links: list[str] = LINK.findall(dashboard.hub.log.read_text())
    return links[-1]


async def test_a_key_signs_in(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    await expect(dashboard.page).to_have_url(dashboard.hub.url + "/#/stream")
    await expect(dashboard.page).to_have_title("Live stream · Smart Bot Hub")
    assert await dashboard.page.evaluate("document.cookie") == "", "the cookie is HttpOnly"


async def test_a_wrong_key_is_refused_and_may_be_corrected(dashboard: Dashboard) -> None:
    await dashboard.page.goto(dashboard.hub.url)
    await dashboard.page.get_by_label("Key").fill("hub_a_" + "x" * 43)
    await dashboard.page.keyboard.press("Enter")
    await expect(dashboard.page.get_by_role("alert")).to_have_text(
        "The hub does not know this key."
    )
    await dashboard.page.get_by_label("Key").fill(dashboard.hub.admin_key)
    await dashboard.page.keyboard.press("Enter")
    await dashboard.live()


async def test_the_link_of_the_banner_signs_in_and_leaves_the_address(
    dashboard: Dashboard,
) -> None:
    link = link_of(dashboard)
    await dashboard.page.goto(link)
    await dashboard.live()
    assert "ticket" not in dashboard.page.url
    await dashboard.page.go_back()
    assert "ticket" not in dashboard.page.url, "nor is it in the history"


async def test_a_used_link_works_while_the_cookie_holds_and_not_elsewhere(
    dashboard: Dashboard,
) -> None:
    link = link_of(dashboard)
    await dashboard.page.goto(link)
    await dashboard.live()
    await dashboard.page.goto("about:blank")
    await dashboard.page.goto(link)
    await dashboard.live()
    await dashboard.page.context.clear_cookies()
    await dashboard.page.goto("about:blank")
    await dashboard.page.goto(link)
    await expect(dashboard.page.get_by_role("alert")).to_contain_text("was used")


async def test_a_reload_stays_signed_in(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    await dashboard.page.reload()
    await dashboard.live()


async def test_a_viewer_sees_one_merchant_until_the_key_is_revoked(
    dashboard: Dashboard, admin: Bot
) -> None:
    merchant = (await admin.create("/api/merchants", {"name": "Chino"}))["merchant"]
    wanted = {"merchant_id": merchant["id"], "role": "viewer", "name": "anna"}
    made = await admin.create("/api/keys", wanted)
    await dashboard.sign_in(made["token"])
    await expect(dashboard.page.locator(".merchant")).to_have_text("MerchantChino")
    await expect(dashboard.button("Send test event")).to_be_hidden()
    assert (await admin.request.delete(f"/api/keys/{made['key']['id']}")).ok
    await expect(dashboard.page.get_by_role("heading", name="Sign in")).to_be_visible()
