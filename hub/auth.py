"""Who is there: keys, browser sessions and tickets, turned into principals.

A secret is compared by its SHA-256; only hashes are stored, and none is ever logged.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from hub.protocol.drafts import Origin
from hub.protocol.errors import Unauthenticated
from hub.protocol.times import format_ms, parse_ms
from storage import keys
from storage.database import Database, Transaction
from storage.records import ApiKey
from storage.scope import HUB, Scope

from .tickets import TICKET_SECONDS, Behind, Tickets
from .tokens import is_ticket, token_hash

T = TypeVar("T")

SESSION_SECONDS = 14 * 24 * 3600
"""How long a browser stays signed in."""
_LOOKUPS = 256
"""Most unknown keys that one read of the database looks up."""


class Principal(msgspec.Struct, frozen=True):
    """Who acts: a key, directly or through a browser's session.

    Attributes:
        merchant_id: None for an admin.
        expires_ms: when this credential ends, milliseconds since 1970, or None.
        browser: the hash of the browser session, or None; its connections end with it.
        address, agent: from where it acts, for the audit; unknown until `at` has said it.
        source: `role:name`, as it stands in events.
    """

    key_id: str
    role: str
    merchant_id: str | None
    name: str
    expires_ms: int | None
    browser: str | None = None
    address: str | None = None
    agent: str | None = None

    def at(self, address: str, agent: str | None) -> "Principal":
        """The same principal, acting from somewhere."""
        return msgspec.structs.replace(self, address=address, agent=agent)

    def scope(self, merchant_id: str | None = None) -> Scope:
        """What this principal's work may touch: its own merchant's rows, an admin's every one's.

        Args:
            merchant_id: whose rows alone, for an admin that is narrowed to one merchant.
        """
        narrowed = self.merchant_id or merchant_id
        return Scope(narrowed, self.key_id, self.role, self.address, self.agent)

    @property
    def source(self) -> str:
        return f"{self.role}:{self.name}"

    @property
    def expires_at(self) -> str | None:
        return None if self.expires_ms is None else format_ms(self.expires_ms)

    @property
    def behind(self) -> Behind:
        """What a ticket of this principal ends with."""
        return Behind(self.key_id, self.browser)

    def origin(self, merchant_id: str) -> Origin:
        """This principal as the publisher of a merchant's event."""
        return Origin(
            merchant_id,
            self.source,
            key_id=self.key_id,
            role=self.role,
            address=self.address,
            agent=self.agent,
        )


class _Lookup:
    """A key that somebody asks for; `done` once the database was read."""

    __slots__ = ("digest", "done", "key")

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.key: ApiKey | None = None
        self.done = False


class Authenticator:
    """Turns secrets into principals, with the known ones in memory.

    Unknown keys are looked up together, one read at a time: whoever tries a thousand a second
    costs a few reads, and a good key that was never seen before still gets in.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._keys: dict[str, ApiKey] = {}
        self._browsers: dict[str, tuple[ApiKey, int]] = {}
        self._tickets = Tickets(clock)
        self._forgotten = 0
        self._lookups: list[_Lookup] = []
        self._reading = asyncio.Lock()

    def now_ms(self) -> int:
        return int(self._clock() * 1000)

    async def by_key(self, token: str) -> Principal:
        """Who holds a key.

        Raises:
            Unauthenticated: the key is unknown, expired or revoked.
            storage.errors.Unavailable: the database did not answer.
        """
        digest = token_hash(token)
        key = self._keys.get(digest) or await self._look_up(digest)
        if key is None:
            raise Unauthenticated("this key is not known; check that it was copied whole")
        return self._alive(key)

    async def by_cookie(self, value: str) -> Principal:
        """Who signed in with a browser. Raises as `by_key`."""
        return await self._by_browser(token_hash(value))

    async def by_token(self, token: str) -> Principal:
        """Who holds a key, or a ticket, which is used up. Raises as `by_key`."""
        return await (self.redeem(token) if is_ticket(token) else self.by_key(token))

    def knows(self, token: str) -> bool:
        """Whether a key is in memory, so that `by_key` will not read the database."""
        return token_hash(token) in self._keys

    async def _by_browser(self, digest: str) -> Principal:
        found = self._browsers.get(digest)
        if found is None:
            stored = await self._read(lambda tx: keys.by_session_hash(tx, digest))
            if stored is None:
                raise Unauthenticated("this browser is not signed in; open a new sign-in link")
            found = self._browsers[digest] = (stored[0], parse_ms(stored[1]))
        return self._alive(found[0], digest, found[1])

    def _alive(
        self, key: ApiKey, browser: str | None = None, browser_ends_ms: int | None = None
    ) -> Principal:
        if key.revoked_at is not None:
            raise Unauthenticated("this key was revoked; ask for a new one")
        ends = [] if browser_ends_ms is None else [browser_ends_ms]
        if key.expires_at is not None:
            ends.append(parse_ms(key.expires_at))
        expires_ms = min(ends, default=None)
        if expires_ms is not None and expires_ms <= self.now_ms():
            if browser is not None:
                self._browsers.pop(browser, None)
            raise Unauthenticated("this key or sign-in has expired; ask for a new one")
        return Principal(key.id, key.role, key.merchant_id, key.name, expires_ms, browser)

    def forget(self, key_id: str) -> None:
        """Look a key and its browsers up again, and void its tickets: it was revoked."""
        self._forgotten += 1
        for digest in [d for d, key in self._keys.items() if key.id == key_id]:
            del self._keys[digest]
        for digest in [d for d, (key, _) in self._browsers.items() if key.id == key_id]:
            del self._browsers[digest]
        self._tickets.forget_key(key_id)

    def forget_all(self) -> None:
        """Look every key and browser up again: any of them may have been revoked."""
        self._forgotten += 1
        self._keys.clear()
        self._browsers.clear()

    def forget_browser(self, browser: str) -> None:
        """Look a browser session up again, and void its tickets: it was signed out."""
        self._forgotten += 1
        self._browsers.pop(browser, None)
        self._tickets.forget_browser(browser)

    # ── tickets ──────────────────────────────────────────────────────────────────────────────

    def issue_ticket(self, behind: Behind, seconds: float = TICKET_SECONDS) -> str:
        """Make a ticket that stands in for a key once."""
        return self._tickets.issue(behind, seconds)

    async def redeem(self, ticket: str) -> Principal:
        """Use up a ticket.

        Raises:
            Unauthenticated: it is unknown, used or too old, or its key has ended.
        """
        behind = self._tickets.redeem(ticket)
        if behind is None:
            raise Unauthenticated(
                "this ticket was used or is too old; ask for a new one "
                "(for the link of the banner: restart the hub, or paste a key)"
            )
        if behind.browser is not None:
            return await self._by_browser(behind.browser)
        return self._alive(await self._read(lambda tx: keys.get(tx, behind.key_id)))

    # ── the database ─────────────────────────────────────────────────────────────────────────

    async def _look_up(self, digest: str) -> ApiKey | None:
        while True:
            lookup = _Lookup(digest)
            self._lookups.append(lookup)
            try:
                while not lookup.done:
                    async with self._reading:
                        if not lookup.done:
                            await self._look_up_waiting()
            finally:
                if not lookup.done:  # nobody waits for it any more
                    self._lookups.remove(lookup)
            # Whoever shared the read is woken some turns after it: the key may be forgotten again.
            if lookup.key is None or digest in self._keys:
                return self._keys.get(digest)

    async def _look_up_waiting(self) -> None:
        """Look up what waits. It is taken off the list afterwards: whoever reads may be cancelled,
        and then the next one reads it."""
        batch = self._lookups[:_LOOKUPS]
        digests = list({lookup.digest for lookup in batch})
        found = await self._read(lambda tx: keys.by_token_hashes(tx, digests))
        del self._lookups[: len(batch)]
        self._keys.update(found)
        for lookup in batch:
            lookup.key = found.get(lookup.digest)
            lookup.done = True

    async def _read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Read what no revocation has overtaken: what is kept must not outlive its key."""
        while True:
            forgotten = self._forgotten
            found = await self._database.read(work, HUB)
            if forgotten == self._forgotten:
                return found
