"""The other processes on the same database: that they live, and what they have done.

With SQLite there are none, and whatever the tables name is a hub that has ended. With Postgres
several hubs may run: each says every 5 s that it lives, and hears of the others what it keeps in
memory itself, by notices that the database sends with their commits.
"""

import asyncio
import time
from typing import NamedTuple

import structlog

from hub.auth import Authenticator
from hub.gateway.connections import Connections
from hub.gateway.presence import Presence
from hub.protocol.errors import Unavailable
from hub.protocol.times import format_ms
from hub.stream.log import EventLog
from hub.stream.waiting import WriteScope
from storage import instances, keys, merchants
from storage.database import Database, Transaction
from storage.errors import StorageError
from storage.scope import HUB

log = structlog.get_logger("hub.peers")

_BEAT_SECONDS = 5.0
_SILENT_SECONDS = 15.0


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

    def end(self) -> None:
        """Act on no further notice."""
        self._ended = True

    async def begin(self) -> None:
        """Take a place among the hubs, and say which bots were lost with those that ended.

        Raises:
            StorageError, Unavailable: the database did not do it.
        """

        async def let_go(scope: WriteScope) -> None:
            await instances.let_go(scope.tx, self._instance)

        await self._log.commit(let_go, HUB)
        await self._beat()
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
                if about.isascii() and about.isdecimal():
                    self._log.hear(int(about))
            case "key" | "browser" | "merchant":
                self._tasks.create_task(self._look_at(word, about))
            case "again":
                self._tasks.create_task(self._look_again())

    async def _look_at(self, word: str, about: str) -> None:
        """Find out whether a notice is true, and act on it."""
        kept = self._kept
        database = self._log.database
        try:
            match word:
                case "key":
                    kept.authenticator.forget(about)
                    await self._close_revoked([about])
                case "browser":
                    kept.authenticator.forget_browser(about)
                    if await database.read(lambda tx: keys.by_session_hash(tx, about), HUB) is None:
                        kept.connections.close_browser(about)
                case _:
                    await database.read(lambda tx: merchants.get(tx, about), HUB)
                    kept.merchants.add(about)
        except StorageError as error:  # the next look finds it
            log.warning("a notice could not be followed", about=word, error=str(error))

    async def _close_revoked(self, key_ids: list[str]) -> None:
        """Close what keys that are revoked have open."""

        async def read(tx: Transaction) -> list[str]:
            return await keys.revoked_among(tx, key_ids)

        for key_id in await self._log.database.read(read, HUB):
            self._kept.connections.close_key(key_id)

    async def run(self) -> None:
        """Say every 5 s that this hub lives, and look for those that do not. Never ends."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            try:
                await self._beat()
            except (StorageError, Unavailable) as error:
                log.warning("the other hubs could not be looked at", error=str(error))

    async def _beat(self) -> None:
        now_ms = time.time_ns() // 1_000_000
        # Where one process has the database to itself, every other one has ended.
        silent_ms = int(_SILENT_SECONDS * 1000) if self._log.database.shared else 0

        async def work(scope: WriteScope) -> int:
            await instances.beat(scope.tx, self._instance, format_ms(now_ms))
            return await instances.remove_silent(
                scope.tx, self._instance, format_ms(now_ms - silent_ms)
            )

        committed = await self._log.commit(work, HUB)
        if committed.result:
            log.info("hubs have ended", count=committed.result)
        await self._presence.recover()

    async def _look_again(self) -> None:
        """Read what notices would have told: some may have been missed."""
        kept = self._kept
        kept.authenticator.forget_all()
        try:
            kept.merchants.update(await merchant_ids(self._log.database))
            if held := kept.connections.key_ids():
                await self._close_revoked(held)
            if browsers := kept.connections.browsers():

                async def read(tx: Transaction) -> list[str]:
                    return await keys.ended_among(tx, browsers)

                for browser in await self._log.database.read(read, HUB):
                    kept.connections.close_browser(browser)
        except StorageError as error:
            log.warning("what was missed could not be read", error=str(error))


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
