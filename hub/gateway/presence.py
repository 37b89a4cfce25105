"""Bots coming and going, as events: at a bot key's first session and at its last.

The key's row notes it in the same transaction, so that a hub that was killed can say at its next
start which bots it lost.
"""

import asyncio
import time

import structlog

from hub.auth import Principal
from hub.protocol.drafts import Origin
from hub.protocol.errors import Unavailable
from hub.protocol.times import format_ms
from hub.stream.log import EventLog
from hub.stream.waiting import WriteScope
from storage import instances
from storage.errors import StorageError
from storage.scope import HUB

log = structlog.get_logger("hub.gateway")

_RETRY_SECONDS = 1.0


class Presence:
    """Writes `bot_connected` and `bot_disconnected`, one after the other.

    A bot is connected while any hub holds it: with several on one database, it is the first of
    them that says so, and the last.

    Only the latest state of each key waits: a bot that flaps while the database is slow leaves
    no queue behind.

    Args:
        instance: the id of this hub among those on the database.
    """

    def __init__(self, event_log: EventLog, instance: str) -> None:
        self._log = event_log
        self._instance = instance
        self._wanted: dict[str, tuple[str, str, bool, str]] = {}
        self._held: set[str] = set()
        self._wake = asyncio.Event()
        self._closing = False

    def arrived(self, principal: Principal) -> None:
        """A bot key has its first session."""
        self._held.add(principal.key_id)
        self._want(principal.key_id, principal.merchant_id, principal.name, True, "connected")

    def departed(self, principal: Principal) -> None:
        """A bot key has lost its last session."""
        self._held.discard(principal.key_id)
        self._want(principal.key_id, principal.merchant_id, principal.name, False, "disconnected")

    async def recover(self) -> None:
        """Say which bots a hub held that ended without saying it itself.

        Raises:
            storage.errors.Unavailable: the database did not answer.
        """
        for key in await self._log.database.read(instances.lost_bots, HUB):
            if key.id in self._held:
                continue  # it is here, and about to be noted
            self._want(key.id, key.merchant_id, key.name, False, "hub restarted")

    def close(self) -> None:
        """`run` returns once what is wanted is written."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write what is wanted until `close`."""
        while True:
            if not self._wanted:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            key_id = next(iter(self._wanted))
            change = self._wanted.pop(key_id)
            try:
                await self._write(key_id, change)
            except (Unavailable, StorageError) as error:
                log.warning("presence waits for the log", error=str(error))
                if self._closing:
                    return
                self._wanted.setdefault(key_id, change)
                await asyncio.sleep(_RETRY_SECONDS)

    def _want(
        self, key_id: str, merchant_id: str | None, name: str, connected: bool, reason: str
    ) -> None:
        if merchant_id is not None:  # bot keys always have one
            self._wanted[key_id] = (merchant_id, name, connected, reason)
            self._wake.set()

    async def _write(self, key_id: str, change: tuple[str, str, bool, str]) -> None:
        merchant_id, name, connected, reason = change
        now = format_ms(time.time_ns() // 1_000_000)

        async def work(scope: WriteScope) -> None:
            note = instances.connect_bot if connected else instances.disconnect_bot
            if not await note(scope.tx, key_id, self._instance):
                return
            data = {"timestamp": now, "keyId": key_id, "name": name}
            data["botStatus" if connected else "reason"] = reason
            scope.record(
                Origin(merchant_id, "hub"),
                "bot_connected" if connected else "bot_disconnected",
                data,
                f"bot/{key_id}",
            )

        await self._log.commit(work, HUB)
