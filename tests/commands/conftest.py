"""A hub in this process, on both engines."""

from collections.abc import AsyncIterator

import pytest

from storage.database import Database
from tests.commands.shop import Shop, opened
from tests.gateway.conftest import local as local


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    """Two merchants with their people, without a limit on requests."""
    async with opened(database) as shop:
        yield shop
