"""A worker that never comes back: others do what it held."""

import asyncio
import time
from pathlib import Path

import pytest

from hub.stream.log import EventLog
from storage.database import Transaction
from storage.scope import HUB
from tests.flows.jobs_done import all_ended, check
from tests.support.errands import Errand, ErrandHub, log_of, send_out
from tests.support.redis_server import RedisServer
from tests.support.rest import merchant_of


@pytest.mark.slow
async def test_what_a_worker_held_goes_on_elsewhere_when_it_never_comes_back(
    tmp_path: Path, postgres_url: str
) -> None:
    """Two hubs work on one Postgres; one is killed for good, amid long jobs."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with RedisServer() as redis:
        settings = {
            "HUB_DATABASE_URL": postgres_url, "HUB_REDIS_URL": redis.url, "HUB_WORKERS": "all",
            "HUB_ADMIN_KEY": "of-both-hubs-" + "k" * 30,
        }  # fmt: skip
        async with (
            ErrandHub(tmp_path / "one", settings) as one,
            ErrandHub(tmp_path / "two", settings),
            log_of(postgres_url) as log,
        ):
            merchant_id = await merchant_of(one, one.admin_key)
            await send_out(log, merchant_id, [("webhook_delivery", Errand(1000))] * 60)
            async with asyncio.timeout(20):
                while await holders(log) < 2:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            await one.kill()
            killed = time.time() * 1000
            await all_ended(log, 60, 60)
            outcomes = await check(log, [killed])
            assert 1 <= outcomes["lost"] <= 5, outcomes


async def holders(log: EventLog) -> int:
    """How many workers hold jobs."""

    async def read(tx: Transaction) -> int:
        [(workers,)] = await tx.fetch("SELECT count(DISTINCT worker) FROM jobs")
        return int(workers)

    return await log.database.read(read, HUB)
