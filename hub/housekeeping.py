"""Removes what the hub keeps for a time: the first answers to calls that may come again."""

import time

from hub.protocol.times import format_ms
from hub.stream.log import EventLog
from hub.stream.retention import keep_removing
from hub.stream.waiting import WriteScope
from storage import idempotency
from storage.scope import HUB


async def forget_answers(event_log: EventLog) -> None:
    """Remove the answers whose time is over, now and every minute, until cancelled."""

    async def remove(limit: int) -> int:
        now = format_ms(time.time_ns() // 1_000_000)

        async def work(scope: WriteScope) -> int:
            return await idempotency.expire(scope.tx, now, limit)

        return (await event_log.commit(work, HUB)).result

    await keep_removing(remove, "old answers wait to be removed")
