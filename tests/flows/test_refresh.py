"""`auth` on a live connection: it goes on under another key, and stands and falls with that one."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.flows.made_by_key import SETTINGS, WITHIN, revoke
from tests.support.browsers import new_ticket, sign_in
from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key, new_merchant
from tests.support.ws import Socket, connect


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[HubProcess]:
    async with HubProcess(tmp_path, SETTINGS) as running:
        yield running


async def refreshed(socket: Socket, token: str) -> dict[str, object]:
    await socket.send({"type": "auth", "token": token, "ref": "again"})
    ack = await socket.next(type="ack")
    assert ack["ref"] == "again"
    return ack


async def alive(socket: Socket) -> None:
    await socket.send({"type": "ping", "ref": "alive"})
    assert (await socket.next(type="pong"))["ref"] == "alive"


@pytest.mark.parametrize("by", ["key", "ticket", "ticket of a browser"])
async def test_a_refreshed_connection_goes_with_its_new_key(hub: HubProcess, by: str) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    old, old_id = await new_key(hub, hub.admin_key, "merchant", merchant, "old")
    new, new_id = await new_key(hub, hub.admin_key, "merchant", merchant, "new")
    token = new
    if by == "ticket":
        token = await new_ticket(hub, new)
    elif by == "ticket of a browser":
        token = await new_ticket(hub, headers=await sign_in(hub, new))
    async with connect(hub, old, query="types=custom_*") as socket:
        await socket.next(type="live")
        ack = await refreshed(socket, token)
        assert (ack["expires_at"] is None) is (by != "ticket of a browser")
        await revoke(hub, old_id)
        await alive(socket)
        await socket.send({"type": "custom_a", "data": {}})
        event = await socket.next(type="custom_a")
        assert event["source"] == "merchant:new", "and the subscription has gone on"
        since = await revoke(hub, new_id)
        assert await socket.closed(deadline=2) == 4001
        assert time.monotonic() - since < WITHIN


async def test_the_expiry_follows_the_new_key(hub: HubProcess) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    tokens = []
    ends = [datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (0.8, 1.6)]
    for end in ends:
        body = {"role": "viewer", "name": "short", "merchant_id": merchant}
        body["expires_at"] = end.isoformat(timespec="milliseconds")
        made = await call(hub, "POST", "/api/keys", body, key=hub.admin_key)
        tokens.append(made.json()["token"])
    lasting, _ = await new_key(hub, hub.admin_key, "viewer", merchant)
    async with (
        connect(hub, tokens[0]) as longer,
        connect(hub, tokens[0]) as for_good,
        connect(hub, lasting) as shorter,
        connect(hub, tokens[0]) as left,
    ):
        for socket in (longer, for_good, shorter, left):
            await socket.next(type="live")
        assert str((await refreshed(longer, tokens[1]))["expires_at"])[:-5] == ends[1].strftime(
            "%Y-%m-%dT%H:%M:%S"
        )
        assert (await refreshed(for_good, lasting))["expires_at"] is None
        await refreshed(shorter, tokens[0])
        for socket in (left, shorter):
            assert await socket.closed(deadline=3) == 4105
        assert datetime.now(UTC) >= ends[0] - timedelta(milliseconds=20)
        await alive(longer)
        assert await longer.closed(deadline=3) == 4105
        assert datetime.now(UTC) >= ends[1] - timedelta(milliseconds=20)
        await alive(for_good)


@pytest.mark.parametrize("wrong", ["role", "merchant", "admin"])
@pytest.mark.parametrize("by", ["key", "ticket"])
async def test_another_role_or_merchant(hub: HubProcess, wrong: str, by: str) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    key, _ = await new_key(hub, hub.admin_key, "merchant", merchant)
    if wrong == "role":
        token, _ = await new_key(hub, hub.admin_key, "bot", merchant)
    elif wrong == "merchant":
        other = await new_merchant(hub, hub.admin_key, "other")
        token, _ = await new_key(hub, hub.admin_key, "merchant", other)
    else:
        token = hub.admin_key
    if by == "ticket":
        token = await new_ticket(hub, token)
    async with connect(hub, key) as socket:
        await socket.next(type="live")
        await socket.send({"type": "auth", "token": token, "ref": "r"})
        error = await socket.next(type="error")
        assert (error["code"], error["ref"], error["retry"]) == ("forbidden", "r", False)
        assert await socket.closed() == 4003


async def test_a_refreshed_bot_is_the_new_bot(hub: HubProcess) -> None:
    """Its presence is told for the key that it came with, and then for the one it goes on with."""
    merchant = await merchant_of(hub, hub.admin_key)
    old, old_id = await new_key(hub, hub.admin_key, "bot", merchant, "old")
    new, new_id = await new_key(hub, hub.admin_key, "bot", merchant, "new")
    query = f"types=bot_*&merchant_id={merchant}"
    async with connect(hub, hub.admin_key, query=query) as watcher:
        await watcher.next(type="live")
        async with connect(hub, old) as bot:
            await watcher.next(type="bot_connected")
            await refreshed(bot, new)
            left = await watcher.next(type="bot_disconnected")
            came = await watcher.next(type="bot_connected")
            assert [e["subject"] for e in (left, came)] == [f"bot/{old_id}", f"bot/{new_id}"]
            assert left["offset"] < came["offset"]
            await revoke(hub, old_id)
            await alive(bot)
            await revoke(hub, new_id)
            assert await bot.closed() == 4001
            gone = await watcher.next(type="bot_disconnected")
            assert gone["subject"] == f"bot/{new_id}"
