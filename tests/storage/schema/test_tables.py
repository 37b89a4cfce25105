"""The same tables with the same columns on both engines, and every column told on SQLite."""

# ruff: noqa: S608 - the names of tables cannot be parameters

import re
import sqlite3

from tests.storage.schema.engines import (
    INFRASTRUCTURE,
    NOW,
    PostgresSide,
    SqliteSide,
    connected,
    texts,
)
from tests.storage.schema.rows import TENANT
from tests.support.postgres import PostgresServer


async def test_both_engines_have_the_same_tables_and_columns(
    sqlite: SqliteSide, postgres: PostgresSide
) -> None:
    here, there = await sqlite.columns(), await postgres.columns()
    assert here.pop("scope"), "SQLite's own way to seal"
    assert there.pop("scope_secret"), "Postgres's"
    assert here == there


def test_both_engines_have_the_same_files() -> None:
    assert [name for name, _ in texts("sqlite")] == [name for name, _ in texts("postgres")]


async def test_every_tenants_table_is_known_to_these_tests(postgres: PostgresSide) -> None:
    others = {"merchants", "events", "retired_event_ids", "audit_logs"}
    assert set(await postgres.columns()) - INFRASTRUCTURE - others == set(TENANT)


async def test_sqlite_tells_what_every_later_column_means(sqlite: SqliteSide) -> None:
    first = set(SqliteSide(upto=1).connection.execute("SELECT name FROM sqlite_master").fetchall())
    for name, sql in await sqlite.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table'"):
        if (name,) in first:
            continue
        told = dict(re.findall(r"(?:^|,)\s*(\w+) [^,\n]*?-- (.+)$", sql, re.M))
        told |= dict(re.findall(r"^\s+(\w+) .*?-- (.+)$", sql, re.M))
        columns = [
            row[0] for row in await sqlite.rows("SELECT name FROM pragma_table_info(?)", name)
        ]
        assert [column for column in columns if column not in told] == [], name


async def test_sqlite_keeps_the_comment_of_a_column_that_was_added(sqlite: SqliteSide) -> None:
    for table, column in [
        ("log_state", "fingerprint"), ("log_state", "oldest"), ("merchants", "seeded_at"),
        ("browser_sessions", "merchant_id"),
    ]:  # fmt: skip
        [(sql,)] = await sqlite.rows("SELECT sql FROM sqlite_master WHERE name = ?", table)
        assert re.search(rf"{column} -- \w+", sql), sql


async def test_a_database_of_the_first_version_keeps_its_rows() -> None:
    side = SqliteSide(upto=1)
    for statement in (
        f"INSERT INTO merchants VALUES ('m1', 'Shop', 1, '{NOW}', '{NOW}')",
        "INSERT INTO api_keys (id, merchant_id, role, name, prefix, token_hash, created_at)"
        f" VALUES ('k1', 'm1', 'bot', 'till', 'hub', '{'a' * 64}', '{NOW}'),"
        f" ('k2', NULL, 'admin', 'root', 'hub', '{'b' * 64}', '{NOW}')",
        "INSERT INTO browser_sessions VALUES"
        f" ('{'c' * 64}', 'k1', '{NOW}', '{NOW}'), ('{'d' * 64}', 'k2', '{NOW}', '{NOW}')",
    ):
        await side.run(statement)
    for _, text in texts("sqlite")[1:]:
        side.apply(text)
    assert await side.rows("SELECT key_id, merchant_id FROM browser_sessions ORDER BY 1") == [
        ("k1", "m1"), ("k2", None),
    ]  # fmt: skip
    assert await side.rows("SELECT id, seeded_at FROM merchants") == [("m1", None)]
    assert await side.rows("SELECT * FROM audit_logs") == [], "nobody changed anything"
    assert await side.rows("PRAGMA integrity_check") == [("ok",)]
    assert await side.rows("PRAGMA foreign_key_check") == []


async def test_every_merchants_table_has_policies_that_hold_for_its_owner(
    postgres: PostgresSide,
) -> None:
    """All but the secret and the list of migrations; a later table is not forgotten."""
    open_ = await postgres.rows(
        "SELECT relname FROM pg_class c WHERE relkind IN ('r', 'p', 'm', 'v')"
        " AND relnamespace = 'public'::regnamespace"
        " AND NOT (relrowsecurity AND relforcerowsecurity"
        " AND EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = c.oid))"
    )
    assert {name for (name,) in open_} <= {"scope_secret", "schema_migrations"}


async def test_the_application_has_the_least_rights(postgres: PostgresSide) -> None:
    granted = await postgres.rows(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants"
        " WHERE grantee = 'hub_app' AND table_schema = 'public'"
    )
    kinds: dict[str, set[str]] = {}
    for table, kind in granted:
        kinds.setdefault(table, set()).add(kind)
    all_ = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    less = {
        "events": all_ - {"UPDATE"}, "retired_event_ids": all_ - {"UPDATE"},
        "log_state": all_ - {"DELETE"}, "template_versions": all_ - {"UPDATE"},
        "payments": all_ - {"UPDATE"},        "audit_logs": {"SELECT"},
    }  # fmt: skip
    assert "scope_secret" not in kinds
    assert {table: found for table, found in kinds.items() if found != less.get(table, all_)} == {}
    assert await postgres.rows(
        "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole"
        " FROM pg_roles WHERE rolname = 'hub_app'"
    ) == [(False,) * 5]
    public = await postgres.rows(
        "SELECT p.oid::regprocedure::text FROM pg_proc p"
        " WHERE p.pronamespace = 'public'::regnamespace"
        " AND has_function_privilege('hub_app', p.oid, 'EXECUTE')"
    )
    assert public == [("hub_merchant()",)]


async def test_nobody_may_make_what_stands_before_the_hubs_own(
    postgres_server: PostgresServer, empty_postgres_url: str
) -> None:
    """Temporary tables come first in the search path; a database that was migrated has none."""
    connection = await connected(empty_postgres_url)
    for _, text in texts("postgres"):
        await connection.execute(text)
    rights = "SELECT has_database_privilege($1, current_database(), $2)"
    for right in ("TEMPORARY", "CREATE"):
        assert await connection.fetchval(rights, "hub_app", right) is False
    assert (
        await connection.fetchval("SELECT has_schema_privilege('hub_app', 'public', 'CREATE')")
        is False
    )
    await connection.close()


async def test_no_unique_key_reaches_over_merchants(postgres: PostgresSide) -> None:
    """But for the hashes of secrets, and tables in which a merchant's scope inserts nothing."""
    found = await postgres.rows(
        "SELECT c.relname, array_agg(a.attname::text ORDER BY k.n)::text"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k(attnum, n)"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum"
        " WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace"
        " AND COALESCE(pg_get_expr(i.indpred, c.oid), '') <> '(merchant_id IS NULL)'"
        " GROUP BY c.relname, i.indexrelid"
    )
    wide = {
        (t, k) for t, k in found if not k.startswith("{merchant_id") and t not in INFRASTRUCTURE
    }
    assert wide == {
        ("merchants", "{id}"), ("events", "{log_offset}"), ("audit_logs", "{id}"),
        ("api_keys", "{token_hash}"), ("browser_sessions", "{token_hash}"),
    }  # fmt: skip
    assert sqlite3.sqlite_version_info >= (3, 37), "STRICT"
