"""Following events: order, resuming, duplicates, gaps, and how a stream ends."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator

import pytest

from hub.client import (
    Backoff,
    Closed,
    ClosedForbidden,
    ClosedUnauthenticated,
    Event,
    EventStream,
    Gap,
    Hub,
    Lost,
    State,
    Status,
)
from hub.protocol.errors import BadFrame, Forbidden, InvalidParams, Unauthenticated
from tests.client.fake_hub import (
    KEY,
    FakeConnection,
    FakeHub,
    Log,
    Script,
    event,
    streaming,
    subscribed,
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


# ── gaps ─────────────────────────────────────────────────────────────────────────────────────


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


# ── ends ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (4000, Closed),
        (4001, ClosedUnauthenticated),
        (4003, ClosedForbidden),
        (4004, Closed),
        (4005, Unauthenticated),
        (4042, Closed),
        (1009, Closed),
    ],
)
async def test_it_stays_away_when_told(code: int, kind: type[Closed]) -> None:
    async with FakeHub(serving(1, then=closing(code, "because"))) as fake, client(fake) as hub:
        stream = hub.events()
        await take(stream, 1)
        with pytest.raises(kind, match=f"{code}.*because") as caught:
            await take(stream, 1)
        assert isinstance(caught.value, Closed)
        assert (caught.value.close_code, caught.value.reason) == (code, "because")
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert fake.handshakes == 1


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4100, 4103, 4105, 4106, 4142, 4999])
async def test_it_comes_back_after_the_others(code: int) -> None:
    async with FakeHub(serving(1, then=closing(code)), serving(2, start=1)) as fake:
        async with client(fake) as hub:
            assert offsets(await take(hub.events(), 2)) == [1, 2]


async def test_wrong_credentials_say_so() -> None:
    async def script(connection: FakeConnection) -> None:
        told = "the key is not known"
        await connection.send(
            {"type": "error", "code": "unauthenticated", "message": told, "retry": False}
        )
        await connection.socket.close(4001, "unauthenticated")

    async with FakeHub(script) as fake, client(fake) as hub:
        with pytest.raises(ClosedUnauthenticated, match="4001: the key is not known"):
            await take(hub.events(), 1)


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthenticated), (403, Forbidden), (404, Closed)])
async def test_a_refused_handshake_is_final(status: int, kind: type[Exception]) -> None:
    async with FakeHub(serving(1), refuse=[status]) as fake, client(fake) as hub:
        with pytest.raises(kind, match=f"HTTP {status}: told by the hub") as caught:
            await take(hub.events(), 1)
        assert isinstance(caught.value, Closed)
        assert caught.value.status == status
        assert fake.handshakes == 1


async def test_a_hub_that_is_busy_or_draining_is_tried_again() -> None:
    async with FakeHub(serving(1), refuse=[503, 429, 502]) as fake, client(fake) as hub:
        assert offsets(await take(hub.events(), 1)) == [1]
        assert fake.handshakes == 4


async def test_a_refused_filter_is_raised() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        await connection.send(
            {"type": "error", "code": "invalid_params", "message": "no", "retry": False}
        )
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub:
        with pytest.raises(InvalidParams, match="no"):
            await take(hub.events(), 1)


async def test_bye_gives_the_range_in_which_to_come_back() -> None:
    async def leaving(connection: FakeConnection) -> None:
        bye = {"type": "bye", "code": 4200, "reason": "shutting down", "reconnect": [300, 400]}
        await connection.send(bye)
        await connection.socket.close(4200, "shutting down")

    states: list[Status] = []
    async with FakeHub(serving(1, then=leaving), serving(2, start=1)) as fake:
        async with client(fake) as hub:
            stream = hub.events(on_state=states.append)
            await take(stream, 1)
            before = asyncio.get_running_loop().time()
            await take(stream, 1)
            assert asyncio.get_running_loop().time() - before >= 0.3
    waiting = next(s for s in states if s.state is State.WAITING)
    assert 0.3 <= waiting.delay <= 0.4
    assert waiting.reason == "4200 shutting down"


async def test_the_states_are_told_in_order() -> None:
    states: list[State] = []
    async with FakeHub(serving(1, then=cut), serving(2, start=1)) as fake, client(fake) as hub:
        stream = hub.events(on_state=lambda status: states.append(status.state))
        await take(stream, 1)
        assert stream.live
        await take(stream, 1)
        await stream.aclose()
        assert not stream.live
    up = [State.CONNECTING, State.REPLAYING, State.LIVE]
    assert states == [*up, State.WAITING, *up, State.CLOSED]


async def test_without_reconnect_a_normal_end_ends_and_another_raises() -> None:
    async with FakeHub(serving(1, then=closing(1000)), serving(2, then=closing(4100))) as fake:
        async with client(fake) as hub:
            seen = [e.offset async for e in hub.events(reconnect=False)]
            assert seen == [1]
            stream = hub.events(reconnect=False)
            await take(stream, 1)
            with pytest.raises(Lost, match="4100"):
                await take(stream, 1)


async def test_without_reconnect_an_absent_hub_is_an_error() -> None:
    async with FakeHub(serving()) as fake:
        url = fake.url
    async with Hub(url, KEY) as hub:
        with pytest.raises(Lost, match="connection refused"):
            await take(hub.events(reconnect=False), 1)


async def test_it_waits_for_a_hub_that_is_not_there_yet() -> None:
    states: list[Status] = []
    async with FakeHub(serving()) as fake:
        url = fake.url
    async with Hub(url, KEY, backoff=QUICK) as hub:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(hub.events(on_state=states.append)), 0.3)
    assert len([s for s in states if s.state is State.WAITING]) >= 2
    assert all(s.delay <= 0.05 for s in states)


async def test_cancelling_a_wait_loses_nothing() -> None:
    go = asyncio.Event()

    async def script(connection: FakeConnection) -> None:
        await connection.subscribe()
        await go.wait()
        await connection.send(event(1), event(2))
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub:
        stream = hub.events()
        for wait in (0.0, 0.001, 0.05, 0.1):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), wait)
        go.set()
        assert offsets(await take(stream, 2)) == [1, 2]


async def test_closing_ends_a_wait() -> None:
    async with FakeHub(serving()) as fake, client(fake) as hub:
        async with hub.events() as stream:
            waiting = asyncio.create_task(anext(stream, None))
            await asyncio.sleep(0.1)
            await stream.aclose()
            assert await asyncio.wait_for(waiting, 2) is None
        assert [e async for e in stream] == []


async def test_leaving_the_hub_closes_its_streams() -> None:
    async with FakeHub(serving(1)) as fake:
        async with client(fake) as hub:
            stream = hub.events()
            await take(stream, 1)
        assert [e async for e in stream] == []
        async with asyncio.timeout(2):
            await fake.connections[0].until_closed()
        assert fake.connections[0].socket.close_code == 1000
        with pytest.raises(RuntimeError, match="async with"):
            hub.events()


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    async with FakeHub(serving(1)) as fake:
        with pytest.raises(LookupError, match="mine"):
            async with client(fake) as hub:
                await take(hub.events(), 1)
                raise LookupError("mine")


@pytest.mark.parametrize(
    "wanted",
    [
        {"types": []},
        {"types": ["a*b"]},
        {"types": "order_*"},
        {"subjects": ["a,b"]},
        {"subjects": [""]},
        {"last": 0},
        {"last": 1001},
        {"since": -1},
        {"since": 1, "last": 1},
    ],
)
async def test_what_the_hub_would_refuse_is_refused_at_once(wanted: dict[str, object]) -> None:
    async with Hub("http://127.0.0.1:1", KEY) as hub:
        with pytest.raises(InvalidParams):
            hub.events(**wanted)  # type: ignore[arg-type]


# ── flow ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_slow_consumer_is_felt_by_the_hub_and_keeps_its_connection() -> None:
    """The hub's writes block, this side reads no further, and still proves that it lives."""
    sent = 0
    pongs = 0

    async def script(connection: FakeConnection) -> None:
        nonlocal sent
        await connection.hello(heartbeat=1)
        await connection.send(subscribed(0))
        filler = "x" * 50_000
        for n in range(1, 2001):
            await connection.send(event(n, data={"filler": filler}))
            sent = n
        await connection.until_closed()

    class Counted(FakeHub):
        async def _serve(self, socket: object) -> None:
            acknowledge = socket.process_event  # type: ignore[attr-defined]

            def count(frame: object) -> None:
                nonlocal pongs
                pongs += frame.opcode.name == "PONG"  # type: ignore[attr-defined]
                acknowledge(frame)

            socket.process_event = count  # type: ignore[attr-defined]
            await super()._serve(socket)  # type: ignore[arg-type]

    async with Counted(script) as fake, client(fake) as hub:
        stream = hub.events()
        await take(stream, 1)
        await asyncio.sleep(3.2)  # more than SILENCE heartbeats
        assert sent < 1000  # 50 MB; the buffers of both sides hold far less
        assert pongs >= 3
        assert offsets(await take(stream, 1999)) == list(range(2, 2001))
        assert fake.handshakes == 1


async def test_a_hub_that_falls_silent_is_left() -> None:
    async def silent(connection: FakeConnection) -> None:
        await connection.hello(heartbeat=1)
        await connection.send(subscribed(0), event(1))
        await connection.until_closed()

    states: list[Status] = []
    async with FakeHub(silent, serving(2, start=1)) as fake, client(fake) as hub:
        stream = hub.events(on_state=states.append)
        await take(stream, 1)
        before = asyncio.get_running_loop().time()
        assert offsets(await take(stream, 1)) == [2]
        assert 2.3 <= asyncio.get_running_loop().time() - before <= 3.5
    assert any("silent" in s.reason for s in states)


async def test_heartbeats_keep_a_quiet_connection() -> None:
    async def quiet(connection: FakeConnection) -> None:
        await connection.hello(heartbeat=1)
        await connection.send(subscribed(0))
        for _ in range(4):
            await asyncio.sleep(0.9)
            await (await connection.socket.ping())
        await connection.send(event(1))
        await connection.until_closed()

    async with FakeHub(quiet) as fake, client(fake) as hub:
        assert offsets(await take(hub.events(), 1)) == [1]
        assert fake.handshakes == 1


@pytest.mark.parametrize("seed", range(3))
async def test_each_event_comes_once_and_in_order_through_any_cuts(seed: int) -> None:
    rng = random.Random(seed)
    log = Log()

    async def fill() -> None:
        for n in range(600):
            await log.append({"type": "custom_n", "id": f"i{n}", "data": {"n": n}})
            if n % 20 == 0:
                await asyncio.sleep(0.001)

    def unlucky() -> bool:
        return rng.random() < 0.02

    async with FakeHub(streaming(log, unlucky)) as fake:
        async with client(fake) as hub, asyncio.TaskGroup() as tasks:
            stream = hub.events(since=0)
            tasks.create_task(fill())
            assert offsets(await take(stream, 600)) == list(range(1, 601))
        assert fake.handshakes > 3


async def test_a_hub_may_be_followed_several_times() -> None:
    log = Log()
    async with FakeHub(streaming(log)) as fake, client(fake) as hub:

        async def follow() -> list[Event]:
            return await take(hub.events(since=0), 5)

        async with asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(follow()) for _ in range(3)]
            for n in range(5):
                await log.append({"type": "custom_n", "id": f"i{n}", "data": {}})
        assert all(offsets(reader.result()) == [1, 2, 3, 4, 5] for reader in readers)


async def test_events_is_an_async_iterator() -> None:
    async with FakeHub(serving(1, 2)) as fake, client(fake) as hub:
        stream: AsyncIterator[Event] = hub.events()
        async for one in stream:
            if one.offset == 2:
                break
