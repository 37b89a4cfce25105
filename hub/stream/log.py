"""EventLog: everything that happens, in one durable order.

What arrives while one group is being written is the next group; it closes at 512 events, 64
messages or 256 KiB, and goes on with writes for 20 ms. One group is one transaction: rows, events
and offsets together. After its commit, in this order: the ring, the fan-out, the answers. Nobody
sees an event before it is durable, and an answer means that it is.

Other processes may append to the same database. The ring takes only the offset that follows its
end, so what others have written before a group of ours is read first; what they write while this
one is quiet is told by a notice, or found by a look at the head every second.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import structlog

from hub.protocol.drafts import Origin, encode_event
from hub.protocol.errors import Unavailable
from hub.protocol.frames import Publish
from hub.protocol.ids import Uuid7Source
from hub.protocol.websocket import text_frame
from storage import errors as storage_errors
from storage import events
from storage.database import DEADLINE_SECONDS, Database, Transaction
from storage.errors import SchemaError, StorageError
from storage.merchant_records import Job
from storage.records import LogState, StoredEvent
from storage.scope import HUB, Scope

from .append import Appended, Batch, Outcome, Placed, append
from .entry import Entry
from .ring import Ring
from .waiting import Committed, Lanes, Publication, Waiting, Write, WriteScope, answer

T = TypeVar("T")
log = structlog.get_logger("hub.stream")

GROUP_SECONDS = 0.02
"""How long a group goes on with writes: one that has begun is ended, those behind it wait for the
next group. Everybody in a group waits for its slowest, and a server gives up on all of it at once:
sixteen large orders were enough."""
_LOOK_SECONDS = 1.0
"""How often the head of a log that others append to is looked at."""
_CONGESTED_SECONDS = 0.005
_REPLACED = (
    "the log is another one, or has gone back to an earlier state (a restore, a recovery, a "
    "standby that was promoted): start the hub again"
)


class EventLog:
    """The log of one hub. `open_log` makes it, `run` works until `close`.

    Attributes:
        epoch: the identity of this log; offsets of another epoch mean nothing here.
        ring: the last events.
        oldest: the first offset still stored (`end` + 1 when none is).
        last_offset: by merchant, the offset of its last event; one that is missing has none.
        listener: called after each commit with the entries that follow, volatile ones included.
        torn: called when events that nobody here has seen are gone from the database, so that
            live readers must begin again.
        writing: whether a group is on its way to the disk.
        measured: called after each commit with its events and its seconds on the database.
        queued: called after each commit that has jobs which have somewhere to go, with them.
        waiting: what waits for its group.
        events_in: events appended since the start, volatile ones included.
        congested: while it says so, no further group is written; `wake` when it has changed.
        follows: whether what other processes append is read; without readers nobody misses it.
    """

    def __init__(
        self, database: Database, state: LogState, ring: Ring, last_offset: dict[str, int]
    ) -> None:
        self.database = database
        self.epoch = state.epoch
        self.oldest = state.oldest
        self.ring = ring
        self.last_offset = last_offset
        self.listener: Callable[[list[Entry]], None] = lambda entries: None
        self.torn: Callable[[], None] = lambda: None
        self.congested: Callable[[], bool] = lambda: False
        self.measured: Callable[[int, float], None] = lambda events, seconds: None
        self.queued: Callable[[list[Job]], None] = lambda jobs: None
        self.follows = True
        self.events_in = 0
        self.waiting = Lanes()
        self.writing = False
        self._wake = asyncio.Event()
        self._closing = False
        self._ids = Uuid7Source()
        self._heard = 0
        self._reaching: list[asyncio.Future[None]] = []

    @property
    def end(self) -> int:
        """The last offset that is durable and known here."""
        return self.ring.end

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def publish(self, publication: Publication) -> None:
        """Append events in the next group; `publication.answer` tells how it went."""
        if self._closing:
            publication.refuse(_stopping())
            return
        self.waiting.push(publication)
        self._wake.set()

    async def commit(
        self, work: Callable[[WriteScope], Awaitable[T]], scope: Scope
    ) -> Committed[T]:
        """Change rows and record events in one transaction.

        Args:
            work: awaits nothing but its scope's transaction. It has a savepoint of its own: when
                it raises, it alone is undone and the exception comes out here.
            scope: whose rows it may touch, and who acts.

        Raises:
            Unavailable: the group could not be written, or the log is closing.
        """
        if self._closing:
            raise _stopping()
        future: asyncio.Future[Committed[T]] = asyncio.get_running_loop().create_future()
        self.waiting.push(Write(work, scope, future))
        self._wake.set()
        return await future

    def tell(
        self, origin: Origin, type_: str, data: dict[str, Any], subject: str | None = None
    ) -> None:
        """Tell those who are there of something that has no place in the log."""
        frame = Publish(type=type_, data=data, subject=subject, volatile=True)
        self.publish(Publication([encode_event(frame, origin)], lambda outcomes: None))

    @property
    def idle(self) -> bool:
        """Whether everything that was accepted is written."""
        return not self.waiting and not self.writing

    async def run(self) -> None:
        """Write groups until `close`, then what still waits, and return."""
        writing: tuple[list[Waiting], asyncio.Task[_Written]] | None = None
        while True:
            if writing is None:
                await self._wake.wait()
                self._wake.clear()
                if self._heard > self.end and not self._closing:
                    await self._follow(self._heard)
                writing = self._start()
                if writing is None:
                    if self._closing and not self.waiting:
                        return
                    continue
            group, task = writing
            await asyncio.wait((task,))
            error = task.exception()
            if error is None:
                group = self._put_back(group, task.result())
            if error is not None:
                self._fail(group, error)
                writing = self._start()
            else:
                # The next group goes to the database before this one is answered, so that
                # its fsync runs beside the acknowledgements and the fan-out.
                writing = self._start()
                await self._settle(group, task.result())
            if writing is None:
                self._wake.set()

    def wake(self) -> None:
        """Look again at what waits."""
        self._wake.set()

    def close(self) -> None:
        """Take nothing more; `run` returns when everything accepted is written."""
        self._closing = True
        self._wake.set()

    def _start(self) -> "tuple[list[Waiting], asyncio.Task[_Written]] | None":
        """Take the next group from what waits and send it to the database."""
        self.writing = False
        if self.congested():
            return None
        group = self.waiting.take_group()
        if not group:
            return None
        self.writing = True
        now_ms = time.time_ns() // 1_000_000
        return group, asyncio.create_task(self._write(group, now_ms))

    async def _write(self, group: list[Waiting], now_ms: int) -> "_Written":
        if all(
            isinstance(item, Publication) and all(draft.volatile for draft in item.drafts)
            for item in group
        ):
            return _volatile(group)

        known = self.end

        async def work(tx: Transaction) -> _Written:
            batches: list[Batch] = []
            results: list[Any] = []
            queued: list[Job] = []
            if self.database.shared and any(isinstance(item, Write) for item in group):
                # Rows are locked after the head, by everyone: two hubs that lock rows in opposite
                # orders would wait for each other, and neither would see what the other has done.
                await events.advance_head(tx, 0, now_ms)
            begun, written = time.perf_counter(), 0
            for item in group:
                if isinstance(item, Publication):
                    batches.append(Batch(item.drafts, item.atomic))
                    results.append(None)
                elif written and time.perf_counter() - begun > GROUP_SECONDS:
                    results.append(_LATER)
                    batches.append(Batch((), False))
                else:
                    written += 1
                    scope = WriteScope(tx, self._ids)
                    try:
                        async with tx.savepoint(item.scope):
                            results.append(await item.work(scope))
                        batches.append(Batch(scope.drafts, False))
                        queued += scope.jobs
                    except Exception as error:  # its own caller gets it, the group goes on
                        results.append(_Raised(error))
                        batches.append(Batch((), False))
            appended = await append(tx, batches, now_ms, self._ids)
            if appended.epoch != self.epoch or appended.head < known:
                raise SchemaError(_REPLACED)
            return _Written(appended, results, queued)

        begun = time.perf_counter()
        written = await self.database.write(work, HUB)
        self.measured(len(written.appended.entries), time.perf_counter() - begun)
        return written

    def _put_back(self, group: list[Waiting], written: "_Written") -> list[Waiting]:
        """Let the writes wait again that had no time in this group; the others are left."""
        late = [result is _LATER for result in written.results]
        if not any(late):
            return group
        self.waiting.put_back([item for item, later in zip(group, late, strict=True) if later])
        outcomes, results = written.appended.outcomes, written.results
        written.appended = written.appended._replace(
            outcomes=[each for each, later in zip(outcomes, late, strict=True) if not later]
        )
        written.results = [result for result in results if result is not _LATER]
        return [item for item, later in zip(group, late, strict=True) if not later]

    async def _settle(self, group: list[Waiting], written: "_Written") -> None:
        appended = written.appended
        first = next((entry.offset for entry in appended.entries if entry.offset), 0)
        if first > self.end + 1 and not await self._follow(first - 1):
            # It is durable, but comes after what cannot be read now: nobody may see it before.
            self._refuse(group)
            return
        self.events_in += len(appended.entries)
        self._take(appended.entries)
        for item, outcomes, result in zip(group, appended.outcomes, written.results, strict=True):
            if isinstance(item, Publication):
                answer(item, outcomes)
            elif isinstance(result, _Raised):
                item.refuse(result.error)
            elif not item.future.done():
                item.future.set_result(Committed(result, self.end))
        if written.queued:
            self.queued(written.queued)

    def _take(self, entries: list[Entry]) -> None:
        """Put entries into the ring and hand them to the listener; what is there already stays."""
        if self.database.shared:
            end = self.end
            entries = [entry for entry in entries if not 0 < entry.offset <= end]
        for entry in entries:
            if entry.offset:
                self.ring.append(entry)
                self.last_offset[entry.merchant_id] = entry.offset
        if entries:
            self.listener(entries)
        if self._reaching:
            reaching, self._reaching = self._reaching, []
            for moved in reaching:
                if not moved.done():
                    moved.set_result(None)

    def _fail(self, group: list[Waiting], error: BaseException) -> None:
        """Refuse a group that was not committed, and what its connections have in flight behind.

        Without the second half a later event could be accepted and the earlier one resent after
        it: the publisher's order would be broken.
        """
        known = isinstance(error, StorageError)
        log.error("commit failed", group=len(group), error=str(error), exc_info=not known and error)
        self._refuse(group)

    def _refuse(self, group: list[Waiting]) -> None:
        refusal = Unavailable(
            "the event log could not be written; it is not known whether this was: "
            "send it again with the same id"
        )
        owners = {id(i.owner) for i in group if isinstance(i, Publication) and i.owner is not None}
        for item in (*group, *self.waiting.take_of(owners)):
            item.refuse(refusal)

    # ── what other processes append ──────────────────────────────────────────────────────────

    def hear(self, head: int) -> None:
        """The log's head is said to be so far; what is missing here is read."""
        self._heard = max(self._heard, head)
        if self._heard > self.end:  # also where it was heard before and could not be read
            self._wake.set()

    async def reach(self, offset: int) -> None:
        """Read what others have appended, where a client has come further than this hub knows: it
        may have been with another hub until now.

        Raises:
            storage.errors.Unavailable: the database did not answer.
        """
        if offset <= self.end or not self.database.shared:
            return
        head = (await self.database.read(events.log_state, HUB)).head
        self.hear(head)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while self.end < min(offset, head):
                    moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._reaching.append(moved)
                    await moved
        except TimeoutError:
            raise storage_errors.Unavailable("what others wrote could not be read") from None

    async def keep_up(self) -> None:
        """Look at the log every second, since a notice may be lost. Never ends.

        Raises:
            SchemaError: the log was replaced by another one.
        """
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            known = self.end
            try:
                state = await self.database.read(events.log_state, HUB)
            except StorageError as error:
                log.warning("the log could not be looked at", error=str(error))
                continue
            if state.epoch != self.epoch or state.head < known:
                raise SchemaError(_REPLACED)
            self.oldest = max(self.oldest, state.oldest)
            self.hear(state.head)

    async def _follow(self, upto: int) -> bool:
        """Take over what others have appended up to an offset; False if it cannot be read."""
        if not self.follows:
            self.ring.restart(upto)
            return True
        while self.end < upto:
            if self.congested():
                await asyncio.sleep(_CONGESTED_SECONDS)
                continue
            end = self.end

            async def read(
                tx: Transaction, after: int = end, upto: int = upto
            ) -> tuple[int, list[StoredEvent]]:
                head = (await events.log_state(tx)).head
                return head, await events.following(tx, after, min(upto, head))

            try:
                head, rows = await self.database.read(read, HUB)
            except StorageError as error:
                log.warning("what others wrote could not be read", error=str(error))
                return False
            if head < upto:
                # A notice is a hint: it may tell of offsets that were withdrawn, or come from
                # anybody who is connected.
                upto = head
                self._heard = min(self._heard, head)
                if upto <= end:
                    return True
            first = rows[0].offset if rows else upto + 1
            if first != end + 1:
                log.error("events are gone that were never seen here", after=end, upto=first - 1)
                self.oldest = max(self.oldest, first)
                self.ring.restart(first - 1)
                self.torn()
            self._take(_entries(rows))
        return True

    # ── retention ────────────────────────────────────────────────────────────────────────────

    async def retire(self, committed_before_ms: int, limit: int) -> int:
        """Remove up to `limit` of the oldest events; the number removed."""

        async def work(scope: WriteScope) -> tuple[int, int]:
            removed = await events.retire(scope.tx, committed_before_ms, limit)
            return removed, (await events.log_state(scope.tx)).oldest

        committed = await self.commit(work, HUB)
        removed, oldest = committed.result
        self.oldest = max(self.oldest, oldest)
        return removed


class _Raised:
    """An exception that one write raised on the database's thread."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


_LATER = object()
"""What stands for the result of a write that had no time in its group."""


class _Written:
    __slots__ = ("appended", "queued", "results")

    def __init__(self, appended: Appended, results: list[Any], queued: Sequence[Job] = ()) -> None:
        self.appended = appended
        self.results = results
        self.queued = list(queued)


def _volatile(group: list[Waiting]) -> _Written:
    """A group with nothing to store: typing and presence need no transaction."""
    batches = [item.drafts for item in group if isinstance(item, Publication)]
    entries = [
        Entry(0, draft.merchant_id, draft.type, draft.subject, text_frame(draft.tail))
        for drafts in batches
        for draft in drafts
    ]
    outcomes: list[list[Outcome]] = [[Placed(None, False)] * len(drafts) for drafts in batches]
    return _Written(Appended(outcomes, entries, 0, ""), [None] * len(group))


def _stopping() -> Unavailable:
    return Unavailable("the hub is shutting down; send it again with the same id", retry_after=1.0)


def _entries(rows: list[StoredEvent]) -> list[Entry]:
    return [
        Entry(row.offset, row.merchant_id, row.type, row.subject, text_frame(row.frame))
        for row in rows
    ]


async def open_log(database: Database, epoch: str, ring_size: int) -> EventLog:
    """Read the log's state and fill the ring from the database.

    Args:
        epoch: for a log that has none yet, or whose database went back to an earlier state.
        ring_size: events to keep in memory.
    """

    async def start(tx: Transaction) -> LogState:
        return await events.ensure_log(tx, epoch, identity)

    async def read(tx: Transaction) -> tuple[list[Entry], dict[str, int]]:
        return _entries(await events.newest(tx, ring_size)), await events.last_offsets(tx)

    identity = await database.identity()
    state = await database.write(start, HUB)
    entries, last_offsets = await database.read(read, HUB)
    ring = Ring(ring_size, entries[0].offset - 1 if entries else state.head)
    for entry in entries:
        ring.append(entry)
    return EventLog(database, state, ring, last_offsets)
