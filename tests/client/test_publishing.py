"""Publishing: acknowledgements, refusals, order, and what happens when connections end."""

import asyncio
import json
import random
from typing import Any

import pytest

from hub.client import Ack, Backoff, Closed, Hub, HubError, State, Status
from hub.client.wire import OtherRefusal
from hub.protocol.errors import (
    Conflict,
    Forbidden,
    InvalidEvent,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnknownType,
)
from tests.client.fake_hub import (
    KEY,
    LIMITS,
    FakeConnection,
    FakeHub,
    Frame,
    Log,
    Script,
    ack,
    error,
    publishing,
)

QUICK = Backoff(0.01, 0.05)
UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def client(fake: FakeHub, **options: Any) -> Hub:
    return Hub(fake.url, KEY, backoff=QUICK, **options)


def answering(*answers: Any) -> Script:
    """Answer each frame in turn; the answers are functions of the frame, the last one repeats."""

    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        count = 0
        while True:
            frame = json.loads(await connection.socket.recv())
            if "_" in frame["type"]:
                answer = answers[min(count, len(answers) - 1)](frame)
                count += 1
                if answer is not None:
                    await connection.send(answer)

    return script


def yes(frame: Frame) -> Frame:
    return ack(frame, 7)


async def test_an_event_is_acknowledged() -> None:
    sent: list[Frame] = []

    def note(frame: Frame) -> Frame:
        sent.append(frame)
        return ack(frame, 41 + len(sent), duplicate=len(sent) == 2)

    async with FakeHub(answering(note)) as fake, client(fake, merchant_id="m1") as hub:
        assert fake.handshakes == 0  # nothing to say, no connection
        first = await hub.publish("order_created", {"orderId": "O"}, subject="order/O")
        second = await hub.publish(
            "custom_x", {}, id="mine", timestamp="2026-11-22T10:00:00Z", merchant_id="m1"
        )
        third = await hub.publish("custom_x", volatile=True)
    ref = sent[0].pop("ref")
    assert first == Ack(sent[0]["id"], 42, False)
    assert sent[0] == {
        "type": "order_created",
        "id": first.id,
        "data": {"orderId": "O"},
        "subject": "order/O",
    }
    assert second == Ack("mine", 43, True)
    assert sent[1].pop("ref") != ref
    assert sent[1] == {
        "type": "custom_x",
        "id": "mine",
        "data": {},
        "timestamp": "2026-11-22T10:00:00Z",
        "merchant_id": "m1",
    }
    assert sent[2]["volatile"] is True
    assert third.offset == 44
    assert fake.handshakes == 1
    assert fake.connections[0].query == {"merchant_id": "m1"}


async def test_a_volatile_event_has_no_offset() -> None:
    async with FakeHub(answering(lambda frame: ack(frame, None))) as fake, client(fake) as hub:
        assert (await hub.publish("custom_x", volatile=True)).offset is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("conflict", Conflict),
        ("unknown_type", UnknownType),
        ("forbidden", Forbidden),
        ("invalid_event", InvalidEvent),
        ("too_large", TooLarge),
        ("unauthenticated", Unauthenticated),
        ("precondition_failed", OtherRefusal),
        ("a_code_of_the_future", OtherRefusal),
    ],
)
async def test_a_refusal_is_raised_and_the_next_event_goes_through(
    code: str, kind: type[HubError]
) -> None:
    def no(frame: Frame) -> Frame:
        errors = [{"pointer": "/data/orderId", "message": "required"}]
        return error(frame, code, "so not", errors=errors)

    async with FakeHub(answering(no, yes)) as fake, client(fake) as hub:
        with pytest.raises(kind, match="so not") as caught:
            await hub.publish("custom_x")
        assert caught.value.errors[0].pointer == "/data/orderId"
        assert (await hub.publish("custom_x")).offset == 7
        assert fake.handshakes == 1


async def test_other_roles_unsubscribe_first() -> None:
    seen: list[str] = []

    async def script(connection: FakeConnection) -> None:
        await connection.hello(role="merchant")
        seen.append((await connection.receive())["type"])
        frame = await connection.receive()
        await connection.send(yes(frame))
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub:
        await hub.publish("custom_x")
    assert seen == ["unsubscribe"]


# ── before anything is sent ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("event", "kind", "pointer"),
    [
        ({"type": "order"}, InvalidEvent, "/type"),
        ({"type": "ping"}, InvalidEvent, "/type"),
        ({"type": "custom_x", "data": {"a": [1, float("nan")]}}, InvalidEvent, "/data/a/1"),
        ({"type": "custom_x", "data": {"a/b": float("inf")}}, InvalidEvent, "/data/a~1b"),
        ({"type": "custom_x", "data": {"a": "\ud800"}}, InvalidEvent, "/data"),
        ({"type": "custom_x", "data": {"a": "x\0"}}, InvalidEvent, "/data"),
        ({"type": "custom_x", "data": ["a"]}, InvalidEvent, "/data"),
    ],
)
async def test_what_the_hub_could_not_read_is_refused_here(
    event: dict[str, Any], kind: type[HubError], pointer: str
) -> None:
    async with FakeHub(answering(yes)) as fake, client(fake) as hub:
        with pytest.raises(kind) as caught:
            await hub.publish(**event)
        assert caught.value.errors[0].pointer == pointer
        assert fake.handshakes == 0


@pytest.mark.parametrize("depth", [40, 500, 30_000])
async def test_deep_nesting_is_refused_here(depth: int) -> None:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    async with FakeHub(answering(yes)) as fake, client(fake) as hub:
        with pytest.raises(HubError, match="nested"):
            await hub.publish("custom_x", {"deep": deep})
        assert fake.handshakes == 0


async def test_a_null_is_not_mistaken_for_a_lost_number() -> None:
    async with FakeHub(answering(yes)) as fake, client(fake) as hub:
        assert (await hub.publish("custom_x", {"a": None, "b": [1.5, "null"]})).offset == 7


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        ({"data": {"a": "x" * 100}}, "/data"),
        ({"subject": "s" * 21}, "/subject"),
        ({"id": "i" * 41}, "/id"),
        ({"data": {"a": "x" * 300}}, ""),
    ],
)
async def test_the_limits_of_the_connection_are_kept(
    event: dict[str, Any], pointer: str
) -> None:
    """An event over them would close the connection, be sent again, and close the next one."""
    received: list[Frame] = []
    limits = LIMITS | {"message": 300, "data": 90, "subject": 20, "id": 40}

    async def script(connection: FakeConnection) -> None:
        await connection.hello(limits=limits)
        while True:
            frame = await connection.receive()
            received.append(frame)
            await connection.send(yes(frame))

    async with FakeHub(script) as fake, client(fake) as hub:
        for _ in range(2):  # unknown limits the first time, known ones the second
            with pytest.raises(TooLarge) as caught:
                await hub.publish("custom_x", **event)
            assert caught.value.errors[0].pointer == pointer
            assert (await hub.publish("custom_x", {"a": 1})).offset == 7
        assert fake.handshakes == 1
    assert len(received) == 2


# ── connections that end ─────────────────────────────────────────────────────────────────────


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

    async with FakeHub(dying, living) as fake, client(fake) as hub:
        async with asyncio.TaskGroup() as tasks:
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
            await asyncio.wait_for(hub.submit("custom_x"), 0.1)
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

    async with FakeHub(dying, answering(yes)) as fake:
        async with client(fake, on_state=states.append) as hub:
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
