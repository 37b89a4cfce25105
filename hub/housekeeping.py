"""Removes what the hub keeps for a time: the first answers to calls that may come again, and jobs
that have ended."""

import time

from hub.protocol.times import format_ms
from hub.stream.log import EventLog
from hub.stream.retention import keep_removing
from hub.stream.waiting import WriteScope
from jobs.queues import KEPT_DAYS, NAMES
from storage import idempotency, jobs
from storage.scope import HUB

_DAY_MS = 86_400_000


async def forget_answers(event_log: EventLog) -> None:
    """Remove the answers whose time is over, now and every minute, until cancelled."""

    async def remove(limit: int) -> int:
        now = format_ms(_now_ms())

        async def work(scope: WriteScope) -> int:
            return await idempotency.expire(scope.tx, now, limit)

        return (await event_log.commit(work, HUB)).result

    await keep_removing(remove, "old answers wait to be removed")


async def forget_jobs(event_log: EventLog) -> None:
    """Remove the jobs that have ended long ago, now and every minute, until cancelled."""

    async def remove(limit: int) -> int:
        now_ms = _now_ms()

        async def work(scope: WriteScope) -> int:
            removed = 0
            for state, days in KEPT_DAYS.items():
                before = format_ms(now_ms - days * _DAY_MS)
                for queue in NAMES:
                    if removed < limit:
                        rest = limit - removed
                        removed += await jobs.expire(scope.tx, queue, state, before, rest)
            return removed

        return (await event_log.commit(work, HUB)).result

    await keep_removing(remove, "old jobs wait to be removed")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
