"""Following events: order, resuming, duplicates and gaps."""

import asyncio
import logging

import pytest

from hub.client import (
    Gap,
)
from hub.protocol.errors import BadFrame
from tests.client.fake_hub import (
    KEY,
    FakeConnection,
    FakeHub,
    event,
    subscribed,
)
from tests.client.following import client, cut, offsets, serving, take


async def test_it_says_who_it_is_and_what_it_wants() -> None:
    async with FakeHub(serving(1)) as fake, client(fake, merchant_id="m7") as hub:
        stream = hub.events(["order_*", "custom_a"], ["order/*"], since=5, epoch="e0")
        with pytest.raises(TimeoutError):  # the cursor begins after 5: event 1 is a repeat
            await asyncio.wait_for(anext(stream), 0.2)
        assert fake.connections[0].headers["Authorization"] == f"Bearer {KEY}"
        assert fake.connections[0].query == {
            "types": "order_*,custom_a",
            "subjects": "order/*",
            "since": "5",
            "epoch": "e0",
            "merchant_id": "m7",
        }


async def test_without_a_filter_it_asks_for_everything() -> None:
    async with FakeHub(serving(1)) as fake, client(fake) as hub:
        assert offsets(await take(hub.events(last=5), 1)) == [1]
        assert fake.connections[0].query == {"types": "*", "last": "5"}


async def test_the_last_events_are_asked_for_once() -> None:
    async with FakeHub(serving(8, 9, then=cut, start=7), serving(10, start=9)) as fake:
        async with client(fake) as hub:
            assert offsets(await take(hub.events(last=2), 3)) == [8, 9, 10]
        assert fake.connections[0].query == {"types": "*", "last": "2"}
        assert fake.connections[1].query == {"types": "*", "since": "9", "epoch": "e1"}


async def test_it_resumes_and_drops_what_it_has_seen() -> None:
    async with FakeHub(
        serving(1, 2, 3, then=cut), serving(2, 3, 4, then=cut, start=1), serving(4, 5, start=3)
    ) as fake:
        async with client(fake) as hub:
            stream = hub.events(["custom_*"])
            assert offsets(await take(stream, 5)) == [1, 2, 3, 4, 5]
            assert (stream.offset, stream.epoch) == (5, "e1")
        assert [c.query.get("since") for c in fake.connections] == [None, "3", "4"]


async def test_volatile_events_come_without_an_offset_and_move_nothing() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.subscribe(4)
        await connection.send(event(None, id="v"), event(5), event(None, id="v"))
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub:
        stream = hub.events()
        assert offsets(await take(stream, 3)) == [None, 5, None]
        assert stream.offset == 5


async def test_heartbeats_are_answered_and_advance_a_quiet_cursor() -> None:
    answers: list[object] = []

    async def first(connection: FakeConnection) -> None:
        await connection.subscribe(0)
        await connection.send({"type": "ping", "timestamp": "2026-11-22T10:00:00Z", "offset": 40})
        answers.append((await connection.receive())["type"])
        connection.cut()

    async with FakeHub(first, serving(41, start=40)) as fake:
        async with client(fake) as hub:
            assert offsets(await take(hub.events(["custom_*"]), 1)) == [41]
        assert answers == ["pong"]
        assert fake.connections[1].query["since"] == "40"


async def test_unknown_control_types_and_fields_are_left_alone() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.hello(offset=0, novelty=1)
        await connection.send({"type": "weather", "sun": True}, subscribed(0) | {"more": []})
        await connection.send(event(1, cause="x"))
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub:
        assert offsets(await take(hub.events(), 1)) == [1]


async def test_an_unreadable_frame_ends_the_stream_instead_of_losing_an_event() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.subscribe()
        await connection.socket.send('{"type":"custom_x","id":7}')
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub:
        stream = hub.events()
        with pytest.raises(BadFrame, match="cannot be read"):
            await take(stream, 1)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


def gap(from_: int | None, to: int | None, reason: str, resume: int) -> dict[str, object]:
    return {"type": "gap", "from": from_, "to": to, "reason": reason, "resume": resume}


async def test_a_gap_is_told_and_the_stream_goes_on_behind_it() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.hello(offset=20)
        await connection.send(subscribed(3, recovered=False), gap(4, 9, "retention", 9), event(10))
        await connection.until_closed()

    seen: list[Gap] = []
    async with FakeHub(script) as fake, client(fake) as hub:
        stream = hub.events(since=3, on_gap=seen.append)
        assert offsets(await take(stream, 1)) == [10]
        assert stream.last_gap == seen[0] == Gap(4, 9, "retention", 9)


async def test_a_new_epoch_moves_the_cursor_back(caplog: pytest.LogCaptureFixture) -> None:
    async def reset(connection: FakeConnection) -> None:
        await connection.hello(offset=2, epoch="e2")
        await connection.send(subscribed(2, epoch="e2", recovered=False))
        await connection.send(gap(None, None, "epoch", 2), event(3), {"type": "live", "offset": 3})
        connection.cut()

    async with FakeHub(serving(98, 99, then=cut, start=97), reset, serving(4, start=3)) as fake:
        async with client(fake) as hub:
            with caplog.at_level(logging.WARNING, "hub.client"):
                assert offsets(await take(hub.events(), 4)) == [98, 99, 3, 4]
        assert "new epoch" in caplog.text
        assert fake.connections[2].query | {"types": "*"} == {
            "types": "*",
            "since": "3",
            "epoch": "e2",
        }


async def test_a_cut_between_subscribed_and_gap_loses_nothing() -> None:
    async def halfway(connection: FakeConnection) -> None:
        await connection.hello(offset=2, epoch="e2")
        await connection.send(subscribed(2, epoch="e2", recovered=False))
        connection.cut()

    async with FakeHub(serving(7, then=cut, start=6), halfway, serving(8)) as fake:
        async with client(fake) as hub:
            assert offsets(await take(hub.events(), 2)) == [7, 8]
        assert fake.connections[2].query["since"] == "7"
        assert fake.connections[2].query["epoch"] == "e1"
