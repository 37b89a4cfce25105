"""Somebody with raw SQL in the application's role, and two merchants to keep apart."""

# ruff: noqa: S608 - the names of tables cannot be parameters

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.storage.schema.engines import PostgresSide, connected, insert, settle, uid
from tests.storage.schema.rows import TENANT, good, merchants, populate
from tests.support.postgres import PostgresServer

LOGIN = "intruder"
DENIED = asyncpg.InsufficientPrivilegeError
TABLES = ("merchants", "events", "retired_event_ids", "audit_logs", *TENANT)
ONLY_B = uid(8)
"""The id of an order that `b` has and `a` has not."""


def owner_column(table: str) -> str:
    """Which column says whose a row is."""
    return "id" if table == "merchants" else "merchant_id"


class Attacker:
    """A connection of the application's role, with what it knows: the proof of `a`."""

    def __init__(self, connection: asyncpg.Connection, settings: dict[str, str]) -> None:
        self.connection = connection
        self.settings = settings

    @asynccontextmanager
    async def transaction(self, **more: str) -> AsyncIterator[asyncpg.Connection]:
        """A transaction that is bound to `a`, with settings changed."""
        async with self.connection.transaction():
            await settle(self.connection, self.settings | {f"hub.{k}": v for k, v in more.items()})
            yield self.connection

    async def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        async with self.transaction() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *params)]

    async def run(self, sql: str, *params: Any) -> str:
        async with self.transaction() as connection:
            status: str = await connection.execute(sql, *params)
            return status


_GUARDS = {
    "policies": "SELECT tablename, policyname, qual, with_check FROM pg_policies ORDER BY 1, 2",
    "forced": "SELECT relname, relrowsecurity, relforcerowsecurity, relacl::text FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
    "functions": "SELECT proname, prosrc, proacl::text FROM pg_proc"
    " WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
    "triggers": "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2",
    "secret": "SELECT secret FROM scope_secret",
}


async def _snapshot(superuser: asyncpg.Connection) -> dict[str, Any]:
    # What `b` has, and which guards stand.
    queries = _GUARDS | {
        table: f"SELECT t::text FROM {table} t WHERE {owner_column(table)} = 'b' ORDER BY 1"
        for table in TABLES
    }
    return {name: await superuser.fetch(query) for name, query in queries.items()}


@pytest.fixture
async def hub(postgres: PostgresSide) -> PostgresSide:
    """The hub itself, with merchants `a` and `b` that have the same rows, and `c` that has none."""
    await merchants(postgres, "a", "b", "c")
    for merchant in ("a", "b"):
        await postgres.bind(merchant)
        await populate(postgres, merchant)
    await postgres.bind("b")
    await postgres.run("UPDATE products SET name = 'SECRET-OF-B', version = version + 1")
    await insert(postgres, "orders", {**good("orders", "b"), "id": ONLY_B})
    await postgres.bind("*")
    for offset, merchant in enumerate(("a", "b"), 1):
        await postgres.run(
            "INSERT INTO events (log_offset, merchant_id, id, type, committed_at, frame)"
            " VALUES (?, ?, 'e1', 'custom_a', 0, '{}')", offset, merchant,
        )  # fmt: skip
        await postgres.run("INSERT INTO retired_event_ids VALUES (?, 'e0', 0)", merchant)
    return postgres


@pytest.fixture
async def attacker(
    hub: PostgresSide, schema_url: str, postgres_server: PostgresServer
) -> AsyncIterator[Attacker]:
    """The attacker; afterwards nothing of `b` and no guard has changed."""
    if not await hub.rows("SELECT 1 FROM pg_roles WHERE rolname = ?", LOGIN):
        postgres_server.execute(f"CREATE ROLE {LOGIN} LOGIN NOINHERIT IN ROLE hub_app, hub_tenant")
    await hub.bind("a")
    settings = dict(hub.settings)
    superuser = await asyncpg.connect(schema_url, user="postgres")
    before = await _snapshot(superuser)
    connection = await connected(schema_url, user=LOGIN)
    yield Attacker(connection, settings)
    await connection.close()
    after = await _snapshot(superuser)
    await superuser.close()
    assert after == before
