"""A hub whose Postgres cannot be reached says so within five seconds, keeps its sessions, and goes
on by itself when the database is there again."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.fault_proxy import FaultProxy
from tests.support.hub_process import HubProcess
from tests.support.postgres import PostgresServer
from tests.support.rest import Answer, call
from tests.support.ws import Frame, Socket, connect

WITHIN = 5.0
"""Seconds until an answer, whatever it is."""
AGAIN = 5.0
"""Seconds until everything works, once the database does."""
pytestmark = pytest.mark.slow


class Far(NamedTuple):
    """A hub, its database, and the network between the two."""

    hub: HubProcess
    network: FaultProxy
    postgres: PostgresServer


@pytest.fixture
async def far(tmp_path: Path, own_postgres: PostgresServer) -> AsyncIterator[Far]:
    url = own_postgres.create_database()
    async with FaultProxy("127.0.0.1", own_postgres.port) as network:
        url = url.replace(f":{own_postgres.port}/", f":{network.port}/")
        settings = {"HUB_DATABASE_URL": url, "HUB_RING_SIZE": "10"}
        async with HubProcess(tmp_path, settings) as hub:
            yield Far(hub, network, own_postgres)


class Watched:
    """Two sessions that must outlive the fault, and what is asked of the hub in it."""

    def __init__(self, hub: HubProcess, bot: Socket, dashboard: Socket) -> None:
        self.hub = hub
        self.bot = bot
        self.dashboard = dashboard
        self.sent = 0
        self.unanswered: list[int] = []

    async def publish(self) -> Frame:
        """Send one more event over the socket; the answer, which must come in time."""
        self.sent += 1
        answer = await self._send(self.sent)
        if answer["type"] == "error":
            self.unanswered.append(self.sent)
        return answer

    async def _send(self, number: int) -> Frame:
        began = time.monotonic()
        event = {"type": "custom_tick", "id": f"e-{number}", "data": {"n": number}}
        await self.bot.send(event)
        while True:
            frame = await self.bot.next(deadline=WITHIN - (time.monotonic() - began))
            if frame["type"] in ("ack", "error"):
                assert frame["id"] == event["id"], frame
                return frame

    async def alive(self) -> None:
        for number, socket in enumerate((self.bot, self.dashboard)):
            await socket.send({"type": "ping", "ref": f"alive-{number}"})
            assert (await socket.next(type="pong", deadline=1))["ref"] == f"alive-{number}"

    async def get(self, path: str) -> Answer:
        return await call(self.hub, "GET", path, key=self.hub.admin_key, deadline=WITHIN)

    async def all_refused(self) -> None:
        """While the database is gone: everything that needs it is refused in time."""
        event = {"type": "custom_http", "data": {}}
        began = time.monotonic()
        ack, *answers = await asyncio.gather(
            self.publish(),
            self.get("/api/events?since=0&limit=5"),
            self.get("/api/keys"),
            call(self.hub, "POST", "/api/events", event, key=self.hub.bot_key, deadline=WITHIN),
        )
        print(f"refused after {time.monotonic() - began:.2f} s")
        assert (ack["type"], ack.get("code"), ack.get("retry")) == ("error", "unavailable", True)
        assert [answer.status for answer in answers] == [503] * 3, [a.body for a in answers]
        async with asyncio.timeout(8):  # a success is remembered for 5 s
            while (await self.get("/readyz")).status != 503:
                await asyncio.sleep(0.2)
        assert (await self.get("/healthz")).status == 200
        await self.alive()

    async def all_works(self) -> None:
        """The database is there again: so is everything else, soon and without a restart."""
        began = time.monotonic()
        # What was refused is sent again first, with the same ids, on the same connection.
        while self.unanswered:
            if (await self._send(self.unanswered[0]))["type"] == "ack":
                self.unanswered.pop(0)
            else:
                assert time.monotonic() - began < AGAIN, "it did not come back"
                await asyncio.sleep(0.05)
        while (await self.get("/readyz")).status != 200:
            assert time.monotonic() - began < AGAIN, "it is not ready"
            await asyncio.sleep(0.05)
        print(f"back after {time.monotonic() - began:.2f} s")
        assert (await self.publish())["type"] == "ack"
        for path in ("/api/events?since=0&limit=5", "/api/keys"):
            answer = await self.get(path)
            assert answer.status == 200, answer.body
        await self.alive()

    async def seen_by_all(self) -> None:
        """The dashboard has seen every event once, in the order of the log."""
        frames = [await self.dashboard.next(type="custom_tick") for _ in range(self.sent)]
        offsets = [frame["offset"] for frame in frames]
        assert offsets == sorted(set(offsets))
        assert {frame["id"] for frame in frames} == {f"e-{n}" for n in range(1, self.sent + 1)}
        assert await self.dashboard.silent(0.3, type="custom_tick")


@pytest.fixture
async def watched(far: Far) -> AsyncIterator[Watched]:
    hub = far.hub
    body = [{"type": "custom_before", "data": {"n": n}} for n in range(100)]
    assert (await call(hub, "POST", "/api/events", body, key=hub.bot_key)).status == 201
    async with (
        connect(hub, hub.bot_key) as bot,
        connect(hub, hub.admin_key, query="types=custom_tick") as dashboard,
    ):
        await bot.next(type="connected")
        await dashboard.next(type="live")
        watched = Watched(hub, bot, dashboard)
        assert (await watched.publish())["type"] == "ack"
        yield watched
        await watched.seen_by_all()
        assert (hub.running, "Traceback" in hub.stderr.read_text()) == (True, False)


@pytest.mark.parametrize("fault", ["black hole", "stall"])
async def test_a_network_that_swallows_everything(far: Far, watched: Watched, fault: str) -> None:
    """What was on the way is lost, or comes much later."""
    if fault == "stall":
        far.network.stall()
    else:
        far.network.black_hole()
    await watched.all_refused()
    await watched.all_refused()
    far.network.heal()
    await watched.all_works()


async def test_connections_that_are_cut(far: Far, watched: Watched) -> None:
    for _ in range(5):
        far.network.cut()
        await watched.publish()  # it may find out by this
        await watched.all_works()


async def test_a_server_that_is_down(far: Far, watched: Watched) -> None:
    """Connections are refused; it is a while until it is there again, after a crash too."""
    far.postgres.stop()
    await watched.all_refused()
    far.postgres.start()
    await watched.all_works()
    far.postgres.kill()
    await watched.all_refused()
    far.postgres.start()
    await watched.all_works()


async def test_a_restart_in_a_black_hole(far: Far, watched: Watched) -> None:
    """When the network is there again, none of the old connections leads to anything."""
    far.network.black_hole()
    await watched.all_refused()
    far.postgres.restart()
    await watched.all_refused()
    far.network.heal()
    await watched.all_works()


async def test_a_hub_that_starts_without_its_database_says_why(far: Far) -> None:
    await far.hub.terminate()
    far.postgres.stop()
    began = time.monotonic()
    with pytest.raises(Exception, match="the hub ended before it listened") as error:
        await far.hub.start()
    assert time.monotonic() - began < 10
    assert "Traceback" not in str(error.value)
    far.postgres.start()
    await far.hub.start()
    assert (await call(far.hub, "GET", "/readyz")).status == 200
