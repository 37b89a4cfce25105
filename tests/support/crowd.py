"""Bots and dashboards that always come back, and the stored log to compare them with.

They are written on `websockets` alone and follow the protocol's advice to clients: a bot sends
again, in order and with the same ids, what was not acknowledged; a dashboard comes back with its
last offset. Whatever breaks a promise of the hub raises an AssertionError in their `run`.
"""

import asyncio
import json
import random
import socket
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.support import postgres
from tests.support.hub_process import HubProcess
from tests.support.ws import HasSocket

GONE = (OSError, TimeoutError, WebSocketException, EOFError)
"""How a connection can fail; all of them mean: come back."""

LINES = (None, "chat/1", "chat/2", "order/1")
"""The subjects that the bots' events have, in turn."""


class Liveness(NamedTuple):
    """How soon a client takes a silent connection for dead, seconds; None: never."""

    every: float | None = None
    within: float | None = None


PATIENT = Liveness()


class _Unit(NamedTuple):
    """One frame to send, and the ids of its events."""

    ids: list[str]
    text: str


class Bot:
    """A publisher that keeps a window in flight and sends again what was not acknowledged.

    Args:
        name: the first part of its ids: `name-0`, `name-1`, …
        window: events in flight.
        batch: sends atomic batches of this many events; 0 for single events.
        rate: most events a second; None for as many as go through.
    """

    def __init__(
        self,
        hub: HasSocket,
        key: str,
        name: str,
        *,
        window: int = 64,
        batch: int = 0,
        rate: float | None = None,
        liveness: Liveness = PATIENT,
    ) -> None:
        self.name = name
        self.batch = batch
        self.made = 0
        self.acknowledged: dict[str, int] = {}
        self.duplicates = 0
        self.connections = 0
        self._hub = hub
        self._key = key
        self._window = window
        self._rate = rate
        self._liveness = liveness
        self._unacknowledged: deque[_Unit] = deque()
        self._in_flight: deque[_Unit] = deque()
        self._stopping = False

    def stop(self) -> None:
        """Make no further events; `run` returns when all are acknowledged."""
        self._stopping = True

    async def run(self) -> None:
        """Publish until `stop`, across any number of connections."""
        while not (self._stopping and not self._unacknowledged):
            try:
                async with _connection(self._hub, self._key, {}, self._liveness) as connection:
                    self.connections += 1
                    await self._converse(connection)
            except GONE:
                await asyncio.sleep(random.uniform(0.01, 0.06))

    async def _converse(self, connection: ClientConnection) -> None:
        again = deque(self._unacknowledged)
        self._in_flight = deque()
        began, made_before = time.monotonic(), self.made
        while True:
            while len(self._in_flight) * max(1, self.batch) < self._window:
                if again:
                    unit = again.popleft()
                elif self._stopping or not self._may_make(began, made_before):
                    break
                else:
                    unit = self._make()
                self._in_flight.append(unit)
                await connection.send(unit.text)
            if self._in_flight:
                self._take(json.loads(await connection.recv()))
            elif self._stopping:
                return
            else:
                await asyncio.sleep(0.005)

    def _may_make(self, began: float, made_before: int) -> bool:
        if self._rate is None:
            return True
        return self.made - made_before < (time.monotonic() - began) * self._rate

    def _make(self) -> _Unit:
        events = [self._event(self.made + n) for n in range(max(1, self.batch))]
        self.made += len(events)
        frame: dict[str, Any] = events[0]
        if self.batch:
            frame = {"type": "batch", "ref": events[0]["id"], "events": events, "atomic": True}
        unit = _Unit([event["id"] for event in events], json.dumps(frame))
        self._unacknowledged.append(unit)
        return unit

    def _event(self, number: int) -> dict[str, Any]:
        event: dict[str, Any] = {"id": f"{self.name}-{number}"}
        if number % 3:
            event |= {"type": "custom_tick" if number % 3 == 1 else "custom_tock"}
            event |= {"data": {"n": number, "bot": self.name}}
        else:
            data = {"messageId": f"m-{number}", "toPhone": "+263771234567", "text": f"№ {number}"}
            event |= {"type": "message_sent", "data": data}
        if subject := LINES[number % len(LINES)]:
            event["subject"] = subject
        return event

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "error":
            # Not known whether it was written: what is behind it must be sent again too.
            assert frame["retry"], f"{self.name}: refused for good: {frame}"
            raise EOFError
        if frame["type"] != "ack":
            return
        unit = self._in_flight.popleft()
        lines = frame["events"] if self.batch else [frame]
        ids = [line["id"] for line in lines]
        assert ids == unit.ids, f"{self.name}: acknowledged {ids}, expected {unit.ids}"
        for line in lines:
            assert "error" not in line, f"{self.name}: {line}"
            self.acknowledged[line["id"]] = line["offset"]
            self.duplicates += line["duplicate"]
        assert self._unacknowledged.popleft() is unit


class Dashboard:
    """A subscriber that comes back with its last offset, from the log's beginning on.

    Args:
        merchant_id: whose events it may see; None for all.
        narrow: ask for that merchant alone, as an admin may.
        types, subjects: its filter.
        restless: leaves by itself after about so many events, and comes back.
        sluggish: takes small bites and a nap after each, so that the hub has to hold back.
    """

    def __init__(
        self,
        hub: HasSocket,
        key: str,
        name: str,
        *,
        merchant_id: str | None = None,
        narrow: bool = False,
        types: Sequence[str] | None = None,
        subjects: Sequence[str] | None = None,
        restless: int | None = None,
        sluggish: bool = False,
        liveness: Liveness = PATIENT,
    ) -> None:
        self.name = name
        self.seen: list[tuple[int, int]] = []
        """Offset and hash of each event's text, in the order in which they came."""
        self.connections = 0
        self._hub = hub
        self._key = key
        self._merchant_id = merchant_id
        self._types = types
        self._subjects = subjects
        self._restless = restless
        self._sluggish = sluggish
        self._liveness = liveness
        self._epoch: str | None = None
        self._cursor = 0
        self._query: dict[str, object] = {}
        if narrow:
            self._query["merchant_id"] = merchant_id
        if types is not None:
            self._query["types"] = ",".join(types)
        if subjects is not None:
            self._query["subjects"] = ",".join(subjects)

    async def run(self) -> None:
        """Follow the log until cancelled."""
        while True:
            query: dict[str, object] = self._query | {"since": self._cursor}
            if self._epoch is not None:
                query["epoch"] = self._epoch
            try:
                async with _connection(
                    self._hub, self._key, query, self._liveness, small=self._sluggish
                ) as connection:
                    self.connections += 1
                    await self._read(connection)
            except GONE:
                await asyncio.sleep(random.uniform(0.01, 0.06))

    async def _read(self, connection: ClientConnection) -> None:
        leave_at = random.expovariate(1 / self._restless) if self._restless else float("inf")
        count = 0
        while count < leave_at:
            text = await connection.recv()
            assert isinstance(text, str)
            if self._take(json.loads(text), text):
                count += 1
                if self._sluggish and count % 100 == 0:
                    await asyncio.sleep(0.02)

    def _take(self, frame: dict[str, Any], text: str) -> bool:
        """Take one frame; whether it was an event."""
        kind = frame["type"]
        if "_" in kind:
            offset = frame["offset"]
            assert offset > self._cursor, f"{self.name}: {offset} came after {self._cursor}"
            self._cursor = offset
            self.seen.append((offset, hash(text)))
            return True
        if kind == "connected":
            assert self._epoch in (None, frame["epoch"]), f"{self.name}: another epoch: {frame}"
            self._epoch = frame["epoch"]
        elif kind == "subscribed":
            assert frame["recovered"], f"{self.name}: not recovered: {frame}"
            assert frame["offset"] == self._cursor, f"{self.name}: asked {self._cursor}: {frame}"
        elif kind in ("live", "ping"):
            offset = frame["offset"]
            assert offset >= self._cursor, f"{self.name}: {kind} {offset} after {self._cursor}"
            self._cursor = offset
        elif kind == "error" and frame["code"] == "unavailable":
            # The database was away when it came in, or asked from where to follow.
            raise ConnectionResetError(frame["message"])
        else:
            assert kind == "bye", f"{self.name}: unexpected {frame}"
        return False

    def expected(self, log: Iterable["Entry"]) -> list[tuple[int, int]]:
        """What it must have seen of this log."""
        return [
            (entry.offset, entry.digest)
            for entry in log
            if self._merchant_id in (None, entry.merchant_id)
            and _matches(self._types, entry.type)
            and _matches(self._subjects, entry.subject)
        ]

    def check(self, log: Iterable["Entry"]) -> None:
        """Compare what it has seen with the log: every event once, in order, byte for byte."""
        expected = self.expected(log)
        if self.seen == expected:
            return
        for index, (seen, stored) in enumerate(zip(self.seen, expected, strict=False)):
            assert seen == stored, (
                f"{self.name}: event {index} came as offset {seen[0]}, the log has {stored[0]}"
                + (" with another text" if seen[0] == stored[0] else "")
            )
        raise AssertionError(f"{self.name}: saw {len(self.seen)} events of {len(expected)}")


class Stored(NamedTuple):
    """One event as it stands in the database."""

    offset: int
    merchant_id: str
    id: str
    type: str
    subject: str | None
    frame: str


def stored_log(hub: HubProcess, after: int = 0, upto: int = 2**62) -> list[Stored]:
    """Read a stretch of the log from its database, without the hub: `after` < offset <= `upto`."""
    query = (
        "SELECT log_offset, merchant_id, id, type, subject, frame FROM events"
        " WHERE log_offset > $1 AND log_offset <= $2 ORDER BY log_offset"
    )
    if hub.database_url is not None and hub.database_url.startswith("postgres"):
        return [Stored(*row) for row in postgres.rows(hub.database_url, query, after, upto)]
    file = hub.data_dir / "hub.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return [Stored(*row) for row in database.execute(query, (after, upto))]


class Entry(NamedTuple):
    """What is kept of an event, to compare it with what was seen of it."""

    offset: int
    merchant_id: str
    type: str
    subject: str | None
    digest: int


class LogCheck:
    """Checks the stored log against what the bots know, as it grows.

    Nothing lost, nothing doubled, every bot's order kept, atomic batches whole, no hole.
    """

    def __init__(self, hub: HubProcess, bots: Sequence[Bot]) -> None:
        self.log: list[Entry] = []
        self._hub = hub
        self._bots = bots
        self._where: dict[str, int] = {}
        self._next = dict.fromkeys((bot.name for bot in bots), 0)
        self._compared = dict.fromkeys((bot.name for bot in bots), 0)

    def grown(self) -> None:
        """Check what came since the last time, and that what was acknowledged is there.

        Raises:
            AssertionError: a promise was broken.
        """
        bots = {bot.name: bot for bot in self._bots}
        for event in stored_log(self._hub, after=len(self.log)):
            frame = json.loads(event.frame)
            assert event.offset == len(self.log) + 1, f"a hole before {event.offset}"
            assert (frame["offset"], frame["id"]) == (event.offset, event.id), event
            assert event.id not in self._where, f"{event.id} stands twice in the log"
            self._where[event.id] = event.offset
            self.log.append(
                Entry(event.offset, event.merchant_id, event.type, event.subject, hash(event.frame))
            )
            name, _, number = event.id.rpartition("-")
            if (bot := bots.get(name)) is None:
                continue  # the hub's own
            assert int(number) == self._next[name], f"{event.id} is out of order"
            self._next[name] += 1
            if bot.batch and int(number) % bot.batch:
                before = self._where[f"{name}-{int(number) - 1}"]
                assert event.offset == before + 1, f"{event.id}: a batch was torn apart"
        for bot in self._bots:
            assert not bot.batch or self._next[bot.name] % bot.batch == 0, "half an atomic batch"
            for id_, offset in islice(bot.acknowledged.items(), self._compared[bot.name], None):
                found = self._where.get(id_)
                assert found == offset, f"{id_} was acknowledged at {offset} and is at {found}"
            self._compared[bot.name] = len(bot.acknowledged)

    async def settled(self, dashboards: Sequence[Dashboard], *, deadline: float) -> None:
        """When all bots are done: wait until the dashboards have seen the log, and check all.

        Raises:
            AssertionError: a promise was broken, or a dashboard did not get everything in time.
        """
        until = time.monotonic() + deadline
        complete = False
        while not complete and time.monotonic() < until:
            self.grown()
            counts = [len(dashboard.expected(self.log)) for dashboard in dashboards]
            await asyncio.sleep(0.3)  # the hub itself may have something to add
            while not self._has_grown() and time.monotonic() < until:
                # From here to the end nothing is awaited: what is compared belongs together.
                if complete := all(
                    len(dashboard.seen) >= count
                    for dashboard, count in zip(dashboards, counts, strict=True)
                ):
                    break
                await asyncio.sleep(0.1)
        self.grown()
        for bot in self._bots:
            made = (self._next[bot.name], bot.made, len(bot.acknowledged))
            assert len(set(made)) == 1, f"{bot.name}: stored, made, acknowledged: {made}"
        for dashboard in dashboards:
            dashboard.check(self.log)
        # And what was there once has stayed.
        assert [hash(event.frame) for event in stored_log(self._hub)] == [
            entry.digest for entry in self.log
        ]

    def _has_grown(self) -> bool:
        return bool(stored_log(self._hub, after=len(self.log)))


@asynccontextmanager
async def _connection(
    hub: HasSocket,
    key: str,
    query: dict[str, object],
    liveness: Liveness,
    *,
    small: bool = False,
) -> AsyncIterator[ClientConnection]:
    """A connection that is aborted on the way out: no goodbye, as when a network is lost."""
    address = f"{hub.ws_url}?{urlencode(query)}" if query else hub.ws_url
    host, _, port = hub.ws_url.split("/")[2].partition(":")
    raw = socket.socket()
    raw.setblocking(False)
    if small:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    try:
        async with asyncio.timeout(2.0):
            await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
        connection = await connect(
            address,
            sock=raw,
            additional_headers={"Authorization": f"Bearer {key}"},
            compression=None,
            max_size=None,
            max_queue=16,
            ping_interval=liveness.every,
            ping_timeout=liveness.within,
            open_timeout=2.0,
            close_timeout=0.2,
            proxy=None,
        )
    except BaseException:
        raw.close()
        raise
    try:
        yield connection
    finally:
        connection.transport.abort()
        await connection.wait_closed()


def _matches(patterns: Sequence[str] | None, value: str | None) -> bool:
    if patterns is None:
        return True
    return value is not None and any(
        value.startswith(p[:-1]) if p.endswith("*") else value == p for p in patterns
    )
