"""The hub is killed at random moments and brought back, and so is its Postgres: nothing that was
acknowledged is lost, nothing comes twice, every publisher's order is kept, and every stream goes
on across the kill."""

import asyncio
import json
import os
import random
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.crowd import Bot, Dashboard, LogCheck, stored_log
from tests.support.hub_process import HubFailedError, HubProcess
from tests.support.postgres import PostgresServer
from tests.support.rest import call, merchant_of, new_key, new_merchant, pages

ROUNDS = int(os.environ.get("HUB_TEST_CRASH_ROUNDS", "12"))
SEED = int(os.environ.get("HUB_TEST_SEED", random.SystemRandom().randrange(2**32)))


async def crowd(hub: HubProcess) -> tuple[list[Bot], list[Dashboard]]:
    """Four bots of two merchants, and dashboards of every kind."""
    admin = hub.admin_key
    one = await merchant_of(hub, admin)
    two = await new_merchant(hub, admin, "two")
    keys = {
        name: (await new_key(hub, admin, role, merchant, name))[0]
        for name, role, merchant in (
            ("a", "bot", one), ("b", "bot", one), ("c", "bot", two), ("d", "bot", two),
            ("owner", "merchant", one), ("viewer", "viewer", two), ("listener", "bot", two),
        )
    }  # fmt: skip
    bots = [
        Bot(hub, keys["a"], "a"),
        Bot(hub, keys["b"], "b", window=1),
        Bot(hub, keys["c"], "c", window=256),
        Bot(hub, keys["d"], "d", batch=5),
    ]
    dashboards = [
        Dashboard(hub, admin, "everything"),
        Dashboard(hub, keys["owner"], "own", merchant_id=one, restless=400),
        Dashboard(hub, keys["viewer"], "types", merchant_id=two, types=["custom_*", "bot_*"]),
        Dashboard(
            hub, admin, "narrow", merchant_id=one, narrow=True, subjects=["chat/1", "order/*"]
        ),
        Dashboard(
            hub, keys["listener"], "both", merchant_id=two, types=["message_sent"],
            subjects=["chat/*"], restless=100,
        ),
        Dashboard(hub, admin, "sluggish", types=["custom_tock"], sluggish=True),
    ]  # fmt: skip
    return bots, dashboards


@pytest.mark.slow
@pytest.mark.both_engines
async def test_nothing_is_lost_doubled_or_reordered_by_kills(
    tmp_path: Path, hub_settings: dict[str, str], hub_engine: str
) -> None:
    print(f"HUB_TEST_SEED={SEED} HUB_TEST_CRASH_ROUNDS={ROUNDS}")
    rounds = ROUNDS if hub_engine == "sqlite" else max(3, ROUNDS // 2)
    chance = random.Random(SEED)
    random.seed(SEED)
    # A small ring, so that those who come back are served from the database too.
    async with (
        asyncio.timeout(30 + 6 * rounds),
        HubProcess(tmp_path, hub_settings | {"HUB_RING_SIZE": "200"}) as hub,
        asyncio.TaskGroup() as tasks,
    ):
        bots, dashboards = await crowd(hub)
        check = LogCheck(hub, bots)
        publishing = [tasks.create_task(bot.run()) for bot in bots]
        following = [tasks.create_task(dashboard.run()) for dashboard in dashboards]
        for number in range(rounds):
            await asyncio.sleep(chance.uniform(0.05, 0.9))
            await hub.kill()
            check.grown()
            if number % 5 == 4:
                await kill_while_starting(hub, chance.uniform(0.05, 0.4))
            await hub.start()
        await asyncio.sleep(0.5)
        await all_is_well(hub, check, bots, publishing, dashboards)
        for task in following:
            task.cancel()
        # The harness must have done what it is for.
        connections = {bot.name: bot.connections for bot in bots}
        # The sluggish one goes on reading what the kernel has kept of a hub that is dead.
        connections |= {d.name: d.connections for d in dashboards if d.name != "sluggish"}
        assert min(connections.values()) > rounds / 2, connections
        made = {bot.name: bot.made for bot in bots if bot.name != "b"}
        assert min(made.values()) > 50 * rounds, made


@pytest.mark.slow
async def test_nothing_is_lost_doubled_or_reordered_by_crashes_of_postgres(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    """Postgres crashes, sometimes for long, and every third time the hub is killed meanwhile."""
    rounds = max(3, ROUNDS // 2)
    print(f"HUB_TEST_SEED={SEED} HUB_TEST_CRASH_ROUNDS={ROUNDS}")
    chance = random.Random(SEED)
    random.seed(SEED)
    settings = {"HUB_DATABASE_URL": own_postgres.create_database(), "HUB_RING_SIZE": "200"}
    async with (
        asyncio.timeout(30 + 6 * rounds),
        HubProcess(tmp_path, settings) as hub,
        asyncio.TaskGroup() as tasks,
    ):
        bots, dashboards = await crowd(hub)
        check = LogCheck(hub, bots)
        publishing = [tasks.create_task(bot.run()) for bot in bots]
        following = [tasks.create_task(dashboard.run()) for dashboard in dashboards]
        starts = 1
        for number in range(rounds):
            made = sum(bot.made for bot in bots)
            await asyncio.sleep(chance.uniform(0.1, 0.9))
            async with asyncio.timeout(5):  # it has come back by itself since the last round
                while sum(len(bot.acknowledged) for bot in bots) < made:
                    await asyncio.sleep(0.01)
            own_postgres.kill()
            if number % 3 == 2:
                await hub.kill()
                starts += 1
            await asyncio.sleep(chance.uniform(0.0, 1.5))
            own_postgres.start()
            check.grown()
            if not hub.running:
                await hub.start()
        await asyncio.sleep(0.5)
        await all_is_well(hub, check, bots, publishing, dashboards)
        for task in following:
            task.cancel()
        # Who only reads is not disturbed by a database that is gone.
        connections = {d.name: d.connections for d in dashboards if d.name == "everything"}
        assert max(connections.values()) <= starts, connections
        made_by = {bot.name: bot.made for bot in bots if bot.name != "b"}
        assert min(made_by.values()) > 50 * rounds, made_by


async def all_is_well(
    hub: HubProcess,
    check: LogCheck,
    bots: list[Bot],
    publishing: list[asyncio.Task[None]],
    dashboards: list[Dashboard],
) -> None:
    """Let the bots finish, and compare the stored log with what everybody knows of it."""
    for bot in bots:
        bot.stop()
    async with asyncio.timeout(20):
        await asyncio.gather(*publishing)
    await check.settled(dashboards, deadline=30)
    at = 0
    told: set[tuple[str, str]] = set()
    async for page in pages(hub, hub.admin_key, limit=1000):
        stored = stored_log(hub, after=at, upto=at + len(page))
        assert page == [json.loads(event.frame) for event in stored]
        at += len(page)
        told.update(
            (event["merchant_id"], event["data"]["messageId"])
            for event in page
            if event["type"] == "message_sent"
        )
    assert at >= len(check.log)
    assert sorted(await messages(hub)) == sorted(told), "each with its event"
    print(f"{len(check.log)} events, {sum(bot.duplicates for bot in bots)} were sent again")


async def messages(hub: HubProcess) -> list[tuple[str, str]]:
    """Every stored message: whose it is, and its provider's id."""
    found: list[tuple[str, str]] = []
    query: dict[str, object] = {"limit": 1000}
    while True:
        answer = await call(hub, "GET", "/api/messages", key=hub.admin_key, query=query)
        page = answer.json()
        found += [(each["merchant_id"], each["provider_id"]) for each in page["messages"]]
        if page["next"] is None:
            return found
        query["after"] = page["next"]


async def kill_while_starting(hub: HubProcess, after: float) -> None:
    """Start it and kill it before, or just when, it listens."""
    starting = asyncio.create_task(hub.start())
    await asyncio.sleep(after)
    await hub.kill()
    with suppress(HubFailedError):
        await starting
