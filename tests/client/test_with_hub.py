"""The SDK and the real hub: what was published arrives, once and in order, whatever happens."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from hub.client import Backoff, ClosedUnauthenticated, Event, EventStream, Hub, State, Status
from hub.protocol.errors import Conflict, Forbidden, InvalidEvent, UnknownType
from tests.support.fault_proxy import FaultProxy
from tests.support.hub_process import HubProcess

QUICK = Backoff(0.02, 0.2)


async def take(stream: EventStream, count: int) -> list[Event]:
    async with asyncio.timeout(20):
        return [await anext(stream) for _ in range(count)]


async def ready(stream: EventStream) -> asyncio.Task[Event]:
    """Start to follow, and return when live; the task gets the first event."""
    first = asyncio.create_task(anext(stream))
    async with asyncio.timeout(10):
        while not stream.live:
            await asyncio.sleep(0.005)
    return first


async def collect(first: asyncio.Task[Event], stream: EventStream, count: int) -> list[Event]:
    """So many events, the awaited first one among them."""
    return [await asyncio.wait_for(first, 5), *await take(stream, count - 1)]


def call(hub: HubProcess, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {hub.admin_key}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", hub.port, timeout=5)) as connection:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
    assert answer.status < 300, text
    return json.loads(text) if text else None


@asynccontextmanager
async def publishing(hub: Hub, count: int, pace: float) -> AsyncIterator[asyncio.Task[list[int]]]:
    """Publish numbered events in the background; the task gets their offsets."""

    async def publish() -> list[int]:
        answers = []
        for n in range(count):
            answers.append(await hub.submit("custom_number", {"n": n}))
            await asyncio.sleep(pace)
        return [int((await answer).offset or 0) for answer in answers]

    task = asyncio.create_task(publish())
    try:
        yield task
    finally:
        task.cancel()


async def test_what_is_published_is_followed(hub: HubProcess) -> None:
    async with (
        Hub(hub.url, hub.bot_key) as bot,
        Hub(hub.url, hub.admin_key) as admin,
        bot.events(["custom_*"], ["order/*"]) as stream,
    ):
        first = await ready(stream)
        ack = await bot.publish("custom_a", {"ü": [1, None]}, subject="order/1", id="mine")
        event = await asyncio.wait_for(first, 5)
        assert (event.offset, event.id, event.type) == (ack.offset, "mine", "custom_a")
        assert (event.subject, event.data) == ("order/1", {"ü": [1, None]})
        again = await bot.publish("custom_a", {"ü": [1, None]}, subject="order/1", id="mine")
        assert (again.offset, again.duplicate) == (ack.offset, True)
        with pytest.raises(Conflict):
            await bot.publish("custom_b", id="mine")
        with pytest.raises(InvalidEvent) as caught:
            await bot.publish("order_created", {"orderId": 7})
        assert {e.pointer for e in caught.value.errors} == {
            f"/data/{name}" for name in ("orderId", "customerId", "items", "totalAmount")
        }
        with pytest.raises(UnknownType, match="custom_"):
            await bot.publish("order_made")
        with pytest.raises(Forbidden):
            await bot.publish("key_created")
        mine = (await take(admin.events(["custom_*"], last=1), 1))[0]
        assert mine.id == "mine"
        merchant = mine.merchant_id
        by_admin = await admin.publish("custom_a", {}, merchant_id=merchant)
        assert by_admin.offset is not None


async def test_history_is_read_however_long(hub: HubProcess) -> None:
    """More than the hub keeps in memory, so that it comes from the database."""
    count = 5000
    async with Hub(hub.url, hub.bot_key, capacity=2000, window=1000) as bot:
        answers = [await bot.submit("custom_number", {"n": n}) for n in range(count)]
        offsets = [(await answer).offset for answer in answers]
        events = await take(bot.events(["custom_number"], since=0), count)
    assert [e.data["n"] for e in events] == list(range(count))
    assert [e.offset for e in events] == offsets


async def test_a_killed_hub_leaves_no_trace_in_the_stream(hub: HubProcess) -> None:
    count = 600
    async with (
        Hub(hub.url, hub.bot_key, backoff=QUICK) as bot,
        bot.events(["custom_number"]) as stream,
    ):
        first = await ready(stream)
        async with publishing(bot, count, 0.002) as published:
            following = asyncio.create_task(collect(first, stream, count))
            for _ in range(2):
                await asyncio.sleep(0.4)
                await hub.kill()
                await hub.start()
            events = await following
            offsets = await asyncio.wait_for(published, 10)
    assert [e.data["n"] for e in events] == list(range(count))
    assert [e.offset for e in events] == offsets


async def test_a_hub_that_says_bye_is_met_again(hub: HubProcess) -> None:
    states: list[Status] = []
    async with (
        Hub(hub.url, hub.bot_key) as bot,
        bot.events(["custom_number"], on_state=states.append) as stream,
    ):
        first = await ready(stream)
        await bot.publish("custom_number", {"n": 0})
        await first
        stopping = asyncio.create_task(hub.restart())
        following = asyncio.create_task(take(stream, 1))
        await stopping
        await bot.publish("custom_number", {"n": 1})
        assert (await following)[0].data == {"n": 1}
    waiting = next(s for s in states if s.state is State.WAITING)
    assert waiting.reason.startswith("4200")
    assert 0.1 <= waiting.delay <= 1.0


async def test_a_revoked_key_ends_everything(hub: HubProcess) -> None:
    merchant = call(hub, "GET", "/api/merchants")["merchants"][0]["id"]
    made = call(hub, "POST", "/api/keys", {"merchant_id": merchant, "role": "bot", "name": "short"})
    async with Hub(hub.url, made["token"], backoff=QUICK) as bot:
        stream = bot.events(["custom_*"])
        first = await ready(stream)
        await bot.publish("custom_a", {})
        await first
        await asyncio.to_thread(call, hub, "DELETE", f"/api/keys/{made['key']['id']}")
        with pytest.raises(ClosedUnauthenticated, match="4001"):
            await take(stream, 1)
        # Its publishing connection has ended too.
        with pytest.raises(ClosedUnauthenticated, match="4001"):
            await asyncio.wait_for(bot.publish("custom_a", {}), 5)


async def test_cuts_and_stalls_change_nothing(hub: HubProcess) -> None:
    count = 1500
    async with FaultProxy("127.0.0.1", hub.port) as proxy:
        url = proxy.ws_url
        async with (
            Hub(url, hub.bot_key, backoff=QUICK) as bot,
            bot.events(["custom_number"]) as stream,
        ):
            first = await ready(stream)
            async with publishing(bot, count, 0.002) as published:
                following = asyncio.create_task(collect(first, stream, count))
                for _ in range(6):
                    await asyncio.sleep(0.3)
                    proxy.cut()
                    await asyncio.sleep(0.2)
                    proxy.stall()
                    await asyncio.sleep(0.1)
                    proxy.heal()
                events = await following
                offsets = await asyncio.wait_for(published, 10)
        assert proxy.accepted > 6
    assert [e.data["n"] for e in events] == list(range(count))
    assert [e.offset for e in events] == offsets
