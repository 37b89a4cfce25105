"""Removes what is kept for a time only: the oldest events, once they are older than
`HUB_RETENTION`, and whatever else is removed in batches as they are."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from hub.protocol.errors import Unavailable
from storage.errors import StorageError

from .log import EventLog

log = structlog.get_logger("hub.stream")

_BATCH = 1000
_PAUSE_SECONDS = 60.0


async def keep_retention(event_log: EventLog, seconds: float) -> None:
    """Remove what is older than `seconds`, now and every minute, until cancelled."""

    async def remove(limit: int) -> int:
        removed = await event_log.retire(int((time.time() - seconds) * 1000), limit)
        if removed:
            log.info("retention removed events", count=removed, oldest=event_log.oldest)
        return removed

    await keep_removing(remove, "retention waits")


async def keep_removing(remove: Callable[[int], Awaitable[int]], waits: str) -> None:
    """Remove in batches until nothing is left, now and every minute, until cancelled.

    A batch is one write of the log, so that live commits wait for 1,000 rows at the most.

    Args:
        remove: removes up to so many; how many it did.
        waits: what is logged where the database does not do it.
    """
    while True:
        removed = 0
        try:
            removed = await remove(_BATCH)
        except (Unavailable, StorageError) as error:
            log.warning(waits, error=str(error))
        if removed < _BATCH:
            await asyncio.sleep(_PAUSE_SECONDS)
