"""Tickets: they stand in for a key once, where the key itself must not be seen.

A browser cannot set headers on a WebSocket, and an address ends in logs and histories; a ticket in
it is worthless after its first use. Tickets are kept in memory only, by their hash.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from .tokens import new_ticket, token_hash

TICKET_SECONDS = 30
"""How long a ticket is good."""
SIGN_IN_SECONDS = 15 * 60
"""How long the sign-in link of the banner is good."""
_PURGE = 256


class Behind(NamedTuple):
    """What a ticket was made with, and what its connections end with.

    Attributes:
        key_id: the key.
        browser: the hash of the browser session that asked for it, or None.
    """

    key_id: str
    browser: str | None


class Tickets:
    """The tickets of one hub that were not used yet.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, tuple[Behind, float]] = {}
        self._purge_at = _PURGE

    def issue(self, behind: Behind, seconds: float = TICKET_SECONDS) -> str:
        """Make a ticket that is good once within so many seconds."""
        now = self._clock()
        if len(self._open) >= self._purge_at:
            self._forget(lambda _, ends: ends <= now)
            self._purge_at = 2 * len(self._open) + _PURGE
        ticket = new_ticket()
        self._open[token_hash(ticket)] = (behind, now + seconds)
        return ticket

    def redeem(self, ticket: str) -> Behind | None:
        """Use a ticket up; None when it is unknown, used or too old."""
        behind, ends = self._open.pop(token_hash(ticket), (None, 0.0))
        return behind if ends > self._clock() else None

    def forget_key(self, key_id: str) -> None:
        """Void the tickets of a revoked key."""
        self._forget(lambda behind, _: behind.key_id == key_id)

    def forget_browser(self, browser: str) -> None:
        """Void the tickets of a browser that signed out."""
        self._forget(lambda behind, _: behind.browser == browser)

    def _forget(self, wanted: Callable[[Behind, float], bool]) -> None:
        for digest in [d for d, ticket in self._open.items() if wanted(*ticket)]:
            del self._open[digest]
