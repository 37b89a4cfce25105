"""Who is there: keys, browsers and sign-in tickets, with only the clock made up."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from hub.auth import Authenticator, Principal
from hub.protocol.errors import Unauthenticated
from hub.protocol.times import format_ms
from hub.tickets import SIGN_IN_SECONDS, TICKET_SECONDS, Behind
from hub.tokens import Role, new_token, token_hash, visible_prefix
from storage import keys
from storage.database import Database, Transaction
from storage.errors import Unavailable
from storage.scope import HUB, Scope
from tests.gateway.local_hub import ROLES, LocalHub, prepared
from tests.support.databases import FaultyDatabase, until

T = TypeVar("T")

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
        await self.hub.database.write(lambda tx: keys.revoke(tx, key_id, self.at(0)), HUB)
        self.authenticator.forget(key_id)

    def ticket(self, name: str, cookie: str | None = None, seconds: float = TICKET_SECONDS) -> str:
        """A ticket of a key, or of a browser that signed in with it."""
        browser = None if cookie is None else token_hash(cookie)
        return self.authenticator.issue_ticket(Behind(self.hub.key_ids[name], browser), seconds)

    async def sign_in(self, name: str, cookie: str, seconds: float) -> None:
        await self.hub.database.write(
            lambda tx: keys.insert_session(
                tx,
                token_hash(cookie),
                self.hub.key_ids[name],
                self.hub.merchant_id,
                self.at(0),
                self.at(seconds),
            ),
            HUB,
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

    async def read(self, work: Callable[[Transaction], Awaitable[T]], scope: Scope) -> T:
        found = await super().read(work, scope)
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


async def test_of_many_who_ask_at_once_none_gets_in_after_the_revocation(setting: Setting) -> None:
    """They share one read, and are woken one after the other; a revocation may come between."""
    late = LateDatabase(setting.hub.database)
    setting.authenticator = Authenticator(late, lambda: setting.now)
    revoked = False
    overtaken = 0

    async def ask() -> None:
        nonlocal revoked, overtaken
        try:
            await setting.authenticator.by_key(setting.hub.keys["bot"])
        except Unauthenticated:
            return
        overtaken += revoked
        if not revoked:
            revoked = True
            setting.authenticator.forget(setting.hub.key_ids["bot"])

    before = asyncio.create_task(setting.authenticator.by_key(setting.hub.keys["viewer"]))
    await until(lambda: late.answered == 1)
    asked = [asyncio.create_task(ask()) for _ in range(50)]
    await asyncio.sleep(0)
    late.arriving.set()
    await before
    late.arriving.clear()
    await until(lambda: late.answered == 2)
    key_id = setting.hub.key_ids["bot"]
    await setting.hub.database.write(lambda tx: keys.revoke(tx, key_id, setting.at(0)), HUB)
    late.arriving.set()
    await asyncio.gather(*asked)
    assert revoked
    assert overtaken == 0


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
    redeem = setting.authenticator.redeem
    ticket, other = setting.ticket("admin"), setting.ticket("viewer")
    assert ticket != other
    assert (await redeem(ticket)).role == "admin"
    with pytest.raises(Unauthenticated, match="used"):
        await redeem(ticket)
    assert (await redeem(other)).role == "viewer"


@pytest.mark.parametrize("seconds", [TICKET_SECONDS, SIGN_IN_SECONDS])
async def test_a_ticket_is_good_for_a_while(setting: Setting, seconds: int) -> None:
    early, late = (setting.ticket("admin", seconds=seconds) for _ in range(2))
    setting.now = START + seconds - 0.001
    assert (await setting.authenticator.redeem(early)).role == "admin"
    setting.now = START + seconds
    with pytest.raises(Unauthenticated, match="too old"):
        await setting.authenticator.redeem(late)


async def test_of_many_uses_at_once_one_wins(setting: Setting) -> None:
    """Although it is used up before the database has said whose it is."""
    ticket = setting.ticket("merchant")
    uses = [setting.authenticator.by_token(ticket) for _ in range(20)]
    answers = await asyncio.gather(*uses, return_exceptions=True)
    assert [a.role for a in answers if isinstance(a, Principal)] == ["merchant"]
    assert sum(isinstance(a, Unauthenticated) for a in answers) == 19


async def test_a_ticket_ends_with_its_key(setting: Setting) -> None:
    ticket, other = setting.ticket("admin"), setting.ticket("viewer")
    await setting.revoke("admin")
    with pytest.raises(Unauthenticated):
        await setting.authenticator.redeem(ticket)
    assert (await setting.authenticator.redeem(other)).role == "viewer"


async def test_a_ticket_of_a_key_that_has_expired(setting: Setting) -> None:
    await setting.hub.add_key("bot", "short", expires=setting.at(10))
    early, late = setting.ticket("short"), setting.ticket("short")
    setting.now = START + 9.999
    assert (await setting.authenticator.redeem(early)).expires_at == setting.at(10)
    setting.now = START + 10
    with pytest.raises(Unauthenticated, match="expired"):
        await setting.authenticator.redeem(late)


async def test_a_ticket_of_a_browser_ends_with_its_session(setting: Setting) -> None:
    await setting.sign_in("merchant", "cookie", 20)
    await setting.sign_in("merchant", "other", 60)
    ticket, late, other = (
        setting.ticket("merchant", name) for name in ("cookie", "cookie", "other")
    )
    found = await setting.authenticator.redeem(ticket)
    assert (found.expires_at, found.browser) == (setting.at(20), token_hash("cookie"))
    setting.now = START + 20
    with pytest.raises(Unauthenticated, match="expired"):
        await setting.authenticator.redeem(late)
    assert (await setting.authenticator.redeem(other)).browser == token_hash("other")


async def test_a_ticket_whose_key_is_revoked_while_it_is_looked_up(setting: Setting) -> None:
    late = LateDatabase(setting.hub.database)
    setting.authenticator = Authenticator(late, lambda: setting.now)
    asked = asyncio.ensure_future(setting.authenticator.redeem(setting.ticket("viewer")))
    await until(lambda: late.answered == 1)
    await setting.revoke("viewer")
    late.arriving.set()
    with pytest.raises(Unauthenticated, match="revoked"):
        await asked


async def test_a_browser_that_signs_out_while_it_is_looked_up(setting: Setting) -> None:
    late = LateDatabase(setting.hub.database)
    setting.authenticator = Authenticator(late, lambda: setting.now)
    await setting.sign_in("merchant", "cookie", 60)
    asked = asyncio.ensure_future(setting.authenticator.by_cookie("cookie"))
    await until(lambda: late.answered == 1)
    browser = token_hash("cookie")
    await setting.hub.database.write(lambda tx: keys.delete_session(tx, browser), HUB)
    setting.authenticator.forget_browser(browser)
    late.arriving.set()
    with pytest.raises(Unauthenticated, match="not signed in"):
        await asked


async def test_a_failing_database_is_no_wrong_key(setting: Setting) -> None:
    setting.faulty.failing_reads = 1
    with pytest.raises(Unavailable):
        await setting.authenticator.redeem(setting.ticket("viewer"))
    assert (await setting.authenticator.redeem(setting.ticket("viewer"))).role == "viewer"
