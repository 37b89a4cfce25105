"""Dashboards and bots of the first generation, which know `{type, data, timestamp}` alone.

They connect with the key in the address, tell their merchant there too, send `{"type":"ping"}`
each 30 s and pick by `type` from what comes. They must go on working as they are.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key, new_merchant

ALLOWED = "https://panel.example"
TIMESTAMP = "2026-11-22T10:00:00.000Z"
ORDER = {"orderId": "ORD-1", "customerId": "C-1", "items": [], "totalAmount": 500}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[HubProcess]:
    settings = {"HUB_RATE_LIMIT": "off", "HUB_ALLOWED_ORIGINS": ALLOWED}
    async with HubProcess(tmp_path, settings) as running:
        yield running


class OldClient:
    """What such a client does: a table of handlers by type, everything else is ignored."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, type_: str, data: Any = None, timestamp: Any = TIMESTAMP) -> None:
        frame = {"type": type_, "timestamp": timestamp}
        if data is not None:
            frame["data"] = data
        await self.connection.send(json.dumps(frame))

    async def next(self, *types: str) -> tuple[str, Any, str]:
        """The next frame of these types: its type, data and timestamp."""
        async with asyncio.timeout(5):
            while True:
                frame = json.loads(await self.connection.recv())
                if frame["type"] in types:
                    return frame["type"], frame.get("data"), frame.get("timestamp")

    async def closed(self) -> int | None:
        """Wait until the hub closes; the code."""
        async with asyncio.timeout(5):
            while True:
                try:
                    await self.connection.recv()
                except ConnectionClosed:
                    return self.connection.close_code


def old_client(hub: HubProcess, merchant: str, key: str, origin: str | None = None) -> "_Opening":
    return _Opening(f"{hub.ws_url}?merchant_id={merchant}&token={key}", origin)


class _Opening:
    """The connection as such a client opens it, with what its library does by default."""

    def __init__(self, address: str, origin: str | None) -> None:
        headers = {} if origin is None else {"Origin": origin}
        self._connection = websocket_connect(address, additional_headers=headers, proxy=None)

    async def __aenter__(self) -> OldClient:
        return OldClient(await self._connection.__aenter__())

    async def __aexit__(self, *why: Any) -> None:
        await self._connection.__aexit__(*why)


async def key_of(hub: HubProcess, role: str, merchant: str) -> str:
    return (await new_key(hub, hub.admin_key, role, merchant))[0]


@pytest.mark.parametrize("role", ["merchant", "viewer"])
@pytest.mark.parametrize("origin", [None, ALLOWED, "own"])
async def test_a_dashboard_sees_its_merchants_events(
    hub: HubProcess, role: str, origin: str | None
) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    other = await new_merchant(hub, hub.admin_key, "other")
    key = await key_of(hub, role, merchant)
    sent_by = hub.url if origin == "own" else origin
    async with old_client(hub, merchant, key, sent_by) as dashboard:
        await dashboard.next("live", "connected")
        for owner in (other, merchant):
            bot = await key_of(hub, "bot", owner)
            event = {"type": "order_created", "data": ORDER | {"orderId": owner}}
            answer = await call(hub, "POST", "/api/events", event, key=bot)
            assert answer.status == 201, answer.body
        type_, data, timestamp = await dashboard.next("order_created")
        assert (type_, data["orderId"]) == ("order_created", merchant), "and not the other's"
        assert timestamp.endswith("Z")


async def test_a_bot_publishes_and_a_dashboard_sees_it(hub: HubProcess) -> None:
    """Both of the first generation; the shape is the same in both directions."""
    merchant = await merchant_of(hub, hub.admin_key)
    dashboard_key = await key_of(hub, "merchant", merchant)
    bot_key = await key_of(hub, "bot", merchant)
    async with (
        old_client(hub, merchant, dashboard_key) as dashboard,
        old_client(hub, merchant, bot_key) as bot,
    ):
        await dashboard.next("connected")
        await bot.send("order_created", ORDER)
        assert await dashboard.next("order_created") == ("order_created", ORDER, TIMESTAMP)
        await bot.send("message_received", {
            "messageId": "m-1", "fromPhone": "+263771234567", "text": "Makadii",
                "timestamp": TIMESTAMP,
            "type": "text", "unknown": [1, 2],
        })  # fmt: skip
        _, data, timestamp = await dashboard.next("message_received")
        assert (data["text"], data["unknown"], timestamp) == ("Makadii", [1, 2], TIMESTAMP)
        # What a dashboard sends comes back to it as to everyone.
        await dashboard.send("custom_note", {"text": "seen"})
        assert await dashboard.next("custom_note") == ("custom_note", {"text": "seen"}, TIMESTAMP)


async def test_the_same_event_sent_twice_is_two(hub: HubProcess) -> None:
    """Without an id nothing says that it is the same one."""
    merchant = await merchant_of(hub, hub.admin_key)
    async with old_client(hub, merchant, await key_of(hub, "merchant", merchant)) as client:
        await client.next("connected")
        for _ in range(2):
            await client.send("custom_a", {"n": 1})
        assert [await client.next("custom_a") for _ in range(2)] == [
            ("custom_a", {"n": 1}, TIMESTAMP)
        ] * 2


PINGS: list[dict[str, Any]] = [
    {"type": "ping"},
    {"type": "ping", "timestamp": TIMESTAMP},
    {"type": "ping", "timestamp": 1763805600000},
    {"type": "ping", "data": {}},
    {"type": "ping", "data": None, "timestamp": TIMESTAMP, "merchant_id": "m"},
]


@pytest.mark.parametrize("ping", PINGS, ids=json.dumps)
async def test_its_ping_is_answered(hub: HubProcess, ping: dict[str, Any]) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    async with old_client(hub, merchant, await key_of(hub, "viewer", merchant)) as client:
        await client.next("connected")
        for _ in range(3):
            await client.connection.send(json.dumps(ping))
            type_, _, _ = await client.next("pong", "error")
            assert type_ == "pong"


@pytest.mark.parametrize("type_", ["pong", "heartbeat", "subscribe_all", "hello"])
async def test_other_habits_do_no_harm(hub: HubProcess, type_: str) -> None:
    """Frames that the hub does not know may be answered by an error, but end nothing."""
    merchant = await merchant_of(hub, hub.admin_key)
    async with old_client(hub, merchant, await key_of(hub, "merchant", merchant)) as client:
        await client.next("connected")
        for _ in range(20):
            await client.send(type_, {})
        await client.send("custom_a", {"n": 1})
        assert await client.next("custom_a") == ("custom_a", {"n": 1}, TIMESTAMP)


async def test_an_error_tells_what_was_wrong_and_the_connection_stays(hub: HubProcess) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    async with old_client(hub, merchant, await key_of(hub, "merchant", merchant)) as client:
        await client.next("connected")
        await client.send("order_created", {"orderId": 5})
        await client.next("error")
        await client.send("no_such_type", {})
        await client.next("error")
        await client.send("order_created", ORDER)
        assert (await client.next("order_created"))[1] == ORDER


@pytest.mark.parametrize("role", ["merchant", "viewer", "bot"])
async def test_another_merchant_is_forbidden(hub: HubProcess, role: str) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    other = await new_merchant(hub, hub.admin_key, "other")
    key = await key_of(hub, role, merchant)
    for wrong in (other, "no-such-merchant", ""):
        async with old_client(hub, wrong, key) as client:
            await client.next("error")
            assert await client.closed() == 4003


async def test_an_admin_narrows_by_it(hub: HubProcess) -> None:
    other = await new_merchant(hub, hub.admin_key, "other")
    async with old_client(hub, other, hub.admin_key) as client:
        await client.next("connected")
        await client.send("custom_a", {"n": 1})
        assert (await client.next("custom_a"))[1] == {"n": 1}
    async with old_client(hub, "no-such-merchant", hub.admin_key) as client:
        assert await client.closed() == 4003


@pytest.mark.parametrize("key", ["wrong", "", "hub_v_" + "x" * 43])
async def test_a_wrong_key(hub: HubProcess, key: str) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    async with old_client(hub, merchant, key) as client:
        await client.next("error")
        assert await client.closed() == 4001


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{ALLOWED}.evil.example"])
async def test_a_page_of_a_foreign_origin(hub: HubProcess, origin: str) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    key = await key_of(hub, "merchant", merchant)
    with pytest.raises(InvalidStatus) as refused:
        async with old_client(hub, merchant, key, origin):
            pass
    assert refused.value.response.status_code == 403
    assert b"HUB_ALLOWED_ORIGINS" in bytes(refused.value.response.body or b"")
