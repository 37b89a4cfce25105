"""Many at once: those who are served do not notice those who are not."""

import asyncio
import contextlib
import gc
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from hub.http1.bounds import LOG_LINES
from tests.http1.serving import (
    HEAD_SECONDS,
    Door,
    QuickDoor,
    get,
    handshake,
    post,
    send,
    serving,
)
from tests.support.rest import read_answer

CROWD = 500


class SmallDoor(QuickDoor):
    most_connections: ClassVar[int] = 3


class PatientDoor(SmallDoor):
    head_seconds: ClassVar[float] = 10.0


@asynccontextmanager
async def watched(door: Door) -> AsyncIterator[list[float]]:
    """Ask again and again, on new connections and on an old one; the seconds it took."""
    took: list[float] = []

    async def ask() -> None:
        reader, writer = await door.open()
        with contextlib.closing(writer):
            while True:
                begin = time.monotonic()
                writer.write(get("/echo"))
                assert (await read_answer(reader)).status == 200
                assert await door.healthy()
                took.append(time.monotonic() - begin)
                await asyncio.sleep(0.01)

    asking = asyncio.ensure_future(ask())
    try:
        yield took
    finally:
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking


HALVES = {
    "silent": (b"", b""),
    "half a head": (get("/echo")[:-5], b"HTTP/1.1 408 "),
    "half a body": (post("/echo", b"x" * 100)[:-5], b"HTTP/1.1 408 "),
}


@pytest.mark.alone
@pytest.mark.parametrize("kind", HALVES)
async def test_500_half_open_connections(door: Door, kind: str) -> None:
    octets, end = HALVES[kind]

    async with watched(door) as took:
        answers = await asyncio.gather(*(door.ask_all(octets) for _ in range(CROWD)))

    assert all(answer.startswith(end) and bool(answer) == bool(end) for answer in answers)
    assert len(took) > 10
    assert max(took) < 2


@pytest.mark.alone
async def test_100_slow_drips(door: Door) -> None:
    head = get("/echo", "X: " + "x" * 1000)
    begin = time.monotonic()

    async with watched(door) as took:
        answers = await asyncio.gather(
            *(
                door.ask_all(*(head[i : i + 1] for i in range(len(head))), pause=0.05)
                for _ in range(100)
            )
        )

    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    assert time.monotonic() - begin < HEAD_SECONDS + 2
    assert max(took) < 2


async def test_who_asks_for_nothing_makes_room_the_oldest_first() -> None:
    async with serving(PatientDoor) as door:
        held = [await door.open() for _ in range(3)]
        await send(held[1][1], b"GET / HTTP/1.1\r\n")
        for _ in range(3):
            assert (await door.ask(get("/echo"))).status == 200
            reader, writer = held.pop(0)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
            held.append(await door.open())
            await asyncio.sleep(0.05)
        for _, writer in held:
            writer.close()


async def test_a_connection_too_many_is_turned_away_until_there_is_room() -> None:
    async with serving(SmallDoor) as door:
        held = [await door.open() for _ in range(3)]
        for _, writer in held:
            await send(writer, get("/wait"))
        await asyncio.sleep(0.05)

        refused = await door.ask()

        assert refused.status == 503
        assert refused.json()["code"] == "unavailable"
        assert refused.json()["retry"] is True
        assert int(refused.headers["retry-after"]) == refused.json()["retry_after"] == 5
        # Those who are in are served, and a WebSocket counts no longer.
        door.release.set()
        for reader, _ in held:
            assert (await read_answer(reader)).body == b"waited"
        reader, writer = held[0]
        await send(writer, get("/echo"))
        assert (await read_answer(reader)).status == 200
        await send(writer, handshake())
        assert await reader.readline() == b"opened\n"
        assert await door.healthy()
        for _, writer in held:
            writer.close()


async def test_a_flood_of_refusals_is_counted_not_logged(door: Door) -> None:
    bad = b"GET /?token=secret HTTP/1.1\r\nAuthorization: Bearer secret\r\n\r\n"

    with capture_logs() as lines:
        began = time.monotonic()
        for _ in range(60):
            assert (await door.ask(bad)).status == 400
        seconds = int(time.monotonic() - began) + 2  # the flood begins in one, and is in the next
        await asyncio.sleep(1.05)
        assert (await door.ask(bad)).status == 400

    lines = [dict(line) for line in lines if line["event"] == "http request refused"]
    # Those before this test may have taken the first second's.
    assert 1 <= len(lines) <= seconds * LOG_LINES + 1
    assert len(lines) + sum(line.get("suppressed", 0) for line in lines) >= 61
    assert lines[-1]["status"] == 400
    assert lines[-1]["address"] == "127.0.0.1"
    assert lines[-1]["log_level"] == "info"
    assert "secret" not in str(lines)


@pytest.mark.parametrize("octets", [b"", get("/echo"), b"nonsense\r\n", handshake() + b"END"])
async def test_what_has_ended_leaves_nothing_to_the_garbage_collector(
    door: Door, octets: bytes
) -> None:
    reader, writer = await door.open()
    while not door.server.server_state.connections:
        await asyncio.sleep(0.01)
    connection = weakref.ref(next(iter(door.server.server_state.connections)))
    gc.collect()
    gc.disable()
    try:
        await send(writer, octets, pause=0.1)
        writer.close()
        while not reader.at_eof():
            await reader.read(65536)
        async with asyncio.timeout(5):
            while connection() is not None:
                await asyncio.sleep(0.01)
    finally:
        gc.enable()
