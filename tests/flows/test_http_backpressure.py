"""A stream over HTTP that nobody reads costs what a socket costs that nobody reads."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.event_stream import ChunkParser
from tests.support.http_stream import NDJSON, SSE, EventStream, event_stream
from tests.support.hub_process import HubProcess
from tests.support.raw_reader import raw_reader
from tests.support.ws import Socket, connect

MIB = 1 << 20
_OFFSET = re.compile(rb'"offset":(\d+)')


class Offsets:
    """The offsets of a stream's events; their text is not looked at."""

    def __init__(self, stream: EventStream) -> None:
        self.found: list[int] = []
        self._reader = stream.reader
        self._chunks = ChunkParser()

    async def upto(self, offset: int, deadline: float) -> list[int]:
        """Read until this event has come."""
        async with asyncio.timeout(deadline):
            while not self.found or self.found[-1] < offset:
                content = self._chunks.feed(await self._reader.read(1 << 18))
                # A chunk is what the hub wrote at once: it holds whole frames.
                for line in content.split(b"\n"):
                    if b'{"type":"custom_' in line[:24]:
                        match = _OFFSET.search(line)
                        assert match is not None, line
                        self.found.append(int(match[1]))
        return self.found


@asynccontextmanager
async def _stopped(hub: HubProcess, door: str, count: int) -> AsyncIterator[list[Any]]:
    """So many readers that have begun to read and stopped."""
    async with AsyncExitStack() as stack:
        if door == "websocket":
            readers = [
                await stack.enter_async_context(
                    raw_reader(hub, hub.admin_key, "types=custom_*", small=True)
                )
                for _ in range(count)
            ]
            for reader in readers:
                reader.stop_reading()
            yield readers
        else:
            accept = SSE if door == "sse" else NDJSON
            streams = [
                await stack.enter_async_context(
                    event_stream(hub, hub.admin_key, "types=custom_*", accept=accept, small=True)
                )
                for _ in range(count)
            ]
            yield streams


async def _publish_many(socket: Socket, count: int) -> int:
    """Publish events of about 200 bytes in batches; the offset of the last one."""
    event = {"type": "custom_tick", "data": {"pad": "x" * 40}}
    text = json.dumps({"type": "batch", "events": [event] * 500})
    offset = 0
    for _ in range(count // 500):
        await socket.connection.send(text)
        offset = (await socket.next(type="ack"))["events"][-1]["offset"]
    return offset


@pytest.mark.slow
@pytest.mark.fresh  # its memory is measured
@pytest.mark.sqlite_only  # three hubs, one after the other, each on an empty database
async def test_a_stopped_stream_costs_no_more_than_a_stopped_socket(tmp_path: Path) -> None:
    """50 readers of each kind that take nothing of 100,000 events, one kind after the other."""
    grown: dict[str, float] = {}
    latencies: dict[str, float] = {}
    for door in ("websocket", "sse", "ndjson"):
        folder = tmp_path / door
        folder.mkdir()
        async with (
            asyncio.timeout(45),
            HubProcess(folder) as hub,
            connect(hub, hub.bot_key, query="types=none") as bot,
            raw_reader(hub, hub.admin_key, "types=custom_*") as other,
        ):
            await _publish_many(bot, 10_000)  # until caches and the ring are warm
            async with _stopped(hub, door, 50) as readers:
                await asyncio.sleep(0.3)
                before, most = hub.rss(), 0
                publishing = asyncio.create_task(_publish_many(bot, 100_000))
                while not publishing.done():
                    await asyncio.sleep(0.1)
                    most = max(most, hub.rss() - before)
                end = await publishing
                began = time.monotonic()
                await other.until(end, 5)
                latencies[door] = time.monotonic() - began
                grown[door] = most / MIB
                if door != "websocket":
                    # Some read again: first from the database, then from the ring, then live.
                    more = asyncio.create_task(_publish_many(bot, 2_000))
                    read = [Offsets(stream) for stream in readers[:2]]
                    found = await asyncio.gather(*(o.upto(end + 2_000, 20) for o in read))
                    assert await more == end + 2_000
                    for offsets in found:
                        assert len(offsets) >= 102_000
                        assert offsets == list(range(offsets[0], end + 2_001))
            assert other.offsets[-1] - other.offsets[0] + 1 == len(other.offsets)
    print(f"growth in MiB: {grown}; the other reader had all of it after {latencies} s")
    for door in ("sse", "ndjson"):
        assert grown[door] < grown["websocket"] * 1.25 + 4
        assert latencies[door] < 1


async def test_who_stops_for_a_while_gets_everything_from_a_small_ring(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(30),
        HubProcess(tmp_path, {"HUB_RING_SIZE": "10"}) as hub,
        connect(hub, hub.bot_key, query="types=none") as bot,
        event_stream(hub, hub.admin_key, "types=custom_*", small=True) as sse,
        event_stream(hub, hub.admin_key, "types=custom_*", accept=NDJSON, small=True) as lines,
    ):
        for stream in (sse, lines):
            await stream.until_live()
        text = json.dumps(
            {"type": "batch", "events": [{"type": "custom_b", "data": {"pad": "x" * 8000}}] * 100}
        )
        end = 0
        for _ in range(20):
            await bot.send_raw(text)
            end = (await bot.next(type="ack"))["events"][-1]["offset"]
        # The buffers of both are long full, and the ring has forgotten what they wait for.
        reading = [asyncio.create_task(s.events_upto(end + 500, deadline=7)) for s in (sse, lines)]
        for _ in range(50):
            await bot.send({"type": "batch", "events": [{"type": "custom_s", "data": {}}] * 10})
            await bot.next(type="ack")
            await asyncio.sleep(0.005)
        for task in reading:
            offsets = [event["offset"] for event in await task]
            assert offsets == list(range(end - 1999, end + 501))
