"""Publishing over connections that end: order, repeats, and what cannot be repeated."""

import asyncio
import random

import pytest

from hub.client import Closed, Hub, State, Status
from hub.client.wire import OtherRefusal
from hub.protocol.errors import (
    Forbidden,
    Unauthenticated,
    Unavailable,
)
from tests.client.answering import answering, client, yes
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


async def test_what_was_not_answered_is_sent_again_in_order_with_the_same_ids() -> None:
    first: list[Frame] = []
    again: list[Frame] = []

    async def dying(connection: FakeConnection) -> None:
        await connection.hello()
        for _ in range(5):
            first.append(await connection.receive())
        await connection.send(ack(first[0], 1))
        await connection.socket.close(4100, "oops")

    async def living(connection: FakeConnection) -> None:
        await connection.hello()
        # All of them arrive before the first is answered: they are sent as a pipeline.
        for _ in range(4):
            again.append(await connection.receive())
        for n, frame in enumerate(again):
            await connection.send(ack(frame, 2 + n, duplicate=n == 0))
        await connection.until_closed()

    async with FakeHub(dying, living) as fake, client(fake) as hub, asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(hub.publish("custom_x", {"n": n})) for n in range(5)]
    assert [frame["data"]["n"] for frame in first] == [0, 1, 2, 3, 4]
    assert again == first[1:]
    assert [answer.result().offset for answer in answers] == [1, 2, 3, 4, 5]
    assert [answer.result().duplicate for answer in answers] == [False, True, False, False, False]


async def test_unavailable_is_sent_again_in_order_once_nothing_is_in_flight() -> None:
    rounds: list[list[int]] = []

    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        got = [await connection.receive() for _ in range(4)]
        rounds.append([f["data"]["n"] for f in got])
        # The first failure overtakes an acknowledgement, and all behind it fail too.
        await connection.send(error(got[1], "unavailable"), ack(got[0], 1))
        await connection.send(error(got[2], "unavailable"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.socket.recv(), 0.15)  # it waits for the last answer
        await connection.send(error(got[3], "unavailable"))
        got = [await connection.receive() for _ in range(4)]
        rounds.append([f["data"]["n"] for f in got])
        for n, frame in enumerate(got):
            await connection.send(ack(frame, 2 + n))
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub:
        answers = [await hub.submit("custom_x", {"n": n}) for n in range(4)]
        await asyncio.sleep(0.05)
        answers.append(await hub.submit("custom_x", {"n": 4}))
        assert [(await answer).offset for answer in answers] == [1, 2, 3, 4, 5]
        assert fake.handshakes == 1
    assert rounds == [[0, 1, 2, 3], [1, 2, 3, 4]]


async def test_a_rate_limit_is_waited_for() -> None:
    def later(frame: Frame) -> Frame:
        return error(frame, "rate_limited", retry_after=0.3)

    async with FakeHub(answering(later, yes)) as fake, client(fake) as hub:
        before = asyncio.get_running_loop().time()
        assert (await hub.publish("custom_x")).offset == 7
        assert asyncio.get_running_loop().time() - before >= 0.3
        assert fake.handshakes == 1


async def test_an_event_on_which_the_hub_fails_is_not_sent_for_ever() -> None:
    seen = 0

    def failing(frame: Frame) -> Frame:
        nonlocal seen
        if frame["id"] == "poison":
            seen += 1
            return error(frame, "internal", "it broke")
        return ack(frame, 7)

    async with FakeHub(answering(failing)) as fake, client(fake) as hub:
        poison = await hub.submit("custom_x", id="poison")
        assert (await hub.publish("custom_x")).offset == 7
        with pytest.raises(OtherRefusal, match="internal: it broke"):
            await poison
    assert seen == 5


@pytest.mark.parametrize("code", [4001, 4003, 4004, 1009])
async def test_when_sent_away_every_event_is_told(code: int) -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        await connection.receive()
        await connection.socket.close(code, "away")

    async with FakeHub(script) as fake, client(fake, capacity=2) as hub:
        waiting = [asyncio.create_task(hub.publish("custom_x")) for _ in range(4)]
        for one in waiting:  # two in the outbox, two that wait for room in it
            with pytest.raises(Closed, match=f"{code}: away"):
                await asyncio.wait_for(one, 3)
        with pytest.raises(Closed, match="away"):
            await hub.publish("custom_x")
        assert fake.handshakes == 1


async def test_a_refused_handshake_is_told() -> None:
    async with FakeHub(answering(yes), refuse=[403]) as fake, client(fake) as hub:
        with pytest.raises(Forbidden, match="HTTP 403"):
            await hub.publish("custom_x")


async def test_volatile_events_are_not_doubled() -> None:
    async def dying(connection: FakeConnection) -> None:
        await connection.hello()
        await connection.receive()
        connection.cut()

    async with FakeHub(dying, answering(yes)) as fake, client(fake) as hub:
        with pytest.raises(Unavailable, match="before the hub answered"):
            await hub.publish("custom_x", volatile=True)
        assert (await hub.publish("custom_x")).offset == 7


async def test_a_full_outbox_makes_publishing_wait_in_order() -> None:
    log = Log()
    gate = asyncio.Event()
    serve = publishing(log)

    async def script(connection: FakeConnection) -> None:
        await gate.wait()
        await serve(connection)

    async with FakeHub(script) as fake, client(fake, capacity=3) as hub:
        tasks = [asyncio.create_task(hub.publish("custom_x", {"n": n})) for n in range(20)]
        await asyncio.sleep(0.05)
        for abandoned in (tasks[1], tasks[10]):  # one in the outbox, one that waits for room
            abandoned.cancel()
        await asyncio.sleep(0)
        gate.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    expected = [n for n in range(20) if n not in (1, 10)]
    assert [e["data"]["n"] for e in log.events] == expected


async def test_submit_waits_for_room_only() -> None:
    gate = asyncio.Event()
    serve = publishing(Log())

    async def script(connection: FakeConnection) -> None:
        await gate.wait()
        await serve(connection)

    async with FakeHub(script) as fake, client(fake, capacity=3) as hub:
        answers = [await hub.submit("custom_x") for _ in range(3)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                _ = await hub.submit("custom_x")
        gate.set()
        assert [(await a).offset for a in answers] == [1, 2, 3]


async def test_leaving_the_block_waits_for_the_answers() -> None:
    log = Log()
    async with FakeHub(publishing(log)) as fake:
        async with client(fake) as hub:
            answers = [await hub.submit("custom_x") for _ in range(50)]
        assert [a.result().offset for a in answers] == list(range(1, 51))


async def test_leaving_the_block_does_not_wait_for_ever() -> None:
    async with FakeHub(answering(lambda _: None)) as fake:
        async with client(fake, drain_timeout=0.1) as hub:
            answer = await hub.submit("custom_x")
        with pytest.raises(Unavailable):
            await answer


async def test_publishing_needs_the_block() -> None:
    hub = Hub("http://127.0.0.1:1", KEY)
    with pytest.raises(RuntimeError, match="async with"):
        await hub.publish("custom_x")


def test_a_key_is_needed_and_checked() -> None:
    with pytest.raises(Unauthenticated, match="key"):
        Hub("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="ASCII"):
        Hub("http://127.0.0.1:1", "a\r\nX-Evil: 1")
    Hub("ws://127.0.0.1:1/ws?token=abc")


async def test_the_states_are_told() -> None:
    states: list[Status] = []

    async def dying(connection: FakeConnection) -> None:
        await connection.hello()
        await connection.receive()
        connection.cut()

    async with FakeHub(dying, answering(yes)) as fake, client(fake, on_state=states.append) as hub:
        await hub.publish("custom_x")
    assert [s.state for s in states] == [
        State.CONNECTING,
        State.LIVE,
        State.WAITING,
        State.CONNECTING,
        State.LIVE,
        State.CLOSED,
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_doubled_or_reordered_through_any_cuts(seed: int) -> None:
    rng = random.Random(seed)
    log = Log()

    def unlucky() -> bool:
        return rng.random() < 0.01

    async with FakeHub(publishing(log, unlucky)) as fake:
        async with client(fake, capacity=40, window=16) as hub, asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(hub.publish("custom_n", {"n": n})) for n in range(500)]
        assert fake.handshakes > 3
    assert [e["data"]["n"] for e in log.events] == list(range(500))
    assert [a.result().offset for a in answers] == list(range(1, 501))
