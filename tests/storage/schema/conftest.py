"""Each engine with every table made and no row."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.storage.schema.engines import PostgresSide, Side, SqliteSide, connected, secret_of, texts
from tests.support.postgres import PostgresServer, database_of

_TEMPLATE = "schema_alone"


async def _make(url: str) -> None:
    connection = await connected(url)
    async with connection.transaction():
        for _, text in texts("postgres"):
            await connection.execute(text)
    await connection.close()


@pytest.fixture
async def schema_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The address of a Postgres database that its migrations alone have made."""
    if _TEMPLATE not in postgres_server.templates:
        await _make(postgres_server.create_database(_TEMPLATE))
        postgres_server.templates.add(_TEMPLATE)
    url = postgres_server.create_database(template=_TEMPLATE)
    # A copy has the rights on everything in the database, but not those on the database itself.
    name = database_of(url)
    postgres_server.execute(f"REVOKE TEMPORARY, CREATE ON DATABASE {name} FROM PUBLIC")
    yield url
    postgres_server.drop_database(database_of(url))


@pytest.fixture
async def postgres(schema_url: str) -> AsyncIterator[PostgresSide]:
    """Postgres, in the role that the hub works as."""
    connection = await connected(schema_url)
    secret = await secret_of(connection)
    await connection.execute("SET ROLE hub_app")
    yield PostgresSide(connection, secret)
    await connection.close()


@pytest.fixture
def sqlite() -> Iterator[SqliteSide]:
    """SQLite in memory."""
    side = SqliteSide()
    yield side
    side.connection.close()


@pytest.fixture(params=["sqlite", "postgres"])
def side(request: pytest.FixtureRequest) -> Side:
    """Each engine."""
    found: Side = request.getfixturevalue(request.param)
    return found
