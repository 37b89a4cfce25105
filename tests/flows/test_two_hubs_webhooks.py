"""Two hubs on one Postgres deliver each event once, and one goes on when the other dies."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.flows.test_webhooks import DELIVERING, Merchant
from tests.support.hub_process import HubProcess
from tests.support.receiver import receiving
from tests.support.rest import merchant_of

ADMIN_KEY = "an-admin-key-that-both-hubs-are-given"


@pytest.fixture
async def pair(tmp_path: Path, postgres_url: str) -> AsyncIterator[list[HubProcess]]:
    own = {"HUB_DATABASE_URL": postgres_url, "HUB_ADMIN_KEY": ADMIN_KEY}
    async with AsyncExitStack() as stack:
        hubs = []
        for number in range(2):
            folder = tmp_path / f"hub-{number}"
            folder.mkdir()
            hub = HubProcess(folder, DELIVERING | own)
            hubs.append(await stack.enter_async_context(hub))
        yield hubs


async def test_a_webhook_of_one_hub_hears_of_the_others_events(pair: list[HubProcess]) -> None:
    merchant_id = await merchant_of(pair[0], ADMIN_KEY)
    first, second = (Merchant(hub, merchant_id) for hub in pair)
    async with receiving() as receiver:
        await first.hook(receiver.url())
        begun = time.monotonic()
        await second.sell(1)
        await receiver.wait_for(1)
        assert time.monotonic() - begun < 5.0
        for number in range(2, 30):
            await (first if number % 2 else second).sell(number)
        await receiver.wait_for(29)
        await asyncio.sleep(1.0)
        ids = [request.headers["webhook-id"] for request in receiver.received]
        assert len(ids) == len(set(ids)) == 29


@pytest.mark.slow
@pytest.mark.parametrize("dying", [0, 1])
async def test_the_other_hub_goes_on(pair: list[HubProcess], dying: int) -> None:
    """Whichever of them wrote the deliveries: the log is read on by the one that is left."""
    merchant_id = await merchant_of(pair[0], ADMIN_KEY)
    merchants = [Merchant(hub, merchant_id) for hub in pair]
    async with receiving() as receiver:
        hook, _ = await merchants[0].hook(receiver.url())
        for number in range(10):
            await merchants[number % 2].sell(number)
        await pair[dying].kill()
        left = merchants[1 - dying]
        for number in range(10, 20):
            await left.sell(number)
        deliveries = await left.ended(hook, 20, within=60.0)
        assert len(deliveries) == 20
        assert all(attempts[-1]["status"] == "success" for attempts in deliveries.values())
