"""FanOut: one write per reader and flush.

A flush takes everything committed since the last one, routes it once, joins the frames of each
audience once, and writes the same bytes to each of its readers. A write costs about 12 µs of TCP
however small it is, so what arrives during a flush joins the next: at 1,000 readers and 100
events a second that is the difference between a busy core and an idle one. Every 256 readers the
flush gives the loop back, so that acknowledgements and requests are not held up.

`position` is the offset that every attached reader has reached when the flush that runs is done.
A reader joins only when its cursor equals it, so there is no seam between replay and live:

    cursor < position    it catches up (replay.py) and comes back
    cursor = position    it joins its audience
    cursor > position    it waits for the flush that passes its cursor
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

import structlog

from .audience import Audience, AudienceIndex
from .entry import Entry
from .reader import Reader

log = structlog.get_logger("hub.stream")

FLUSH_READERS = 256
"""Readers written to before the loop gets control back."""
FLUSH_BYTES = 256 * 1024
"""A flush takes no further event once it has this many bytes of frames."""
FLUSH_ROUTES = 20_000
"""Events of a flush times audiences: what is routed in one turn, 20 ms at the worst."""
COSTLY_READERS = 256
PATIENCE_SECONDS = 0.005
"""A flush to this many readers waits up to 5 ms for the group that is being written. Without it
two halves of what publishers have in flight take turns, each paying for all the writes: 32 frames
a write instead of 63, and 5.1 instead of 8.3 million deliveries a second to 1,000 readers."""
BACKLOG_EVENTS = 1024
"""Committed events that may wait for a flush; beyond them the log commits no further group, so
that publishers feel the fan-out as TCP backpressure and the hub's memory stays bounded."""


class FanOut:
    """The live end of the log.

    Args:
        position: the log's end at the start.

    Attributes:
        position: see the module.
        behind: called with a reader whose cursor a flush has passed; it catches up.
        relieved: called when `congested` has become false.
        writing: whether the log is writing a group, which will be enqueued next.
        events_out, bytes_out: written to live readers since the start.
    """

    def __init__(self, position: int) -> None:
        self.position = position
        self.behind: Callable[[Reader], None] = lambda reader: None
        self.relieved: Callable[[], None] = lambda: None
        self.writing: Callable[[], bool] = lambda: False
        self.events_out = self.bytes_out = 0
        self.index = AudienceIndex()
        self._loop = asyncio.get_running_loop()
        self._pending: deque[Entry] = deque()
        self._early: list[Reader] = []
        self._from = position
        self._turn = 0
        self._flushing = False
        self._patience: asyncio.TimerHandle | None = None
        self._jobs: Iterator[tuple[Audience, tuple[Reader, ...], list[Entry]]] = iter(())
        self._job: tuple[Audience, Iterator[Reader], bytes, int] | None = None

    @property
    def idle(self) -> bool:
        """Whether everything that was committed has been written."""
        return not self._flushing and not self._pending

    @property
    def backlog(self) -> int:
        """Committed events that wait for a flush."""
        return len(self._pending)

    @property
    def congested(self) -> bool:
        """Whether the log should wait: writing to the readers takes longer than committing."""
        return len(self._pending) > BACKLOG_EVENTS

    def enqueue(self, entries: list[Entry]) -> None:
        """Take a commit group's entries; they go out with the next flush."""
        self._pending.extend(entries)
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
            self._loop.call_soon(self._begin)
        elif not self._flushing:
            self._flushing = True
            # Not at once: the acknowledgements of the group go first, they are shorter.
            self._loop.call_soon(self._begin_or_wait)

    # ── readers ──────────────────────────────────────────────────────────────────────────────

    def attach(self, reader: Reader) -> None:
        """Let a reader whose cursor is not behind `position` follow live."""
        if reader.cursor == self.position:
            reader.turn = self._turn
            self.index.join(reader)
        else:
            self._early.append(reader)

    def detach(self, reader: Reader) -> None:
        """Take a reader out of the live end; its cursor is exact afterwards."""
        reader.cursor = self.cursor_of(reader)
        if self.index.leave(reader) is None and reader in self._early:
            self._early.remove(reader)

    def cursor_of(self, reader: Reader) -> int:
        """How far a reader has come."""
        audience = reader.audience
        if audience is None:
            return reader.cursor
        if audience.flushing and reader.turn != self._turn:
            return self._from  # this flush has not reached it yet
        return self.position

    # ── flushing ─────────────────────────────────────────────────────────────────────────────

    def _begin_or_wait(self) -> None:
        """Begin a flush, or let a costly one wait for the group that is being written."""
        if self.writing() and self.index.readers >= COSTLY_READERS:
            self._patience = self._loop.call_later(PATIENCE_SECONDS, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        self._patience = None
        entries = self._take()
        self._turn += 1
        self._from = self.position
        for entry in reversed(entries):
            if entry.offset:
                self.position = entry.offset
                break
        jobs = [
            (audience, tuple(audience.readers), wanted)
            for audience, wanted in self.index.route(entries).items()
        ]
        for audience, _, _ in jobs:
            audience.flushing = True
        self._jobs = iter(jobs)
        self._job = None
        early, self._early = self._early, []
        for reader in early:
            try:
                (self.attach if reader.cursor >= self.position else self.behind)(reader)
            except Exception:  # one broken connection must not cost the others theirs
                log.exception("a reader could not be caught up")
                reader.closed = True
                self.detach(reader)
        self._continue()

    def _take(self) -> list[Entry]:
        taken: list[Entry] = []
        size = 0
        congested = self.congested
        most = max(1, FLUSH_ROUTES // max(1, len(self.index)))
        while self._pending and size < FLUSH_BYTES and len(taken) < most:
            entry = self._pending.popleft()
            taken.append(entry)
            size += len(entry.frame)
        if congested and not self.congested:
            self.relieved()
        return taken

    def _continue(self) -> None:
        budget = FLUSH_READERS
        turn = self._turn
        while budget > 0:
            if self._job is None:
                job = next(self._jobs, None)
                if job is None:
                    self._end()
                    return
                # Framed only now: the bytes of a thousand filters are never there at once.
                self._job = (job[0], iter(job[1]), job[0].framing.live(job[2]), len(job[2]))
            audience, readers, data, count = self._job
            size = len(data)
            written = reached = 0
            for reader in islice(readers, budget):
                written += 1
                # One that left, or left and came back, in the meantime is not this flush's.
                if reader.audience is audience and reader.turn != turn:
                    reader.turn = turn
                    reader.sent += size
                    reached += 1
                    try:
                        reader.sink.write(data)
                    except Exception:  # one broken connection must not cost the others theirs
                        log.exception("a reader could not be written to")
                        reader.closed = True
                        self.detach(reader)
            self.events_out += count * reached
            self.bytes_out += size * reached
            if written < budget:
                audience.flushing = False
                self._job = None
            budget -= written
        self._loop.call_soon(self._continue)

    def _end(self) -> None:
        if self._pending:
            self._loop.call_soon(self._begin_or_wait)
        else:
            self._flushing = False
