"""A reader that stops reading costs the hub nothing and the others nothing, and gets everything
when it reads on: first from the database, then from the ring, then live, with no seam."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median, quantiles

import pytest

from tests.support.hub_process import HubProcess
from tests.support.raw_reader import RawReader, raw_reader
from tests.support.rest import call
from tests.support.ws import Socket, connect

MIB = 1 << 20
RATE = 5000
STOPPED_SECONDS = 20
BESIDE_SECONDS = 8


class Latencies:
    """Publish to delivery, seconds, of every event that a reader got, by second of the clock."""

    def __init__(self) -> None:
        self.by_second: dict[int, list[float]] = {}

    def take(self, payload: bytes) -> None:
        at = payload.find(b'"sent":')
        if at >= 0:
            now = time.monotonic_ns()
            sent = int(payload[at + 7 : payload.index(b",", at)])
            self.by_second.setdefault(now // 10**9, []).append((now - sent) / 1e9)

    def p99(self) -> float:
        """The median of the seconds' p99: one hiccup of the machine is one second's."""
        full = [taken for taken in self.by_second.values() if len(taken) >= 100]
        assert len(full) >= 5, "too few events to say anything"
        return median(quantiles(taken, n=100)[98] for taken in full)


class Source:
    """A bot that publishes at a steady rate."""

    def __init__(self, socket: Socket) -> None:
        self.sent = 0
        self._socket = socket

    async def publish(self, seconds: float, rate: int = RATE) -> None:
        """Publish for so long; returns when everything is acknowledged."""
        began, until = time.monotonic(), self.sent + int(seconds * rate)
        first = self.sent
        while self.sent < until:
            due = min(until - first, int((time.monotonic() - began) * rate)) - (self.sent - first)
            for _ in range(due):
                self.sent += 1
                # 200 bytes as it goes out.
                data = f'{{"sent":{time.monotonic_ns()},"pad":"{"x" * 20}"}}'
                await self._socket.connection.send(
                    f'{{"type":"custom_tick","id":"tick-{self.sent:07}","data":{data}}}'
                )
            await asyncio.sleep(0.002)
        await acknowledged(self._socket, f"tick-{self.sent:07}")


async def acknowledged(socket: Socket, id_: str) -> None:
    """Wait for the acknowledgement of this event."""
    async with asyncio.timeout(20):
        while f'"{id_}"' not in str(await socket.connection.recv()):
            pass


async def end_of(hub: HubProcess) -> int:
    answer = await call(hub, "GET", "/api/events?limit=1", key=hub.admin_key)
    offset = answer.json()["offset"]
    assert isinstance(offset, int)
    return offset


@asynccontextmanager
async def readers(
    hub: HubProcess, count: int, on_text: Callable[[bytes], None]
) -> AsyncIterator[list[RawReader]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(raw_reader(hub, hub.admin_key, on_text=on_text))
            for _ in range(count)
        ]


@pytest.mark.slow
@pytest.mark.fresh  # its memory is measured
@pytest.mark.sqlite_only  # the ring and the sockets at play here know no database
async def test_twenty_seconds_of_not_reading(tmp_path: Path) -> None:
    current = Latencies()
    gc.freeze()
    async with (
        asyncio.timeout(140),
        HubProcess(tmp_path) as hub,
        connect(hub, hub.bot_key) as bot,
        readers(hub, 4, lambda payload: current.take(payload)) as others,
        raw_reader(hub, hub.admin_key, small=True) as slow,
    ):
        source = Source(bot)
        await source.publish(3)  # until caches and the ring are warm

        without = current = Latencies()
        await source.publish(BESIDE_SECONDS)

        before = await end_of(hub)
        await slow.until(before, 5)
        slow.stop_reading()
        rss, grown = hub.rss(), 0
        beside = current = Latencies()
        publishing = asyncio.create_task(source.publish(STOPPED_SECONDS))
        while not publishing.done():
            await asyncio.sleep(0.25)
            grown = max(grown, hub.rss() - rss)
        await publishing
        end = await end_of(hub)
        assert slow.last == before
        slow.read_on()
        began = time.monotonic()
        await slow.until(end, 30)
        took = time.monotonic() - began

        current = without
        await source.publish(BESIDE_SECONDS)

        assert end - before >= RATE * STOPPED_SECONDS
        for reader in (slow, *others):
            await reader.until(await end_of(hub), 5)
            assert reader.offsets == list(range(reader.offsets[0], reader.last + 1))
        assert slow.offsets[0] <= before
    print(
        f"{end - before} events; the hub grew by {grown / MIB:.1f} MiB; "
        f"p99 {without.p99() * 1e3:.1f} ms without and {beside.p99() * 1e3:.1f} ms beside it; "
        f"caught up in {took:.2f} s"
    )
    assert grown < 10 * MIB
    # The machine is shared: 2 ms are what its scheduler takes or gives.
    assert beside.p99() < 2 * without.p99() + 0.002


async def test_a_small_ring_and_a_reader_that_stops(tmp_path: Path) -> None:
    """Large events fill the buffers soon; the ring forgets them long before the reader is back."""
    texts: list[bytes] = []
    async with (
        asyncio.timeout(30),
        HubProcess(tmp_path, {"HUB_RING_SIZE": "10"}) as hub,
        connect(hub, hub.bot_key) as bot,
        raw_reader(hub, hub.admin_key, "since=0") as other,
        raw_reader(hub, hub.admin_key, "since=0", small=True, on_text=texts.append) as slow,
    ):
        slow.stop_reading()
        for number in range(2000):
            data = json.dumps({"n": number, "pad": "x" * 8000})
            await bot.send_raw(f'{{"type":"custom_big","id":"big-{number}","data":{data}}}')
        await acknowledged(bot, "big-1999")
        await other.until(2001, 5)  # the bot's own arrival is one of them
        assert len(slow.offsets) <= 1, "it was meant not to read"
        slow.read_on()
        publishing = asyncio.create_task(some_more(bot))
        await slow.until(2501, 6)
        await publishing
        await other.until(2501, 3)
        assert slow.offsets == other.offsets == list(range(1, 2502))
        numbers = [json.loads(text)["data"]["n"] for text in texts if b'"custom_' in text]
        assert numbers == list(range(2500))


async def some_more(bot: Socket) -> None:
    for number in range(2000, 2500):
        await bot.send({"type": "custom_small", "id": f"more-{number}", "data": {"n": number}})
        if number % 10 == 0:
            await asyncio.sleep(0.002)
    await acknowledged(bot, "more-2499")
