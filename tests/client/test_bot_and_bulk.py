"""One template to many, through a bot that dies wherever it hurts: all are accounted for.

BULK=10000 in the environment is the size that a hub takes at once; it takes minutes.
"""

import asyncio
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hub.client import Hub
from hub.stream.waiting import WriteScope
from jobs import by_hand
from storage.database import Database
from storage.merchant_records import Job
from tests.client.mortal import Lives
from tests.gateway.local_hub import prepared, running
from tests.tasks.shop import Shop
from tests.tasks.test_bulk import bulk, parts, people

COUNT = int(os.environ.get("BULK", "1000"))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes half a minute takes a moment."""
    monkeypatch.setattr("hub.tasks.bots.GRACE_SECONDS", 1.0)
    monkeypatch.setattr("hub.tasks.handing.PACE_SECONDS", 0.05)


async def begun(shop: Shop) -> Job:
    """A message to many, of which every part waits for a bot."""
    parent = await bulk(shop, people(COUNT))
    await shop.prepare(parent)
    return parent


async def ended(shop: Shop, parent: Job, deadline: float = 100.0) -> dict[str, Any]:
    """The summary, once it is there."""
    async with asyncio.timeout(deadline):
        while True:
            job = await shop.job(parent.id)
            if job.state not in ("queued", "running"):
                return json.loads(job.result) if isinstance(job.result, str) else job.result or {}
            await asyncio.sleep(0.2)


@pytest.mark.slow
@pytest.mark.usefixtures("short")
async def test_none_is_lost_and_none_is_sent_twice(database: Database, tmp_path: Path) -> None:
    async with running(await prepared(database)) as hub:
        shop = Shop(hub)
        parent = await begun(shop)
        lives = Lives(tmp_path, shop.hub.ws_url, shop.hub.keys["bot"])
        shown: list[int] = []

        async def watch() -> None:
            async with Hub(shop.hub.ws_url, shop.hub.keys["viewer"]) as viewer:
                async for event in viewer.events(["job_progressed"], [f"job/{parent.id}"]):
                    shown.append(event.data["progress"])

        watching = asyncio.create_task(watch())
        # Before a send; inside the call before and after the message has left; after it is
        # written down and before the hub has heard of it.
        for dies, count in (("before", 50), ("inside", 50), ("sent", 50), ("synced", 21)):
            await lives.die(dies, count)
        async with lives.life():
            summary = await ended(shop, parent)
        watching.cancel()
        children = await parts(shop, parent)

    states = Counter(job.state for job in children)
    uncertain = [job for job in children if job.state == "dead"]
    assert {name: summary[name] for name in summary if name != "failures"} == {
        "total": COUNT,
        "sent": states["succeeded"],
        "failed": 0,
        "uncertain": len(uncertain),
        "cancelled": 0,
    }
    assert 2 <= len(uncertain) <= 4 * 10
    assert all(str(job.error).startswith("uncertain: the bot died") for job in uncertain)
    assert all(lives.sent[job.id] == 1 for job in children if job.state == "succeeded")
    assert all(lives.sent[job.id] <= 1 for job in uncertain)
    assert len(shown) > 3
    assert shown == sorted(shown)


@pytest.mark.slow
@pytest.mark.usefixtures("short")
async def test_cancelled_half_way_it_stops(database: Database, tmp_path: Path) -> None:
    async with running(await prepared(database)) as hub:
        shop = Shop(hub)
        parent = await begun(shop)
        lives = Lives(tmp_path, shop.hub.ws_url, shop.hub.keys["bot"], delay=0.02)

        async def cancel(scope: WriteScope) -> None:
            await by_hand.cancel(scope, [(hub.merchant_id, parent.id)], shop.now, "merchant:me")

        async with lives.life():
            async with asyncio.timeout(60):
                while lives.sent.total() < 200:
                    await asyncio.sleep(0.01)
            await shop.write(cancel)
            async with asyncio.timeout(60):
                while any(
                    job.state in ("queued", "running", "retrying")
                    for job in await parts(shop, parent)
                ):
                    await asyncio.sleep(0.1)
            at_the_end = lives.sent.total()
            await asyncio.sleep(0.5)
            assert lives.sent.total() == at_the_end
        children = await parts(shop, parent)
    assert at_the_end < COUNT / 2
    assert max(lives.sent.values()) == 1
    states = Counter(job.state for job in children)
    assert set(states) == {"succeeded", "cancelled"}
    assert at_the_end - 10 <= states["succeeded"] <= at_the_end
