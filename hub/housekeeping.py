"""Removes what the hub keeps for a time: the first answers to calls that may come again."""

import asyncio
import time

import structlog

from hub.protocol.errors import Unavailable
from hub.protocol.times import format_ms
from hub.stream.log import EventLog
from hub.stream.waiting import WriteScope
from storage import idempotency
from storage.errors import StorageError
from storage.scope import HUB

log = structlog.get_logger("hub")

_BATCH = 1000
_PAUSE_SECONDS = 60.0


async def forget_answers(event_log: EventLog) -> None:
    """Remove the answers whose time is over, now and every minute, until cancelled.

    A batch is one write of the log, so that live commits wait for 1,000 rows at the most.
    """
    while True:
        now = format_ms(time.time_ns() // 1_000_000)

        async def work(scope: WriteScope, now: str = now) -> int:
            return await idempotency.expire(scope.tx, now, _BATCH)

        removed = 0
        try:
            removed = (await event_log.commit(work, HUB)).result
        except (Unavailable, StorageError) as error:
            log.warning("old answers wait to be removed", error=str(error))
        if removed < _BATCH:
            await asyncio.sleep(_PAUSE_SECONDS)
