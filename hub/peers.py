"""The other processes on the same database: that they live, and what they have done.

With SQLite there are none, and whatever the tables name is a hub that has ended. With Postgres
several hubs may run: each says every 5 s that it lives, and hears of the others what it keeps in
memory itself, by notices that the database sends with their commits.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from hub.auth import Authenticator
from hub.gateway.connections import Connections
from hub.gateway.presence import Presence
from hub.protocol.errors import Unavailable
from hub.protocol.times import format_ms, parse_ms
from hub.stream.log import EventLog
from hub.stream.waiting import WriteScope
from storage import instances, keys, merchants
from storage.database import Database, Transaction
from storage.errors import StorageError
from storage.scope import HUB

log = structlog.get_logger("hub.peers")

_BEAT_SECONDS = 5.0
_SILENT_SECONDS = 15.0
_PATIENCE_SECONDS = 2.0
_RETRY_SECONDS = 0.5
_MOST_NEWS = 10_000
"""What was heard of one kind before it is looked for as a whole."""
_ASKED = 256
_DIGITS = 18


class Kept(NamedTuple):
    """What a hub keeps in memory of the database."""

    authenticator: Authenticator
    connections: Connections
    merchants: set[str]


class Peers:
    """Says that this hub lives, and listens to the others.

    Args:
        instance: the id of this hub; one that comes back under the same id has lost the bots that
            it held.
        tasks: owns what a notice sets going.
    """

    def __init__(
        self,
        event_log: EventLog,
        presence: Presence,
        kept: Kept,
        instance: str,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._log = event_log
        self._presence = presence
        self._kept = kept
        self._instance = instance
        self._tasks = tasks
        self._ended = False
        self._beaten_at = 0.0
        self._news: dict[str, set[str]] = {}
        self._again = False
        self._looking: asyncio.Task[None] | None = None

    def end(self) -> None:
        """Act on no further notice."""
        self._ended = True

    async def begin(self) -> None:
        """Take a place among the hubs, and say which bots were lost with those that ended.

        Raises:
            StorageError, Unavailable: the database did not do it.
        """

        async def work(scope: WriteScope) -> int:
            await instances.let_go(scope.tx, self._instance)
            now = await scope.tx.now()
            await instances.beat(scope.tx, self._instance, now)
            # Where one process has the database to itself, every other one has ended.
            if self._log.database.shared:
                return 0
            return await instances.remove_silent(scope.tx, self._instance, now)

        await self._log.commit(work, HUB)
        self._beaten_at = time.monotonic()
        await self._presence.recover()
        await self._log.database.listen(self.heard)

    async def leave(self) -> None:
        """Leave the hubs. One that cannot say so is missed by the others after 15 s."""

        async def left(scope: WriteScope) -> None:
            await instances.leave(scope.tx, self._instance)

        try:
            await self._log.commit(left, HUB)
        except (StorageError, Unavailable) as error:
            log.warning("the other hubs could not be told of the end", error=str(error))

    def heard(self, notice: str) -> None:
        """Act on a notice; see `Database.listen`."""
        if self._ended:
            return
        word, _, about = notice.partition(" ")
        match word:
            case "head":
                # Whoever is connected may send one: it is a hint to look and no more.
                if about.isascii() and about.isdecimal() and len(about) <= _DIGITS:
                    self._log.hear(int(about))
            case "key" | "browser" | "merchant":
                self._note(word, about)
            case "again":
                self._again = True
                self._look()

    def _note(self, word: str, about: str) -> None:
        news = self._news.setdefault(word, set())
        if len(news) < _MOST_NEWS:
            news.add(about)
        else:
            self._again = True
        self._look()

    def _look(self) -> None:
        """Have what was heard looked into, by one task whatever its number."""
        if self._looking is None:
            self._looking = self._tasks.create_task(self._look_into())

    async def _look_into(self) -> None:
        """Find out whether what was heard is true, and act on it."""
        try:
            while (self._again or self._news) and not self._ended:
                again, self._again = self._again, False
                news, self._news = self._news, {}
                try:
                    if again:
                        await self._look_again()
                    await self._look_at(news)
                except StorageError as error:
                    log.warning("what others did could not be read", error=str(error))
                    self._again = True
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            self._looking = None

    async def _look_at(self, news: dict[str, set[str]]) -> None:
        kept = self._kept
        key_ids = sorted(news.get("key", ()))
        for key_id in key_ids:
            kept.authenticator.forget(key_id)
        await self._close_revoked(key_ids)
        browsers = sorted(news.get("browser", ()))
        for browser in browsers:
            kept.authenticator.forget_browser(browser)
        held = set(kept.connections.browsers())
        await self._close_ended([browser for browser in browsers if browser in held])
        if news.get("merchant", set()) - kept.merchants:
            kept.merchants.update(await merchant_ids(self._log.database))

    async def _close_revoked(self, key_ids: list[str]) -> None:
        """Close what those of these keys have open that are revoked."""
        for key_id in await self._asked(keys.revoked_among, key_ids):
            self._kept.connections.close_key(key_id)

    async def _close_ended(self, browsers: list[str]) -> None:
        """Close what those of these browsers have open that are signed out."""
        for browser in await self._asked(keys.ended_among, browsers):
            self._kept.connections.close_browser(browser)

    async def _asked(
        self, which: Callable[[Transaction, list[str]], Awaitable[list[str]]], ids: list[str]
    ) -> list[str]:
        """Ask the database about ids, a part at a time."""
        found: list[str] = []
        for at in range(0, len(ids), _ASKED):

            async def read(tx: Transaction, part: list[str] = ids[at : at + _ASKED]) -> list[str]:
                return await which(tx, part)

            found += await self._log.database.read(read, HUB)
        return found

    async def run(self) -> None:
        """Say every 5 s that this hub lives, and look for those that do not. Never ends."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            try:
                await self._beat()
            except (StorageError, Unavailable) as error:
                log.warning("the other hubs could not be looked at", error=str(error))

    async def _beat(self) -> None:
        # After an outage the others may not have been able to beat either: they have a period.
        steady = time.monotonic() - self._beaten_at < 2 * _BEAT_SECONDS + _PATIENCE_SECONDS

        async def work(scope: WriteScope) -> tuple[bool, int]:
            now = await scope.tx.now()
            missed = await instances.beat(scope.tx, self._instance, now)
            since = format_ms(parse_ms(now) - int(_SILENT_SECONDS * 1000))
            removed = 0
            if steady:
                removed = await instances.remove_silent(scope.tx, self._instance, since)
            return missed, removed

        missed, removed = (await self._log.commit(work, HUB)).result
        self._beaten_at = time.monotonic()
        if removed:
            log.info("hubs have ended", count=removed)
        if missed:
            # The others have taken this hub for dead, and its bots for gone.
            log.warning("the other hubs had missed this one")
            for bot in self._kept.connections.bots():
                self._presence.arrived(bot)
        await self._presence.recover()

    async def _look_again(self) -> None:
        """Read what notices would have told: some may have been missed."""
        kept = self._kept
        kept.authenticator.forget_all()
        kept.merchants.update(await merchant_ids(self._log.database))
        await self._close_revoked(kept.connections.key_ids())
        await self._close_ended(kept.connections.browsers())


async def merchant_ids(database: Database) -> set[str]:
    """The ids of all merchants."""

    async def read(tx: Transaction) -> set[str]:
        found: set[str] = set()
        after = ""
        while rows := await merchants.page(tx, after, 1000):
            found.update(row.id for row in rows)
            after = rows[-1].id
        return found

    return await database.read(read, HUB)
