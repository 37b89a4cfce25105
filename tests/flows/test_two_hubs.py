"""Two hubs on one Postgres are one hub: one log in one order, the same keys, and each goes on when
the other dies."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

import pytest

from tests.flows.made_by_key import everything, revoke
from tests.support.crowd import Bot, Dashboard, LogCheck, stored_log
from tests.support.fault_proxy import FaultProxy
from tests.support.hub_process import HubProcess
from tests.support.postgres import PostgresServer
from tests.support.rest import call, merchant_of, new_key, new_merchant, paged
from tests.support.ws import connect

SEED = int(os.environ.get("HUB_TEST_SEED", random.SystemRandom().randrange(2**32)))
ROUNDS = int(os.environ.get("HUB_TEST_CRASH_ROUNDS", "20"))
ADMIN_KEY = "an-admin-key-that-both-hubs-are-given"
Pair = tuple[HubProcess, HubProcess]


@asynccontextmanager
async def running_pair(
    directory: Path, one: str, other: str, *, at_once: bool = False
) -> AsyncIterator[Pair]:
    """Two hubs, each with its way to the database and a data directory of its own, both with the
    same admin key. They start one after the other or at the same moment."""
    hubs = []
    for number, url in enumerate((one, other)):
        folder = directory / f"hub-{number}"
        folder.mkdir()
        settings = {
            "HUB_DATABASE_URL": url, "HUB_ADMIN_KEY": ADMIN_KEY, "HUB_RING_SIZE": "200",
            "HUB_TRUSTED_PROXIES": "127.0.0.1",
        }  # fmt: skip
        hubs.append(HubProcess(folder, settings))
    async with AsyncExitStack() as stack:
        for hub in hubs:
            stack.push_async_exit(hub)
        if at_once:
            await asyncio.gather(*(hub.start() for hub in hubs))
        else:
            for hub in hubs:
                await hub.start()
        yield hubs[0], hubs[1]


@pytest.fixture
async def pair(tmp_path: Path, postgres_url: str) -> AsyncIterator[Pair]:
    async with running_pair(tmp_path, postgres_url, postgres_url) as hubs:
        yield hubs


class Wandering:
    """An address that leads to any of the running hubs, to another one every time."""

    def __init__(self, hubs: Sequence[HubProcess]) -> None:
        self._hubs = hubs

    @property
    def ws_url(self) -> str:
        return random.choice([hub for hub in self._hubs if hub.running]).ws_url


async def crowd(pair: Pair) -> tuple[list[Bot], list[Dashboard]]:
    """Bots of two merchants and dashboards, on the first hub, on the second, and on the way."""
    first, second = pair
    one = await merchant_of(first, ADMIN_KEY)
    two = await new_merchant(second, ADMIN_KEY, "two")
    keys = {}
    for name, merchant in (("a", one), ("b", two), ("c", one), ("d", two), ("e", one)):
        # Made by one hub and used at once on the other.
        keys[name], _ = await new_key(random.choice(pair), ADMIN_KEY, "bot", merchant, name)
    anywhere = Wandering(pair)
    bots = [
        Bot(first, keys["a"], "a", rate=400),
        Bot(first, keys["b"], "b", batch=5, rate=200),
        Bot(second, keys["c"], "c", rate=400),
        Bot(second, keys["d"], "d", window=1, rate=100),
        Bot(anywhere, keys["e"], "e", window=128, rate=300),
    ]
    dashboards = [
        Dashboard(second, ADMIN_KEY, "steady"),
        Dashboard(second, keys["d"], "steady own", merchant_id=two, types=["custom_*"]),
        Dashboard(first, ADMIN_KEY, "first"),
        Dashboard(first, keys["a"], "first own", merchant_id=one, subjects=["chat/*"]),
        Dashboard(anywhere, ADMIN_KEY, "wanders", restless=200),
        Dashboard(anywhere, keys["e"], "wanders own", merchant_id=one, restless=100),
    ]
    return bots, dashboards


async def settled(
    check: LogCheck,
    bots: Sequence[Bot],
    publishing: Sequence[asyncio.Task[None]],
    dashboards: Sequence[Dashboard],
    following: Sequence[asyncio.Task[None]],
) -> None:
    """Everybody comes to an end, and has seen the same."""
    for bot in bots:
        bot.stop()
    async with asyncio.timeout(20):
        await asyncio.gather(*publishing)
    await check.settled(dashboards, deadline=20)
    for task in following:
        task.cancel()
    print(f"{len(check.log)} events, {sum(bot.duplicates for bot in bots)} were sent again")


async def test_both_start_at_once_on_an_empty_database(
    tmp_path: Path, empty_postgres_url: str
) -> None:
    """One of them makes the schema, the first merchant and the admin key."""
    async with running_pair(tmp_path, empty_postgres_url, empty_postgres_url, at_once=True) as hubs:
        assert len({await merchant_of(hub, ADMIN_KEY) for hub in hubs}) == 1
        answer = await call(hubs[0], "GET", "/api/merchants", key=ADMIN_KEY)
        assert len(answer.json()["merchants"]) == 1


async def test_of_two_that_start_at_once_without_a_common_key_one_is_refused(
    tmp_path: Path, empty_postgres_url: str
) -> None:
    """Else each would make an admin key, and the second would revoke the first one's."""
    hubs = [
        HubProcess(folder, {"HUB_DATABASE_URL": empty_postgres_url})
        for folder in (tmp_path / "a", tmp_path / "b")
    ]
    for hub in hubs:
        hub.data_dir.parent.mkdir()
    try:
        begun = await asyncio.gather(*(hub.start() for hub in hubs), return_exceptions=True)
        [failure] = [result for result in begun if result is not None]
        assert "HUB_ADMIN_KEY" in str(failure)
        [started] = [hub for hub in hubs if hub.running]
        [refused] = [hub for hub in hubs if not hub.running]
        assert (await call(started, "GET", "/api/keys", key=started.admin_key)).status == 200
        assert not (refused.data_dir / "admin.key").exists()
        assert not (refused.data_dir / "bot.key").exists()
    finally:
        for hub in hubs:
            if hub.running:
                await hub.kill()


async def test_everyone_on_both_sees_one_order(pair: Pair) -> None:
    print(f"HUB_TEST_SEED={SEED}")
    random.seed(SEED)
    bots, dashboards = await crowd(pair)
    check = LogCheck(pair[0], bots)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        publishing = [tasks.create_task(bot.run()) for bot in bots]
        following = [tasks.create_task(dashboard.run()) for dashboard in dashboards]
        await asyncio.sleep(2.5)
        await settled(check, bots, publishing, dashboards, following)
    for hub in pair:
        offsets = [event["offset"] for event in await paged(hub, ADMIN_KEY, limit=1000)]
        # The hubs may have added since that bots have left.
        assert offsets[: len(check.log)] == [entry.offset for entry in check.log]
        assert offsets == list(range(1, len(offsets) + 1))
    assert [d.connections for d in dashboards[:4]] == [1] * 4
    assert min(bot.made for bot in bots) > 10
    assert sum(bot.made for bot in bots) > 500


@pytest.mark.slow
async def test_one_is_killed_at_random_and_nobody_on_the_other_notices(pair: Pair) -> None:
    print(f"HUB_TEST_SEED={SEED} HUB_TEST_CRASH_ROUNDS={ROUNDS}")
    chance = random.Random(SEED)
    random.seed(SEED)
    bots, dashboards = await crowd(pair)
    check = LogCheck(pair[1], bots)
    rounds = max(3, ROUNDS // 4)
    async with asyncio.timeout(58), asyncio.TaskGroup() as tasks:
        publishing = [tasks.create_task(bot.run()) for bot in bots]
        following = [tasks.create_task(dashboard.run()) for dashboard in dashboards]
        for _ in range(rounds):
            await asyncio.sleep(chance.uniform(0.05, 0.9))
            await pair[0].kill()
            check.grown()
            # The other one goes on at once: what the dead one held in the database is free.
            before = len(bots[2].acknowledged)
            await asyncio.sleep(0.5)
            assert len(bots[2].acknowledged) > before + 50
            await asyncio.sleep(chance.uniform(0, 0.5))
            await pair[0].start()
        await asyncio.sleep(0.5)
        await settled(check, bots, publishing, dashboards, following)
    assert [d.connections for d in dashboards[:2]] == [1, 1]
    assert dashboards[2].connections > rounds / 2
    assert [bots[2].connections, bots[3].connections] == [1, 1]
    assert bots[2].duplicates == bots[3].duplicates == 0


async def test_an_event_crosses_at_once(pair: Pair) -> None:
    """It is announced: nobody waits for the next look at the database."""
    merchant = await merchant_of(pair[0], ADMIN_KEY)
    key, _ = await new_key(pair[0], ADMIN_KEY, "bot", merchant)
    took = []
    async with (
        connect(pair[0], key) as bot,
        connect(pair[1], ADMIN_KEY, query="types=custom_*") as dashboard,
    ):
        await dashboard.next(type="live")
        for number in range(20):
            began = time.monotonic()
            await bot.send({"type": "custom_tick", "id": f"t-{number}", "data": {}})
            assert (await dashboard.next(type="custom_tick"))["id"] == f"t-{number}"
            took.append(time.monotonic() - began)
            await asyncio.sleep(0.02)
    print(f"median {median(took) * 1000:.1f} ms, at most {max(took) * 1000:.1f} ms")
    assert median(took) < 0.1


async def test_one_id_on_both_at_once_is_one_entry(pair: Pair) -> None:
    merchant = await merchant_of(pair[0], ADMIN_KEY)
    key, _ = await new_key(pair[0], ADMIN_KEY, "bot", merchant)
    for number in range(20):
        event = {"type": "custom_once", "id": f"once-{number}", "data": {}}
        answers = await asyncio.gather(
            *(call(hub, "POST", "/api/events", event, key=key) for hub in pair * 3)
        )
        bodies = [answer.json() for answer in answers]
        assert {answer.status for answer in answers} == {201}, bodies
        assert len({body["offset"] for body in bodies}) == 1
        assert [body["duplicate"] for body in bodies].count(False) == 1
    assert [event.type for event in stored_log(pair[0])].count("custom_once") == 20


async def test_a_key_revoked_on_one_is_revoked_on_both(pair: Pair) -> None:
    merchant = await merchant_of(pair[0], ADMIN_KEY)
    key, id_ = await new_key(pair[0], ADMIN_KEY, "bot", merchant)
    other, _ = await new_key(pair[0], ADMIN_KEY, "bot", merchant)
    async with everything(pair[1], key) as gone, everything(pair[1], other) as stays:
        await gone.check_ended(await revoke(pair[0], id_, ADMIN_KEY), 4001)
        stays.check_alive()


@pytest.mark.slow
async def test_a_bot_is_not_lost_with_a_hub_it_was_not_on(pair: Pair) -> None:
    merchant = await merchant_of(pair[0], ADMIN_KEY)
    keys = [await new_key(pair[0], ADMIN_KEY, "bot", merchant, name) for name in ("a", "b")]
    async with connect(pair[1], ADMIN_KEY, query="since=0&types=bot_*") as dashboard:
        await dashboard.next(type="live")
        async with connect(pair[1], keys[1][0]) as stays:
            await dashboard.next(type="bot_connected")
            async with connect(pair[0], keys[0][0]):
                await dashboard.next(type="bot_connected")
                await pair[0].kill()
            await pair[0].start()
            lost = await dashboard.next(type="bot_disconnected", deadline=22)
            assert lost["data"]["keyId"] == keys[0][1]
            assert await dashboard.silent(1.5, type="bot_disconnected")
            await stays.send({"type": "ping", "ref": "here"})
            assert (await stays.next(type="pong"))["ref"] == "here"
        lost = await dashboard.next(type="bot_disconnected")
        assert lost["data"]["keyId"] == keys[1][1]


@pytest.mark.slow
async def test_one_whose_network_hangs_does_not_hold_up_the_other(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    """It hangs in the middle of a write, with the end of the log locked, and nobody tells."""
    url = own_postgres.create_database()
    async with (
        asyncio.timeout(58),
        FaultProxy("127.0.0.1", own_postgres.port) as proxy,
        running_pair(tmp_path, url.replace(str(own_postgres.port), str(proxy.port)), url) as pair,
        asyncio.TaskGroup() as tasks,
    ):
        bots, dashboards = await crowd(pair)
        check = LogCheck(pair[1], bots)
        publishing = [tasks.create_task(bot.run()) for bot in bots]
        following = [tasks.create_task(dashboard.run()) for dashboard in dashboards]
        longest = 0.0
        for _ in range(2):
            await asyncio.sleep(1)
            proxy.stall()
            until = time.monotonic() + 6
            while time.monotonic() < until:
                before, began = len(bots[2].acknowledged), time.monotonic()
                while len(bots[2].acknowledged) == before:
                    await asyncio.sleep(0.005)
                longest = max(longest, time.monotonic() - began)
            proxy.heal()
        print(f"the other hub waited at most {longest:.2f} s")
        assert longest < 6
        await asyncio.sleep(1)
        await settled(check, bots, publishing, dashboards, following)
