"""The healthy bot and dashboard, and how long an event takes from the one to the other."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.support.hub_process import HubProcess

RATE = 100
"""Events a second of the healthy bot."""
PATIENCE = 10.0
"""Seconds that are waited for what is under way when everything else has ended."""


class Spread(NamedTuple):
    """Latencies of one stretch of time, seconds."""

    p50: float
    p99: float
    worst: float


def spread(latencies: Sequence[float]) -> Spread:
    """The spread of at least one latency."""
    ordered = sorted(latencies)
    return Spread(ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1])


class Pair:
    """The healthy bot and its dashboard."""

    def __init__(self, bot: ClientConnection, dashboard: ClientConnection) -> None:
        self._bot = bot
        self._dashboard = dashboard
        self.sent: list[float] = []
        self.arrived: list[tuple[int, float]] = []
        self.acknowledged = 0
        self.failure: str | None = None
        self._stopping = False

    async def publish(self) -> None:
        """Send on time until `stop`."""
        began = time.monotonic()
        try:
            while not self._stopping:
                due = began + len(self.sent) / RATE
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                number = len(self.sent)
                event = {"type": "custom_healthy", "id": f"healthy-{number}", "data": {"n": number}}
                self.sent.append(time.monotonic())
                await self._bot.send(json.dumps(event))
        except WebSocketException as error:
            self.failure = f"the healthy bot was cut: {error}"

    async def hear(self) -> None:
        """Take the bot's acknowledgements."""
        with contextlib.suppress(WebSocketException):
            async for text in self._bot:
                frame = json.loads(text)
                if frame["type"] == "error":
                    self.failure = f"the healthy bot was refused: {frame}"
                elif frame["type"] == "ack":
                    assert frame["id"] == f"healthy-{self.acknowledged}", frame
                    self.acknowledged += 1

    async def follow(self) -> None:
        """Take what the dashboard is shown."""
        try:
            async for text in self._dashboard:
                if str(text).startswith('{"type":"custom_healthy"'):
                    self.arrived.append((json.loads(text)["data"]["n"], time.monotonic()))
        except WebSocketException as error:
            self.failure = f"the healthy dashboard was cut: {error}"

    async def stop(self) -> None:
        """Publish no more, and wait for what is under way."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while len(self.arrived) < len(self.sent) or self.acknowledged < len(self.sent):
                    if self.failure is not None:
                        return
                    await asyncio.sleep(0.01)

    def between(self, since: float, until: float) -> list[float]:
        """The latencies of the events sent in this time that have arrived."""
        times = [(self.sent[number], at) for number, at in self.arrived]
        return [at - sent for sent, at in times if since <= sent < until]


@asynccontextmanager
async def healthy_pair(hub: HubProcess, bot: str, viewer: str) -> AsyncIterator[Pair]:
    """Open both connections and begin to publish."""
    options: dict[str, Any] = {"compression": None, "ping_interval": None, "proxy": None}
    options |= {"max_queue": None, "close_timeout": 1}
    async with (
        connect(hub.ws_url, additional_headers={"X-API-Key": bot}, **options) as first,
        connect(
            f"{hub.ws_url}?types=custom_healthy",
            additional_headers={"X-API-Key": viewer},
            **options,
        ) as second,
    ):
        for connection in (first, second):
            assert json.loads(await connection.recv())["type"] == "connected"
        pair = Pair(first, second)
        async with beside(pair.publish(), pair.hear(), pair.follow()):
            yield pair


@asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something until the block ends."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
