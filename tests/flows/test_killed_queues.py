"""Whoever dies while thousands of jobs are done: each ends once, none is lost, and what was held
by the dead goes on within 15 s."""

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.flows.jobs_done import all_ended, all_ended_in, begin, check, database_of
from tests.support.errands import ErrandHub, log_of
from tests.support.hub_process import HubProcess
from tests.support.redis_server import RedisServer

JOBS = int(os.environ.get("HUB_TEST_JOBS", "5000"))
KILLS = int(os.environ.get("HUB_TEST_KILLS", "20"))
SEED = int(os.environ.get("HUB_TEST_SEED", random.SystemRandom().randrange(2**32)))


@pytest.mark.slow
async def test_jobs_outlive_the_deaths_of_the_hub_that_does_them_and_of_its_broker(
    tmp_path: Path, hub_engine: str
) -> None:
    print(f"HUB_TEST_SEED={SEED} HUB_TEST_JOBS={JOBS} HUB_TEST_KILLS={KILLS}")
    kills_there = KILLS if hub_engine == "sqlite" else KILLS // 3
    chance = random.Random(SEED)
    kills: list[float] = []
    with RedisServer() as redis:
        settings = {"HUB_REDIS_URL": redis.url}
        async with HubProcess(tmp_path, settings) as first:
            await begin(first, JOBS, 15)
        async with ErrandHub(tmp_path, settings | {"HUB_WORKERS": "all"}) as hub:
            for number in range(kills_there):
                await asyncio.sleep(chance.uniform(0.2, 0.7))
                if number % 4 == 1:
                    redis.flush()
                elif number % 4 == 3:
                    redis.kill()
                    redis.start()
                await hub.kill()
                kills.append(time.time() * 1000)
                await hub.start()
            begun = time.monotonic()
            # While a hub has its SQLite file, it is only looked at.
            if hub.database_url is None:
                await all_ended_in(hub.data_dir / "hub.db", JOBS, 100)
                await hub.terminate()
            async with log_of(database_of(hub)) as log:
                await all_ended(log, JOBS, 100)
                print(f"{time.monotonic() - begun:.1f} s behind the last kill")
                outcomes = await check(log, kills)
                print(outcomes)
                assert outcomes["lost"] >= kills_there / 2, (
                    "the kills must have hit what they are for"
                )


async def test_what_the_broker_loses_is_put_back(tmp_path: Path) -> None:
    """It is flushed and killed while jobs wait and run; nobody is started anew but the broker."""
    with RedisServer() as redis:
        settings = {"HUB_REDIS_URL": redis.url}
        async with HubProcess(tmp_path, settings) as first:
            await begin(first, 600, 15)
        async with ErrandHub(tmp_path, settings | {"HUB_WORKERS": "all"}) as hub:
            await asyncio.sleep(0.3)
            redis.flush()
            await asyncio.sleep(0.3)
            redis.kill()
            await asyncio.sleep(0.3)
            redis.start()
            redis.flush()
            if hub.database_url is None:
                await all_ended_in(hub.data_dir / "hub.db", 600, 30)
                await hub.terminate()
            async with log_of(database_of(hub)) as log:
                await all_ended(log, 600, 30)
                assert await check(log, []) == Counter(), "no attempt was lost"
