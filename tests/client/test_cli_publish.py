"""`hub publish` as a process: its output, its words and its exit codes."""

import asyncio
import json
import signal

from tests.client.command import hub, line, lines, run
from tests.client.fake_hub import (
    KEY,
    FakeConnection,
    FakeHub,
    Frame,
    Log,
    ack,
    error,
    publishing,
)


async def test_publish_sends_one_event() -> None:
    log = Log()
    async with FakeHub(publishing(log)) as fake:
        code, out, err = await run(
            *("publish", "order_created", '{"orderId":"O"}', "--id", "mine"),
            *("--subject", "order/O", "--merchant", "m9"),
            HUB_URL=fake.url,
            HUB_KEY=KEY,
        )
        assert (code, err) == (0, "")
        assert lines(out) == [{"id": "mine", "offset": 1, "duplicate": False}]
        assert fake.connections[0].query == {"merchant_id": "m9"}
        code, out, _ = await run(
            "publish", "custom_x", "-", stdin='{"a": 1}', HUB_URL=fake.url, HUB_KEY=KEY
        )
        assert (code, log.events[1]["data"]) == (0, {"a": 1})


async def test_publish_tells_a_refusal() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        frame = await connection.receive()
        await connection.send(error(frame, "unknown_type", "known are order_created, custom_*"))
        await connection.until_closed()

    async with FakeHub(script) as fake:
        code, out, err = await run("publish", "order_made", HUB_URL=fake.url, HUB_KEY=KEY)
    assert (code, out) == (1, "")
    assert err == "hub: unknown_type: known are order_created, custom_*\n"


async def test_publish_gives_up_on_a_hub_that_is_not_there() -> None:
    async with FakeHub(publishing(Log())) as fake:
        url = fake.url
    code, _, err = await run("publish", "custom_x", "--timeout", "0.6", HUB_URL=url, HUB_KEY=KEY)
    assert code == 1
    assert err == f"hub: no answer within 0.6 s from {url}: connection refused\n"


async def test_publish_takes_a_line_an_event_in_order() -> None:
    log = Log()
    events = [{"type": "custom_n", "data": {"n": n}, "id": f"i{n}"} for n in range(3000)]
    text = "\n".join(json.dumps(e) for e in events)  # the last line without its end
    async with FakeHub(publishing(log)) as fake:
        code, out, err = await run("publish", "-", stdin=text, HUB_URL=fake.url, HUB_KEY=KEY)
    assert (code, err) == (0, "")
    assert [e["data"]["n"] for e in log.events] == list(range(3000))
    assert lines(out) == [{"id": f"i{n}", "offset": n + 1, "duplicate": False} for n in range(3000)]


async def test_publish_answers_a_line_while_stdin_stays_open() -> None:
    async with (
        FakeHub(publishing(Log())) as fake,
        hub("publish", "-", HUB_URL=fake.url, HUB_KEY=KEY) as process,
    ):
        assert process.stdin is not None
        for n in range(1, 3):
            process.stdin.write(b'{"type":"custom_n","data":{}}\n')
            assert (await line(process))["offset"] == n
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_publish_goes_on_after_a_refused_line_and_says_which() -> None:
    received: list[Frame] = []

    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        while True:
            frame = await connection.receive()
            received.append(frame)
            if frame["type"] == "order_made":
                errors = [{"pointer": "/type", "message": "not known"}]
                await connection.send(error(frame, "unknown_type", "not known", errors=errors))
            else:
                await connection.send(ack(frame, len(received)))

    text = """
{"type":"custom_a","data":{},"id":"a"}
nonsense
{"type":"order_made","data":{},"id":"b"}
{"type":"custom_c"}
[]
{"type":"custom_d","data":{},"id":"d","subject":"s","volatile":true,"offset":7}
"""
    async with FakeHub(script) as fake:
        code, out, err = await run("publish", "-", stdin=text, HUB_URL=fake.url, HUB_KEY=KEY)
    assert code == 1
    answers = lines(out)
    assert [(a["id"], a.get("offset"), a.get("error", {}).get("code")) for a in answers] == [
        ("a", 1, None),
        (None, None, "bad_frame"),
        ("b", None, "unknown_type"),
        (None, None, "invalid_event"),
        (None, None, "bad_frame"),
        ("d", 3, None),
    ]
    assert answers[2]["error"]["errors"] == [{"pointer": "/type", "message": "not known"}]
    told = err.splitlines()
    assert told[0].startswith("hub: line 3: bad_frame: not valid JSON")
    assert told[1] == "hub: line 4: unknown_type: not known"
    assert told[-1] == "hub: 4 of 7 events were refused"
    assert (received[-1]["subject"], received[-1]["volatile"]) == ("s", True)


async def test_publish_stops_when_sent_away() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        await connection.receive()
        await connection.socket.close(4003, "viewers do not publish")

    text = '{"type":"custom_a","data":{}}\n' * 5000
    async with FakeHub(script) as fake:
        code, out, err = await run("publish", "-", stdin=text, HUB_URL=fake.url, HUB_KEY=KEY)
    assert (code, out) == (1, "")
    assert err == "hub: the hub closed the connection with 4003: viewers do not publish\n"


async def test_publish_is_interrupted_while_it_waits_for_a_line() -> None:
    async with (
        FakeHub(publishing(Log())) as fake,
        hub("publish", "-", HUB_URL=fake.url, HUB_KEY=KEY) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(b'{"type":"custom_n","data":{}}\n')
        await line(process)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 5) == 130
        assert process.stderr is not None
        assert await process.stderr.read() == b""
