"""Random comings, goings, stalls and commits: every reader's stream is exact, whatever happens.

Sessions run on the real log, fan-out and replay; only their socket is imitated, because a real one
cannot be made to fill at a chosen byte. What each client received is checked afterwards against
the plain list of what was committed.
"""

import asyncio
import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from hub.auth import Principal
from hub.gateway.connections import Peer
from hub.gateway.handshake import Opening
from hub.gateway.session import Session
from hub.origins import Origins
from hub.protocol.codes import CloseCode
from hub.protocol.drafts import Origin
from hub.protocol.drafts import draft as make_draft
from hub.protocol.filters import Filter
from hub.protocol.frames import Publish
from hub.protocol.websocket import text_frame
from hub.services import Services, open_services
from hub.settings import Settings
from hub.stream.append import Outcome, Placed
from hub.stream.waiting import Publication
from storage.database import Database

SEEDS = range(int(os.environ.get("FOLLOWING_SEEDS", "30")))
MERCHANTS = ("m1", "m2")
TYPES = ("custom_a", "custom_ab", "custom_b")
SUBJECTS = (None, "order/1", "order/12", "chat/1")
FILTERS: tuple[tuple[list[str] | None, list[str] | None], ...] = (
    (None, None),
    (["custom_a"], None),
    (["custom_a*"], None),
    (None, ["order/*"]),
    (["custom_b", "custom_ab"], ["order/1", "chat/*"]),
    (["custom_none"], None),
)


@dataclass
class Received:
    """One frame as it reached a client, and how the log stood then."""

    frame: dict[str, Any]
    end: int
    retired: int


@dataclass
class Event:
    merchant_id: str
    type: str
    subject: str | None


class World:
    """A log with its readers, and the plain history of it."""

    def __init__(self, services: Services, random_: random.Random) -> None:
        self.services = services
        self.random = random_
        self.history: dict[int, Event] = {}
        self.retired = 0
        self.unanswered = 0
        self.origins = {merchant: Origin(merchant, "bot:b") for merchant in MERCHANTS}
        self.clients: list[Client] = []

    def publish(self) -> None:
        events = [
            Event(*map(self.random.choice, (MERCHANTS, TYPES, SUBJECTS)))  # type: ignore[arg-type]
            for _ in range(self.random.choice((1, 1, 2, 7)))
        ]
        volatile = self.random.random() < 0.1
        drafts = [
            make_draft(
                Publish(
                    type=event.type,
                    data={"text": "x" * self.random.randrange(200)},
                    subject=event.subject,
                    volatile=volatile,
                ),
                self.origins[event.merchant_id],
            )
            for event in events
        ]

        def answer(outcomes: list[Outcome]) -> None:
            self.unanswered -= 1
            for event, outcome in zip(events, outcomes, strict=True):
                assert isinstance(outcome, Placed), outcome
                if outcome.offset is not None:
                    self.history[outcome.offset] = event

        self.unanswered += 1
        self.services.log.publish(Publication(drafts, answer))

    async def retire(self) -> None:
        log = self.services.log
        limit = self.random.choice((1, 5, 30))
        # From here on a page that is read may find them gone.
        self.retired = min(self.retired + limit, log.end + 1000)
        before = log.oldest
        removed = await log.retire(2**53, limit)
        self.retired = before + removed - 1

    async def settle(self) -> None:
        """Drain everyone until nobody has anything to come."""
        log, fanout = self.services.log, self.services.fanout
        async with asyncio.timeout(5):
            while self.unanswered or not all(client.live for client in self.clients):
                for client in self.clients:
                    client.drain()
                await asyncio.sleep(0)
            while not fanout.idle or any(client.behind(log.end) for client in self.clients):
                for client in self.clients:
                    client.drain()
                await asyncio.sleep(0)


class Client:
    """A session on an imitated socket, and all that came out of it."""

    def __init__(self, world: World, merchant_id: str | None, room: int | None) -> None:
        self.taken: list[Received] = []
        self.merchant_id = merchant_id
        self._world = world
        self._room = room
        self._buffered = 0
        self._stalled = False
        self._waits = False
        self.ended = False
        role = "admin" if merchant_id is None else "merchant"
        principal = Principal("key", role, merchant_id, "someone", None)
        peer = Peer("127.0.0.1", None, 0)
        self.session = Session(world.services.gateway, self, principal, merchant_id, peer)

    def start(self, query: dict[str, str]) -> None:
        self.session.start(Opening(None, None, query))

    # ── what a session needs of its socket ───────────────────────────────────────────────────

    @property
    def sink(self) -> "Client":
        return self

    def write(self, data: bytes) -> None:
        assert not self._stalled, "events were written to a reader whose buffer is full"
        assert not self.ended, "events were written to a reader that has gone"
        self._take(data)

    def send(self, payloads: list[bytes]) -> None:
        self._take(b"".join(map(text_frame, payloads)))

    def hold(self) -> None:
        raise AssertionError("nothing is published here")

    def resume(self) -> None:
        raise AssertionError("nothing is published here")

    def barrier(self) -> None:
        raise AssertionError("nothing is published here")

    def abort(self) -> None:
        raise AssertionError("nothing here is cut")

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(f"closed with {code}: {reason}")

    def hold_calls(self) -> None:
        raise AssertionError("nothing is called here")

    def resume_calls(self) -> None:
        raise AssertionError("nothing is called here")

    def hold_answers(self) -> None:
        raise AssertionError("nothing is called here")

    def resume_answers(self) -> None:
        raise AssertionError("nothing is called here")

    def spend(self) -> bool:
        return True

    @property
    def received(self) -> int:
        return 0

    @property
    def sent(self) -> int:
        return 0

    def wait(self) -> None:
        self._waits = True

    def proceed(self) -> None:
        self._waits = False

    def _take(self, data: bytes) -> None:
        world = self._world
        for frame in unframed(data):
            self.taken.append(Received(frame, world.services.log.end, world.retired))
        self._buffered += len(data)
        if self._room is not None and self._buffered > self._room and not self._stalled:
            self._stalled = True
            self.session.stall()

    # ── what the network and the client do ───────────────────────────────────────────────────

    @property
    def reading(self) -> bool:
        return not (self._stalled or self._waits or self.ended)

    @property
    def live(self) -> bool:
        """Whether its subscription, if it has one, has reached the end."""
        reader = self.session.reader
        return self.ended or not (self._waits or self._stalled or reader.announce)

    def behind(self, end: int) -> bool:
        reader = self.session.reader
        if self.ended or not reader.subscribed:
            return False
        return self._stalled or self._world.services.fanout.cursor_of(reader) < end

    def say(self, **frame: object) -> None:
        if self.reading:
            self.session.receive(json.dumps(frame).encode())

    def drain(self) -> None:
        self._buffered = 0
        if self._stalled and not self.ended:
            self._stalled = False
            self.session.drained()

    def beat(self) -> None:
        if not self._stalled and not self.ended:
            self.session.heartbeat(0)

    def end(self) -> None:
        self.ended = True
        self.session.end(CloseCode.ABNORMAL)


def unframed(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each of these server frames."""
    frames = []
    while data:
        assert data[0] == 0x81
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        assert size < 126 or start == 4
        frames.append(json.loads(data[start : start + size]))
        data = data[start + size :]
    return frames


# ── what is right ────────────────────────────────────────────────────────────────────────────────


class Expected:
    """Follows what one client received, frame by frame, with the history at hand."""

    def __init__(self, world: World, client: Client) -> None:
        self.history = world.history
        self.merchant_id = client.merchant_id
        self.filter: Filter | None = None
        self.cursor = 0
        self.announced = False
        self.owes_gap = False
        self.fresh: int | None = None

    def wants(self, offset: int) -> bool:
        event = self.history[offset]
        return (
            self.filter is not None
            and self.merchant_id in (None, event.merchant_id)
            and self.filter.matches(event.type, event.subject)
        )

    def nothing_missed(self, upto: int) -> None:
        """Nothing that was wanted lies between what was received and `upto`."""
        missed = [o for o in range(self.cursor + 1, upto + 1) if self.wants(o)]
        assert missed == [], f"lost {missed}, cursor {self.cursor}, {self.filter}"
        self.cursor = max(self.cursor, upto)

    def take(self, received: Received) -> None:
        frame = received.frame
        if self.owes_gap:
            assert frame["type"] == "gap", f"{frame} instead of the gap that was announced"
        match frame["type"]:
            case "subscribed":
                self.subscribed(frame, received)
            case "gap":
                self.gap(frame, received)
            case "live":
                assert not self.announced, "live twice"
                self.nothing_missed(frame["offset"])
                assert frame["offset"] == self.cursor
                self.announced = True
            case "ping":
                if self.filter is not None:
                    assert frame["offset"] >= self.cursor, "a heartbeat behind the stream"
                    self.nothing_missed(frame["offset"])
            case "connected" | "pong":
                pass
            case _:
                self.event(frame)

    def subscribed(self, frame: dict[str, Any], received: Received) -> None:
        asked = frame["ref"] or "start"
        offset = frame["offset"]
        if asked.startswith("keep") and self.filter is not None and frame["recovered"]:
            # The cursor is kept: all up to it was received, and nothing after it.
            assert offset >= self.cursor, "the cursor went back"
            self.nothing_missed(offset)
        elif asked.startswith(("keep", "start")) and frame["recovered"]:
            assert offset == received.end, "a first subscription starts at the end"
        self.filter = Filter(frame["types"], frame["subjects"])
        if asked.startswith("since") and frame["recovered"]:
            assert offset == int(asked.removeprefix("since"))
        if asked.startswith("last") and frame["recovered"]:
            self.last(int(asked.removeprefix("last")), offset, received)
        self.cursor = offset
        self.announced = False
        self.owes_gap = not frame["recovered"]

    def last(self, count: int, offset: int, received: Received) -> None:
        stored = [o for o in range(received.retired + 1, received.end + 1) if o in self.history]
        matching = [o for o in stored if self.wants(o)]
        replayed = [o for o in matching if o > offset]
        # What is committed while the place is looked up comes on top.
        assert len(replayed) >= min(count, len(matching)), "last gave too few"

    def gap(self, frame: dict[str, Any], received: Received) -> None:
        if frame["reason"] == "epoch":
            assert self.owes_gap
            assert frame["resume"] == self.cursor
        else:
            assert frame["resume"] == frame["to"] <= received.retired, "a gap over stored events"
            assert frame["from"] <= frame["to"]
            if not self.owes_gap:
                assert frame["from"] > self.cursor or frame["from"] == self.cursor + 1
                self.nothing_missed(frame["from"] - 1)
            self.cursor = frame["to"]
        self.owes_gap = False

    def event(self, frame: dict[str, Any]) -> None:
        assert self.filter is not None, "an event without a subscription"
        subject = frame.get("subject")
        assert self.filter.matches(frame["type"], subject), f"{frame} does not match"
        assert self.merchant_id in (None, frame["merchant_id"]), "another merchant's event"
        if frame.get("volatile"):
            return
        offset = frame["offset"]
        assert offset > self.cursor, f"{offset} again or out of order, cursor {self.cursor}"
        expected = Event(frame["merchant_id"], frame["type"], subject)
        assert self.history[offset] == expected
        self.nothing_missed(offset - 1)
        self.cursor = offset


def check(world: World, client: Client, marks: Sequence[int]) -> None:
    """Check one client's whole stream; `marks` are the indexes at which it had unsubscribed."""
    expected = Expected(world, client)
    for index, received in enumerate(client.taken):
        if index in marks:
            expected.filter = None
        expected.take(received)
    if len(client.taken) in marks:
        expected.filter = None
    if expected.filter is not None and not client.ended:
        assert expected.announced, "no live at the end"
        expected.nothing_missed(max(world.history, default=0))


# ── the runs ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_stream_is_exact(
    seed: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_ = random.Random(seed)
    monkeypatch.setattr("hub.stream.fanout.FLUSH_READERS", random_.choice((1, 2, 256)))
    monkeypatch.setattr("hub.stream.fanout.FLUSH_BYTES", random_.choice((1, 2000, 262144)))
    monkeypatch.setattr("hub.stream.replay._RING_BYTES", random_.choice((1, 1000, 262144)))
    monkeypatch.setattr("storage.events.PAGE_ROWS", random_.choice((3, 10, 2000)))
    monkeypatch.setattr("storage.events.PAGE_BYTES", random_.choice((1, 3000, 524288)))
    settings = Settings(ring_size=random_.choice((1, 2, 8, 40)))
    async with open_services(settings, database, Origins(None, 1, ())) as services:
        world = World(services, random_)
        marks: dict[Client, list[int]] = {}
        retiring: list[asyncio.Task[None]] = []
        for _ in range(250):
            await _something(world, marks, retiring)
            for _ in range(random_.choice((0, 0, 1, 3))):
                await asyncio.sleep(0)
            if random_.random() < 0.05:
                await asyncio.sleep(0.002)
        await asyncio.gather(*retiring)
        await world.settle()
        assert world.history.keys() == set(range(1, services.log.end + 1))
        for client in world.clients:
            check(world, client, marks[client])


async def _something(
    world: World, marks: dict[Client, list[int]], retiring: list[asyncio.Task[None]]
) -> None:
    random_ = world.random
    match random_.choices(
        ("publish", "client", "subscribe", "unsubscribe", "drain", "beat", "retire", "end"),
        (40, 4, 14, 5, 24, 5, 2, 2),
    )[0]:
        case "publish":
            world.publish()
            return
        case "client":
            if len(world.clients) < 10:
                merchant_id = random_.choice((None, *MERCHANTS))
                client = Client(world, merchant_id, random_.choice((None, 50, 1000, 5000)))
                world.clients.append(client)
                marks[client] = []
                client.start({})
            return
        case "retire":
            if not retiring or retiring[-1].done():
                retiring.append(asyncio.create_task(world.retire()))
            return
        case what:
            pass
    if not world.clients:
        return
    client = random_.choice(world.clients)
    match what:
        case "subscribe":
            _subscribe(world, client)
        case "unsubscribe" if client.reading:
            client.say(type="unsubscribe")
            marks[client].append(len(client.taken))
        case "drain":
            client.drain()
        case "beat":
            client.beat()
        case "end" if not client.ended:
            client.end()


def _subscribe(world: World, client: Client) -> None:
    random_ = world.random
    types, subjects = random_.choice(FILTERS)
    wish: dict[str, object] = {"ref": "keep"}
    match random_.choices(("keep", "since", "last", "beyond"), (6, 6, 3, 1))[0]:
        case "since":
            since = random_.randint(0, world.services.log.end)
            wish = {"since": since, "ref": f"since{since}"}
        case "last":
            count = random_.choice((1, 3, 50))
            wish = {"last": count, "ref": f"last{count}"}
        case "beyond":
            wish = {"since": world.services.log.end + 1, "ref": "beyond"}
    client.say(type="subscribe", types=types, subjects=subjects, **wish)
