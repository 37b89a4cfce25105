"""Leaving: by one's own will, by another's, and while the hub is away."""

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard

pytestmark = pytest.mark.browser


def note(dashboard: Dashboard) -> Locator:
    return dashboard.page.locator("#sign-in-note")


async def signed_in_at_the_hub(dashboard: Dashboard) -> bool:
    """Whether the browser's cookie, if it has one, still opens the hub."""
    response = await dashboard.page.context.request.get(dashboard.hub.url + "/api/session")
    return response.ok


async def test_signing_out_ends_the_session_here_and_at_the_hub(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    cookies = await dashboard.page.context.cookies()
    await dashboard.button("Sign out").click()
    await expect(note(dashboard)).to_have_text("You have signed out.")
    await expect(dashboard.page).to_have_title("Sign in · Smart Bot Hub")
    assert await dashboard.page.context.cookies() == []
    # The cookie is not only forgotten: what a thief may have kept of it opens nothing.
    await dashboard.page.context.add_cookies(
        [{"name": one["name"], "value": one["value"], "url": dashboard.hub.url} for one in cookies]
    )
    assert not await signed_in_at_the_hub(dashboard)
    await dashboard.page.reload()
    await expect(dashboard.page.get_by_label("Key")).to_be_visible()
    await dashboard.sign_in()


@pytest.mark.alone
async def test_every_page_of_the_browser_is_signed_out_with_a_reason(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    other = Dashboard(await dashboard.page.context.new_page(), dashboard.hub)
    await other.page.goto(dashboard.hub.url + "/#/health")
    await other.live()
    await dashboard.button("Sign out").click()
    alert = other.page.get_by_role("alert")
    await expect(alert).to_contain_text("Your session has ended", timeout=2_000)
    assert other.complaints == []


async def test_another_browser_of_the_same_key_stays(
    dashboard: Dashboard, browser: Browser
) -> None:
    await dashboard.sign_in()
    context = await browser.new_context()
    other = Dashboard(await context.new_page(), dashboard.hub)
    await other.sign_in()
    await dashboard.button("Sign out").click()
    await expect(note(dashboard)).to_have_text("You have signed out.")
    await other.page.wait_for_timeout(500)
    await other.live()
    assert await signed_in_at_the_hub(other)
    await context.close()


@pytest.mark.alone
async def test_a_revoked_key_leads_to_the_sign_in_with_a_reason(
    dashboard: Dashboard, admin: Bot
) -> None:
    merchant = (await admin.create("/api/merchants", {"name": "Chino"}))["merchant"]
    wanted = {"merchant_id": merchant["id"], "role": "merchant", "name": "anna"}
    made = await admin.create("/api/keys", wanted)
    await dashboard.sign_in(made["token"], "/#/sessions")
    assert (await admin.request.delete(f"/api/keys/{made['key']['id']}")).ok
    alert = dashboard.page.get_by_role("alert")
    await expect(alert).to_have_text("Your session has ended: the key was revoked.", timeout=2_000)


async def test_while_the_hub_is_away_it_is_told_later(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    await dashboard.hub.kill()
    await dashboard.button("Sign out").click()
    await expect(note(dashboard)).to_contain_text("The hub could not be told yet")
    await dashboard.hub.start()
    await expect(note(dashboard)).to_have_text("You have signed out.")
    assert not await signed_in_at_the_hub(dashboard)


async def test_a_page_that_is_closed_meanwhile_leaves_it_to_the_next(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    await dashboard.hub.kill()
    await dashboard.button("Sign out").click()
    await expect(note(dashboard)).to_contain_text("The hub could not be told yet")
    await dashboard.page.goto("about:blank")
    await dashboard.hub.start()
    assert await signed_in_at_the_hub(dashboard), "nobody has told it"
    await dashboard.page.goto(dashboard.hub.url)
    await expect(note(dashboard)).to_have_text("You have signed out.")
    assert not await signed_in_at_the_hub(dashboard)


async def test_a_limit_is_told_with_its_wait(dashboard: Dashboard) -> None:
    await dashboard.sign_in()
    # Asking who one is has a limit of its own: 60 a minute.
    await dashboard.page.evaluate(
        "() => Promise.all(Array.from({ length: 60 }, () => fetch('/api/session')))"
    )
    await dashboard.page.reload()
    alert = dashboard.page.get_by_role("alert")
    await expect(alert).to_contain_text("The hub takes more in ")
    await dashboard.button("Try again").click()
    await expect(alert).to_contain_text("The hub takes more in ")
    assert await dashboard.page.context.cookies() != [], "nobody has been signed out"
