"""An attacker with raw SQL in the application's role, bound to merchant `a` by its true proof.

It logs in as a member of hub_app and hub_tenant that owns nothing. Whatever it tries, no row of
merchant `b` is read, changed or told of by an error; `b`'s rows are compared as the superuser
after every test.

What this role can learn, because Postgres has no privilege that takes it away: how many rows a
table has for all merchants together (`pg_class.reltuples`, `pg_stat_user_tables`), by EXPLAIN
ANALYZE how many rows of all merchants a scan passed over, and whether any merchant has a row with
an id that it knows already. An index that begins with the merchant is searched by the policy's
merchant too, so that a search of another merchant's rows in it passes over none.
`pg_stats` hides itself from whom the policies bind.
LOCK TABLE is open to whoever may UPDATE: it delays others and tells nothing.
"""

# ruff: noqa: S608 - the names of tables cannot be parameters

import json
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from tests.storage.schema.attacker import (
    DENIED,
    ONLY_B,
    TABLES,
    Attacker,
    owner_column,
)
from tests.storage.schema.attacker import attacker as attacker
from tests.storage.schema.attacker import hub as hub
from tests.storage.schema.engines import INFRASTRUCTURE, NOW, PostgresSide, into, numbered, uid
from tests.storage.schema.rows import TENANT, good
from tests.support.postgres import PostgresServer


async def test_the_tables_here_are_all_tables(hub: PostgresSide) -> None:
    """A later table without a place in these tests fails here."""
    assert set(await hub.columns()) - INFRASTRUCTURE == set(TABLES)


# ── counting by what a plan tells ────────────────────────────────────────────────────────────────


def passed_over(plan: dict[str, Any]) -> int:
    """The rows that a plan has looked at, given out or not, in all of its nodes."""
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    own += plan.get("Rows Removed by Index Recheck", 0)
    reads = "Relation Name" in plan or "Index Name" in plan
    return (own if reads else 0) + sum(map(passed_over, plan.get("Plans", ())))


@pytest.mark.parametrize("table", TABLES)
async def test_a_plan_counts_no_row_of_another_merchant(attacker: Attacker, table: str) -> None:
    await attacker.connection.execute("SET enable_seqscan = off")
    owner = owner_column(table)
    for condition in (f"{owner} = 'b'", f"{owner} >= 'b'", f"{owner} > 'a' AND {owner} < 'c'"):
        [(text,)] = await attacker.rows(
            f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM {table} WHERE {condition}"
        )
        # What reads the secret of the binding is no part of it.
        [found] = json.loads(text)
        plans = [plan for plan in found["Plan"].get("Plans", ()) if "Subplan Name" not in plan] or [
            {**found["Plan"], "Plans": []}
        ]
        assert sum(map(passed_over, plans)) == 0, text


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("table", TABLES)
async def test_no_row_is_seen_or_counted(attacker: Attacker, table: str) -> None:
    key = owner_column(table)
    sql = table
    for query in (
        f"SELECT 1 FROM {sql} WHERE {key} = 'b'",
        f"SELECT 1 FROM {sql} WHERE {key} <> 'a'",
        f"SELECT 1 FROM {sql} WHERE {key} = ANY (ARRAY['b', 'c'])",
        f"SELECT 1 FROM {sql} WHERE EXISTS (SELECT 1 FROM {sql} AS o WHERE o.{key} = 'b')",
        f"SELECT 1 FROM {sql} TABLESAMPLE SYSTEM (100) WHERE {key} = 'b'",
        f"SELECT 1 FROM {sql} WHERE {sql}::text LIKE '%SECRET-OF-B%'",
        f"WITH RECURSIVE r AS (SELECT {key} FROM {sql} UNION SELECT {key} FROM r)"
        f" SELECT 1 FROM r WHERE {key} = 'b'",
        f"SELECT 1 FROM ONLY {sql} WHERE {key} = 'b'",
        f"SELECT 1 FROM {sql} WHERE ctid IN (SELECT format('(%s,%s)', p, i)::tid"
        f" FROM generate_series(0, 3) p, generate_series(1, 40) i) AND {key} <> 'a'",
    ):
        assert await attacker.rows(query) == [], query
    [(count, least, most)] = await attacker.rows(
        f"SELECT COUNT(*), MIN({key}), MAX({key}) FROM {sql}"
    )
    assert (least, most) == ("a", "a")
    assert count == len(await attacker.rows(f"SELECT 1 FROM {sql} WHERE {key} = 'a'"))
    [(text,)] = await attacker.rows(f"SELECT table_to_xml('{sql}', TRUE, FALSE, '')::text")
    assert "SECRET-OF-B" not in text
    assert f"<{key}>b<" not in text


@pytest.mark.parametrize("table", TENANT)
async def test_no_row_is_locked(attacker: Attacker, table: str) -> None:
    if table in ("template_versions", "payments"):  # what never changes is not locked either
        with pytest.raises(DENIED):
            await attacker.rows(f"SELECT 1 FROM {table} FOR UPDATE")
    else:
        sql = f"SELECT 1 FROM {table} WHERE merchant_id = 'b' FOR UPDATE"
        assert await attacker.rows(sql) == []


async def test_a_function_that_leaks_gets_no_foreign_row(attacker: Attacker) -> None:
    """Conditions that tell what they see come after the policy, however cheap they are."""
    with pytest.raises(asyncpg.InvalidTextRepresentationError) as told:
        await attacker.rows("SELECT 1 FROM products WHERE name::int = 1")
    assert "Tea" in str(told.value)
    assert (
        await attacker.rows("SELECT 1 FROM products WHERE merchant_id = 'b' AND name::int = 1")
        == []
    )
    notices: list[str] = []
    attacker.connection.add_log_listener(lambda _, message: notices.append(message.message))
    await attacker.run(
        "DO $$ DECLARE p products; BEGIN FOR p IN SELECT * FROM products LOOP"
        " RAISE NOTICE '%', p; END LOOP; END $$"
    )
    assert len(notices) == 1
    assert "SECRET-OF-B" not in notices[0]
    for function in (
        "CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS"
        " $$ BEGIN RAISE NOTICE '%', $1; RETURN TRUE; END $$",
        "CREATE FUNCTION pg_temp.leak(text) RETURNS bool LANGUAGE sql AS 'SELECT TRUE'",
        "CREATE FUNCTION leak(text) RETURNS bool LANGUAGE sql LEAKPROOF AS 'SELECT TRUE'",
    ):
        with pytest.raises(DENIED):
            await attacker.run(function)


async def test_copy_gives_no_foreign_row(attacker: Attacker) -> None:
    for table in TABLES:
        async with attacker.transaction() as connection:
            copied = bytearray()

            async def take(data: bytes, into: bytearray = copied) -> None:
                into += data

            await connection.copy_from_table(table, output=take)
        assert copied
        assert b"SECRET-OF-B" not in copied
        assert b"\tb\t" not in copied
        assert not copied.startswith(b"b\t")
    with pytest.raises(asyncpg.FeatureNotSupportedError):
        await attacker.run("COPY products FROM STDIN")
    for statement in (
        "COPY products TO '/tmp/products'", "COPY products TO PROGRAM 'cat'",
        "COPY products FROM '/etc/passwd'", "COPY products FROM PROGRAM 'cat'",
        "COPY scope_secret TO STDOUT",
    ):  # fmt: skip
        with pytest.raises(DENIED):
            await attacker.run(statement)


async def test_statistics_tell_no_value(
    attacker: Attacker, schema_url: str, postgres_server: PostgresServer
) -> None:
    """Most common values, bounds of histograms: the view hides itself, the table is closed."""
    postgres_server.execute("ANALYZE", database=schema_url.partition("?")[0].rpartition("/")[2])
    shown = await attacker.rows("SELECT tablename FROM pg_stats WHERE schemaname = 'public'")
    assert {name for (name,) in shown} <= {"schema_migrations"}
    with pytest.raises(DENIED):
        await attacker.rows("SELECT starelid FROM pg_statistic")
    for option in ("", "ANALYZE, "):
        plan = await attacker.rows(f"EXPLAIN ({option}VERBOSE) SELECT * FROM products")
        assert "SECRET-OF-B" not in str(plan)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────

CLOSED = {
    ("audit_logs", "UPDATE"), ("audit_logs", "DELETE"), ("template_versions", "UPDATE"),
    ("events", "UPDATE"), ("events", "DELETE"), ("retired_event_ids", "UPDATE"),
    ("retired_event_ids", "DELETE"), ("merchants", "DELETE"), ("payments", "UPDATE"),
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
async def test_no_row_is_changed_or_removed(attacker: Attacker, table: str) -> None:
    key = owner_column(table)
    for kind, statement in (
        ("UPDATE", f"UPDATE {table} SET {key} = {key} WHERE {key} = 'b' RETURNING *"),
        ("UPDATE", f"UPDATE {table} SET {key} = 'a' WHERE {key} <> 'a' RETURNING *"),
        ("DELETE", f"DELETE FROM {table} WHERE {key} = 'b' RETURNING *"),
        ("DELETE", f"DELETE FROM {table} USING merchants m WHERE {table}.{key} <> 'a'"),
        ("DELETE", f"DELETE FROM {table} WHERE {key} IN (SELECT id FROM merchants WHERE id = 'b')"),
    ):
        if (table, kind) in CLOSED:
            with pytest.raises(DENIED):
                await attacker.rows(statement)
        else:
            assert await attacker.rows(statement) == []


@pytest.mark.parametrize("table", TABLES)
async def test_no_row_is_given_to_another(attacker: Attacker, table: str) -> None:
    key = owner_column(table)
    with pytest.raises((DENIED, asyncpg.CheckViolationError)):
        await attacker.run(f"UPDATE {table} SET {key} = 'b'")
    with pytest.raises((DENIED, asyncpg.CheckViolationError)):
        await attacker.run(f"UPDATE {table} SET {key} = 'nobody'")


@pytest.mark.parametrize("table", ["merchants", *TENANT])
async def test_no_row_is_added_for_another(attacker: Attacker, table: str) -> None:
    """Refused by the policy, which comes before every constraint that could tell something."""
    for number in (1, 2):
        for merchant in ("b", "nobody", "*"):
            row = good(table, merchant, number)
            with pytest.raises(
                DENIED, match=r"row-level security|permission denied for table merchants"
            ):
                await attacker.run(numbered(into(table, row)), *row.values())


async def test_events_are_appended_by_the_hub_alone(attacker: Attacker) -> None:
    for merchant in ("a", "b"):
        for statement in (
            "INSERT INTO events VALUES (9, $1, 'e1', 'custom_a', NULL, 0, '{}')",
            "INSERT INTO retired_event_ids VALUES ($1, 'e0', 1)",
        ):
            with pytest.raises(DENIED):
                await attacker.run(statement, merchant)
    for statement in (
        "DELETE FROM events", "DELETE FROM retired_event_ids", "DELETE FROM log_state",
        "UPDATE log_state SET head = 99", "INSERT INTO log_state VALUES (1, 'x', 0, 0, NULL)",
        f"INSERT INTO hub_instances VALUES ('h', '{NOW}', '{NOW}')",
        "UPDATE hub_instances SET id = 'x'",
    ):  # fmt: skip
        with suppress(DENIED):
            assert (await attacker.run(statement)).endswith(" 0")


async def test_no_conflict_reaches_another(attacker: Attacker) -> None:
    row = {**good("products", "a", 9), "id": uid(9)}
    sql = numbered(into("products", row))
    upsert = " ON CONFLICT (merchant_id, id) DO UPDATE SET merchant_id = 'b', name = 'x'"
    assert await attacker.run(sql + upsert, *row.values()) == "INSERT 0 1"
    with pytest.raises((DENIED, asyncpg.CheckViolationError)):
        await attacker.run(sql + upsert, *row.values())
    with pytest.raises(DENIED):
        await attacker.run(sql + upsert, *(row | {"merchant_id": "b", "id": uid(1)}).values())
    merge = (
        "MERGE INTO products p USING (VALUES ('b')) AS v (m) ON p.merchant_id = v.m"
        " WHEN MATCHED THEN UPDATE SET name = 'x', version = version + 1"
    )
    assert await attacker.run(merge) == "MERGE 0"
    assert (
        await attacker.run(merge.replace("UPDATE SET name = 'x', version = version + 1", "DELETE"))
        == "MERGE 0"
    )


# ── errors as an oracle ──────────────────────────────────────────────────────────────────────────


async def test_no_unique_error_tells_of_another(attacker: Attacker, hub: PostgresSide) -> None:
    """`c` adds everything that `b` has, under the same ids and names, and nothing objects."""
    secret = {"token_hash": "f" * 64}
    await hub.bind("c")
    attacker.settings = hub.settings
    await hub.bind("b")
    columns = await hub.columns()
    for table in TENANT:
        for row in await hub.rows(f"SELECT * FROM {table}"):
            copy = dict(zip(columns[table], row, strict=True)) | {"merchant_id": "c"}
            copy |= secret if "token_hash" in copy else {}
            done = await attacker.run(numbered(into(table, copy)), *copy.values())
            assert done == "INSERT 0 1", table


async def test_no_foreign_key_tells_of_another(attacker: Attacker) -> None:
    """What `b` has and what nobody has are refused in the same words."""
    said = []
    for order in (ONLY_B, uid(9)):
        task = {**good("delivery_tasks", "a", 2), "order_id": order}
        with pytest.raises(asyncpg.ForeignKeyViolationError) as error:
            await attacker.run(numbered(into("delivery_tasks", task)), *task.values())
        said.append((str(error.value), str(error.value.detail).replace(order, "…")))
    assert said[0] == said[1]


async def test_every_foreign_key_stays_within_its_merchant(attacker: Attacker) -> None:
    """Its check does not know the policies, so it must name the merchant itself."""
    loose = await attacker.rows(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint c WHERE contype = 'f'"
        " AND confrelid NOT IN ('merchants'::regclass, 'hub_instances'::regclass)"
        " AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.confrelid"
        " AND a.attname = 'merchant_id'"
        " AND a.attnum = ANY (c.confkey))"
    )
    assert loose == []
