"""How a stream of events ends, and when it comes back."""

import asyncio

import pytest

from hub.client import (
    Closed,
    ClosedForbidden,
    ClosedUnauthenticated,
    Hub,
    Lost,
    State,
    Status,
)
from hub.protocol.errors import Forbidden, InvalidParams, Unauthenticated
from tests.client.fake_hub import (
    KEY,
    FakeConnection,
    FakeHub,
    event,
)
from tests.client.following import QUICK, client, closing, cut, offsets, serving, take


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
    async with (
        FakeHub(serving(1, then=closing(code)), serving(2, start=1)) as fake,
        client(fake) as hub,
    ):
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


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Unauthenticated), (403, Forbidden), (404, Closed)]
)
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
    async with FakeHub(serving(1, then=leaving), serving(2, start=1)) as fake, client(fake) as hub:
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
    async with (
        FakeHub(serving(1, then=closing(1000)), serving(2, then=closing(4100))) as fake,
        client(fake) as hub,
    ):
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
            assert await asyncio.wait_for(waiting, 10) is None
        assert [e async for e in stream] == []


async def test_leaving_the_hub_closes_its_streams() -> None:
    async with FakeHub(serving(1)) as fake:
        async with client(fake) as hub:
            stream = hub.events()
            await take(stream, 1)
        assert [e async for e in stream] == []
        async with asyncio.timeout(10):
            await fake.connections[0].until_closed()
        assert fake.connections[0].socket.close_code == 1000
        with pytest.raises(RuntimeError, match="async with"):
            hub.events()


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    async def failing(fake: FakeHub) -> None:
        async with client(fake) as hub:
            await take(hub.events(), 1)
            raise LookupError("mine")

    async with FakeHub(serving(1)) as fake:
        with pytest.raises(LookupError, match="mine"):
            await failing(fake)


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
