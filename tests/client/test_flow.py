"""A stream of events over time: slow consumers, silence, heartbeats, cuts."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from hub.client import (
    Event,
    Status,
)
from tests.client.fake_hub import (
    FakeConnection,
    FakeHub,
    Log,
    event,
    streaming,
    subscribed,
)
from tests.client.following import client, offsets, serving, take


async def test_a_slow_consumer_is_felt_by_the_hub_and_keeps_its_connection() -> None:
    """The hub's writes block, this side reads no further, and still proves that it lives."""
    sent = 0
    pongs = 0

    async def script(connection: FakeConnection) -> None:
        nonlocal sent
        await connection.hello(heartbeat=1)
        await connection.send(subscribed(0))
        filler = "x" * 50_000
        for n in range(1, 2001):
            await connection.send(event(n, data={"filler": filler}))
            sent = n
        await connection.until_closed()

    class Counted(FakeHub):
        async def _serve(self, socket: object) -> None:
            acknowledge = socket.process_event  # type: ignore[attr-defined]

            def count(frame: object) -> None:
                nonlocal pongs
                pongs += frame.opcode.name == "PONG"  # type: ignore[attr-defined]
                acknowledge(frame)

            socket.process_event = count  # type: ignore[attr-defined]
            await super()._serve(socket)  # type: ignore[arg-type]

    async with Counted(script) as fake, client(fake) as hub:
        stream = hub.events()
        await take(stream, 1)
        await asyncio.sleep(3.2)  # more than SILENCE heartbeats
        assert sent < 1000  # 50 MB; the buffers of both sides hold far less
        assert pongs >= 3
        assert offsets(await take(stream, 1999)) == list(range(2, 2001))
        assert fake.handshakes == 1


@pytest.mark.alone
async def test_a_hub_that_falls_silent_is_left() -> None:
    async def silent(connection: FakeConnection) -> None:
        await connection.hello(heartbeat=1)
        await connection.send(subscribed(0), event(1))
        await connection.until_closed()

    states: list[Status] = []
    async with FakeHub(silent, serving(2, start=1)) as fake, client(fake) as hub:
        stream = hub.events(on_state=states.append)
        await take(stream, 1)
        before = asyncio.get_running_loop().time()
        assert offsets(await take(stream, 1)) == [2]
        assert 2.3 <= asyncio.get_running_loop().time() - before <= 3.5
    assert any("silent" in s.reason for s in states)


async def test_heartbeats_keep_a_quiet_connection() -> None:
    async def quiet(connection: FakeConnection) -> None:
        await connection.hello(heartbeat=1)
        await connection.send(subscribed(0))
        for _ in range(4):
            await asyncio.sleep(0.9)
            await (await connection.socket.ping())
        await connection.send(event(1))
        await connection.until_closed()

    async with FakeHub(quiet) as fake, client(fake) as hub:
        assert offsets(await take(hub.events(), 1)) == [1]
        assert fake.handshakes == 1


@pytest.mark.parametrize("seed", range(3))
async def test_each_event_comes_once_and_in_order_through_any_cuts(seed: int) -> None:
    rng = random.Random(seed)
    log = Log()

    async def fill() -> None:
        for n in range(600):
            await log.append({"type": "custom_n", "id": f"i{n}", "data": {"n": n}})
            if n % 20 == 0:
                await asyncio.sleep(0.001)

    def unlucky() -> bool:
        return rng.random() < 0.02

    async with FakeHub(streaming(log, unlucky)) as fake:
        async with client(fake) as hub, asyncio.TaskGroup() as tasks:
            stream = hub.events(since=0)
            tasks.create_task(fill())
            assert offsets(await take(stream, 600)) == list(range(1, 601))
        assert fake.handshakes > 3


async def test_a_hub_may_be_followed_several_times() -> None:
    log = Log()
    async with FakeHub(streaming(log)) as fake, client(fake) as hub:

        async def follow() -> list[Event]:
            return await take(hub.events(since=0), 5)

        async with asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(follow()) for _ in range(3)]
            for n in range(5):
                await log.append({"type": "custom_n", "id": f"i{n}", "data": {}})
        assert all(offsets(reader.result()) == [1, 2, 3, 4, 5] for reader in readers)


async def test_events_is_an_async_iterator() -> None:
    async with FakeHub(serving(1, 2)) as fake, client(fake) as hub:
        stream: AsyncIterator[Event] = hub.events()
        async for one in stream:
            if one.offset == 2:
                break
