"""A network that cuts, stalls, delays and swallows between clients and hub: nothing is lost,
doubled or reordered for bots that send again and dashboards that come back with their cursor."""

import asyncio
import os
import random
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.crowd import Bot, Dashboard, Liveness, LogCheck
from tests.support.fault_proxy import FaultProxy
from tests.support.hub_process import HubProcess
from tests.support.rest import merchant_of, new_key

SEED = int(os.environ.get("HUB_TEST_SEED", random.SystemRandom().randrange(2**32)))
# A connection that says nothing for this long is dead; the faults are longer and shorter.
LIVENESS = Liveness(every=0.4, within=0.8)


async def trouble(proxy: FaultProxy, chance: random.Random, until: float) -> dict[str, int]:
    """One fault after another, with quiet moments between; how often each came."""
    counts = dict.fromkeys(("cut", "stall", "latency", "rate", "black hole"), 0)
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        fault = min(counts, key=lambda name: (counts[name], chance.random()))
        if not any(counts.values()):
            fault = "cut"  # however short the run, everybody has to come back once
        counts[fault] += 1
        match fault:
            case "cut":
                proxy.cut()
                continue
            case "stall":
                proxy.stall()
            case "latency":
                proxy.latency(chance.uniform(0.02, 0.15), jitter=0.02)
            case "rate":
                proxy.rate(chance.uniform(30_000, 200_000))
            case "black hole":
                proxy.black_hole()
        await asyncio.sleep(chance.uniform(0.1, 1.6))
        if chance.random() < 0.3:
            proxy.cut()  # in the middle of another fault
        proxy.heal()
    return counts


async def run(directory: Path, seconds: float) -> None:
    print(f"HUB_TEST_SEED={SEED}")
    random.seed(SEED)
    async with (
        asyncio.timeout(seconds + 60),
        HubProcess(directory, {"HUB_RING_SIZE": "100"}) as hub,
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):
        admin, merchant = hub.admin_key, await merchant_of(hub, hub.admin_key)
        keys = [(await new_key(hub, admin, "bot", merchant, name))[0] for name in "abc"]
        # Each of the four has a network of its own, so that their faults meet in all ways.
        proxies = [
            await stack.enter_async_context(FaultProxy("127.0.0.1", hub.port, seed=SEED + n))
            for n in range(4)
        ]
        bots = [
            Bot(proxies[0], keys[0], "a", rate=300, liveness=LIVENESS),
            Bot(proxies[1], keys[1], "b", rate=300, window=256, liveness=LIVENESS),
            Bot(proxies[1], keys[2], "c", rate=200, batch=4, liveness=LIVENESS),
        ]
        dashboards = [
            Dashboard(proxies[2], admin, "everything", liveness=LIVENESS),
            Dashboard(proxies[2], admin, "types", types=["custom_*"], liveness=LIVENESS),
            Dashboard(proxies[3], admin, "subjects", subjects=["chat/1"], liveness=LIVENESS),
            Dashboard(proxies[3], admin, "sluggish", sluggish=True, liveness=LIVENESS),
            Dashboard(hub, admin, "undisturbed"),
        ]
        publishing = [tasks.create_task(bot.run()) for bot in bots]
        following = [tasks.create_task(dashboard.run()) for dashboard in dashboards]
        until = time.monotonic() + seconds
        faults = await asyncio.gather(
            *(trouble(proxy, random.Random(SEED + n), until) for n, proxy in enumerate(proxies))
        )
        for bot in bots:
            bot.stop()
        async with asyncio.timeout(20):
            await asyncio.gather(*publishing)
        check = LogCheck(hub, bots)
        await check.settled(dashboards, deadline=30)
        for task in following:
            task.cancel()

        # The network must have been as bad as it was meant to be.
        assert all(sum(counts.values()) >= seconds / 3 for counts in faults), faults
        assert all(bot.connections > 1 for bot in bots)
        assert all(d.connections > 1 for d in dashboards if d.name != "undisturbed")
        assert dashboards[-1].connections == 1
        assert all(bot.made > 10 * seconds for bot in bots)
    cuts = [bot.connections for bot in bots] + [d.connections for d in dashboards]
    again = sum(bot.duplicates for bot in bots)
    print(f"{len(check.log)} events, {again} were sent again; connections made: {cuts}")


async def test_five_bad_seconds(tmp_path: Path) -> None:
    await run(tmp_path, 4)


@pytest.mark.slow
@pytest.mark.sqlite_only  # a minute; `test_five_bad_seconds` is the same on both
async def test_a_bad_minute(tmp_path: Path) -> None:
    await run(tmp_path, 60)
