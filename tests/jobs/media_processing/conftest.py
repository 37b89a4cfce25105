"""A hub, and a worker of its pictures."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.conftest import local as local
from tests.gateway.local_hub import LocalHub
from tests.jobs.workbench import Workbench, workbench


@pytest.fixture
async def bench(local: LocalHub) -> AsyncIterator[Workbench]:
    async with workbench(local, "media_processing") as made:
        yield made
