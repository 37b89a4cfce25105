"""`hub tail` as a process: its output, its words and its exit codes."""

import asyncio
import os
import pty
import signal

from tests.client.command import hub, line, run
from tests.client.fake_hub import (
    KEY,
    FakeConnection,
    FakeHub,
    Log,
    error,
    event,
    streaming,
    subscribed,
)


async def test_tail_prints_ndjson_into_a_pipe_each_line_at_once() -> None:
    log = Log()
    async with FakeHub(streaming(log)) as fake:
        arguments = ["--types", "custom_*,order_*", "--subjects", "a/*", "--since", "0"]
        async with hub("tail", *arguments, "--epoch", "e1", HUB_URL=fake.url, HUB_KEY=KEY) as tail:
            for n in range(3):
                await log.append({"type": "custom_n", "id": f"i{n}", "data": {"n": n, "ü": "\n"}})
                assert await line(tail) == log.events[n]
            tail.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(tail.wait(), 5) == 130
            assert tail.stderr is not None
            assert await tail.stderr.read() == b""
        assert fake.connections[0].query == {
            "types": "custom_*,order_*",
            "subjects": "a/*",
            "since": "0",
            "epoch": "e1",
        }
        assert fake.connections[0].socket.close_code == 1000


async def test_tail_tells_of_lost_connections_and_gaps() -> None:
    async def first(connection: FakeConnection) -> None:
        await connection.hello()
        await connection.send(
            subscribed(0, recovered=False),
            {"type": "gap", "from": 1, "to": 4, "reason": "retention", "resume": 4},
            event(5),
        )
        connection.cut()

    async def second(connection: FakeConnection) -> None:
        await connection.subscribe(5)
        await connection.send(event(6))
        await connection.until_closed()

    async with (
        FakeHub(first, second) as fake,
        hub("tail", "--url", fake.url, "--key", KEY, "--last", "9") as tail,
    ):
        assert [(await line(tail))["offset"] for _ in range(2)] == [5, 6]
        tail.send_signal(signal.SIGINT)
        assert tail.stderr is not None
        told = (await tail.stderr.read()).decode()
    assert "events 1 to 4 are gone (retention)" in told
    assert "trying again in" in told
    assert "connected again" in told
    assert fake.connections[0].query == {"types": "*", "last": "9"}


async def test_tail_ends_when_its_reader_goes() -> None:
    """At once, as `hub tail | head -1` should, and not with the next event."""
    log = Log()
    async with FakeHub(streaming(log)) as fake:
        read, write = os.pipe()
        async with hub("tail", "--since", "0", stdout=write, HUB_URL=fake.url, HUB_KEY=KEY) as tail:
            os.close(write)
            await log.append({"type": "custom_n", "id": "a", "data": {}})
            await asyncio.to_thread(os.read, read, 1000)
            os.close(read)
            assert await asyncio.wait_for(tail.wait(), 5) == 0
            assert tail.stderr is not None
            assert await tail.stderr.read() == b""


async def test_tail_says_why_the_hub_sent_it_away() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.send(error(None, "unauthenticated", "the key has been revoked"))
        await connection.socket.close(4001, "")

    async with FakeHub(script) as fake:
        code, out, err = await run("tail", HUB_URL=fake.url, HUB_KEY=KEY)
    assert (code, out) == (1, "")
    assert err == "hub: the hub closed the connection with 4001: the key has been revoked\n"


async def test_a_terminal_gets_lines_for_people() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.subscribe(41)
        await connection.send(event(42, type="order_created", subject="order/O"))
        await connection.until_closed()

    async with FakeHub(script) as fake:
        ours, theirs = pty.openpty()
        async with hub("tail", stdout=theirs, HUB_URL=fake.url, HUB_KEY=KEY):
            os.close(theirs)
            shown = (await asyncio.to_thread(os.read, ours, 1000)).decode()
        os.close(ours)
    assert "\x1b[32morder_created" in shown
    assert "10:00:00.000" in shown
    assert '{"n":42}' in shown
