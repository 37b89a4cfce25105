"""Publishing: acknowledgements, refusals, and what is refused before it is sent."""

from typing import Any

import pytest

from hub.client import Ack, HubError
from hub.client.wire import OtherRefusal
from hub.protocol.errors import (
    Conflict,
    Forbidden,
    InvalidEvent,
    TooLarge,
    Unauthenticated,
    UnknownType,
)
from tests.client.answering import answering, client, yes
from tests.client.fake_hub import (
    LIMITS,
    FakeConnection,
    FakeHub,
    Frame,
    ack,
    error,
)


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
async def test_the_limits_of_the_connection_are_kept(event: dict[str, Any], pointer: str) -> None:
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
