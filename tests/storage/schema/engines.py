"""Both engines with their tables made, through sqlite3 and asyncpg and nothing of the program."""

# ruff: noqa: S608 - the names of tables cannot be parameters

import hashlib
import json
import re
import sqlite3
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Protocol

import asyncpg

NOW = "2026-11-22T10:00:00.123Z"
LATER = "2026-11-22T10:00:01.000Z"
REFUSED = (sqlite3.IntegrityError, asyncpg.PostgresError)
"""What a driver raises when the database refuses a row."""

# What is not a tenant's: the log's head and who follows it, the hubs and their workers, and what
# seals the tenants off.
INFRASTRUCTURE = {
    "bot_connections", "hub_instances", "log_cursors", "log_state", "schema_migrations", "scope",
    "scope_secret", "workers",
}  # fmt: skip

Actor = tuple[str | None, str, str | None, str | None]
KEY: Actor = ("key-1", "merchant", "10.0.0.1", "curl/8")


def uid(number: int) -> str:
    """An id of the right length."""
    return f"01993e00-0000-7000-8000-{number:012x}"


def texts(engine: str) -> list[tuple[str, str]]:
    """The migrations of an engine: name and text, in order."""
    folder = files("storage") / "migrations" / engine
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((entry.name, entry.read_text(encoding="utf-8")) for entry in found)


class Side(Protocol):
    """One engine; SQL has `?` for parameters."""

    name: str

    async def bind(self, merchant: str | None, actor: Actor = KEY) -> None:
        """Act for a merchant from here on; '*' for every one, None for nobody."""

    async def run(self, sql: str, *params: Any) -> int:
        """One statement, kept alone when it succeeds; the number of rows that it changed."""

    async def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """What a query finds; times as RFC 3339 text."""

    async def columns(self) -> dict[str, list[str]]:
        """Every table with its columns in their order, from the catalogue."""


class SqliteSide:
    """SQLite in memory."""

    name = "sqlite"

    def __init__(self, upto: int = 999) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys=ON")
        for _, text in texts("sqlite")[:upto]:
            self.apply(text)

    def apply(self, text: str) -> None:
        self.connection.executescript(text)

    async def bind(self, merchant: str | None, actor: Actor = KEY) -> None:
        values = actor if merchant else (None,) * 4
        self.connection.execute(
            "UPDATE scope SET merchant_id = ?, actor_id = ?, actor_role = ?, ip_address = ?,"
            " user_agent = ?",
            (merchant, *values),
        )

    async def run(self, sql: str, *params: Any) -> int:
        return self.connection.execute(sql, params).rowcount

    async def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, params).fetchall()

    async def columns(self) -> dict[str, list[str]]:
        tables = await self.rows(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return {
            table: [column for (column,) in await self.rows(
                "SELECT name FROM pragma_table_info(?) ORDER BY cid", table
            )]
            for (table,) in tables
        }  # fmt: skip


class PostgresSide:
    """Postgres in the application's role; each statement is a transaction of its own.

    `owner` stays the role that made the tables; it reads the secret that proves a binding.
    """

    name = "postgres"

    def __init__(self, connection: asyncpg.Connection, secret: bytes) -> None:
        self.connection = connection
        self._secret = secret
        self.settings: dict[str, str] = {}

    async def bind(self, merchant: str | None, actor: Actor = KEY) -> None:
        self.settings = binding(self._secret, merchant, actor) if merchant else {}

    async def run(self, sql: str, *params: Any) -> int:
        async with self.connection.transaction():
            await settle(self.connection, self.settings)
            status = await self.connection.execute(numbered(sql), *params)
            return int(status.split()[-1])

    async def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        async with self.connection.transaction():
            await settle(self.connection, self.settings)
            return [tuple(row) for row in await self.connection.fetch(numbered(sql), *params)]

    async def columns(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for table, column in await self.connection.fetch(
            "SELECT c.relname, a.attname FROM pg_class c"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace"
            " ORDER BY c.relname, a.attnum"
        ):
            found.setdefault(table, []).append(column)
        return found


def binding(secret: bytes, merchant: str, actor: Actor = KEY) -> dict[str, str]:
    """The settings by which the hub binds a merchant."""
    names = ("id", "role", "address", "agent")
    text = json.dumps(dict(zip(names, actor, strict=True)))
    inner = hashlib.sha256(secret + f"{merchant}\x1f{text}".encode()).digest()
    return {
        "hub.merchant": merchant,
        "hub.proof": hashlib.sha256(secret + inner).hexdigest(),
        "hub.actor": text,
        "role": "hub_app" if merchant == "*" else "hub_tenant",
    }


async def settle(connection: asyncpg.Connection, settings: dict[str, str]) -> None:
    """Put settings into force until the end of the transaction."""
    for name, value in settings.items():
        await connection.execute("SELECT set_config($1, $2, TRUE)", name, value)


def numbered(sql: str) -> str:
    """`?` as `$1`, `$2` …"""
    parts = sql.split("?")
    return parts[0] + "".join(f"${n}{part}" for n, part in enumerate(parts[1:], 1))


async def connected(url: str, **more: Any) -> asyncpg.Connection:
    """A connection that gives times as RFC 3339 text."""
    connection: asyncpg.Connection = await asyncpg.connect(
        url, server_settings={"timezone": "UTC"}, **more
    )
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=str, decoder=_moment, format="text"
    )
    return connection


def _moment(text: str) -> str:
    match = re.fullmatch(r"(\S+) (\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?\+00", text)
    assert match, text
    return f"{match[1]}T{match[2]}.{(match[3] or '').ljust(3, '0')}Z"


async def secret_of(connection: asyncpg.Connection) -> bytes:
    """What proves a binding; only the owner may read it."""
    secret: bytes = await connection.fetchval("SELECT secret FROM scope_secret")
    return secret


async def insert(side: Side, table: str, row: dict[str, Any]) -> None:
    """Add one row."""
    await side.run(into(table, row), *row.values())


def into(table: str, row: Sequence[str] | dict[str, Any]) -> str:
    """The INSERT of a row with these columns."""
    marks = ", ".join("?" * len(row))
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"
