"""What waits for the log: events to append, and writes that change rows.

Each waits in a lane, and lanes take turns in two steps: merchants among each other, and the keys of
a merchant among each other. A hundred publishers of one merchant do not make another's wait, and
a flood by one key does not make another key of the same merchant wait. In a lane there is order.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

import structlog

from hub.protocol.drafts import Draft, Origin, encode_event
from hub.protocol.errors import HubError
from hub.protocol.frames import Publish
from hub.protocol.ids import Uuid7Source
from storage.database import Transaction
from storage.merchant_records import Job
from storage.scope import Scope

from .append import Outcome

T = TypeVar("T")
log = structlog.get_logger("hub.stream")

GROUP_EVENTS = 512
GROUP_BYTES = 256 * 1024
"""512 usual events have less. Who publishes while others send large ones waits for the group that
is being written and for its own: with 1 MiB each, that was 80 ms and more."""
MESSAGE_WEIGHT = 8
"""An event that is a row of `messages` too counts as so many: it costs the database ten times as
much, and whoever shares its group waits for that. 64 of them fill a group."""
PRESSED_EVENTS = 16_384
PRESSED_BYTES = 16 * 1024 * 1024
"""What may wait for the log before publishers are held back sooner."""


Lane = tuple[str, str]
OF_THE_HUB: Lane = ("", "")


class Publication:
    """Events to append that change no row.

    Args:
        drafts: in the order in which they were sent.
        answer: called after the commit with one outcome per draft, in order.
        owner: the connection; when a commit fails, what it has in flight is refused too.
        atomic: all at consecutive offsets, or none.
        lane: whose turn it takes: the merchant's (an admin's key has its own), and the key's.

    Attributes:
        weight: what it is for its group, in events.
    """

    __slots__ = ("answer", "atomic", "drafts", "lane", "owner", "weight")

    def __init__(
        self,
        drafts: Sequence[Draft],
        answer: Callable[[list[Outcome]], None],
        owner: object | None = None,
        *,
        atomic: bool = False,
        lane: Lane = OF_THE_HUB,
    ) -> None:
        self.lane = lane
        self.drafts = drafts
        self.answer = answer
        self.owner = owner
        self.atomic = atomic
        count = len(drafts)
        messages = count - [draft.note for draft in drafts].count(None)  # 15 ns an event
        self.weight = max(1, count + messages * (MESSAGE_WEIGHT - 1))

    @property
    def size(self) -> int:
        return sum(draft.size for draft in self.drafts)

    def refuse(self, error: HubError) -> None:
        """Answer all of them with one error."""
        answer(self, [error] * len(self.drafts))


def answer(publication: Publication, outcomes: list[Outcome]) -> None:
    """Answer one publisher; a fault of its answer must not reach the group's others."""
    try:
        publication.answer(outcomes)
    except Exception:
        log.exception("an answer failed")


class WriteScope:
    """What a row-changing write gets: the transaction, and `record` for its events.

    Attributes:
        new_id: gives the ids of the rows that it makes.
        jobs: those that have somewhere to go, of which the queues hear behind the commit.
    """

    def __init__(self, tx: Transaction, ids: Uuid7Source) -> None:
        self.tx = tx
        self.drafts: list[Draft] = []
        self.jobs: list[Job] = []
        self.new_id = ids

    def record(
        self, origin: Origin, type_: str, data: dict[str, Any], subject: str | None = None
    ) -> None:
        """Append an event of the hub's own in this transaction."""
        frame = Publish(type=type_, data=data, id=self.new_id(), subject=subject)
        draft = encode_event(frame, origin)
        draft.chosen = False
        self.drafts.append(draft)


class Committed(Generic[T]):
    """A write that is durable: what it returned, and the log's offset after it."""

    __slots__ = ("offset", "result")

    def __init__(self, result: T, offset: int) -> None:
        self.result = result
        self.offset = offset


class Write:
    """A row-changing write that waits for its group, in the lane of its merchant and key."""

    __slots__ = ("future", "lane", "scope", "work")

    def __init__(
        self,
        work: Callable[[WriteScope], Awaitable[Any]],
        scope: Scope,
        future: "asyncio.Future[Committed[Any]]",
    ) -> None:
        self.work = work
        self.scope = scope
        self.future = future
        self.lane: Lane = (scope.merchant_id or "", scope.actor_id or "")

    def refuse(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


Waiting = Publication | Write


class Lanes:
    """Everything that waits.

    Attributes:
        events, bytes: how much it is; a write counts as one event, a message as eight.
    """

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, OrderedDict[str, deque[Waiting]]] = OrderedDict()
        self.events = self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._lanes)

    @property
    def pressed(self) -> bool:
        """Whether so much waits that each publisher should keep little in flight."""
        return self.events > PRESSED_EVENTS or self.bytes > PRESSED_BYTES

    def push(self, item: Waiting) -> None:
        """Let something wait in its lane."""
        self._lane(item).append(item)
        events, size = _weight(item)
        self.events += events
        self.bytes += size

    def put_back(self, items: Sequence[Waiting]) -> None:
        """Let what was taken wait again, each before everything else in its lane."""
        for item in reversed(items):
            self._lane(item).appendleft(item)
            events, size = _weight(item)
            self.events += events
            self.bytes += size

    def _lane(self, item: Waiting) -> deque[Waiting]:
        merchant, key = item.lane
        of_merchant = self._lanes.get(merchant)
        if of_merchant is None:
            of_merchant = self._lanes[merchant] = OrderedDict()
        waiting = of_merchant.get(key)
        if waiting is None:
            waiting = of_merchant[key] = deque()
        return waiting

    def take_group(self) -> list[Waiting]:
        """The next group: it closes at 512 events, 64 messages or 256 KiB."""
        lanes = self._lanes
        group: list[Waiting] = []
        count = size = 0
        while lanes and count < GROUP_EVENTS and size < GROUP_BYTES:
            merchant, of_merchant = lanes.popitem(last=False)
            key, waiting = of_merchant.popitem(last=False)
            item = waiting.popleft()
            if waiting:
                of_merchant[key] = waiting  # behind the others
            if of_merchant:
                lanes[merchant] = of_merchant
            group.append(item)
            events, more = _weight(item)
            count += events
            size += more
        self.events -= count
        self.bytes -= size
        return group

    def take_of(self, owners: set[int]) -> list[Waiting]:
        """What these connections have waiting, by the `id` of the connection; the rest stays."""
        taken: list[Waiting] = []
        lanes, self._lanes = self._lanes, OrderedDict()
        self.events = self.bytes = 0
        for of_merchant in lanes.values():
            for item in chain.from_iterable(of_merchant.values()):
                if isinstance(item, Publication) and id(item.owner) in owners:
                    taken.append(item)
                else:
                    self.push(item)
        return taken


def _weight(item: Waiting) -> tuple[int, int]:
    if isinstance(item, Publication):
        return item.weight, item.size
    return 1, 0
