"""Short ways to say what a test of following events needs."""

import asyncio

from hub.client import (
    Backoff,
    Event,
    EventStream,
    Hub,
)
from tests.client.fake_hub import (
    KEY,
    FakeConnection,
    FakeHub,
    Script,
    event,
)

QUICK = Backoff(0.01, 0.05)


def client(fake: FakeHub, **options: object) -> Hub:
    return Hub(fake.url, KEY, backoff=QUICK, **options)  # type: ignore[arg-type]


async def take(stream: EventStream, count: int) -> list[Event]:
    async with asyncio.timeout(5):
        return [await anext(stream) for _ in range(count)]


def offsets(events: list[Event]) -> list[int | None]:
    return [one.offset for one in events]


def serving(*numbers: int, then: Script | None = None, start: int = 0) -> Script:
    """Subscribe from `start`, send events of these offsets, then do something or wait."""

    async def script(connection: FakeConnection) -> None:
        await connection.subscribe(start)
        await connection.send(*[event(n) for n in numbers])
        await (then(connection) if then else connection.until_closed())

    return script


async def cut(connection: FakeConnection) -> None:
    connection.cut()


def closing(code: int, reason: str = "") -> Script:
    async def script(connection: FakeConnection) -> None:
        await connection.socket.close(code, reason)

    return script
