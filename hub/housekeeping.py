"""Removes what the hub keeps for a time: first answers to calls that may come again, jobs that have
ended, attempts to call webhooks, recipients' times, pictures that have expired, and files that
nobody looks for."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from hub.media.folder import MediaFolder
from hub.protocol.drafts import Origin
from hub.protocol.errors import Unavailable
from hub.protocol.ids import least_uuid7
from hub.protocol.times import format_ms
from hub.stream.log import EventLog
from hub.stream.retention import keep_removing
from hub.stream.waiting import WriteScope
from jobs.pictures.variants import blobs_of
from jobs.queues import KEPT_DAYS, NAMES
from storage import idempotency, jobs, media, webhook_logs, work
from storage.database import Transaction
from storage.errors import NotFound, Stale, StorageError
from storage.merchant_records import MediaFile
from storage.scope import HUB, Scope

log = structlog.get_logger("hub.housekeeping")

SWEEP_SECONDS = 3600.0
ATTEMPTS_DAYS = 30
"""How long attempts to call webhooks are kept: as long as a dead delivery."""
_PICTURES = 100
_DAY_MS = 86_400_000


async def forget_answers(event_log: EventLog) -> None:
    """Remove the answers whose time is over, now and every minute, until cancelled."""

    async def expire(tx: Transaction, now_ms: int, limit: int) -> int:
        return await idempotency.expire(tx, format_ms(now_ms), limit)

    await _keep_expiring(event_log, expire, "old answers wait to be removed")


async def forget_jobs(event_log: EventLog) -> None:
    """Remove the jobs that have ended long ago, now and every minute, until cancelled."""

    async def expire(tx: Transaction, now_ms: int, limit: int) -> int:
        removed = 0
        for state, days in KEPT_DAYS.items():
            before = format_ms(now_ms - days * _DAY_MS)
            for queue in NAMES:
                if removed < limit:
                    removed += await jobs.expire(tx, queue, state, before, limit - removed)
        return removed

    await _keep_expiring(event_log, expire, "old jobs wait to be removed")


async def forget_attempts(event_log: EventLog) -> None:
    """Remove old attempts to call webhooks, now and every minute, until cancelled."""

    async def expire(tx: Transaction, now_ms: int, limit: int) -> int:
        before = least_uuid7(now_ms - ATTEMPTS_DAYS * _DAY_MS)
        return await webhook_logs.expire(tx, before, limit)

    await _keep_expiring(event_log, expire, "old attempts of webhooks wait to be removed")


async def forget_slots(event_log: EventLog) -> None:
    """Forget the recipients who may be sent the next message, now and every minute, until
    cancelled."""

    async def expire(tx: Transaction, now_ms: int, limit: int) -> int:
        return await work.forget_slots(tx, format_ms(now_ms), limit)

    await _keep_expiring(event_log, expire, "recipients' times wait to be removed")


async def _keep_expiring(
    event_log: EventLog,
    expire: Callable[[Transaction, int, int], Awaitable[int]],
    waits: str,
) -> None:
    """Remove what has expired by the milliseconds since 1970, see `keep_removing`."""

    async def remove(limit: int) -> int:
        now_ms = _now_ms()

        async def write(scope: WriteScope) -> int:
            return await expire(scope.tx, now_ms, limit)

        return (await event_log.commit(write, HUB)).result

    await keep_removing(remove, waits)


async def sweep_pictures(event_log: EventLog, folder: MediaFolder) -> None:
    """Remove pictures that have expired, and files without a row, every hour until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            await remove_expired(event_log, folder)
            orphans = await folder.sweep()
            if orphans:
                log.info("files without a row were removed", count=orphans)
        except (Unavailable, StorageError) as error:
            log.warning("pictures wait to be swept", error=str(error))


async def remove_expired(event_log: EventLog, folder: MediaFolder) -> int:
    """Remove the pictures whose time is over and that nothing shows; how many they were.

    Raises:
        Unavailable: the disk or the log fails.
        storage.errors.StorageError: the database does not answer.
    """
    now, removed = format_ms(_now_ms()), 0
    last: MediaFile | None = None
    while True:
        after = last
        found = await event_log.database.read(
            lambda tx, after=after: media.expired(tx, now, _PICTURES, after),  # type: ignore[misc]
            HUB,
        )
        for file in found:
            removed += await _remove(event_log, folder, file)
        if len(found) < _PICTURES:
            return removed
        last = found[-1]


async def _remove(event_log: EventLog, folder: MediaFolder, file: MediaFile) -> bool:
    """Remove a picture with its files, unless something shows it or it has changed meanwhile."""

    async def work(scope: WriteScope) -> bool:
        if await media.places(scope.tx, file, 1):
            return False
        try:
            await media.delete(scope.tx, file.id, file.version)
        except (NotFound, Stale):
            return False
        data = {
            "mediaId": file.id, "name": file.original_name, "hash": file.hash,
            "version": file.version, "reason": "expired",
        }  # fmt: skip
        scope.record(Origin(file.merchant_id, "hub"), "media_deleted", data, f"media/{file.id}")
        return True

    marks = await folder.mark(blobs_of(file))
    try:
        return (await event_log.commit(work, Scope(file.merchant_id))).result
    finally:
        await folder.tidy(marks)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
