"""Logs, drafts and readers for the tests of the stream."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from hub.protocol import drafts
from hub.protocol.drafts import Draft, Origin
from hub.protocol.errors import HubError
from hub.protocol.filters import ALL, Filter
from hub.protocol.frames import Publish, ServerControl
from hub.protocol.websocket import text_frame
from hub.stream.append import Outcome, Placed
from hub.stream.entry import Entry
from hub.stream.log import EventLog, open_log
from hub.stream.reader import Reader
from hub.stream.waiting import Publication
from storage import events
from storage.database import Database, Transaction
from storage.scope import HUB
from tests.support.databases import FaultyDatabase

EPOCH = "the-first-epoch"


def draft(
    id_: str | None = None,
    data: dict[str, Any] | None = None,
    *,
    type_: str = "custom_a",
    merchant_id: str = "m1",
    subject: str | None = None,
    volatile: bool = False,
) -> Draft:
    """An event that passed the door; without an id the hub makes one."""
    frame = Publish(type=type_, data=data or {}, id=id_, subject=subject, volatile=volatile)
    return drafts.draft(frame, Origin(merchant_id, "bot:b"))


def publish(
    log: EventLog, drafts: Sequence[Draft], owner: object | None = None, *, atomic: bool = False
) -> asyncio.Future[list[Outcome]]:
    """Hand drafts to the log; the future has their outcomes."""
    answered: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
    log.publish(Publication(drafts, answered.set_result, owner, atomic=atomic))
    return answered


def offsets(outcomes: Sequence[Outcome]) -> list[int | None]:
    """The offsets of outcomes that are all placed."""
    assert all(isinstance(outcome, Placed) for outcome in outcomes), outcomes
    return [outcome.offset for outcome in outcomes if isinstance(outcome, Placed)]


def shown(outcome: Outcome) -> object:
    """An outcome in a form that compares: (offset, duplicate), or the code of its refusal."""
    if isinstance(outcome, HubError):
        return str(outcome.code)
    return outcome.offset, outcome.duplicate


@asynccontextmanager
async def running_log(database: Database, ring_size: int = 1000) -> AsyncIterator[EventLog]:
    """A log at work; at the end of the block it writes what it accepted."""
    log = await open_log(database, EPOCH, ring_size)
    running = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        if isinstance(database, FaultyDatabase):
            database.heal()  # a test that failed would wait for ever
        log.close()
        async with asyncio.timeout(5):
            await running


async def stored(database: Database) -> list[tuple[int, dict[str, Any]]]:
    """Every event in the database, with its offset, in order."""

    async def work(tx: Transaction) -> list[tuple[int, dict[str, Any]]]:
        found: list[tuple[int, bytes]] = []
        while True:
            page = await events.page(tx, None, None, after=found[-1][0] if found else 0, upto=2**53)
            if not page.events:
                return [(offset, json.loads(frame)) for offset, frame in found]
            found += page.events

    return await database.read(work, HUB)


def entry(
    offset: int,
    *,
    type_: str = "custom_a",
    merchant_id: str = "m1",
    subject: str | None = None,
    size: int = 0,
) -> Entry:
    """A committed event whose frame says its offset."""
    frame = text_frame(json.dumps({"type": type_, "offset": offset, "pad": "x" * size}).encode())
    return Entry(offset, merchant_id, type_, subject, frame)


class Sink:
    """A connection without a network: what was written, and a moment at which it is full.

    Attributes:
        writes: the event bytes of each write.
        frames: everything that arrived, control frames included, in order.
        full_after: with this many writes of events the buffer is full.
        on_full: called then, as a transport calls its protocol: inside `write`.
    """

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.frames: list[dict[str, Any]] = []
        self.full_after: int | None = None
        self.on_full: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.frames += unframed(data)
        if self.full_after is not None and len(self.writes) >= self.full_after:
            self.full_after = None
            self.on_full()

    def send(self, frame: ServerControl) -> None:
        self.frames.append(json.loads(msgspec.json.encode(frame)))

    @property
    def offsets(self) -> list[int]:
        """The offsets of the events that arrived, in order."""
        return [frame["offset"] for frame in self.frames if "_" in frame["type"]]

    @property
    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames]


def reader(
    sink: Sink, *, merchant_id: str | None = None, filter_: Filter = ALL, cursor: int = 0
) -> Reader:
    """A reader that has just subscribed from `cursor` on."""
    made = Reader(merchant_id, sink, sink.send)
    made.filter = filter_
    made.cursor = cursor
    made.subscribed = made.announce = True
    return made


def unframed(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each of these server frames."""
    frames = []
    while data:
        assert data[0] == 0x81, data[:10]
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        frames.append(json.loads(data[start : start + size]))
        data = data[start + size :]
    return frames
