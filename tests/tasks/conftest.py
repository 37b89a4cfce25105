"""A hub in this process whose jobs are prepared without a broker, and bots on real sockets."""

from collections.abc import AsyncIterator

import pytest

from storage.database import Database
from tests.gateway.local_hub import prepared, running
from tests.tasks.shop import Shop


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    """A hub on each engine."""
    async with running(await prepared(database)) as hub:
        yield Shop(hub)
