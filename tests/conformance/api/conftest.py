"""A hub on each engine for the tests of a module, with two merchants and keys of every role."""

import asyncio
from collections.abc import Iterator

import pytest

from storage.database import Engine
from tests.api.conftest import World
from tests.api.doorway import opened
from tests.support.databases import ENGINES
from tests.support.postgres import PostgresServer, database_of
from tests.support.rest import call


@pytest.fixture(scope="module", params=ENGINES)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """See `World`; with the id of the admin's key."""
    engine: Engine = request.param
    directory = tmp_path_factory.mktemp(f"hub-{engine}")
    if engine == "sqlite":
        with opened(directory) as made:
            yield _with_admin(made)
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    with opened(directory, {"HUB_DATABASE_URL": url}) as made:
        yield _with_admin(made)
    server.drop_database(database_of(url))


def _with_admin(world: World) -> World:
    answer = asyncio.run(call(world.hub, "GET", "/api/keys", key=world.keys["admin"]))
    [id_] = [key["id"] for key in answer.json()["keys"] if key["role"] == "admin"]
    return world._replace(ids={**world.ids, "admin": id_})
