"""Events on their way to the hub, in order, without I/O.

    add → waiting ── next ──→ in flight ── answered ──→ gone
             ↑                    │
             └── lost, release ←──┘ the connection ended, or the hub said `unavailable`

An entry keeps its id and its place. When the hub refuses one for now, it refuses everything in
flight behind it too: the outbox then holds until nothing is in flight, and starts over in order.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from msgspec import Struct

from hub.client.wire import Outgoing
from hub.protocol.errors import HubError, Unavailable


class Ack(Struct, frozen=True):
    """The hub's acknowledgement: the event is durable.

    Attributes:
        id: the event's id.
        offset: its place in the log, None for a volatile event.
        duplicate: the hub knew this id already. So it answers, too, when the SDK had to send an
            event again after a lost connection.
    """

    id: str
    offset: int | None
    duplicate: bool


@dataclass(eq=False, slots=True)
class Entry:
    """One event that waits for its answer.

    Attributes:
        number: its place in publishing order; as text it is the frame's `ref`.
        refusals: how often the hub answered `internal`.
    """

    number: int
    event: Outgoing
    answer: asyncio.Future[Ack]
    refusals: int = 0

    def resolve(self, ack: Ack) -> None:
        if not self.answer.done():
            self.answer.set_result(ack)

    def reject(self, error: HubError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Outbox:
    """The bounded queue of a publisher.

    Args:
        capacity: most events it holds.
        capacity_bytes: most bytes of frames it holds; a single one may be larger.
    """

    def __init__(self, capacity: int, capacity_bytes: int) -> None:
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._waiting: deque[Entry] = deque()
        self._in_flight: dict[str, Entry] = {}
        self._refused: list[Entry] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight) + len(self._refused)

    @property
    def in_flight(self) -> int:
        """Events that were sent on this connection and have no answer."""
        return len(self._in_flight)

    @property
    def settled(self) -> bool:
        """Whether it holds and nothing is in flight any more: the time for `release`."""
        return bool(self._refused) and not self._in_flight

    def has_room(self, size: int) -> bool:
        """Whether a frame of so many bytes fits in."""
        count = len(self)
        return count == 0 or (count < self._capacity and self._bytes + size <= self._capacity_bytes)

    def add(self, entry: Entry) -> None:
        """Queue an entry behind all others."""
        self._waiting.append(entry)
        self._bytes += len(entry.event.frame)

    def next(self, window: int) -> Entry | None:
        """The next entry to send, in flight from now on; None when there is none for now."""
        if self._refused or len(self._in_flight) >= window or not self._waiting:
            return None
        entry = self._waiting.popleft()
        self._in_flight[str(entry.number)] = entry
        return entry

    def answered(self, ref: str | None) -> Entry | None:
        """Take out the entry that the hub has answered for good; None for a foreign `ref`."""
        entry = self._in_flight.pop(ref, None) if ref is not None else None
        if entry is not None:
            self._bytes -= len(entry.event.frame)
        return entry

    def find(self, ref: str | None) -> Entry | None:
        """The entry in flight under this `ref`; None for a foreign one."""
        return self._in_flight.get(ref) if ref is not None else None

    def put_off(self, ref: str) -> None:
        """The hub refused this entry for now: send nothing more until `release`."""
        self._refused.append(self._in_flight.pop(ref))

    def release(self) -> None:
        """Start over with everything that was refused for now, in publishing order."""
        self._requeue(self._refused)
        self._refused = []

    def lost(self) -> None:
        """The connection ended: whatever was sent and not answered is to be sent again.

        A volatile event is not: the hub keeps no trace of it, so a second one would be seen twice.
        """
        unknown = [*self._refused, *self._in_flight.values()]
        self._refused = []
        self._in_flight = {}
        for entry in [e for e in unknown if e.event.volatile]:
            unknown.remove(entry)
            self._bytes -= len(entry.event.frame)
            entry.reject(Unavailable("the connection was lost before the hub answered"))
        self._requeue(unknown)

    def forget(self, entry: Entry) -> None:
        """Drop an entry that nobody waits for any more, unless it is on its way already."""
        if entry in self._waiting:
            self._waiting.remove(entry)
            self._bytes -= len(entry.event.frame)

    def reject_all(self, error: HubError) -> int:
        """Give every entry this error, and be empty; how many there were."""
        entries = [*self._in_flight.values(), *self._refused, *self._waiting]
        self._in_flight = {}
        self._refused = []
        self._waiting.clear()
        self._bytes = 0
        for entry in entries:
            entry.reject(error)
            if not entry.answer.cancelled():
                # One reason for all of them: no complaint for each that nobody waits for.
                entry.answer.exception()
        return len(entries)

    def _requeue(self, entries: list[Entry]) -> None:
        again = [e for e in entries if not e.answer.cancelled()]
        self._bytes -= sum(len(e.event.frame) for e in entries if e.answer.cancelled())
        again.sort(key=lambda e: e.number, reverse=True)
        self._waiting.extendleft(again)
