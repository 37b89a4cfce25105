"""Who is connected: every authenticated connection, by session, key and browser."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple, Protocol, TypeVar

import structlog

from hub.auth import Principal
from hub.protocol.codes import CloseCode
from hub.protocol.errors import RateLimited
from hub.stream.reader import Reader

from .presence import Presence

Door = Literal["websocket", "sse", "ndjson", "poll"]

log = structlog.get_logger("hub.gateway")

_TIMER_SECONDS = 24 * 3600.0
"""The loop's timers are for days at the most; a later end is looked at again then."""


class Peer(NamedTuple):
    """The other side of a connection.

    Attributes:
        address: its IP address, behind trusted proxies too.
        agent: what it says it is (`User-Agent`), or None.
        opened_ms: when it connected, milliseconds since 1970.
    """

    address: str
    agent: str | None
    opened_ms: int


class Connection(Protocol):
    """An authenticated connection, whichever door it came through.

    Attributes:
        id: the name under which operators and logs know it.
        received, sent: bytes since it was opened.
        published: events that it handed to the log.
    """

    principal: Principal

    @property
    def id(self) -> str: ...
    @property
    def door(self) -> Door: ...
    @property
    def peer(self) -> Peer: ...
    @property
    def reader(self) -> Reader: ...
    @property
    def received(self) -> int: ...
    @property
    def sent(self) -> int: ...
    @property
    def published(self) -> int: ...

    def close(self, code: int, reason: str) -> None:
        """End it, and tell the other side why."""

    def abort(self) -> None:
        """Cut it."""


class _CanBeCut(Protocol):
    def abort(self) -> None: ...


_C = TypeVar("_C", bound=_CanBeCut)


class Connections:
    """The registry.

    Args:
        presence: told of bots' first and last connections.
        per_key: most connections of one key.
        now_ms: milliseconds since 1970.

    Attributes:
        closes: how many connections of sockets ended with each close code.
    """

    def __init__(self, presence: Presence, per_key: int, now_ms: Callable[[], int]) -> None:
        self.closes: Counter[int] = Counter()
        self._presence = presence
        self._per_key = per_key
        self._now_ms = now_ms
        self._by_id: dict[str, Connection] = {}
        self._by_key: dict[str, set[Connection]] = {}
        self._by_browser: dict[str, set[Connection]] = {}
        self._expiry: dict[Connection, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Connection]:
        """Oldest first."""
        return iter(list(self._by_id.values()))

    def get(self, id_: str) -> Connection | None:
        """The connection with this id."""
        return self._by_id.get(id_)

    def add(self, connection: Connection) -> None:
        """A connection has authenticated.

        Raises:
            RateLimited: its key has as many as it may have.
        """
        self._check_room(connection.principal.key_id)
        self._by_id[connection.id] = connection
        self._add_key(connection)

    def rename(self, connection: Connection, principal: Principal) -> None:
        """A connection has brought a new credential for the same merchant and role.

        Raises:
            RateLimited: it is of another key, which has as many as it may have; nothing changed.
        """
        if principal.key_id != connection.principal.key_id:
            self._check_room(principal.key_id)
        self._remove_key(connection)
        connection.principal = principal
        self._add_key(connection)

    def remove(self, connection: Connection) -> None:
        """A connection is gone; nothing happens when it was never added."""
        if self._by_id.pop(connection.id, None) is not None:
            self._remove_key(connection)

    def close_key(self, key_id: str) -> None:
        """End everything that a revoked key, its tickets and its browsers have open."""
        code, reason = CloseCode.NOT_AUTHENTICATED, "the key was revoked"
        each(self._by_key.get(key_id, ()), lambda connection: connection.close(code, reason))

    def key_ids(self) -> list[str]:
        """The ids of the keys that have connections."""
        return list(self._by_key)

    def browsers(self) -> list[str]:
        """The browser sessions that have connections, by their hashes."""
        return list(self._by_browser)

    def bots(self) -> list[Principal]:
        """The bots that are connected."""
        held = (next(filter(_is_bot, found), None) for found in self._by_key.values())
        return [connection.principal for connection in held if connection is not None]

    def close_browser(self, browser: str) -> None:
        """End everything that a browser has open that signed out."""
        code, reason = CloseCode.NOT_AUTHENTICATED, "signed out"
        found = self._by_browser.get(browser, ())
        each(found, lambda connection: connection.close(code, reason))

    def _check_room(self, key_id: str) -> None:
        held = len(self._by_key.get(key_id, ()))
        if held >= self._per_key:
            raise RateLimited(
                f"this key has {held} connections, which is the limit "
                "(HUB_CONNECTIONS_PER_KEY); close some, or use another key",
                retry_after=5.0,
            )

    def _add_key(self, connection: Connection) -> None:
        principal = connection.principal
        connections = self._by_key.setdefault(principal.key_id, set())
        if _is_bot(connection) and not any(map(_is_bot, connections)):
            self._presence.arrived(principal)
        connections.add(connection)
        if principal.browser is not None:
            self._by_browser.setdefault(principal.browser, set()).add(connection)
        self._watch_expiry(connection)

    def _remove_key(self, connection: Connection) -> None:
        principal = connection.principal
        connections = self._by_key[principal.key_id]
        connections.remove(connection)
        if _is_bot(connection) and not any(map(_is_bot, connections)):
            self._presence.departed(principal)
        if not connections:
            del self._by_key[principal.key_id]
        if principal.browser is not None:
            of_browser = self._by_browser[principal.browser]
            of_browser.discard(connection)
            if not of_browser:
                del self._by_browser[principal.browser]
        timer = self._expiry.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def _watch_expiry(self, connection: Connection) -> None:
        ends_ms = connection.principal.expires_ms
        if ends_ms is None:
            return
        left = (ends_ms - self._now_ms()) / 1000
        if left <= 0:
            reason = "the key or sign-in has expired"
            self._expiry.pop(connection, None)
            connection.close(CloseCode.TOKEN_EXPIRED, reason)
            return
        self._expiry[connection] = asyncio.get_running_loop().call_later(
            min(left, _TIMER_SECONDS), self._watch_expiry, connection
        )


def each(connections: Iterable[_C], act: Callable[[_C], None]) -> None:
    """Do something with each of these; one that cannot take it is cut and keeps none from it."""
    for connection in list(connections):
        try:
            act(connection)
        except Exception:
            log.exception("a connection could not be told; it is cut")
            connection.abort()


def _is_bot(connection: Connection) -> bool:
    """Whether a bot stays connected by this; a long poll comes and goes."""
    return connection.principal.role == "bot" and connection.door != "poll"
