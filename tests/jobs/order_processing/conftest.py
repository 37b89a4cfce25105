"""A shop, and a worker of its orders."""

from collections.abc import AsyncIterator

import pytest

from tests.commands.conftest import shop as shop
from tests.commands.shop import Shop
from tests.jobs.workbench import Workbench, workbench


@pytest.fixture
async def bench(shop: Shop) -> AsyncIterator[Workbench]:
    async with workbench(shop.hub, "order_processing") as made:
        yield made
