"""EventLog: everything that happens, in one durable order.

What arrives while one group is being written is the next group; it closes at 512 events or
1 MiB. One group is one transaction: rows, events and offsets together. After its commit, in this
order: the ring, the fan-out, the answers. Nobody sees an event before it is durable, and an
answer means that it is.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import structlog

from hub.protocol.drafts import Draft, Origin, encode_event
from hub.protocol.errors import HubError, Unavailable
from hub.protocol.frames import Publish
from hub.protocol.ids import Uuid7Source
from hub.protocol.websocket import text_frame
from storage import events
from storage.database import Database, Transaction
from storage.errors import StorageError
from storage.records import LogState

from .append import Appended, Batch, Outcome, Placed, append
from .entry import Entry
from .ring import Ring

T = TypeVar("T")
log = structlog.get_logger("hub.stream")

GROUP_EVENTS = 512
GROUP_BYTES = 1024 * 1024
PRESSED_EVENTS = 16_384
PRESSED_BYTES = 16 * 1024 * 1024
"""What may wait for the log before publishers are held back sooner."""


class Publication:
    """Events to append that change no row.

    Args:
        drafts: in the order in which they were sent.
        answer: called after the commit with one outcome per draft, in order.
        owner: the connection; when a commit fails, what it has in flight is refused too.
        atomic: all at consecutive offsets, or none.
        lane: whose turn it takes: groups take from all lanes in turn, and from each in order.
    """

    __slots__ = ("answer", "atomic", "drafts", "lane", "owner")

    def __init__(
        self,
        drafts: Sequence[Draft],
        answer: Callable[[list[Outcome]], None],
        owner: object | None = None,
        *,
        atomic: bool = False,
        lane: str = "",
    ) -> None:
        self.lane = lane
        self.drafts = drafts
        self.answer = answer
        self.owner = owner
        self.atomic = atomic

    @property
    def size(self) -> int:
        return sum(draft.size for draft in self.drafts)

    def refuse(self, error: HubError) -> None:
        """Answer all of them with one error."""
        _answer(self, [error] * len(self.drafts))


def _answer(publication: Publication, outcomes: list[Outcome]) -> None:
    """Answer one publisher; a fault of its answer must not reach the group's others."""
    try:
        publication.answer(outcomes)
    except Exception:
        log.exception("an answer failed")


class WriteScope:
    """What a row-changing write gets: the transaction, and `record` for its events."""

    def __init__(self, tx: Transaction, ids: Uuid7Source) -> None:
        self.tx = tx
        self.drafts: list[Draft] = []
        self._ids = ids

    def record(
        self, origin: Origin, type_: str, data: dict[str, Any], subject: str | None = None
    ) -> None:
        """Append an event of the hub's own in this transaction."""
        frame = Publish(type=type_, data=data, id=self._ids(), subject=subject)
        draft = encode_event(frame, origin)
        draft.chosen = False
        self.drafts.append(draft)


class Committed(Generic[T]):
    """A write that is durable: what it returned, and the log's offset after it."""

    __slots__ = ("offset", "result")

    def __init__(self, result: T, offset: int) -> None:
        self.result = result
        self.offset = offset


class _Write:
    """A row-changing write that waits for its group."""

    __slots__ = ("future", "work")

    def __init__(
        self, work: Callable[[WriteScope], Awaitable[Any]], future: "asyncio.Future[Committed[Any]]"
    ) -> None:
        self.work = work
        self.future = future

    def refuse(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


_Waiting = Publication | _Write


class EventLog:
    """The log of one hub. `open_log` makes it, `run` works until `close`.

    Attributes:
        epoch: the identity of this log; offsets of another epoch mean nothing here.
        ring: the last events.
        oldest: the first offset still stored (`end` + 1 when none is).
        last_offset: by merchant, the offset of its last event; one that is missing has none.
        listener: called after each commit with the new entries, volatile ones included.
        writing: whether a group is on its way to the disk.
        measured: called after each commit with its events and its seconds on the database.
        waiting_events, waiting_bytes: what waits for its group.
        events_in: events appended since the start, volatile ones included.
        congested: while it says so, no further group is written; `wake` when it has changed.
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
        self.congested: Callable[[], bool] = lambda: False
        self.measured: Callable[[int, float], None] = lambda events, seconds: None
        self.events_in = 0
        self._lanes: OrderedDict[str, deque[_Waiting]] = OrderedDict()
        self.waiting_events = self.waiting_bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self.writing = False
        self._ids = Uuid7Source()

    @property
    def end(self) -> int:
        """The last offset that is durable."""
        return self.ring.end

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def publish(self, publication: Publication) -> None:
        """Append events in the next group; `publication.answer` tells how it went."""
        if self._closing:
            publication.refuse(_stopping())
            return
        self._push(publication.lane, publication)

    async def commit(self, work: Callable[[WriteScope], Awaitable[T]]) -> Committed[T]:
        """Change rows and record events in one transaction.

        Args:
            work: awaits nothing but its scope's transaction. It has a savepoint of its own: when
                it raises, it alone is undone and the exception comes out here.

        Raises:
            Unavailable: the group could not be written, or the log is closing.
        """
        if self._closing:
            raise _stopping()
        future: asyncio.Future[Committed[T]] = asyncio.get_running_loop().create_future()
        self._push("", _Write(work, future))
        return await future

    @property
    def pressed(self) -> bool:
        """Whether so much waits that each publisher should keep little in flight."""
        return self.waiting_events > PRESSED_EVENTS or self.waiting_bytes > PRESSED_BYTES

    @property
    def idle(self) -> bool:
        """Whether everything that was accepted is written."""
        return not self._lanes and not self.writing

    def _push(self, lane: str, item: _Waiting) -> None:
        waiting = self._lanes.get(lane)
        if waiting is None:
            waiting = self._lanes[lane] = deque()
        waiting.append(item)
        if isinstance(item, Publication):
            self.waiting_events += max(1, len(item.drafts))
            self.waiting_bytes += item.size
        else:
            self.waiting_events += 1
        self._wake.set()

    async def run(self) -> None:
        """Write groups until `close`, then what still waits, and return."""
        writing: tuple[list[_Waiting], asyncio.Task[_Written]] | None = None
        while True:
            if writing is None:
                await self._wake.wait()
                self._wake.clear()
                writing = self._start()
                if writing is None:
                    if self._closing and not self._lanes:
                        return
                    continue
            group, task = writing
            await asyncio.wait((task,))
            error = task.exception()
            if error is not None:
                self._fail(group, error)
                writing = self._start()
            else:
                # The next group goes to the database before this one is answered, so that
                # its fsync runs beside the acknowledgements and the fan-out.
                writing = self._start()
                self._settle(group, task.result())
            if writing is None:
                self._wake.set()

    def wake(self) -> None:
        """Look again at what waits."""
        self._wake.set()

    def close(self) -> None:
        """Take nothing more; `run` returns when everything accepted is written."""
        self._closing = True
        self._wake.set()

    def _start(self) -> "tuple[list[_Waiting], asyncio.Task[_Written]] | None":
        """Take the next group from what waits and send it to the database."""
        self.writing = False
        if self.congested():
            return None
        lanes = self._lanes
        group: list[_Waiting] = []
        count = size = 0
        while lanes and count < GROUP_EVENTS and size < GROUP_BYTES:
            lane, waiting = lanes.popitem(last=False)
            item = waiting.popleft()
            if waiting:
                lanes[lane] = waiting  # behind the others
            group.append(item)
            if isinstance(item, Publication):
                count += max(1, len(item.drafts))
                size += item.size
            else:
                count += 1
        self.waiting_events -= count
        self.waiting_bytes -= size
        if not group:
            return None
        self.writing = True
        now_ms = time.time_ns() // 1_000_000
        return group, asyncio.create_task(self._write(group, now_ms))

    async def _write(self, group: list[_Waiting], now_ms: int) -> "_Written":
        if all(
            isinstance(item, Publication) and all(draft.volatile for draft in item.drafts)
            for item in group
        ):
            return _volatile(group)

        async def work(tx: Transaction) -> _Written:
            batches: list[Batch] = []
            results: list[Any] = []
            for item in group:
                if isinstance(item, Publication):
                    batches.append(Batch(item.drafts, item.atomic))
                    results.append(None)
                else:
                    scope = WriteScope(tx, self._ids)
                    try:
                        async with tx.savepoint():
                            results.append(await item.work(scope))
                        batches.append(Batch(scope.drafts, False))
                    except Exception as error:  # its own caller gets it, the group goes on
                        results.append(_Raised(error))
                        batches.append(Batch((), False))
            return _Written(await append(tx, batches, now_ms), results)

        begun = time.perf_counter()
        written = await self.database.write(work)
        self.measured(len(written.appended.entries), time.perf_counter() - begun)
        return written

    def _settle(self, group: list[_Waiting], written: "_Written") -> None:
        appended = written.appended
        self.events_in += len(appended.entries)
        for entry in appended.entries:
            if entry.offset:
                self.ring.append(entry)
                self.last_offset[entry.merchant_id] = entry.offset
        if appended.entries:
            self.listener(appended.entries)
        for item, outcomes, result in zip(group, appended.outcomes, written.results, strict=True):
            if isinstance(item, Publication):
                _answer(item, outcomes)
            elif isinstance(result, _Raised):
                item.refuse(result.error)
            elif not item.future.done():
                item.future.set_result(Committed(result, self.end))

    def _fail(self, group: list[_Waiting], error: BaseException) -> None:
        """Refuse a group that was not committed, and what its connections have in flight behind.

        Without the second half a later event could be accepted and the earlier one resent after
        it: the publisher's order would be broken.
        """
        known = isinstance(error, StorageError)
        log.error("commit failed", group=len(group), error=str(error), exc_info=not known and error)
        refusal = Unavailable(
            "the event log could not be written; it is not known whether this was: "
            "send it again with the same id"
        )
        owners = {id(i.owner) for i in group if isinstance(i, Publication) and i.owner is not None}
        refused = list(group)
        lanes, self._lanes = self._lanes, OrderedDict()
        self.waiting_events = self.waiting_bytes = 0
        for lane, waiting in lanes.items():
            for item in waiting:
                if isinstance(item, Publication) and id(item.owner) in owners:
                    refused.append(item)
                else:
                    self._push(lane, item)
        for item in refused:
            item.refuse(refusal)

    # ── retention ────────────────────────────────────────────────────────────────────────────

    async def retire(self, committed_before_ms: int, limit: int) -> int:
        """Remove up to `limit` of the oldest events; the number removed."""

        async def work(scope: WriteScope) -> tuple[int, int]:
            removed = await events.retire(scope.tx, committed_before_ms, limit)
            return removed, (await events.log_state(scope.tx)).oldest

        committed = await self.commit(work)
        removed, oldest = committed.result
        self.oldest = max(self.oldest, oldest)
        return removed


class _Raised:
    """An exception that one write raised on the database's thread."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Written:
    __slots__ = ("appended", "results")

    def __init__(self, appended: Appended, results: list[Any]) -> None:
        self.appended = appended
        self.results = results


def _volatile(group: list[_Waiting]) -> _Written:
    """A group with nothing to store: typing and presence need no transaction."""
    batches = [item.drafts for item in group if isinstance(item, Publication)]
    entries = [
        Entry(0, draft.merchant_id, draft.type, draft.subject, text_frame(draft.tail))
        for drafts in batches
        for draft in drafts
    ]
    outcomes: list[list[Outcome]] = [[Placed(None, False)] * len(drafts) for drafts in batches]
    return _Written(Appended(outcomes, entries, 0), [None] * len(group))


def _stopping() -> Unavailable:
    return Unavailable("the hub is shutting down; send it again with the same id", retry_after=1.0)


async def open_log(database: Database, epoch: str, ring_size: int) -> EventLog:
    """Read the log's state and fill the ring from the database.

    Args:
        epoch: for a log that has none yet.
        ring_size: events to keep in memory.
    """

    async def start(tx: Transaction) -> LogState:
        return await events.ensure_log(tx, epoch)

    async def read(tx: Transaction) -> tuple[list[Entry], dict[str, int]]:
        rows = await events.newest(tx, ring_size)
        entries = [
            Entry(row.offset, row.merchant_id, row.type, row.subject, text_frame(row.frame))
            for row in rows
        ]
        return entries, await events.last_offsets(tx)

    state = await database.write(start)
    entries, last_offsets = await database.read(read)
    ring = Ring(ring_size, entries[0].offset - 1 if entries else state.head)
    for entry in entries:
        ring.append(entry)
    return EventLog(database, state, ring, last_offsets)
