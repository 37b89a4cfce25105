"""The log over HTTP: whatever the framing, and however often a reader comes back, it sees what a
socket sees: every event once, in order, byte for byte."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
import pytest

from tests.support.crowd import Bot, Dashboard, LogCheck
from tests.support.http_stream import NDJSON, SSE, EventStream, event_stream
from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key, new_merchant, paged

GONE = (OSError, TimeoutError, EOFError)


class Page(msgspec.Struct):
    """A page whose events are left as they came."""

    events: list[msgspec.Raw]
    epoch: str
    offset: int
    next: int
    gap: object


class Follower(Dashboard):
    """A dashboard that follows over HTTP instead of a socket.

    `sse` comes back as a browser does: to the address where it began, with `Last-Event-ID`.
    `ndjson` comes back with `since` of the last frame that told a place, `poll` with `next`.
    """

    def __init__(
        self,
        hub: HubProcess,
        key: str,
        door: Literal["sse", "ndjson", "poll"],
        *,
        merchant_id: str | None = None,
        types: Sequence[str] | None = None,
        subjects: Sequence[str] | None = None,
        restless: int | None = None,
    ) -> None:
        super().__init__(
            hub, key, f"{door} {types} {subjects}", merchant_id=merchant_id, types=types,
            subjects=subjects, restless=restless,
        )  # fmt: skip
        self.door = door
        self._address = hub
        self._last_event_id = ""

    async def run(self) -> None:
        """Follow the log until cancelled."""
        while True:
            try:
                self.connections += 1
                await (self._poll() if self.door == "poll" else self._follow())
            except GONE:
                await asyncio.sleep(random.uniform(0.01, 0.06))

    def _until_leaving(self) -> float:
        return random.expovariate(1 / self._restless) if self._restless else float("inf")

    async def _follow(self) -> None:
        query = dict(self._query)
        headers = {}
        if self.door == "sse":
            query["since"] = 0
            if self._last_event_id:
                headers["Last-Event-ID"] = self._last_event_id
        else:
            query["since"] = self._cursor
            if self._epoch is not None:
                query["epoch"] = self._epoch
        count, leave_at = 0, self._until_leaving()
        async with event_stream(
            self._address,
            self._key,
            urlencode(query),
            accept=SSE if self.door == "sse" else NDJSON,
            headers=headers,
        ) as stream:
            while count < leave_at:
                received = await stream.receive(deadline=60)
                count += self._take(received.frame, received.text)
                if self.door == "sse" and received.frame["type"] != "bye":
                    assert received.id is not None
                    self._epoch = self._epoch or received.frame["epoch"]
                    assert received.id == f"{self._epoch}:{self._cursor}"
                    self._last_event_id = received.id

    async def _poll(self) -> None:
        # A page of a few events and a short wait: most of what happens happens between requests.
        limit, leave_at = random.choice((1, 7, 1000)), self._until_leaving()
        for _ in range(int(min(leave_at, 1000)) + 1):
            query = {**self._query, "since": self._cursor, "wait": 5, "limit": limit}
            if self._epoch is not None:
                query["epoch"] = self._epoch
            answer = await call(
                self._address, "GET", "/api/events", key=self._key, query=query, deadline=8
            )
            if answer.status == 503:
                raise EOFError
            assert answer.status == 200, answer.body
            page = msgspec.json.decode(answer.body, type=Page)
            assert self._epoch in (None, page.epoch)
            self._epoch = page.epoch
            assert page.gap is None
            for raw in page.events:
                text = bytes(raw).decode()
                self._take(json.loads(text), text)
            assert page.next >= self._cursor
            assert page.events or page.next == page.offset or page.next > self._cursor
            self._cursor = page.next


# ── no seam ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.both_engines
@pytest.mark.parametrize("ring", ["10", "1000"])
async def test_every_framing_sees_the_log_once_across_kills(
    tmp_path: Path, hub_settings: dict[str, str], ring: str
) -> None:
    """Followers of every framing and some filters leave and come back while two merchants' bots
    publish, and the hub is killed in the middle."""
    settings = hub_settings | {"HUB_RING_SIZE": ring, "HUB_RATE_LIMIT": "off"}
    async with asyncio.timeout(40), HubProcess(tmp_path, settings) as hub:
        one = await merchant_of(hub, hub.admin_key)
        two = await new_merchant(hub, hub.admin_key, "two")
        other, _ = await new_key(hub, hub.admin_key, "bot", two)
        viewer, _ = await new_key(hub, hub.admin_key, "viewer", one)
        poller, _ = await new_key(hub, hub.admin_key, "viewer", two)
        bots = [Bot(hub, hub.bot_key, "a", rate=400), Bot(hub, other, "b", window=8, rate=200)]
        socket = Dashboard(hub, hub.admin_key, "socket", restless=200)
        followers = [
            socket,
            Follower(hub, hub.admin_key, "sse", restless=60),
            Follower(hub, hub.admin_key, "ndjson", restless=60),
            Follower(hub, poller, "poll", merchant_id=two),
            Follower(hub, viewer, "sse", merchant_id=one, types=["custom_tick"], restless=40),
            Follower(hub, viewer, "ndjson", merchant_id=one, subjects=["chat/*"], restless=40),
            Follower(hub, viewer, "poll", merchant_id=one, types=["custom_*"], subjects=["chat/1"]),
            Follower(hub, viewer, "sse", merchant_id=one),
        ]
        async with asyncio.TaskGroup() as tasks:
            publishing = [tasks.create_task(bot.run()) for bot in bots]
            following = [tasks.create_task(follower.run()) for follower in followers]
            for _ in range(2):
                await asyncio.sleep(random.uniform(0.8, 1.2))
                await hub.kill()
                await hub.start()
            await asyncio.sleep(0.8)
            for bot in bots:
                bot.stop()
            await asyncio.gather(*publishing)
            await LogCheck(hub, bots).settled(followers, deadline=15)
            for task in following:
                task.cancel()
        assert len(socket.seen) > 500
        for follower in followers:
            assert follower.connections >= 3
            assert len(follower.seen) > 30, follower.name


@pytest.mark.both_engines
async def test_what_retention_removed_is_announced_on_every_framing(
    tmp_path: Path, hub_settings: dict[str, str]
) -> None:
    async with HubProcess(tmp_path, hub_settings) as hub:
        await _publish(hub, 20)
        await hub.terminate()
    await asyncio.sleep(1.1)
    # The sweep runs at the start and then once a minute.
    async with HubProcess(tmp_path, hub_settings | {"HUB_RETENTION": "1s"}) as hub:
        async with asyncio.timeout(5):
            while await paged(hub, hub.admin_key) != []:
                await asyncio.sleep(0.05)
        await _publish(hub, 5)
        gap = {"type": "gap", "from": 8, "to": 20, "reason": "retention", "resume": 20}
        for accept in (SSE, NDJSON):
            async with event_stream(hub, hub.admin_key, "since=7", accept=accept) as stream:
                received = [await stream.receive() for _ in range(8)]
            frames = [r.frame for r in received]
            assert (frames[0]["recovered"], frames[1]) == (False, gap)
            assert [f["offset"] for f in frames[2:]] == [21, 22, 23, 24, 25, 25]
            if accept == SSE:
                epoch = frames[0]["epoch"]
                assert [r.id for r in received[:3]] == [
                    f"{epoch}:{n}" if n else "" for n in (0, 20, 21)
                ]
            # What is gone is not among the last, though it may still be in memory.
            async with event_stream(hub, hub.admin_key, "last=10", accept=accept) as stream:
                received = [await stream.receive() for _ in range(7)]
            assert received[0].frame["recovered"]
            assert [r.frame["offset"] for r in received[1:]] == [21, 22, 23, 24, 25, 25]
        began = time.monotonic()
        answer = await call(
            hub, "GET", "/api/events", key=hub.admin_key, query={"since": 7, "wait": 30}
        )
        assert answer.json()["gap"] == gap
        assert time.monotonic() - began < 1
        # Whom nothing of it concerns gets no gap.
        async with event_stream(
            hub, hub.admin_key, headers={"Last-Event-ID": f"{epoch}:20"}
        ) as stream:
            assert (await stream.next())["recovered"] is True


# ── stopping ─────────────────────────────────────────────────────────────────────────────────


async def test_a_stop_says_bye_and_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM under load: `bye`, what was accepted, the end of the body, exit code 0."""
    async with HubProcess(tmp_path) as hub, AsyncExitStack() as stack:
        bot = Bot(hub, hub.bot_key, "a", window=256)
        publishing = asyncio.create_task(bot.run())
        streams: list[EventStream] = [
            await stack.enter_async_context(
                event_stream(hub, hub.admin_key, "since=0", accept=accept, version=version)
            )
            for accept in (SSE, NDJSON)
            for version in ("1.1", "1.0")
        ]
        stopped = await stack.enter_async_context(
            event_stream(hub, hub.admin_key, "since=0", small=True)
        )
        reading = [asyncio.create_task(stream.rest(deadline=20)) for stream in streams]
        await asyncio.sleep(0.8)
        began = time.monotonic()
        assert await hub.terminate() == 0
        took = time.monotonic() - began
        bot.stop()
        last = max(bot.acknowledged.values())
        for stream, task in zip(streams, reading, strict=True):
            frames = await task
            assert stream.ended == "whole", stream.headers
            bye = [frame for frame in frames if frame["type"] == "bye"]
            assert [frame["code"] for frame in bye] == [4200]
            assert 0 < bye[0]["reconnect"][0] < bye[0]["reconnect"][1]
            offsets = [frame["offset"] for frame in frames if "_" in frame["type"]]
            assert offsets == list(range(1, len(offsets) + 1))
            assert len(offsets) >= last, "what was acknowledged must have been sent"
        assert stopped.ended is None  # it never looked
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
    assert took < 8


async def test_a_stop_waits_for_who_reads_slowly(hub: HubProcess) -> None:
    """What the hub has written, `bye` and the end of the body are to arrive; the rest comes when
    the reader comes back."""
    event = {"type": "custom_b", "data": {"pad": "x" * 8000}}
    for _ in range(10):
        answer = await call(hub, "POST", "/api/events", [event] * 100, key=hub.bot_key)
        assert answer.status == 201
    async with (
        event_stream(hub, hub.admin_key, "since=0", small=True) as sse,
        event_stream(hub, hub.admin_key, "since=0", accept=NDJSON, small=True) as lines,
    ):

        async def read(stream: EventStream) -> list[dict[str, Any]]:
            frames = []
            try:
                while True:
                    frames.append(await stream.next())
                    await asyncio.sleep(0.002)
            except EOFError:
                return frames

        reading = [asyncio.create_task(read(stream)) for stream in (sse, lines)]
        await asyncio.sleep(0.3)
        assert await hub.terminate() == 0
        for stream, task in zip((sse, lines), reading, strict=True):
            frames = await task
            assert (stream.ended, frames[-1]["type"]) == ("whole", "bye")
            offsets = [frame["offset"] for frame in frames if "_" in frame["type"]]
            assert offsets == list(range(1, len(offsets) + 1))
            assert len(offsets) < 1000, "it was meant to be slow"


async def _publish(hub: HubProcess, count: int) -> None:
    body = [{"type": "custom_e", "data": {"n": n}} for n in range(count)]
    answer = await call(hub, "POST", "/api/events", body, key=hub.bot_key)
    assert answer.status == 201, answer.body
