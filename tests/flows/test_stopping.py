"""How the hub stops: nobody new, `bye` to everyone, what is in flight acknowledged, close 4200,
nothing and nobody that holds it up for long, exit code 0."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.crowd import stored_log
from tests.support.hub_process import HubProcess
from tests.support.raw_reader import raw_reader
from tests.support.rest import call, read_answer
from tests.support.ws import Frame, connect

EVENT = json.dumps({"type": "custom_late", "id": "late", "data": {}}).encode()


async def ended(hub: HubProcess, within: float) -> int:
    """Wait for the end of a hub that was told to stop; its exit code."""
    async with asyncio.timeout(within):
        while hub.running:
            await asyncio.sleep(0.01)
    return await hub.terminate()  # it is gone: this only tells how


def complaints(hub: HubProcess) -> list[str]:
    """What stands in its log that should not."""
    return [
        line
        for line in hub.log.read_text().splitlines()
        if "Traceback" in line or '"level": "error"' in line or '"level": "critical"' in line
    ]


@asynccontextmanager
async def unfinished_request(
    hub: HubProcess,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A POST whose last byte is missing: the hub waits for it before it goes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(
        f"POST /api/events HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\n"
        f"Authorization: Bearer {hub.bot_key}\r\nContent-Length: {len(EVENT)}\r\n\r\n".encode()
        + EVENT[:-1]
    )
    await writer.drain()
    await asyncio.sleep(0.1)  # until it has begun
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_everybody_is_told_and_closed(hub: HubProcess, number: signal.Signals) -> None:
    async with (
        connect(hub, hub.bot_key) as bot,
        connect(hub, hub.admin_key) as dashboard,
        connect(hub) as stranger,  # has not said yet who it is
    ):
        await bot.next(type="connected")
        await dashboard.next(type="live")
        os.kill(hub.pid, number)
        for client in (bot, dashboard, stranger):
            bye = await client.next(type="bye")
            assert bye["code"] == 4200
            least, most = bye["reconnect"]
            assert 0 <= least < most
            assert bye["reason"]
            assert await client.closed() == 4200
    assert await ended(hub, 5) == 0
    assert not complaints(hub)
    types = [event.type for event in stored_log(hub)]
    assert types == ["bot_connected", "bot_disconnected"]


@pytest.mark.both_engines
async def test_what_is_in_flight_is_acknowledged_before_the_close(hub: HubProcess) -> None:
    """Whatever the hub took it answers; what it did not take is not in the log."""
    async with connect(hub, hub.bot_key) as bot, connect(hub, hub.admin_key) as dashboard:
        await dashboard.next(type="live")

        async def flood() -> None:
            with suppress(ConnectionClosed):
                for number in range(100_000):
                    event = {"type": "custom_tick", "id": f"t-{number}", "data": {}}
                    await bot.connection.send(json.dumps(event))
                    await asyncio.sleep(0)  # reads what comes, as an honest client does

        flooding = asyncio.create_task(flood())
        await bot.next(type="connected")
        acks = await bot.take(500, type="ack")
        os.kill(hub.pid, signal.SIGTERM)
        rest: list[Frame] = []
        with suppress(ConnectionClosed):
            while True:
                rest.append(await bot.next())
        assert bot.connection.close_code == 4200
        await flooding
        assert {frame["type"] for frame in rest} <= {"ack", "bye"}
        acks += [frame for frame in rest if frame["type"] == "ack"]
        assert await dashboard.closed() == 4200
    assert await ended(hub, 5) == 0
    log = [event for event in stored_log(hub) if event.type == "custom_tick"]
    assert [event.id for event in log] == [f"t-{number}" for number in range(len(log))]
    assert [(ack["id"], ack["offset"]) for ack in acks] == [(e.id, e.offset) for e in log]


async def test_nobody_new_while_it_drains_and_the_last_request_is_answered(
    hub: HubProcess,
) -> None:
    async with unfinished_request(hub) as (reader, writer):
        assert (await call(hub, "GET", "/readyz")).status == 200
        os.kill(hub.pid, signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert hub.running
        # Whoever watches readiness learns it from a 503 or from a refused connection.
        with suppress(OSError):
            assert (await call(hub, "GET", "/readyz")).status == 503
        with pytest.raises(OSError, match="onnect"):
            async with connect(hub, hub.admin_key):
                pass
        writer.write(EVENT[-1:])
        async with asyncio.timeout(5):
            answer = await read_answer(reader)
        assert answer.status == 201
        assert answer.json()["id"] == "late"
    assert await ended(hub, 5) == 0
    assert [event.id for event in stored_log(hub)] == ["late"]
    assert not complaints(hub)


@pytest.mark.alone
async def test_a_second_signal_stops_at_once(hub: HubProcess) -> None:
    async with unfinished_request(hub):
        os.kill(hub.pid, signal.SIGTERM)
        await asyncio.sleep(0.5)
        assert hub.running, "the first one waits for the request"
        began = time.monotonic()
        assert await hub.terminate(within=3) == 0
        assert time.monotonic() - began < 2
    assert not complaints(hub)


async def test_signals_at_every_moment_of_the_stop_still_end_with_zero(hub: HubProcess) -> None:
    """Supervisors and people send more than one, and the last may come when all is done."""
    async with connect(hub, hub.bot_key) as bot:
        await bot.next(type="connected")
        until = time.monotonic() + 5
        while hub.running and time.monotonic() < until:
            os.kill(hub.pid, signal.SIGTERM)
            await asyncio.sleep(0.001)
    assert await ended(hub, 1) == 0


@pytest.mark.slow
async def test_a_reader_that_takes_nothing_does_not_hold_it_up(hub: HubProcess) -> None:
    async with (
        raw_reader(hub, hub.admin_key, small=True) as stuck,
        connect(hub, hub.bot_key) as bot,
    ):
        stuck.stop_reading()
        # More than the kernel keeps for a connection, so that the hub itself holds some.
        data = {"pad": "x" * 60_000}
        for number in range(200):
            await bot.send({"type": "custom_big", "id": f"b-{number}", "data": data})
        await bot.take(200, type="ack", deadline=10)
        began = time.monotonic()
        assert await hub.terminate(within=15) == 0
        assert time.monotonic() - began < 11
        assert await bot.closed() == 4200
    assert not complaints(hub)


@pytest.mark.slow
async def test_a_request_that_never_ends_is_cut_after_ten_seconds(hub: HubProcess) -> None:
    async with unfinished_request(hub), connect(hub, hub.admin_key) as dashboard:
        began = time.monotonic()
        assert await hub.terminate(within=15) == 0
        assert 4 < time.monotonic() - began < 12
        assert await dashboard.closed() in (4200, 1006)
    assert stored_log(hub) == []
