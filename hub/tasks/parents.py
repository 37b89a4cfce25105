"""Bulk sends while their parts are sent: how far they are is told and written, and their end.

What this hub settles is looked at within half a second; what other processes do, every 5 s.
"""

import asyncio
import time

import structlog

from hub.protocol.drafts import Origin
from hub.protocol.errors import HubError
from hub.protocol.times import format_ms
from hub.stream.log import EventLog
from hub.stream.waiting import WriteScope
from jobs.context import SOURCE
from jobs.enqueue import event_data, subject_of
from jobs.message_sending import parts
from storage import jobs, sending
from storage.database import Transaction
from storage.errors import StorageError
from storage.jobs import JobKey
from storage.merchant_records import Job
from storage.scope import HUB, Scope

log = structlog.get_logger("hub.tasks")

_TELL_SECONDS = 0.5
_NOTE_SECONDS = 1.0
_LOOK_SECONDS = 5.0
_MOST = 1000
"""Bulk sends that are looked at in one turn."""


class Parents:
    """See the module."""

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log
        self._moved: set[JobKey] = set()
        self._noted: dict[JobKey, float] = {}
        self._wake = asyncio.Event()

    def moved(self, merchant_id: str, parent_id: str) -> None:
        """Something has become of a part of this job, or of the job itself."""
        self._moved.add((merchant_id, parent_id))
        self._wake.set()

    async def run(self) -> None:
        """Look at what has moved, until cancelled."""
        looked = float("-inf")
        while True:
            try:
                if time.monotonic() - looked >= _LOOK_SECONDS:
                    looked = time.monotonic()
                    await self._look()
                for key in list(self._moved):
                    self._moved.discard(key)
                    try:
                        await self._one(*key)
                    except (StorageError, HubError):
                        self._moved.add(key)
                        raise
                    except Exception:  # a fault of one bulk send must not hold up the others
                        log.exception("a bulk send could not be looked at", job=key[1])
            except (StorageError, HubError) as error:
                log.warning("bulk sends could not be looked at", error=str(error))
            self._wake.clear()
            await asyncio.sleep(_TELL_SECONDS)
            if not self._moved:
                left = looked + _LOOK_SECONDS - time.monotonic()
                try:
                    async with asyncio.timeout(max(0.0, left)):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _look(self) -> None:
        async def read(tx: Transaction) -> list[JobKey]:
            return await sending.parents(tx, _MOST)

        found = set(await self._log.database.read(read, HUB))
        self._moved |= found
        self._noted = {key: at for key, at in self._noted.items() if key in found}

    async def _one(self, merchant_id: str, parent_id: str) -> None:
        scope = Scope(merchant_id)

        async def read(tx: Transaction) -> tuple[Job | None, parts.Counts]:
            return await jobs.find(tx, parent_id), await jobs.states_of_parts(tx, parent_id)

        parent, counts = await self._log.database.read(read, scope)
        if parent is None or parent.name != "bulk":
            return
        open_count = parts.open_count(counts)
        if parent.state in ("dead", "cancelled"):
            await self._end(parent, scope)
            return
        if parent.awaits != "children":
            return
        if open_count:
            self._tell(parts.shown(parent, counts))
        key, moment = (merchant_id, parent_id), time.monotonic()
        if open_count and moment - self._noted.get(key, float("-inf")) < _NOTE_SECONDS:
            self._moved.add(key)
            return
        self._noted[key] = moment

        async def note(write: WriteScope) -> Job | None:
            return await parts.note_progress(write, parent_id, _now())

        await self._log.commit(note, scope)

    async def _end(self, parent: Job, scope: Scope) -> None:
        """End what is open of a bulk send that was ended, a part at a time, so that others have
        their turn."""

        async def some(write: WriteScope) -> int:
            return len(await parts.cancel_some(write, parent.id, _now()))

        async def sum_up(write: WriteScope) -> Job | None:
            return await parts.sum_up(write, parent.id, _now())

        while (await self._log.commit(some, scope)).result:
            pass
        ended = (await self._log.commit(sum_up, scope)).result
        if ended is not None:
            self._tell(ended)

    def _tell(self, parent: Job) -> None:
        origin = Origin(parent.merchant_id, SOURCE)
        self._log.tell(origin, "job_progressed", event_data(parent), subject_of(parent))


def _now() -> str:
    return format_ms(time.time_ns() // 1_000_000)
