"""A key that is revoked or expires takes everything with it that was made by it, within a second.

Connections by every credential that goes back to the key, streams, a request that waits, unused
tickets, browsers; and nothing of what was begun before comes to an effect afterwards.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.settings import Settings
from storage.database import Database
from tests.flows.made_by_key import SETTINGS, WITHIN, everything, revoke
from tests.gateway.local_hub import prepared, running
from tests.gateway.raw import CLOSE, raw
from tests.support.browsers import SSE, endless
from tests.support.crowd import Bot
from tests.support.databases import FaultyDatabase, until
from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key, read_answer
from tests.support.ws import connect


@pytest.fixture
async def hub(tmp_path: Path, hub_settings: dict[str, str]) -> AsyncIterator[HubProcess]:
    async with HubProcess(tmp_path, hub_settings | SETTINGS) as running:
        yield running


@pytest.mark.both_engines
@pytest.mark.parametrize("role", ["merchant", "viewer", "bot"])
async def test_everything_ends_with_its_key(hub: HubProcess, role: str) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    key, id_ = await new_key(hub, hub.admin_key, role, merchant)
    other, _ = await new_key(hub, hub.admin_key, role, merchant)
    async with everything(hub, key) as gone, everything(hub, other) as stays:
        await gone.check_ended(await revoke(hub, id_), 4001)
        stays.check_alive()


async def test_an_admin_key_that_revokes_itself(hub: HubProcess) -> None:
    key, id_ = await new_key(hub, hub.admin_key, "admin")
    async with everything(hub, key) as gone:
        await gone.check_ended(await revoke(hub, id_, key), 4001)


async def test_a_key_that_is_revoked_over_the_socket(hub: HubProcess) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    key, id_ = await new_key(hub, hub.admin_key, "viewer", merchant)
    async with everything(hub, key) as gone, connect(hub, hub.admin_key) as admin:
        await admin.send({"type": "call", "ref": "r", "method": "keys.revoke",
                          "params": {"id": id_}})  # fmt: skip
        assert (await admin.next(type="reply"))["ref"] == "r"
        await gone.check_ended(time.monotonic(), 4001)


async def test_revoking_twice_changes_nothing_more(hub: HubProcess) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    key, id_ = await new_key(hub, hub.admin_key, "merchant", merchant)
    await revoke(hub, id_)
    async with connect(hub, hub.admin_key, query="types=key_*") as admin:
        await admin.next(type="live")
        await revoke(hub, id_)
        assert await admin.silent(0.2, type="key_revoked")
    async with connect(hub, key) as socket:
        assert await socket.closed() == 4001


@pytest.mark.both_engines
async def test_everything_ends_when_its_key_expires(hub: HubProcess) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    ends = datetime.now(UTC) + timedelta(seconds=2.5)
    body = {"role": "merchant", "name": "short", "merchant_id": merchant}
    body["expires_at"] = ends.isoformat(timespec="milliseconds")
    made = await call(hub, "POST", "/api/keys", body, key=hub.admin_key)
    assert made.status == 201, made.body
    async with everything(hub, made.json()["token"]) as gone:
        left = ends.timestamp() - time.time()
        assert left > 0, "the machine was too slow to make everything in time"
        expires = time.monotonic() + left
        await asyncio.sleep(max(0.0, left - 0.1))
        gone.check_alive()
        await asyncio.sleep(expires - time.monotonic())
        await gone.check_ended(expires, 4105)


@pytest.mark.alone
async def test_a_thousand_connections_of_one_key(hub: HubProcess) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    key, id_ = await new_key(hub, hub.admin_key, "viewer", merchant)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connect(hub, key)) for _ in range(400)]
        streams = [await stack.enter_async_context(endless(hub, SSE, key=key)) for _ in range(100)]
        for stream in streams:
            await stream.shows('"live"')
        since = await revoke(hub, id_)
        codes = await asyncio.gather(*[socket.closed() for socket in sockets])
        texts = await asyncio.gather(*[stream.ended() for stream in streams])
        assert time.monotonic() - since < WITHIN
        assert set(codes) == {4001}
        assert all('"code":4001' in text for text in texts)


@pytest.mark.both_engines
async def test_those_who_come_in_while_it_is_revoked(hub: HubProcess) -> None:
    """Whoever gets in before is ended, whoever comes later is refused; nobody slips through."""
    merchant = await merchant_of(hub, hub.admin_key)
    for _ in range(5):
        key, id_ = await new_key(hub, hub.admin_key, "viewer", merchant)

        async def come(key: str, number: int) -> int:
            await asyncio.sleep(number * 0.0005)
            # From many addresses: of one, only so many wrong keys are told apart.
            headers = {"X-Forwarded-For": f"198.51.100.{number}"}
            async with connect(hub, key, headers=headers) as socket:
                return await socket.closed(deadline=3)

        comers = [asyncio.create_task(come(key, number)) for number in range(100)]
        await asyncio.sleep(0.02)
        await revoke(hub, id_)
        assert set(await asyncio.gather(*comers)) == {4001}


async def test_a_poll_whose_key_is_revoked_while_it_reads(database: Database) -> None:
    """Before it waits it has a look at the log, which may take long."""
    faulty = FaultyDatabase(database)
    settings = Settings(rate_limit=None, ring_size=1)
    async with running(await prepared(database), settings, database=faulty) as local:
        body = [{"type": "custom_a", "data": {}}] * 10
        answer = await call(local, "POST", "/api/events", body, key=local.keys["bot"])
        assert answer.status == 201
        for name in ("viewer", "admin"):
            assert (await call(local, "GET", "/api/session", key=local.keys[name])).status == 200
        faulty.reading.clear()
        before = faulty.reads
        query = {"types": "custom_never", "since": "0", "wait": "20"}
        poll = asyncio.create_task(
            call(local, "GET", "/api/events", key=local.keys["viewer"], query=query, deadline=20)
        )
        await until(lambda: faulty.reads > before)
        path = f"/api/keys/{local.key_ids['viewer']}"
        assert (await call(local, "DELETE", path, key=local.keys["admin"])).status == 200
        released = time.monotonic()
        faulty.reading.set()
        assert (await poll).status == 401
        assert time.monotonic() - released < WITHIN


@pytest.mark.parametrize("body", ["whole", "in chunks"])
async def test_a_request_that_was_begun_before(hub: HubProcess, body: str) -> None:
    """A body may take its time; when it is whole, its key must still be good."""
    merchant = await merchant_of(hub, hub.admin_key)
    key, id_ = await new_key(hub, hub.admin_key, "bot", merchant)
    event = json.dumps({"type": "custom_late", "data": {}}).encode()
    size = f"Content-Length: {len(event)}" if body == "whole" else "Transfer-Encoding: chunked"
    head = (
        f"POST /api/events HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\nConnection: close\r\n"
        f"Authorization: Bearer {key}\r\n{size}\r\n\r\n"
    )
    pieces = [event[:10], event[10:]]
    if body == "in chunks":
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
        pieces[1] += b"0\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    try:
        writer.write(head.encode() + pieces[0])
        await asyncio.sleep(0.1)
        await revoke(hub, id_)
        writer.write(pieces[1])
        assert (await read_answer(reader, "POST")).status == 401
    finally:
        writer.transport.abort()
    listed = await call(hub, "GET", "/api/events?types=custom_late", key=hub.admin_key)
    assert listed.json()["events"] == []


@pytest.mark.both_engines
async def test_a_publisher_in_full_flow(hub: HubProcess) -> None:
    """What was taken before is acknowledged or not; afterwards nothing is taken."""
    merchant = await merchant_of(hub, hub.admin_key)
    key, id_ = await new_key(hub, hub.admin_key, "bot", merchant)
    bot = Bot(hub, key, "flood")
    publishing = asyncio.create_task(bot.run())
    async with asyncio.timeout(5):
        while len(bot.acknowledged) < 500:
            await asyncio.sleep(0.01)
    since = await revoke(hub, id_)
    await asyncio.sleep(since + 0.3 - time.monotonic())
    async with connect(hub, hub.admin_key) as admin:
        end = (await admin.next(type="connected"))["offset"]
        await asyncio.sleep(0.3)
    acknowledged = max(bot.acknowledged.values())
    publishing.cancel()
    async with connect(hub, hub.admin_key) as admin:
        assert (await admin.next(type="connected"))["offset"] == end
    assert acknowledged <= end


async def test_one_that_does_not_read(database: Database) -> None:
    """It may still read what it was sent before, and nothing of what came later."""
    settings = Settings(rate_limit=None)
    async with (
        running(await prepared(database), settings) as local,
        raw(local, query=f"token={local.keys['viewer']}&types=custom_*") as socket,
        endless(local, SSE, key=local.keys["viewer"], query={"types": "custom_*"}) as stream,
    ):
        socket.writer.transport.pause_reading()  # type: ignore[attr-defined]
        body = [{"type": "custom_a", "data": {"x": "x" * 2000}}] * 500
        for _ in range(8):
            answer = await call(local, "POST", "/api/events", body, key=local.keys["bot"])
            assert answer.status == 201
        await until(lambda: local.services.gateway.lagging == 2)
        path = f"/api/keys/{local.key_ids['viewer']}"
        assert (await call(local, "DELETE", path, key=local.keys["admin"])).status == 200
        late = {"type": "custom_late", "data": {}}
        await call(local, "POST", "/api/events", late, key=local.keys["bot"])
        assert len(local.services.gateway.connections) == 0
        socket.writer.transport.resume_reading()  # type: ignore[attr-defined]
        text = await stream.ended()
        assert "custom_late" not in text
        assert '"code":4001' in text
        while (frame := await socket.next()).opcode != CLOSE:
            assert b"custom_late" not in frame.payload
        assert frame.code == 4001
