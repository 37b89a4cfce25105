"""From a reader's cursor to the live end: out of the ring when it reaches back far enough, else
out of the database in pages, with no seam.

Pages are read by keyset, so no read transaction outlives one; readers at the same place with the
same merchant and filter share them. A reader whose sink is full keeps nothing but its cursor and
comes back here when it has drained: that is the whole design for slow consumers.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import structlog

from hub.protocol.filters import Filter, split_patterns
from hub.protocol.frames import Gap, Live
from storage import events
from storage.database import Transaction
from storage.errors import StorageError
from storage.records import EventPage
from storage.scope import Scope

from .entry import Entry
from .fanout import FanOut
from .framing import Framing
from .log import EventLog
from .reader import Reader

log = structlog.get_logger("hub.stream")

_SHARED_PAGES = 4
_SHARED_STRETCHES = 32
_RING_BYTES = 64 * 1024
_PAGE_BYTES = 128 * 1024
_READERS = 3
_RETRY_SECONDS = 1.0


class _Place(NamedTuple):
    """What readers must have in common to share bytes."""

    merchant_id: str | None
    filter: Filter
    framing: Framing
    cursor: int


class _Page(NamedTuple):
    """Frames of one stretch, joined: the events in `(after, upto]` that match."""

    data: bytes
    upto: int
    oldest: int


class Replay:
    """Brings readers to the live end. One per hub.

    Args:
        tasks: owns the reads from the database.

    Attributes:
        ring_replays, database_replays: stretches served from either since the start.
    """

    def __init__(self, event_log: EventLog, fanout: FanOut, tasks: asyncio.TaskGroup) -> None:
        self._log = event_log
        self._fanout = fanout
        self._tasks = tasks
        self._reading: dict[_Place, asyncio.Task[_Page | None]] = {}
        self._pages: OrderedDict[_Place, _Page] = OrderedDict()
        self._stretches: dict[_Place, bytes] = {}
        self._stretches_at = -1
        self.ring_replays = self.database_replays = 0
        # One reader of the database stays free: for keys, and for whoever asks over HTTP.
        self._free = asyncio.Semaphore(_READERS)
        fanout.behind = self.catch_up

    def catch_up(self, reader: Reader) -> None:
        """Bring a reader from its cursor to the live end, as far as it takes bytes now.

        To be called when it has subscribed and each time it has drained.
        """
        event_log, fanout = self._log, self._fanout
        while reader.subscribed and not (reader.closed or reader.stalled or reader.replaying):
            if reader.cursor < event_log.oldest - 1:
                self._skip(reader, event_log.oldest - 1)
                continue
            # What was acknowledged before a subscription comes before its `live`, even where the
            # flush that carries it to the others still waits.
            target = event_log.end if reader.announce else fanout.position
            if reader.cursor >= target:
                # No await between here and the attachment: nothing can be committed between.
                self._arrive(reader)
                return
            if reader.merchant_id is not None:
                last = event_log.last_offset.get(reader.merchant_id, 0)
                if last <= reader.cursor:
                    reader.cursor = target
                    continue
            if event_log.ring.reaches(reader.cursor):
                upto, data = self._stretch(reader, target)
                reader.cursor = upto
                if data:
                    reader.sent += len(data)
                    reader.sink.write(data)
                self.ring_replays += 1
                continue
            reader.replaying = True
            self.database_replays += 1
            self._tasks.create_task(self._read_on(reader, reader.generation))
            return

    def _arrive(self, reader: Reader) -> None:
        if reader.announce:
            reader.announce = False
            reader.send(Live(reader.cursor))
            if reader.stalled or reader.closed:
                return
        self._fanout.attach(reader)

    def _skip(self, reader: Reader, resume: int) -> None:
        """Tell a reader that retention has removed what it would have got next."""
        gap = Gap(reader.cursor + 1, resume, "retention", resume)
        reader.cursor = resume
        reader.send(gap)

    # ── from the ring ────────────────────────────────────────────────────────────────────────

    def _stretch(self, reader: Reader, target: int) -> tuple[int, bytes]:
        """A stretch of the ring up to `target` or 256 KiB, and the offset where it ends.

        Readers that were cut together come back to the same place: their bytes are joined once
        and kept until the target moves.
        """
        if self._stretches_at != target:
            self._stretches_at = target
            self._stretches.clear()
        place = _Place(reader.merchant_id, reader.filter, reader.framing, reader.cursor)
        data = self._stretches.get(place)
        if data is not None:
            return target, data
        entries: list[Entry] = []
        size = 0
        matches, merchant_id = reader.filter.matches, reader.merchant_id
        for entry in self._log.ring.between(reader.cursor, target):
            if (merchant_id is None or entry.merchant_id == merchant_id) and matches(
                entry.type, entry.subject
            ):
                entries.append(entry)
                size += len(entry.frame)
                if size >= _RING_BYTES:
                    return entry.offset, reader.framing.live(entries)
        data = reader.framing.live(entries)
        if len(self._stretches) < _SHARED_STRETCHES:
            self._stretches[place] = data
        return target, data

    # ── from the database ────────────────────────────────────────────────────────────────────

    async def _read_on(self, reader: Reader, generation: int) -> None:
        """Read pages for one reader until it has to drain or the ring reaches back to it."""
        try:
            while not self._log.ring.reaches(reader.cursor):
                page = await self._page(
                    _Place(reader.merchant_id, reader.filter, reader.framing, reader.cursor)
                )
                if reader.generation != generation or reader.closed or reader.stalled:
                    break
                if page is None:
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                if page.oldest - 1 > reader.cursor:
                    self._skip(reader, page.oldest - 1)
                    if reader.stalled:
                        break
                reader.cursor = max(reader.cursor, page.upto)
                if page.data:
                    reader.sent += len(page.data)
                    reader.sink.write(page.data)
                if reader.stalled:
                    break
        finally:
            reader.replaying = False
        self.catch_up(reader)

    async def _page(self, place: _Place) -> _Page | None:
        """The page after a cursor; None when the database did not answer."""
        page = self._pages.get(place)
        if page is not None:
            return page
        task = self._reading.get(place)
        if task is None:
            task = self._reading[place] = self._tasks.create_task(self._read(place))
        return await asyncio.shield(task)  # others may wait for the same page

    async def _read(self, place: _Place) -> _Page | None:
        types, subjects = place.filter.types, place.filter.subjects
        end = self._log.end

        async def work(tx: Transaction) -> tuple[EventPage, int]:
            page = await events.page(
                tx,
                None if types is None else split_patterns(types),
                None if subjects is None else split_patterns(subjects),
                after=place.cursor,
                upto=end,
                page_bytes=_PAGE_BYTES,
            )
            return page, (await events.log_state(tx)).oldest

        try:
            async with self._free:
                found, oldest = await self._log.database.read(work, Scope(place.merchant_id))
        except StorageError as error:
            log.warning("replay waits for the database", error=str(error))
            return None
        except Exception:  # a bug here must cost these readers time, not everyone the hub
            log.exception("a page could not be read")
            return None
        finally:
            del self._reading[place]
        data = place.framing.stored(found.events)
        page = self._pages[place] = _Page(data, found.upto, oldest)
        while len(self._pages) > _SHARED_PAGES:
            self._pages.popitem(last=False)
        return page

    async def last_matching(
        self,
        merchant_id: str | None,
        filter_: Filter,
        count: int,
        wanted: Callable[[], bool] = lambda: True,
    ) -> int:
        """The cursor from which a replay yields the last `count` matching events.

        Args:
            wanted: asked before each page; the search ends when nobody waits for it any more.

        Raises:
            storage.errors.Unavailable: the database did not answer.
        """
        event_log = self._log
        ring = event_log.ring
        # Retention may have removed what the ring still holds.
        hits = [
            entry.offset
            for entry in ring.between(max(ring.first, event_log.oldest) - 1, ring.end)
            if (merchant_id is None or entry.merchant_id == merchant_id)
            and filter_.matches(entry.type, entry.subject)
        ]
        if len(hits) >= count:
            return hits[-count] - 1
        missing = count - len(hits)
        oldest_hit = hits[0] if hits else ring.end + 1
        before = ring.first
        types, subjects = filter_.types, filter_.subjects

        async def work(tx: Transaction) -> tuple[list[int], int]:
            return await events.offsets_before(
                tx,
                None if types is None else split_patterns(types),
                None if subjects is None else split_patterns(subjects),
                before,
            )

        while missing and before > event_log.oldest and wanted():
            async with self._free:
                found, before = await event_log.database.read(work, Scope(merchant_id))
            for offset in found[:missing]:
                oldest_hit = offset
            missing -= min(missing, len(found))
        return oldest_hit - 1
