"""The Postgres under test starts at once, comes back after a crash, and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from tests.support.hub_process import REPOSITORY
from tests.support.postgres import PostgresServer, database_of, rows
from tests.support_tests.test_hub_process import alive


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_a_database_belongs_to_an_owner_who_is_no_superuser(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.create_database()
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT current_user") == "hub"
        await connection.execute("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x')")
        rights = "SELECT rolsuper, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = 'hub'"
        assert [tuple(row) for row in await connection.fetch(rights)] == [(False, True, False)]
    finally:
        await connection.close()
    copy = postgres_server.create_database(template=database_of(url))
    assert await value(copy, "SELECT a FROM t") == "x"
    assert rows(copy, "SELECT a FROM t") == [("x",)]
    for made in (url, copy):
        postgres_server.drop_database(database_of(made))


async def test_a_crash_loses_nothing_that_was_committed(own_postgres: PostgresServer) -> None:
    url = own_postgres.create_database()
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x')")
    own_postgres.kill()
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.fetchval("SELECT a FROM t")
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(url)
    own_postgres.restart()
    assert await value(url, "SELECT a FROM t") == "x"
    assert await value(own_postgres.socket_url(database_of(url)), "SELECT a FROM t") == "x"
    own_postgres.restart()
    assert await value(url, "SELECT a FROM t") == "x"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_it_dies_with_the_tests(postgres_server: PostgresServer) -> None:
    program = (
        "import time\n"
        "from tests.support.postgres import PostgresServer\n"
        "server = PostgresServer()\n"
        "server.start()\n"
        "print(server.pid, server.folder, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        os.kill(int(pid), 0)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 5
    while alive(int(pid)):
        assert time.monotonic() < deadline, "Postgres outlived the process that started it"
        time.sleep(0.01)
    with PostgresServer():
        assert not Path(folder).exists(), "the next server removes what was left"


@pytest.mark.alone
def test_a_server_is_ready_soon(own_postgres: PostgresServer) -> None:
    started = time.monotonic()
    own_postgres.restart()
    assert time.monotonic() - started < 2.0
    assert asyncio.run(value(own_postgres.create_database(), "SELECT 1")) == 1
