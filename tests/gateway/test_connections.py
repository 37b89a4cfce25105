"""Connections over time: bots' presence, heartbeats, slow readers, keys that end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from storage import instances
from storage.database import Database, Transaction
from storage.scope import HUB
from tests.gateway.local_hub import LocalHub, connected_bots, prepared, running
from tests.gateway.raw import CLOSE, PING, PONG, TEXT, event, frame, raw, text
from tests.gateway.wire import opened
from tests.support.databases import FaultyDatabase, until
from tests.support.rest import call, paged
from tests.support.ws import DEADLINE, Socket, connect


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway whose seconds last 20 ms, with a heartbeat every second."""
    sleep = asyncio.sleep
    clock = SimpleNamespace(**vars(asyncio))
    clock.sleep = lambda seconds: sleep(seconds / 50)
    monkeypatch.setattr("hub.gateway.gateway.asyncio", clock)
    monkeypatch.setattr("hub.gateway.gateway.HEARTBEAT_SECONDS", 3)


@pytest.fixture
async def hasty_hub(hasty: None, database: Database) -> AsyncIterator[LocalHub]:
    async with running(await prepared(database)) as hub:
        yield hub


@pytest.fixture
async def watchful_hub(
    hasty: None, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LocalHub]:
    """Its heartbeat never comes round: only slow readers are cut."""
    monkeypatch.setattr("hub.gateway.gateway.HEARTBEAT_SECONDS", 10_000)
    async with running(await prepared(database)) as hub:
        yield hub


# ── presence ─────────────────────────────────────────────────────────────────────────────────────


async def presence(hub: LocalHub) -> list[dict[str, object]]:
    return await paged(hub, hub.keys["admin"], types="bot_*")


async def test_a_bot_is_there_from_its_first_session_to_its_last(local: LocalHub) -> None:
    async with connect(local, local.keys["viewer"], query="types=bot_*") as page:
        await page.next(type="live")
        async with AsyncExitStack() as sessions:
            await sessions.enter_async_context(connect(local, local.keys["bot"]))
            came = await page.next(type="bot_connected")
            for _ in range(2):
                async with connect(local, local.keys["bot"]) as another:
                    await another.next(type="connected")
            assert await page.silent(0.05, type="bot_disconnected")
        went = await page.next(type="bot_disconnected")
        assert await page.silent(0.05, type="bot_connected")
    key_id = local.key_ids["bot"]
    for one in (came, went):
        assert (one["source"], one["subject"]) == ("hub", f"bot/{key_id}")
        assert (one["data"]["keyId"], one["data"]["name"]) == (key_id, "bot")
    assert went["offset"] == came["offset"] + 1


async def test_each_bot_key_has_a_presence_of_its_own(local: LocalHub) -> None:
    await local.add_key("bot", "second")
    async with connect(local, local.keys["viewer"], query="types=bot_*") as page:
        await page.next(type="live")
        async with connect(local, local.keys["bot"]), connect(local, local.keys["second"]):
            came = await page.take(2, type="bot_connected")
        went = await page.take(2, type="bot_disconnected")
    for events in (came, went):
        assert {e["data"]["keyId"] for e in events} == {
            local.key_ids["bot"], local.key_ids["second"],
        }  # fmt: skip


@pytest.mark.parametrize("name", ["admin", "merchant", "viewer"])
async def test_only_bots_come_and_go(name: str, local: LocalHub) -> None:
    async with connect(local, local.keys[name]) as page:
        await page.next(type="live")
    await until(lambda: len(local.services.gateway) == 0)
    assert await presence(local) == []


async def test_a_bot_that_flaps_ends_in_its_true_state(local: LocalHub) -> None:
    for _ in range(15):
        async with raw(local, local.keys["bot"]) as bot:
            bot.write(event())
    await until(lambda: len(local.services.gateway) == 0)
    async with connect(local, local.keys["bot"]) as bot_again:
        await bot_again.next(type="connected")
        async with asyncio.timeout(5):
            while not (found := await presence(local)) or found[-1]["type"] != "bot_connected":
                await asyncio.sleep(0.005)
        kinds = [one["type"] for one in found]
        assert kinds == ["bot_connected", "bot_disconnected"] * (len(kinds) // 2) + kinds[-1:]


async def test_a_hub_that_was_killed_says_who_is_gone(database: Database) -> None:
    hub = await prepared(database)

    async def leave_behind(tx: Transaction) -> None:
        await instances.beat(tx, "killed", "2020-01-01T00:00:00.000Z")
        assert await instances.connect_bot(tx, hub.key_ids["bot"], "killed")

    await database.write(leave_behind, HUB)
    async with running(hub):
        await until(lambda: hub.services.log.end == 1)
        [went] = await presence(hub)
        assert went["type"] == "bot_disconnected"
        async with connect(hub, hub.keys["bot"]):
            await until(lambda: hub.services.log.end == 2)
    async with running(hub):
        kinds = [one["type"] for one in await presence(hub)]
        assert kinds == ["bot_disconnected", "bot_connected", "bot_disconnected"]


async def test_presence_waits_for_a_database_that_fails(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.gateway.presence._RETRY_SECONDS", 0.01)
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        faulty.failing = 3
        async with connect(hub, hub.keys["bot"]):
            await until(lambda: hub.services.log.end == 1)
        await until(lambda: hub.services.log.end == 2)
        assert [e["type"] for e in await presence(hub)] == ["bot_connected", "bot_disconnected"]


# ── heartbeat ────────────────────────────────────────────────────────────────────────────────────


async def test_who_is_silent_is_closed(hasty_hub: LocalHub) -> None:
    async with raw(hasty_hub, hasty_hub.keys["viewer"]) as client:
        started = time.monotonic()
        await client.json("ping")
        got = await client.until_close()
        assert got.code == 4104
        assert time.monotonic() - started > 0.05, "one beat to speak, one to answer"
        client.write(frame(CLOSE, got.payload))
        await client.ended()
    await until(lambda: len(hasty_hub.services.gateway) == 0)


@pytest.mark.parametrize("sign", [frame(PONG), text({"type": "pong"}), event(), b"\x8a"])
async def test_any_byte_is_a_sign_of_life(sign: bytes, hasty_hub: LocalHub) -> None:
    async with raw(hasty_hub, hasty_hub.keys["merchant"]) as client:
        pieces = [sign] * 8 if len(sign) > 1 else [bytes((b,)) for b in frame(PONG, b"ab") * 2]
        for piece in pieces[:8]:
            client.write(piece)
            await client.json("ping")
        await client.arrived()
        assert len(hasty_hub.services.gateway) == 1


async def test_a_heartbeat_carries_the_cursor(hasty_hub: LocalHub) -> None:
    query = "types=custom_b"
    async with (
        connect(hasty_hub, hasty_hub.keys["viewer"], query=query) as quiet,
        connect(hasty_hub, hasty_hub.keys["merchant"]) as publisher,
    ):
        await quiet.next(type="live")
        for number in range(1, 6):
            await publisher.send({"type": "custom_a", "data": {}})
            await publisher.next(type="ack")
            async with asyncio.timeout(DEADLINE):
                while (await quiet.next(type="ping"))["offset"] != number:
                    pass


async def test_a_heartbeat_is_a_websocket_ping_too(hasty_hub: LocalHub) -> None:
    async with raw(hasty_hub, hasty_hub.keys["viewer"]) as client:
        kinds: set[str] = set()
        while kinds != {"ping", "PING"}:
            got = await client.next()
            if got.opcode == PING:
                kinds.add("PING")
            elif got.opcode == TEXT and b'"type":"ping"' in got.payload:
                kinds.add("ping")


async def test_who_is_not_read_owes_no_sign_of_life(hasty: None, database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with (
        running(await prepared(database), database=faulty) as hub,
        raw(hub, hub.keys["merchant"], query="types=custom_z") as client,
    ):
        await client.json("live")
        faulty.writing.clear()
        client.write(b"".join(event(f"id-{n}") for n in range(3000)))
        for _ in range(4):
            await client.json("ping")  # four heartbeats long it is held
        faulty.writing.set()
        assert [ack["id"] for ack in await client.acks(3000)] == [f"id-{n}" for n in range(3000)]


# ── slow readers ─────────────────────────────────────────────────────────────────────────────────


async def published(hub: LocalHub, count: int, size: int) -> None:
    """So many events of so many bytes, by another connection."""
    data = {"t": "x" * size}
    async with raw(hub, hub.keys["merchant"]) as client:
        client.write(text({"type": "unsubscribe"}))
        for first in range(0, count, 100):
            events = [
                {"type": "custom_a", "data": data, "id": f"id-{n}"}
                for n in range(first, min(first + 100, count))
            ]
            client.write(text({"type": "batch", "events": events}))
            await client.acks(1)


async def test_a_reader_that_reads_nothing_is_cut(
    watchful_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.gateway.gateway.SLOW_SECONDS", 1.0)
    query = "types=custom_a"
    async with (
        raw(watchful_hub, watchful_hub.keys["viewer"], query=query) as slow,
        connect(watchful_hub, watchful_hub.keys["admin"], query=query) as other,
    ):
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await published(watchful_hub, 3000, 4000)
        await until(lambda: len(watchful_hub.services.gateway) == 1, seconds=6)
        heard = await other.take(3000, type="custom_a")
        assert [e["id"] for e in heard] == [f"id-{n}" for n in range(3000)]
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        rest = await slow.ended()
        assert b"nothing read for" not in rest[-200:], "a close frame would wait behind the rest"


async def test_a_reader_that_reads_again_gets_everything(local: LocalHub) -> None:
    """More than the kernel, the buffer and the ring hold; the rest comes from the database."""
    async with raw(
        local, local.keys["viewer"], query="types=custom_a&since=0", limit=2**16
    ) as slow:
        await slow.json("live")
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await published(local, 3000, 4000)
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        heard = [(await slow.json("custom_a"))["id"] for _ in range(3000)]
        assert heard == [f"id-{n}" for n in range(3000)]
        slow.write(text({"type": "ping", "ref": "r"}))
        assert (await slow.json("pong"))["ref"] == "r", "and is read again itself"


async def test_a_buffer_may_stand_still_only_so_long(
    watchful_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader is slow as long as it likes, if only its buffer moves."""
    monkeypatch.setattr("hub.gateway.gateway.SLOW_SECONDS", 0.3)
    protocol, wire = opened(watchful_hub)
    await until(lambda: b'"live"' in wire.sent)
    wire.buffered = 1_000_000
    protocol.pause_writing()
    moving = time.monotonic() + 0.9
    while time.monotonic() < moving:
        assert not wire.aborted
        wire.buffered -= 1
        await asyncio.sleep(0.02)
    stood = time.monotonic()
    await until(lambda: wire.aborted)
    assert time.monotonic() - stood > 0.2
    protocol.connection_lost(None)


# ── keys that end ────────────────────────────────────────────────────────────────────────────────


async def cookie_of(hub: LocalHub, name: str) -> dict[str, str]:
    origin = {"Origin": f"http://127.0.0.1:{hub.port}"}
    answer = await call(hub, "POST", "/api/session", {"key": hub.keys[name]}, headers=origin)
    assert answer.status == 200, answer.body
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


async def revoke(hub: LocalHub, name: str) -> None:
    path = f"/api/keys/{hub.key_ids[name]}"
    answer = await call(hub, "DELETE", path, key=hub.keys["admin"])
    assert answer.status == 200, answer.body


async def test_revoking_a_key_closes_what_it_opened(local: LocalHub) -> None:
    cookie = await cookie_of(local, "merchant")
    own = f"http://127.0.0.1:{local.port}"
    key = local.keys["merchant"]
    async with (
        connect(local, key) as by_header,
        connect(local, token=key) as by_query,
        connect(local, headers=cookie, origin=own) as by_cookie,
        connect(local) as by_frame,
        connect(local, local.keys["viewer"]) as other,
    ):
        await by_frame.send({"type": "auth", "token": key})
        for page in (by_header, by_query, by_cookie, by_frame, other):
            await page.next(type="live")
        await revoke(local, "merchant")
        async with asyncio.timeout(1):
            for page in (by_header, by_query, by_cookie, by_frame):
                assert await page.closed() == 4001
        await other.send({"type": "ping"})
        await other.next(type="pong")
        await until(lambda: len(local.services.gateway) == 1)
    async with connect(local, key) as again:
        assert await again.closed() == 4001
    async with connect(local, headers=cookie, origin=own) as again:
        assert await again.closed() == 4001


async def test_a_connection_ends_with_its_key(local: LocalHub) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=1.5)
    expires = f"{ends:%Y-%m-%dT%H:%M:%S}.{ends.microsecond // 1000:03d}Z"
    token = await local.add_key("viewer", "short", expires=expires)
    async with connect(local, token) as page, connect(local, local.keys["viewer"]) as other:
        assert (await page.next())["expires_at"] == expires
        assert await page.closed() == 4105
        assert datetime.now(UTC) >= ends - timedelta(milliseconds=20)
        await other.next(type="live")
    async with connect(local, token) as page:
        assert await page.closed() == 4001


async def refreshed(page: Socket, token: str) -> dict[str, object]:
    await page.send({"type": "auth", "token": token, "ref": "again"})
    return await page.next(type="ack")


async def test_a_new_key_keeps_a_connection_going(local: LocalHub) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=1)
    expires = f"{ends:%Y-%m-%dT%H:%M:%S}.{ends.microsecond // 1000:03d}Z"
    short = await local.add_key("merchant", "short", expires=expires)
    async with connect(local, short) as page:
        await page.next(type="live")
        ack = await refreshed(page, local.keys["merchant"])
        assert (ack["ref"], ack["expires_at"]) == ("again", None)
        await asyncio.sleep((ends - datetime.now(UTC)).total_seconds() + 0.1)
        await page.send({"type": "custom_a", "data": {}})
        assert (await page.next(type="custom_a"))["source"] == "merchant:merchant"
        # From now on it stands and falls with the new key.
        await revoke(local, "merchant")
        assert await page.closed() == 4001


async def test_a_refreshed_publisher_signs_with_its_new_key(local: LocalHub) -> None:
    await local.add_key("merchant", "second")
    async with connect(local, local.keys["merchant"]) as page:
        await page.next(type="live")
        await page.send({"type": "custom_a", "data": {}})
        assert (await page.next(type="custom_a"))["source"] == "merchant:merchant"
        await refreshed(page, local.keys["second"])
        await page.send({"type": "custom_a", "data": {}})
        assert (await page.next(type="custom_a"))["source"] == "merchant:second"


@pytest.mark.parametrize(
    ("name", "code", "close"),
    [
        ("viewer", "forbidden", 4003),
        ("theirs", "forbidden", 4003),
        ("wrong", "unauthenticated", 4001),
    ],
)
async def test_a_refresh_changes_neither_role_nor_merchant(
    name: str, code: str, close: int, local: LocalHub
) -> None:
    await local.add_key("merchant", "theirs", merchant_id=local.other_merchant)
    local.keys["wrong"] = "hub_m_" + "0" * 43
    async with connect(local, local.keys["merchant"]) as page:
        await page.next(type="live")
        await page.send({"type": "auth", "token": local.keys[name], "ref": "r"})
        error = await page.next(type="error")
        assert (error["code"], error["ref"]) == (code, "r")
        assert await page.closed() == close


async def test_a_key_that_ends_during_a_refresh_breaks_nothing(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """The connection is gone by the time that the new key is known."""
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        ends = datetime.now(UTC) + timedelta(seconds=1)
        expires = f"{ends:%Y-%m-%dT%H:%M:%S}.{ends.microsecond // 1000:03d}Z"
        async with connect(hub, await hub.add_key("bot", "short", expires=expires)) as bot:
            await bot.next(type="connected")
            faulty.reading.clear()
            before = faulty.reads
            await bot.send({"type": "auth", "token": hub.keys["bot"]})
            await until(lambda: faulty.reads > before)
            assert await bot.closed() == 4105
            await until(lambda: len(hub.services.gateway) == 0)
            faulty.reading.set()
        await until(lambda: hub.services.log.end == 2)
    assert await connected_bots(database) == []
    assert "Traceback" not in capsys.readouterr().out


async def test_a_bot_that_refreshes_stays(local: LocalHub) -> None:
    """The same bot: its old key's presence ends, its new key's begins, and one of them is there."""
    await local.add_key("bot", "second")
    async with connect(local, local.keys["bot"]) as bot:
        await until(lambda: local.services.log.end == 1)
        await refreshed(bot, local.keys["bot"])
        await bot.send({"type": "custom_a", "data": {}})
        await bot.next(type="ack")
        assert len(await presence(local)) == 1, "the same key never left"
        await refreshed(bot, local.keys["second"])
        async with asyncio.timeout(5):
            while await connected_bots(local.database) != ["second"]:
                await asyncio.sleep(0.005)


# ── echo ─────────────────────────────────────────────────────────────────────────────────────────


async def test_own_events_are_echoed_like_any_other(local: LocalHub) -> None:
    async with connect(local, local.keys["bot"], query="types=custom_*") as bot:
        await bot.next(type="live")
        for number in range(10):
            await bot.send({"type": "custom_a", "data": {"n": number}, "ref": f"{number}"})
        acks = await bot.take(10, type="ack")
        echoes = await bot.take(10, type="custom_a")
        assert [e["data"]["n"] for e in echoes] == list(range(10))
        assert [e["offset"] for e in echoes] == [a["offset"] for a in acks]
        assert all("ref" not in e for e in echoes)
