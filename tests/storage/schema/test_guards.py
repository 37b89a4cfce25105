"""The guards in triggers: who has bound no merchant, or another, writes nothing on SQLite."""

# ruff: noqa: S608 - the names of tables cannot be parameters

import sqlite3
from typing import Any

import asyncpg
import pytest

from tests.storage.schema.engines import NOW, PostgresSide, SqliteSide, insert, into
from tests.storage.schema.rows import TENANT, good, merchants, populate


async def test_every_tenants_table_has_its_guards(sqlite: SqliteSide) -> None:
    """Read from the catalogue, so that a later table is not forgotten."""
    columns = await sqlite.columns()
    unguarded = {"events", "retired_event_ids", "scope"}
    found = {name for (name,) in await sqlite.rows("SELECT name FROM sqlite_master")}
    for table in ["merchants", *(t for t, names in columns.items() if "merchant_id" in names)]:
        if table not in unguarded:
            wanted = {f"{table}_sealed_{event}" for event in ("insert", "update", "delete")}
            assert wanted <= found, table


@pytest.mark.parametrize("bound", [None, "m2"])
@pytest.mark.parametrize("table", ["merchants", *TENANT])
async def test_nobody_but_the_merchant_writes(
    sqlite: SqliteSide, table: str, bound: str | None
) -> None:
    await merchants(sqlite, "m1", "m2")
    await populate(sqlite, "m1")
    await sqlite.bind(bound)
    number = 2 if table != "merchants" else 3
    row: dict[str, Any] = good(table, "m1", number)
    if table == "merchants":
        row["id"] = "m3"
    refused = pytest.raises(sqlite3.IntegrityError, match=r"^sealed")
    with refused:
        await insert(sqlite, table, row)
    key = "id" if table == "merchants" else "merchant_id"
    with refused:
        await sqlite.run(f"DELETE FROM {table} WHERE {key} = 'm1'")
    with pytest.raises(sqlite3.IntegrityError, match=r"sealed|pinned"):
        await sqlite.run(f"UPDATE {table} SET rowid = rowid WHERE {key} = 'm1'"
                         if table != "browser_sessions" else
                         f"UPDATE {table} SET expires_at = '{NOW}' WHERE {key} = 'm1'")  # fmt: skip
    await sqlite.bind("*")
    assert await sqlite.rows(f"SELECT COUNT(*) FROM {table} WHERE {key} = 'm1'") == [(1,)]


async def test_an_admins_rows_are_nobodys(sqlite: SqliteSide) -> None:
    await merchants(sqlite, "m1")
    key = {**good("api_keys"), "merchant_id": None, "role": "admin"}
    await insert(sqlite, "api_keys", key)
    await sqlite.bind("m1")
    for statement in ("UPDATE api_keys SET name = 'x', version = 2", "DELETE FROM api_keys"):
        with pytest.raises(sqlite3.IntegrityError, match=r"^sealed"):
            await sqlite.run(statement)
    with pytest.raises(sqlite3.IntegrityError, match=r"^sealed"):
        await insert(sqlite, "api_keys", {**key, "id": "k2", "token_hash": "f" * 64})


async def test_events_never_change_and_are_removed_for_all(sqlite: SqliteSide) -> None:
    for bound in (None, "m1", "*"):
        await sqlite.bind(bound)
        row = {"log_offset": 1, "merchant_id": "m1", "id": "e", "type": "custom_a",
               "committed_at": 0, "frame": "{}"}  # fmt: skip
        await sqlite.run(into("events", row), *row.values())
        with pytest.raises(sqlite3.IntegrityError, match=r"^sealed"):
            await sqlite.run("UPDATE events SET frame = '[]'")
        if bound != "*":
            with pytest.raises(sqlite3.IntegrityError, match=r"^sealed"):
                await sqlite.run("DELETE FROM events")
            await sqlite.bind("*")
        assert await sqlite.run("DELETE FROM events") == 1


async def test_the_audit_is_only_added_to(sqlite: SqliteSide) -> None:
    await merchants(sqlite, "m1")
    for statement in (
        "UPDATE audit_logs SET actor_id = 'x'",
        "UPDATE audit_logs SET actor_id = actor_id",
        "DELETE FROM audit_logs",
    ):
        with pytest.raises(sqlite3.IntegrityError, match=r"^sealed"):
            await sqlite.run(statement)


async def test_its_owner_too_only_adds_to_the_audit(postgres: PostgresSide) -> None:
    await merchants(postgres, "m1")
    await postgres.connection.execute("SET ROLE NONE")
    await postgres.bind("*")
    postgres.settings["role"] = "none"
    for statement in ("UPDATE audit_logs SET actor_id = 'x'", "DELETE FROM audit_logs"):
        with pytest.raises(asyncpg.PostgresError, match=r"^sealed"):
            await postgres.run(statement)


async def test_there_is_one_scope(sqlite: SqliteSide) -> None:
    assert await sqlite.rows("SELECT * FROM scope") == [(1, None, None, None, None, None)]
    with pytest.raises(sqlite3.IntegrityError):
        await sqlite.run("INSERT INTO scope (id) VALUES (2)")
