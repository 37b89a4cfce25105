"""Who is there: keys, browsers and sign-in tickets, with only the clock made up."""

import asyncio
import re

import pytest

from hub.auth import SIGN_IN_SECONDS, Authenticator, Role, new_token, token_hash, visible_prefix
from hub.protocol.errors import Unauthenticated
from hub.protocol.times import format_ms
from storage import keys
from storage.database import Database
from storage.errors import Unavailable
from tests.gateway.local_hub import ROLES, LocalHub, prepared
from tests.support.databases import FaultyDatabase, until

START = 1_800_000_000.0


class Setting:
    """An authenticator, its clock and its database."""

    def __init__(self, hub: LocalHub) -> None:
        self.hub = hub
        self.now = START
        self.faulty = FaultyDatabase(hub.database)
        self.authenticator = Authenticator(self.faulty, lambda: self.now)

    def at(self, seconds: float) -> str:
        """A time as text, so many seconds after the start."""
        return format_ms(int((START + seconds) * 1000))

    async def revoke(self, name: str) -> None:
        """What the command does, in its order."""
        key_id = self.hub.key_ids[name]
        await self.hub.database.write(lambda tx: keys.revoke(tx, key_id, self.at(0)))
        self.authenticator.forget(key_id)

    async def sign_in(self, name: str, cookie: str, seconds: float) -> None:
        await self.hub.database.write(
            lambda tx: keys.insert_session(
                tx, token_hash(cookie), self.hub.key_ids[name], self.at(0), self.at(seconds)
            )
        )


@pytest.fixture
async def setting(database: Database) -> Setting:
    return Setting(await prepared(database))


@pytest.mark.parametrize("role", ROLES)
def test_a_key_has_the_form_of_its_role(role: Role) -> None:
    made = {new_token(role) for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(rf"hub_{role[0]}_[0-9A-Za-z]{{43}}", token) for token in made)
    assert all(len(visible_prefix(token)) <= 10 for token in made)


@pytest.mark.parametrize("role", ROLES)
async def test_a_key_is_known(role: Role, setting: Setting) -> None:
    found = await setting.authenticator.by_key(setting.hub.keys[role])
    assert (found.role, found.name, found.source) == (role, role, f"{role}:{role}")
    assert found.merchant_id == (None if role == "admin" else setting.hub.merchant_id)
    assert (found.expires_ms, found.expires_at) == (None, None)


@pytest.mark.parametrize("token", ["", "x", "hub_b_" + "0" * 43, "ümlaut", "a\0b", "x" * 10_000])
async def test_another_key_is_not(token: str, setting: Setting) -> None:
    with pytest.raises(Unauthenticated):
        await setting.authenticator.by_key(token)
    with pytest.raises(Unauthenticated):
        await setting.authenticator.by_cookie(token)
    with pytest.raises(Unauthenticated):
        await setting.authenticator.redeem(token)


async def test_a_known_key_needs_no_database(setting: Setting) -> None:
    await setting.authenticator.by_key(setting.hub.keys["bot"])
    setting.faulty.failing_reads = 99
    await setting.authenticator.by_key(setting.hub.keys["bot"])
    with pytest.raises(Unavailable):
        await setting.authenticator.by_key(setting.hub.keys["viewer"])
    setting.faulty.failing_reads = 0
    await setting.authenticator.by_key(setting.hub.keys["viewer"])


async def test_a_key_ends_at_its_time(setting: Setting) -> None:
    token = await setting.hub.add_key("bot", "short", expires=setting.at(10))
    setting.now = START + 9.999
    found = await setting.authenticator.by_key(token)
    assert found.expires_at == setting.at(10)
    setting.now = START + 10
    with pytest.raises(Unauthenticated, match="expired"):
        await setting.authenticator.by_key(token)


async def test_a_revoked_key_is_refused(setting: Setting) -> None:
    await setting.authenticator.by_key(setting.hub.keys["bot"])
    await setting.revoke("bot")
    with pytest.raises(Unauthenticated, match="revoked"):
        await setting.authenticator.by_key(setting.hub.keys["bot"])
    await setting.authenticator.by_key(setting.hub.keys["merchant"])


class LateDatabase(FaultyDatabase):
    """Its answers to reads arrive late: they were true when they were given."""

    def __init__(self, real: Database) -> None:
        super().__init__(real)
        self.answered = 0
        self.arriving = asyncio.Event()

    async def read(self, work):  # type: ignore[no-untyped-def]
        found = await super().read(work)
        self.answered += 1
        await self.arriving.wait()
        return found


async def test_a_key_that_is_revoked_while_it_is_looked_up_is_refused(setting: Setting) -> None:
    """Else the answer of before the revocation is kept, and the key is good for ever."""
    late = LateDatabase(setting.hub.database)
    setting.authenticator = Authenticator(late, lambda: setting.now)
    asked = asyncio.ensure_future(setting.authenticator.by_key(setting.hub.keys["bot"]))
    await until(lambda: late.answered == 1)
    await setting.revoke("bot")
    late.arriving.set()
    with pytest.raises(Unauthenticated):
        await asked
    with pytest.raises(Unauthenticated):
        await setting.authenticator.by_key(setting.hub.keys["bot"])


async def test_a_browser_whose_key_is_revoked_while_it_is_looked_up_is_refused(
    setting: Setting,
) -> None:
    late = LateDatabase(setting.hub.database)
    setting.authenticator = Authenticator(late, lambda: setting.now)
    await setting.sign_in("merchant", "cookie", 60)
    asked = asyncio.ensure_future(setting.authenticator.by_cookie("cookie"))
    await until(lambda: late.answered == 1)
    await setting.revoke("merchant")
    late.arriving.set()
    with pytest.raises(Unauthenticated):
        await asked
    with pytest.raises(Unauthenticated):
        await setting.authenticator.by_cookie("cookie")


# ── browsers ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_browser_ends_with_its_session_or_its_key(setting: Setting) -> None:
    await setting.hub.add_key("merchant", "short", expires=setting.at(10))
    await setting.sign_in("merchant", "long session", 60)
    await setting.sign_in("short", "longer than its key", 60)
    by_cookie = setting.authenticator.by_cookie
    assert (await by_cookie("long session")).expires_at == setting.at(60)
    assert (await by_cookie("longer than its key")).expires_at == setting.at(10)
    setting.now = START + 10
    with pytest.raises(Unauthenticated):
        await by_cookie("longer than its key")
    setting.now = START + 59.999
    assert (await by_cookie("long session")).role == "merchant"
    setting.now = START + 60
    with pytest.raises(Unauthenticated):
        await by_cookie("long session")


async def test_a_browser_ends_when_its_key_is_revoked(setting: Setting) -> None:
    await setting.sign_in("merchant", "a", 60)
    await setting.sign_in("viewer", "b", 60)
    await setting.authenticator.by_cookie("a")
    await setting.revoke("merchant")
    with pytest.raises(Unauthenticated):
        await setting.authenticator.by_cookie("a")
    assert (await setting.authenticator.by_cookie("b")).role == "viewer"


# ── tickets ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_ticket_is_good_once(setting: Setting) -> None:
    ticket = setting.authenticator.issue_ticket(setting.hub.key_ids["admin"])
    other = setting.authenticator.issue_ticket(setting.hub.key_ids["viewer"])
    assert ticket != other
    assert (await setting.authenticator.redeem(ticket)).role == "admin"
    with pytest.raises(Unauthenticated):
        await setting.authenticator.redeem(ticket)
    assert (await setting.authenticator.redeem(other)).role == "viewer"


async def test_a_ticket_is_good_for_a_while(setting: Setting) -> None:
    early, late = (
        setting.authenticator.issue_ticket(setting.hub.key_ids["admin"]) for _ in range(2)
    )
    setting.now = START + SIGN_IN_SECONDS - 0.001
    assert (await setting.authenticator.redeem(early)).role == "admin"
    setting.now = START + SIGN_IN_SECONDS
    with pytest.raises(Unauthenticated):
        await setting.authenticator.redeem(late)


async def test_a_ticket_ends_with_its_key(setting: Setting) -> None:
    ticket = setting.authenticator.issue_ticket(setting.hub.key_ids["admin"])
    await setting.revoke("admin")
    with pytest.raises(Unauthenticated):
        await setting.authenticator.redeem(ticket)
