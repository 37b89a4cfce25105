"""Removes the oldest events once they are older than `HUB_RETENTION`."""

import asyncio
import time

import structlog

from hub.protocol.errors import Unavailable
from storage.errors import StorageError

from .log import EventLog

log = structlog.get_logger("hub.stream")

_BATCH = 1000
_PAUSE_SECONDS = 60.0


async def keep_retention(event_log: EventLog, seconds: float) -> None:
    """Remove what is older than `seconds`, now and every minute, until cancelled.

    A batch is one write of the log, so that live commits wait for 1,000 rows at the most.
    """
    while True:
        try:
            removed = await event_log.retire(int((time.time() - seconds) * 1000), _BATCH)
        except (Unavailable, StorageError) as error:
            log.warning("retention waits", error=str(error))
            removed = 0
        if removed:
            log.info("retention removed events", count=removed, oldest=event_log.oldest)
        if removed < _BATCH:
            await asyncio.sleep(_PAUSE_SECONDS)
