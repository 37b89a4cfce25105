"""`HUB_PUBLISH_RATE`: never more than it allows, and who sends again as told keeps its order."""

import asyncio
import json
import random
from collections import deque
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hub.client.backoff import Backoff
from hub.client.hub import Hub
from tests.support.crowd import stored_log
from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key
from tests.support.ws import Frame, Socket, connect


def event(id_: str | None, **more: Any) -> Frame:
    return {"type": "custom_tick", "id": id_, "data": {}} | more


async def new_keys(hub: HubProcess, count: int) -> list[str]:
    """Keys that have published nothing; no bots, whose coming and going is in the log too."""
    merchant = await merchant_of(hub, hub.admin_key)
    return [(await new_key(hub, hub.admin_key, "merchant", merchant))[0] for _ in range(count)]


async def opened(socket: Socket) -> Socket:
    """A merchant's connection follows everything from the start; not here."""
    await socket.next(type="live")
    await socket.send({"type": "unsubscribe"})
    return socket


async def answers(socket: Socket, count: int) -> list[Frame]:
    """The next answers to publishing, in the order in which they came."""
    found: list[Frame] = []
    while len(found) < count:
        frame = await socket.next()
        if frame["type"] in ("ack", "error"):
            found.append(frame)
    return found


def check_refused(frame: Frame, within: float) -> float:
    """Check that a frame is a refusal by rate; the seconds after which to send again."""
    assert (frame["type"], frame["code"], frame["retry"]) == ("error", "rate_limited", True), frame
    assert 0 < frame["retry_after"] <= within
    return float(frame["retry_after"])


def logged(hub: HubProcess) -> list[dict[str, Any]]:
    """The events that the tests published, in the log's order."""
    return [json.loads(stored.frame) for stored in stored_log(hub) if "custom" in stored.type]


def check_rate(events: list[dict[str, Any]], rate: float, burst: float) -> None:
    """Check that over any time there were no more than the burst and what came in that time.

    The hub's timestamps have milliseconds, and those of a batch are a little older than its take.
    """
    level, before = 0.0, None
    for one in events:
        now = datetime.fromisoformat(one["timestamp"]).timestamp()
        if before is not None:
            level = max(0.0, level - rate * (now - before))
        level, before = level + 1, now
        assert level <= burst + rate * 0.02 + 1, f"{level} events at once"


# ── one publisher ────────────────────────────────────────────────────────────────────────────────


async def test_a_burst_and_then_an_even_flow(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, {"HUB_PUBLISH_RATE": "50/s"}) as hub:
        [key, other] = await new_keys(hub, 2)
        async with connect(hub, key) as socket, connect(hub, other) as free:
            await opened(socket)
            for number in range(60):
                await socket.send(event(f"id-{number}", ref=f"r-{number}"))
            found = await answers(socket, 60)
            acks = [frame["id"] for frame in found if frame["type"] == "ack"]
            refused = [frame for frame in found if frame["type"] == "error"]
            assert acks == [f"id-{n}" for n in range(len(acks))]
            assert 50 <= len(acks) <= 55, "a burst of a whole second"
            assert [frame["id"] for frame in refused] == [f"id-{n}" for n in range(len(acks), 60)]
            assert [frame["ref"] for frame in refused] == [f"r-{n}" for n in range(len(acks), 60)]
            for frame in refused:
                check_refused(frame, 1 / 50 + 0.001)
            # Another key is another's.
            await opened(free)
            await free.send(event("free"))
            assert (await answers(free, 1))[0]["type"] == "ack"
            # One at a time, each wait is as long as was said and no longer.
            for number in range(len(acks), 60):
                await socket.send(event(f"id-{number}"))
                [answer] = await answers(socket, 1)
                while answer["type"] == "error":
                    await asyncio.sleep(check_refused(answer, 1 / 50 + 0.001))
                    await socket.send(event(f"id-{number}"))
                    [answer] = await answers(socket, 1)
                    assert answer["type"] == "ack", "it had waited as long as it was told"
        mine = [one for one in logged(hub) if one["id"] != "free"]
        assert [one["id"] for one in mine] == [f"id-{n}" for n in range(60)]
        check_rate(mine, 50, 50)


async def test_connections_and_rest_share_their_key_s_rate(tmp_path: Path) -> None:
    settings = {"HUB_PUBLISH_RATE": "30/m", "HUB_RATE_LIMIT": "off"}
    async with HubProcess(tmp_path, settings) as hub:
        [key] = await new_keys(hub, 1)
        async with connect(hub, key) as one, connect(hub, key) as two:
            for socket in (await opened(one), await opened(two)):
                for number in range(10):
                    await socket.send(event(f"{id(socket)}-{number}"))
                assert {a["type"] for a in await answers(socket, 10)} == {"ack"}
            for _ in range(4):
                answer = await call(hub, "POST", "/api/events", event(None), key=key)
                assert answer.status == 201
            four = [event(None) for _ in range(4)]
            assert (await call(hub, "POST", "/api/events", four, key=key)).status == 201
            await one.send({"type": "batch", "events": four[:2], "ref": "b"})
            assert (await answers(one, 1))[0]["type"] == "ack"
            # That was all, wherever the next comes from.
            for body, wait in ((event("late"), 2), (four, 8)):
                answer = await call(hub, "POST", "/api/events", body, key=key)
                assert (answer.status, answer.json()["code"]) == (429, "rate_limited")
                assert wait - 2 < int(answer.headers["retry-after"]) <= wait
                assert 0 < answer.json()["retry_after"] <= wait
            await one.send(event("late"))
            check_refused((await answers(one, 1))[0], 2)
            await two.send({"type": "batch", "events": four, "ref": "c"})
            check_refused((await answers(two, 1))[0], 8)
        assert len(logged(hub)) == 30
        other = await call(hub, "POST", "/api/events", event(None), key=hub.bot_key)
        assert other.status == 201


@pytest.mark.parametrize("atomic", [False, True])
async def test_a_batch_counts_its_events(atomic: bool, tmp_path: Path) -> None:
    """One that is larger than the burst is taken when nothing is owed, and what follows waits."""
    async with HubProcess(tmp_path, {"HUB_PUBLISH_RATE": "100/s"}) as hub:
        [key] = await new_keys(hub, 1)
        async with connect(hub, key) as socket:
            await opened(socket)

            async def batch(name: str, count: int) -> Frame:
                events = [event(f"{name}-{n}") for n in range(count)]
                await socket.send(
                    {"type": "batch", "ref": name, "events": events, "atomic": atomic}
                )
                [answer] = await answers(socket, 1)
                assert answer["ref"] == name
                return answer

            assert len((await batch("a", 300))["events"]) == 300
            wait = check_refused(await batch("b", 50), 2.5)
            assert wait > 1.5, "300 and 50 at 100 a second, of which 100 at once"
            await socket.send(event("c"))
            check_refused((await answers(socket, 1))[0], wait)
            await asyncio.sleep(wait)
            answer = await batch("b", 50)
            assert answer["type"] == "ack"
            assert not any("error" in line for line in answer["events"])
        ids = [one["id"] for one in logged(hub)]
        assert ids == [f"a-{n}" for n in range(300)] + [f"b-{n}" for n in range(50)]


async def test_without_the_setting_there_is_no_limit(hub: HubProcess) -> None:
    async with connect(hub, hub.bot_key) as bot:
        events = [event(None) for _ in range(500)]
        for _ in range(20):
            await bot.send({"type": "batch", "events": events})
        for ack in await answers(bot, 20):
            assert ack["type"] == "ack"
            assert not any("error" in line for line in ack["events"])


# ── order ────────────────────────────────────────────────────────────────────────────────────────


class Style(NamedTuple):
    """How a publisher sends.

    Attributes:
        name: the first part of its ids.
        window: frames in flight.
        batch: the largest batch; 0 for single events.
        atomic: whether its batches are.
        chosen: whether it chooses its events' ids.
        restless: goes on with new events until it sends the refused one again.
        pace: the longest pause between two frames, seconds.
    """

    name: str
    window: int = 1
    batch: int = 0
    atomic: bool = False
    chosen: bool = True
    restless: bool = False
    pace: float = 0.002


STYLES = (
    Style("one by one"),
    Style("one by one, without ids", chosen=False),
    Style("ahead", window=50),
    Style("ahead, in bursts", window=200, pace=0.0),
    Style("ahead and restless", window=20, restless=True),
    Style("batches", batch=40),
    Style("batches ahead", window=5, batch=30),
    Style("batches, restless", window=3, batch=20, restless=True),
    Style("atomic batches", window=4, batch=150, atomic=True),
    Style("atomic batches, restless", window=4, batch=20, atomic=True, restless=True),
    Style("batches without ids", batch=40, chosen=False),
)


class _Unit(NamedTuple):
    """One frame, to be sent until it is acknowledged."""

    number: int
    frame: Frame


class Sender:
    """A publisher that does as it is told, at a pace of its own.

    A refused frame is sent again after `retry_after`, then what came behind it, and only then
    something new. Answers are looked at late, or not for a while.
    """

    def __init__(self, style: Style, count: int, seed: int) -> None:
        self.style = style
        self.refusals = 0
        self._random = random.Random(f"{seed} {style.name}")
        self._new: deque[_Unit] = deque()
        self._in_flight: dict[int, _Unit] = {}
        self._refused: dict[int, _Unit] = {}
        self._due: dict[int, float] = {}
        self._behind: set[int] = set()  # in flight behind a refused one: refused too
        self._again = False
        made = 0
        while made < count:
            size = self._random.randint(1, style.batch) if style.batch else 1
            self._new.append(_Unit(len(self._new), self._frame(made, size)))
            made += size

    def _frame(self, first: int, size: int) -> Frame:
        name, number = self.style.name.replace(" ", "_"), len(self._new)
        events = [
            event(f"{name}/{n}" if self.style.chosen else None, data={"of": name, "n": n})
            for n in range(first, first + size)
        ]
        if not self.style.batch:
            return events[0] | {"ref": str(number)}
        atomic = {"atomic": True} if self.style.atomic else {}
        return {"type": "batch", "ref": str(number), "events": events} | atomic

    async def run(self, socket: Socket) -> None:
        await opened(socket)
        arrived: deque[Frame] = deque()

        async def read() -> None:
            while True:
                arrived.append(await socket.next(deadline=60))

        loop = asyncio.get_running_loop()
        reading = loop.create_task(read())
        try:
            while self._new or self._in_flight or self._refused:
                for _ in range(self._random.choice((0, 0, 1, 3, 100))):
                    if arrived:
                        self._take(arrived.popleft(), loop.time())
                unit = self._next(loop.time())
                if unit is not None:
                    self._in_flight[unit.number] = unit
                    await socket.send(unit.frame)
                pause = self._random.random() * self.style.pace
                await asyncio.sleep(pause if unit is not None else 0.001)
        finally:
            reading.cancel()

    def _next(self, now: float) -> _Unit | None:
        if self._refused:
            first = min(self._refused)
            if now >= self._due[first] and not any(number < first for number in self._behind):
                self._again = True
                return self._refused.pop(first)
        clear = not self._refused and not self._behind
        if clear:
            self._again = False
        if not clear and (self._again or not self.style.restless):
            return None
        if self._new and len(self._in_flight) < self.style.window:
            if not clear:
                self._behind.add(self._new[0].number)
            return self._new.popleft()
        return None

    def _take(self, frame: Frame, now: float) -> None:
        if frame["type"] not in ("ack", "error"):
            return
        unit = self._in_flight.pop(int(frame["ref"]))
        self._behind.discard(unit.number)
        errors = [frame] if frame["type"] == "error" else [
            line["error"] for line in frame.get("events", ()) if "error" in line
        ]  # fmt: skip
        if not errors:
            return
        assert {error["code"] for error in errors} == {"rate_limited"}, errors
        self.refusals += 1
        self._refused[unit.number] = unit
        self._due[unit.number] = now + frame.get("retry_after", 0.0)
        self._behind.update(number for number in self._in_flight if number > unit.number)


def check_order(found: list[dict[str, Any]], style: Style, count: int) -> None:
    name = style.name.replace(" ", "_")
    numbers = [one["data"]["n"] for one in found if one["data"]["of"] == name]
    overtaken = [(a, b) for a, b in pairwise(numbers) if b < a]
    assert overtaken == [], f"{style}: the second of each was overtaken"
    assert len(numbers) == len(set(numbers)), f"{style}: something is there twice"
    assert len(numbers) >= count, f"{style}: {len(numbers)} of {count}"


@pytest.mark.parametrize("seed", range(2))
async def test_whoever_does_as_told_keeps_its_order(seed: int, tmp_path: Path) -> None:
    count, settings = 120, {"HUB_PUBLISH_RATE": "30/s", "HUB_RATE_LIMIT": "off"}
    async with HubProcess(tmp_path, settings) as hub:
        keys = await new_keys(hub, len(STYLES))
        senders = [Sender(style, count, seed) for style in STYLES]

        async def send(sender: Sender, key: str) -> None:
            async with connect(hub, key) as socket:
                await sender.run(socket)

        async with asyncio.timeout(9):
            await asyncio.gather(*map(send, senders, keys))
        found = logged(hub)
        for sender in senders:
            check_order(found, sender.style, count)
            assert sender.refusals, f"{sender.style}: it was never refused, which proves nothing"
            own = [o for o in found if o["data"]["of"] == sender.style.name.replace(" ", "_")]
            check_rate(own, 60, max(60, sender.style.batch))


async def test_publishers_of_one_key_keep_their_orders(tmp_path: Path) -> None:
    count, settings = 120, {"HUB_PUBLISH_RATE": "100/s", "HUB_RATE_LIMIT": "off"}
    async with HubProcess(tmp_path, settings) as hub:
        [key] = await new_keys(hub, 1)
        senders = [Sender(STYLES[number], count, 7) for number in (0, 2, 4, 6)]

        async def send(sender: Sender) -> None:
            async with connect(hub, key) as socket:
                await sender.run(socket)

        async with asyncio.timeout(9.5):
            await asyncio.gather(*map(send, senders))
        found = logged(hub)
        for sender in senders:
            check_order(found, sender.style, count)
        check_rate(found, 100, 100)


@pytest.mark.parametrize("shared", [1, 2], ids=["alone", "two of one key"])
async def test_the_sdk_paces_itself(shared: int, tmp_path: Path) -> None:
    count, settings = 500, {"HUB_PUBLISH_RATE": "200/s"}
    async with HubProcess(tmp_path, settings) as hub:
        [key] = await new_keys(hub, 1)

        async def publish(of: int) -> None:
            random_ = random.Random(of)
            async with Hub(hub.url, key, backoff=Backoff(0.01, 0.1)) as client:
                waiting = []
                for number in range(count):
                    waiting.append(await client.submit("custom_a", {"of": of, "n": number}))
                    if random_.random() < 0.05:
                        await asyncio.sleep(random_.random() * 0.02)
                acks = await asyncio.gather(*waiting)
                assert [a.offset for a in acks] == sorted({a.offset or 0 for a in acks})

        async with asyncio.timeout(9.5):
            await asyncio.gather(*(publish(of) for of in range(shared)))
        found = logged(hub)
        for of in range(shared):
            assert [o["data"]["n"] for o in found if o["data"]["of"] == of] == list(range(count))
        check_rate(found, 200, 200)
