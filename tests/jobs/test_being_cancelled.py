"""What asks the broker ends when it is cancelled, at whatever moment that comes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from jobs.address import redis_settings
from jobs.arq_queues import ArqQueues, connect
from jobs.broker import Broker
from tests.support.redis_server import RedisServer

TURNS = range(25)
"""Of the loop, after which it comes: a first command takes fifteen or so."""


async def cancelled_after(turns: int, work: Callable[[], Awaitable[object]]) -> bool:
    async def run() -> None:
        while True:
            await work()

    task = asyncio.create_task(run())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,), timeout=0.5)
    if not task.done():
        task.cancel()
        return False
    return task.cancelled()


@pytest.mark.parametrize("turns", TURNS)
async def test_a_command_is_cancelled_at_any_moment(redis_server: RedisServer, turns: int) -> None:
    for _ in range(3):
        queues = ArqQueues(connect(redis_settings(redis_server.url)))

        async def take(queues: ArqQueues = queues) -> None:
            await queues.take("hub:none", 1)

        assert await cancelled_after(turns, take)
        await queues.close()


async def test_the_watch_of_the_broker_ends_at_any_moment(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.broker.LOOK_SECONDS", 0.0)
    for turns in TURNS:
        async with asyncio.timeout(5.0):
            async with Broker(redis_server.url, Path("/nowhere")):
                for _ in range(turns):
                    await asyncio.sleep(0)
