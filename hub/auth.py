"""Who is there: keys, browser sessions and sign-in tickets.

A secret is compared by its SHA-256; only hashes are stored, and none is ever logged. Keys have
256 bits of chance, so a fast hash is enough (there is nothing to guess).
"""

import hashlib
import secrets
import string
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

import msgspec

from hub.protocol.drafts import Origin
from hub.protocol.errors import Unauthenticated
from hub.protocol.times import format_ms, parse_ms
from storage import keys
from storage.database import Database, Transaction
from storage.records import ApiKey

T = TypeVar("T")
Role = Literal["admin", "merchant", "viewer", "bot"]
ROLES: tuple[Role, ...] = ("admin", "merchant", "viewer", "bot")

SESSION_SECONDS = 14 * 24 * 3600
"""How long a browser stays signed in."""
SIGN_IN_SECONDS = 15 * 60
"""How long the sign-in link of the banner is good."""

_ALPHABET = string.digits + string.ascii_letters
_PREFIX_CHARS = 10


def new_token(role: Role) -> str:
    """Make a key: `hub_`, the role's letter, and 43 characters (256 bits) of chance."""
    return f"hub_{role[0]}_" + "".join(secrets.choice(_ALPHABET) for _ in range(43))


def token_hash(token: str) -> str:
    """The SHA-256 of a secret, hexadecimal: what is stored and looked up."""
    return hashlib.sha256(token.encode()).hexdigest()


def visible_prefix(token: str) -> str:
    """What may be shown of a key, to tell it from others."""
    return token[:_PREFIX_CHARS]


class Principal(msgspec.Struct, frozen=True):
    """Who acts: a key, directly or through a browser's session.

    Attributes:
        merchant_id: None for an admin.
        expires_ms: when this credential ends, milliseconds since 1970, or None.
        source: `role:name`, as it stands in events.
    """

    key_id: str
    role: str
    merchant_id: str | None
    name: str
    expires_ms: int | None

    @property
    def source(self) -> str:
        return f"{self.role}:{self.name}"

    @property
    def expires_at(self) -> str | None:
        return None if self.expires_ms is None else format_ms(self.expires_ms)

    def origin(self, merchant_id: str) -> Origin:
        """This principal as the publisher of a merchant's event."""
        return Origin(merchant_id, self.source)


class Authenticator:
    """Turns secrets into principals, with the known ones in memory.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._keys: dict[str, ApiKey] = {}
        self._sessions: dict[str, tuple[ApiKey, int]] = {}
        self._tickets: dict[str, tuple[str, float]] = {}
        self._forgotten = 0

    def now_ms(self) -> int:
        return int(self._clock() * 1000)

    async def by_key(self, token: str) -> Principal:
        """Who holds a key.

        Raises:
            Unauthenticated: the key is unknown, expired or revoked.
            storage.errors.Unavailable: the database did not answer.
        """
        digest = token_hash(token)
        key = self._keys.get(digest)
        if key is None:
            key = await self._read(lambda tx: keys.by_token_hash(tx, digest))
            if key is None:
                raise Unauthenticated("this key is not known; check that it was copied whole")
            self._keys[digest] = key
        return self._alive(key, None)

    async def by_cookie(self, value: str) -> Principal:
        """Who signed in with a browser. Raises as `by_key`."""
        digest = token_hash(value)
        found = self._sessions.get(digest)
        if found is None:
            stored = await self._read(lambda tx: keys.by_session_hash(tx, digest))
            if stored is None:
                raise Unauthenticated("this browser is not signed in; open a new sign-in link")
            found = self._sessions[digest] = (stored[0], parse_ms(stored[1]))
        return self._alive(*found)

    def _alive(self, key: ApiKey, session_ends_ms: int | None) -> Principal:
        if key.revoked_at is not None:
            raise Unauthenticated("this key was revoked; ask for a new one")
        ends = [] if session_ends_ms is None else [session_ends_ms]
        if key.expires_at is not None:
            ends.append(parse_ms(key.expires_at))
        expires_ms = min(ends, default=None)
        if expires_ms is not None and expires_ms <= self.now_ms():
            raise Unauthenticated("this key or sign-in has expired; ask for a new one")
        return Principal(key.id, key.role, key.merchant_id, key.name, expires_ms)

    def forget(self, key_id: str) -> None:
        """Look a key and its browsers up again: it was revoked."""
        self._forgotten += 1
        for digest in [d for d, key in self._keys.items() if key.id == key_id]:
            del self._keys[digest]
        for digest in [d for d, (key, _) in self._sessions.items() if key.id == key_id]:
            del self._sessions[digest]
        for digest in [d for d, (id_, _) in self._tickets.items() if id_ == key_id]:
            del self._tickets[digest]

    # ── browsers ─────────────────────────────────────────────────────────────────────────────

    def issue_ticket(self, key_id: str) -> str:
        """Make a sign-in ticket for a key: one use, 15 minutes, kept in memory only."""
        ticket = secrets.token_urlsafe(32)
        self._tickets[token_hash(ticket)] = (key_id, self._clock() + SIGN_IN_SECONDS)
        return ticket

    async def redeem(self, ticket: str) -> Principal:
        """Use up a sign-in ticket.

        Raises:
            Unauthenticated: it is unknown, used or too old, or its key has ended.
        """
        key_id, ends = self._tickets.pop(token_hash(ticket), ("", 0.0))
        if ends <= self._clock():
            raise Unauthenticated(
                "this sign-in link was used or is older than 15 minutes; "
                "restart the hub for a new one, or paste a key"
            )
        return self._alive(await self._read(lambda tx: keys.get(tx, key_id)), None)

    async def _read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Read what no revocation has overtaken: what is kept must not outlive its key."""
        while True:
            forgotten = self._forgotten
            found = await self._database.read(work)
            if forgotten == self._forgotten:
                return found
