"""A broker for the tests of the queues."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from jobs.address import redis_settings
from jobs.arq_queues import ArqQueues, connect
from storage.database import Database
from tests.jobs.factory import Factory, open_factory
from tests.support.redis_server import RedisServer


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisServer]:
    with RedisServer(durable=False) as server:
        yield server


@pytest.fixture
def redis_server(_shared_redis: RedisServer) -> RedisServer:
    """A broker that holds nothing; the tests share it, so they leave it running."""
    _shared_redis.flush()
    return _shared_redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A broker for one test, which may stop it; it keeps what it holds."""
    with RedisServer() as server:
        yield server


@pytest.fixture
async def queues(redis_server: RedisServer) -> AsyncIterator[ArqQueues]:
    """A client of the shared broker."""
    client = ArqQueues(connect(redis_settings(redis_server.url)))
    yield client
    await client.close()


@pytest.fixture
async def own_queues(own_redis: RedisServer) -> AsyncIterator[ArqQueues]:
    """A client of the test's own broker."""
    client = ArqQueues(connect(redis_settings(own_redis.url)))
    yield client
    await client.close()


@pytest.fixture
async def factory(database: Database, tmp_path: Path) -> AsyncIterator[Factory]:
    """Jobs on each engine, in this process."""
    async with open_factory(database, tmp_path) as opened:
        yield opened
