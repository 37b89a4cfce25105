"""A key that is revoked or expires takes everything with it that was made by it, within a second.

Connections by every credential that goes back to the key, streams, a request that waits, unused
tickets, browsers; and a connection that was moved to another key stays or goes with that one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from hub.settings import Settings
from storage.database import Database
from tests.gateway.local_hub import prepared, running
from tests.support.browsers import NDJSON, SSE, Endless, endless, new_ticket, sign_in
from tests.support.databases import FaultyDatabase, until
from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key, new_merchant
from tests.support.ws import Socket, connect

SETTINGS = {"HUB_RATE_LIMIT": "off", "HUB_TRUSTED_PROXIES": "127.0.0.1"}
WITHIN = 1.0
"""Seconds that the contract allows."""


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[HubProcess]:
    async with HubProcess(tmp_path, SETTINGS) as running:
        yield running


class End(NamedTuple):
    """How and when something ended: its close code or status, and the clock then."""

    code: int
    at: float


class Everything:
    """All that can be made with one key, open and waiting.

    Attributes:
        ends: what will have ended, by name.
        tickets: not used yet; the last one is of the browser.
        browser: the headers of a browser that is signed in.
    """

    def __init__(self, hub: HubProcess, key: str, stack: AsyncExitStack) -> None:
        self.hub = hub
        self.key = key
        self.tickets: list[str] = []
        self.browser: dict[str, str] = {}
        self.ends: dict[str, asyncio.Task[End]] = {}
        self.sockets: dict[str, Socket] = {}
        self._stack = stack

    async def make(self) -> None:
        hub, key = self.hub, self.key
        self.browser = cookie = await sign_in(hub, key)
        by_key = {"Authorization": f"Bearer {key}"}
        await self._socket("header", key=key)
        await self._socket("other header", headers={"X-API-Key": key})
        await self._socket("query", token=key)
        await self._socket("ticket", token=await new_ticket(hub, key))
        await self._socket("frame", auth=key)
        await self._socket("ticket in a frame", auth=await new_ticket(hub, key))
        await self._socket("cookie", headers=cookie)
        await self._socket("ticket of the cookie", token=await new_ticket(hub, headers=cookie))
        await self._socket("idle", key=key, query="types=custom_never", frame="unsubscribe")
        for accept in (SSE, NDJSON):
            await self._stream(f"{accept} by key", accept, headers=by_key)
            await self._stream(f"{accept} by cookie", accept, headers=cookie)
            ticket = await new_ticket(hub, key)
            await self._stream(f"{accept} by ticket", accept, query={"token": ticket})
        polls: dict[str, dict[str, dict[str, str]]] = {
            "poll by key": {"headers": by_key},
            "poll by cookie": {"headers": cookie},
            "poll by ticket": {"query": {"token": await new_ticket(hub, key)}},
        }
        for name, credential in polls.items():
            self._expect(name, self._poll(**credential))
        self.tickets = [await new_ticket(hub, key), await new_ticket(hub, headers=cookie)]
        await self._all_are_listed(len(self.ends))

    async def _socket(
        self, name: str, *, key: str | None = None, token: str | None = None, query: str = "",
        headers: dict[str, str] | None = None, auth: str | None = None, frame: str | None = None,
    ) -> None:  # fmt: skip
        socket = await self._stack.enter_async_context(
            connect(self.hub, key, token=token, query=query, headers=headers)
        )
        if auth is not None:
            await socket.send({"type": "auth", "token": auth})
        await socket.next(type="connected")
        await socket.send({"type": frame or "ping"})

        async def closed() -> int:
            return await socket.closed(deadline=30)

        self.sockets[name] = socket
        self._expect(name, closed())

    async def _stream(
        self, name: str, accept: str, *, query: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        stream = await self._stack.enter_async_context(
            endless(self.hub, accept, query=query, headers=headers)
        )
        await stream.shows('"live"')
        self._expect(name, self._ended(stream))

    async def _ended(self, stream: Endless) -> int:
        text = await stream.ended(deadline=30)
        assert stream.whole
        _, found, rest = text.rpartition('"type":"bye","code":')
        assert found, text[-300:]
        return int(rest[:4])

    async def _poll(
        self, *, query: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> int:
        asked = {"types": "custom_never", "wait": "30"} | (query or {})
        answer = await call(
            self.hub, "GET", "/api/events", query=asked, headers=headers, deadline=30
        )
        return answer.status

    def _expect(self, name: str, end: Awaitable[int]) -> None:
        async def timed() -> End:
            return End(await end, time.monotonic())

        task = self.ends[name] = asyncio.create_task(timed())
        self._stack.callback(task.cancel)

    async def _all_are_listed(self, count: int) -> None:
        """Wait until the hub lists them, the polls too."""
        async with asyncio.timeout(5):
            while True:
                answer = await call(
                    self.hub, "GET", "/api/sessions?limit=1000", key=self.hub.admin_key
                )
                if len(answer.json()["sessions"]) >= count:
                    return

    async def check_ended(self, since: float, code: int) -> None:
        """Check that all of it has ended by this code within the second that is allowed."""
        await asyncio.wait(self.ends.values(), timeout=since + WITHIN - time.monotonic())
        late = [name for name, task in self.ends.items() if not task.done()]
        assert late == [], f"still there after {WITHIN} s"
        for name, task in self.ends.items():
            found = task.result()
            assert found.code == (401 if name.startswith("poll") else code), name
            assert found.at - since < WITHIN
        await self.check_void()

    async def check_void(self) -> None:
        """Check that no credential that goes back to the key opens anything."""
        hub = self.hub
        for ticket in self.tickets:
            async with connect(hub, token=ticket) as socket:
                assert (await socket.next())["code"] == "unauthenticated"
                assert await socket.closed() == 4001
        for headers in (self.browser, {"Authorization": f"Bearer {self.key}"}):
            for method, path in (("GET", "/api/session"), ("POST", "/api/tickets")):
                answer = await call(hub, method, path, headers=headers)
                assert answer.status == 401, (path, answer)
            async with connect(hub, headers=headers) as socket:
                assert await socket.closed() == 4001

    def check_alive(self) -> None:
        ended = {name: task.result() for name, task in self.ends.items() if task.done()}
        assert ended == {}


@asynccontextmanager
async def everything(hub: HubProcess, key: str) -> AsyncIterator[Everything]:
    """All that one key makes."""
    async with AsyncExitStack() as stack:
        made = Everything(hub, key, stack)
        await made.make()
        yield made


async def revoke(hub: HubProcess, id_: str, key: str | None = None) -> float:
    """Revoke a key; the clock when the hub had answered."""
    answer = await call(hub, "DELETE", f"/api/keys/{id_}", key=key or hub.admin_key)
    answered = time.monotonic()
    assert answer.status == 200, answer.body
    return answered


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


# ── refresh: a live connection under another key ─────────────────────────────────────────────────


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
