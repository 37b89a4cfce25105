"""Databases under test: every engine behind the same two fixtures, so that no test names one.

A further engine is a further parameter of `store`; the tests stay as they are.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from storage.connect import connect
from storage.database import DEADLINE_SECONDS, Database, Engine, Transaction
from storage.errors import Unavailable
from storage.migrate import migrate
from storage.scope import Scope
from storage.sqlite import Durability
from tests.support.postgres import PostgresMissingError, PostgresServer, database_of

T = TypeVar("T")


@dataclass(frozen=True)
class Store:
    """Where one database lives; `open` makes sure of its tables."""

    engine: Engine
    url: str

    @asynccontextmanager
    async def open(self, durability: Durability = "full") -> AsyncIterator[Database]:
        """A handle on it, its schema up to date. Several may be open at once."""
        database = await connect(self.url, durability)
        try:
            await migrate(database)
            yield database
        finally:
            await database.close()


ENGINES: tuple[Engine, ...] = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """This process's own Postgres; whoever asks first starts it."""
    try:
        server = PostgresServer()
    except PostgresMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture
def own_postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A server for one test, which may stop it; it listens on TCP too."""
    assert postgres_server.running, "or there is none for this test either"
    with PostgresServer(tcp=True) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database on Postgres with every table, all empty; it is gone after the test."""
    url = postgres_server.create_database(template=_migrated(postgres_server))
    yield url
    postgres_server.drop_database(database_of(url))


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database on Postgres without a schema; it is gone after the test."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(database_of(url))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """The name of each engine."""
    name: Engine = request.param
    return name


@pytest.fixture
def store(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path) -> Store:
    """A database of each engine without a row."""
    if engine == "postgres":
        return Store(engine, request.getfixturevalue("postgres_url"))
    return Store(engine, f"sqlite:///{tmp_path / 'hub.db'}")


@pytest.fixture
def empty_store(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path) -> Store:
    """A database of each engine without a schema."""
    if engine == "postgres":
        return Store(engine, request.getfixturevalue("empty_postgres_url"))
    return Store(engine, f"sqlite:///{tmp_path / 'empty.db'}")


@pytest.fixture
async def database(store: Store) -> AsyncIterator[Database]:
    """An open database of each engine, its tables made and empty."""
    async with store.open() as opened:
        yield opened


def _migrated(server: PostgresServer) -> str:
    """The name of a database with every table, to be copied; migrated once for a server."""
    if "migrated" not in server.templates:
        url = server.create_database("migrated")

        async def work() -> None:
            async with Store("postgres", url).open():
                pass

        # A loop may be running in this thread already.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, work()).result()
        server.templates.add("migrated")
    return "migrated"


class FaultyDatabase:
    """A real database that fails, or keeps its callers waiting, when it is told to.

    Attributes:
        failing: so many of the next writes are refused, and reads likewise with `failing_reads`.
        writing, reading: while cleared, writes or reads wait before they begin.
        writes, reads: how many have begun, the failed and the waiting ones included.
    """

    def __init__(self, real: Database) -> None:
        self.failing = 0
        self.failing_reads = 0
        self.writing = asyncio.Event()
        self.writing.set()
        self.reading = asyncio.Event()
        self.reading.set()
        self.writes = 0
        self.reads = 0
        self._real = real

    @property
    def engine(self) -> Engine:
        return self._real.engine

    @property
    def shared(self) -> bool:
        return self._real.shared

    async def write(self, work: Callable[[Transaction], Awaitable[T]], scope: Scope) -> T:
        self.writes += 1
        await self.writing.wait()
        if self.failing:
            self.failing -= 1
            raise Unavailable("told to fail")
        return await self._real.write(work, scope)

    async def read(self, work: Callable[[Transaction], Awaitable[T]], scope: Scope) -> T:
        self.reads += 1
        await self.reading.wait()
        if self.failing_reads:
            self.failing_reads -= 1
            raise Unavailable("told to fail")
        return await self._real.read(work, scope)

    async def maintain(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        deadline: float | None = DEADLINE_SECONDS,
    ) -> T:
        return await self._real.maintain(work, deadline)

    async def identity(self) -> str | None:
        return await self._real.identity()

    async def listen(self, heard: Callable[[str], None]) -> None:
        await self._real.listen(heard)

    def heal(self) -> None:
        """Fail no more, and let everyone go on who waits."""
        self.failing = self.failing_reads = 0
        self.writing.set()
        self.reading.set()

    async def close(self) -> None:
        await self._real.close()


async def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Wait for what tells nobody.

    Raises:
        TimeoutError: it did not become true.
    """
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)
