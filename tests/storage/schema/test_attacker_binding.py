"""The attacker's tries to be bound to another merchant, to become another role, or to change
what seals the merchants off."""

# ruff: noqa: S608 - the names of tables cannot be parameters

import asyncio

import asyncpg
import pytest

from tests.storage.schema.attacker import DENIED, TABLES, Attacker
from tests.storage.schema.attacker import attacker as attacker
from tests.storage.schema.attacker import hub as hub
from tests.storage.schema.engines import (
    NOW,
    PostgresSide,
    binding,
    connected,
    secret_of,
    settle,
)
from tests.storage.schema.rows import TENANT

NAMES = "SELECT id FROM merchants"


async def names(connection: asyncpg.Connection, query: str = NAMES) -> list[str]:
    """The first column of a query, in whatever is bound at this moment."""
    return [row[0] for row in await connection.fetch(query)]


# ── the binding ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("merchant", ["b", "*", "", "A", "a ", "a\t", "nobody", "a,b", "%"])
async def test_a_proof_is_for_one_merchant(attacker: Attacker, merchant: str) -> None:
    true = attacker.settings["hub.proof"]
    for proof in (true, "", "0" * 64, true.upper(), true[:-1], true + "0", f" {true}"):
        for table in TABLES:
            with pytest.raises(DENIED, match="sealed"):
                async with attacker.transaction(merchant=merchant, proof=proof) as connection:
                    await connection.fetch(f"SELECT 1 FROM {table}")


async def test_who_has_bound_nothing_sees_and_does_nothing(attacker: Attacker) -> None:
    attacker.settings = {}
    for table in TABLES:
        with pytest.raises(DENIED):
            await attacker.rows(f"SELECT 1 FROM {table}")
        with pytest.raises(DENIED):
            await attacker.rows(f"SELECT COUNT(*) FROM {table} WHERE FALSE OR random() < 2")
    with pytest.raises(DENIED):
        await attacker.run("UPDATE products SET name = 'x', version = version + 1")
    with pytest.raises(DENIED):
        await attacker.run("DELETE FROM products")


async def test_settings_do_not_outlive_their_transaction(attacker: Attacker) -> None:
    assert await attacker.rows(NAMES) == [("a",)]
    for statement in ("SET LOCAL hub.merchant = 'a'", "RESET hub.merchant", "RESET ALL"):
        # Outside a transaction SET LOCAL only warns.
        await attacker.connection.execute(statement)
        with pytest.raises(DENIED):
            await attacker.connection.fetch(NAMES)
    for statement in (
        "RESET hub.merchant",
        "SET LOCAL hub.merchant = ''",
        "RESET hub.proof",
        "SET hub.merchant TO DEFAULT",
        "SET LOCAL hub.proof = ''",
    ):
        with pytest.raises(DENIED):  # noqa: PT012
            async with attacker.transaction() as connection:
                await connection.execute(statement)
                await connection.fetch(NAMES)


async def test_settings_for_the_session_need_the_same_proof(attacker: Attacker) -> None:
    for merchant in ("b", "*"):
        await attacker.connection.execute(f"SET hub.merchant = '{merchant}'")
        await attacker.connection.execute(f"SET hub.proof = '{attacker.settings['hub.proof']}'")
        with pytest.raises(DENIED):
            await attacker.connection.fetch(NAMES)
    for statement in (
        "ALTER ROLE CURRENT_USER SET hub.merchant = '*'",
        "ALTER ROLE hub_app SET hub.merchant = '*'",
        "ALTER DATABASE postgres SET hub.merchant = '*'",
        "ALTER SYSTEM SET hub.merchant = '*'",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await attacker.connection.execute(statement)


async def test_a_savepoint_that_is_undone_gives_the_binding_back(
    attacker: Attacker, hub: PostgresSide
) -> None:
    """One that is released does not: the hub binds again behind it."""
    await hub.bind("b")
    async with attacker.transaction() as connection:
        assert await names(connection) == ["a"]
        await connection.execute("SAVEPOINT part")
        await settle(connection, hub.settings)
        assert await names(connection) == ["b"]
        await connection.execute("ROLLBACK TO SAVEPOINT part")
        assert await names(connection) == ["a"]
        await settle(connection, hub.settings)
        await connection.execute("RELEASE SAVEPOINT part")
        assert await names(connection) == ["b"]


async def test_a_prepared_statement_serves_whoever_is_bound_then(
    attacker: Attacker, hub: PostgresSide
) -> None:
    statements = []
    for mode in ("force_generic_plan", "force_custom_plan", "auto"):
        await attacker.connection.execute(f"SET plan_cache_mode = {mode}")
        async with attacker.transaction():
            statement = await attacker.connection.prepare(
                "SELECT name FROM products WHERE price >= $1"
            )
            assert [row[0] for row in await statement.fetch(0)] == ["Tea"]
            statements.append(statement)
    await hub.bind("b")
    for statement in statements:
        async with attacker.connection.transaction():
            with pytest.raises(DENIED):
                async with attacker.connection.transaction():
                    await statement.fetch(0)
            await settle(attacker.connection, hub.settings)
            assert [row[0] for row in await statement.fetch(0)] == ["SECRET-OF-B"]
        assert [tuple(row) for row in await attacker.rows("SELECT name FROM products")] == [
            ("Tea",)
        ]


async def test_a_cursor_keeps_the_rows_of_its_binding(
    attacker: Attacker, hub: PostgresSide
) -> None:
    """Held over the commit it holds what was bound when it was made; the hub's pool closes it."""
    await attacker.run("DECLARE held CURSOR WITH HOLD FOR SELECT name FROM products")
    await hub.bind("b")
    async with attacker.connection.transaction():
        await settle(attacker.connection, hub.settings)
        assert await names(attacker.connection, "FETCH ALL FROM held") == ["Tea"]
    with pytest.raises(DENIED):  # noqa: PT012
        async with attacker.transaction(merchant="b") as connection:
            await connection.execute("DECLARE other CURSOR WITH HOLD FOR SELECT name FROM products")
            await connection.fetch("FETCH ALL FROM other")


# ── who one is ───────────────────────────────────────────────────────────────────────────────────

ROLES = (
    "SET ROLE hub",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SET SESSION AUTHORIZATION hub",
    "GRANT hub TO intruder",
    "GRANT pg_read_all_data TO intruder",
    "ALTER ROLE hub_app BYPASSRLS",
    "ALTER ROLE intruder SUPERUSER",
    "CREATE ROLE friend LOGIN",
    "SET session_replication_role = replica",
    "REASSIGN OWNED BY hub TO intruder",
    "ALTER ROLE hub PASSWORD 'x'",
    "DROP OWNED BY hub",
    "CREATE DATABASE other",
    "ALTER SYSTEM SET log_statement = 'all'",
)


@pytest.mark.parametrize("statement", ROLES)
async def test_nobody_becomes_another(attacker: Attacker, statement: str) -> None:
    with pytest.raises(DENIED):
        await attacker.connection.execute(statement)


async def test_leaving_the_role_gives_nothing(attacker: Attacker) -> None:
    for statement in (
        "RESET ROLE",
        "SET ROLE NONE",
        "RESET SESSION AUTHORIZATION",
        "SET ROLE hub_app",
    ):
        await attacker.connection.execute(statement)
        assert await attacker.rows(NAMES) == [("a",)]
    # Row security that is switched off refuses the query instead of the rows.
    with pytest.raises(DENIED):  # noqa: PT012
        async with attacker.transaction() as connection:
            await connection.execute("SET LOCAL row_security = off")
            await connection.fetch(NAMES)


async def test_the_owner_is_held_too(schema_url: str, hub: PostgresSide) -> None:
    """The role that made the tables, without a binding: nothing is seen and nothing is written."""
    owner = await connected(schema_url)
    try:
        assert await owner.fetchval("SELECT current_user") == "hub"
        for table in TABLES:
            for statement in (f"SELECT COUNT(*) FROM {table}", f"DELETE FROM {table}"):
                with pytest.raises(DENIED, match="sealed"):
                    await owner.fetch(statement)
        with pytest.raises(DENIED):
            await owner.execute(f"INSERT INTO merchants VALUES ('x', 'x', 1, '{NOW}', '{NOW}')")
    finally:
        await owner.close()


async def test_in_the_simple_way_a_connection_can_become_the_owner(
    schema_url: str, hub: PostgresSide
) -> None:
    """Why the strict way is recommended: stepping down from the owner is no wall against SQL."""
    connection = await connected(schema_url)  # it logs in as the owner, and steps down
    try:
        await connection.execute("SET ROLE hub_tenant")
        with pytest.raises(DENIED):
            await connection.fetch("SELECT secret FROM scope_secret")
        await connection.execute("SET ROLE NONE")
        forged = binding(await secret_of(connection), "b")
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE hub_tenant")
            await settle(connection, forged)
            assert await names(connection) == ["b"]
    finally:
        await connection.close()


# ── what seals ───────────────────────────────────────────────────────────────────────────────────

UPDATES = "suppress_redundant_updates_trigger"
BODY = "LANGUAGE sql AS $$ SELECT '*' $$"
OBJECTS = (
    "SELECT * FROM scope_secret",
    "SELECT COUNT(*) FROM scope_secret",
    "TABLE scope_secret",
    "SELECT query_to_xml('SELECT * FROM scope_secret', TRUE, FALSE, '')",
    "UPDATE scope_secret SET secret = ''",
    "LOCK TABLE scope_secret",
    "TRUNCATE scope_secret",
    "INSERT INTO scope_secret VALUES (2, '')",
    "DELETE FROM scope_secret",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')",
    "CREATE TABLE mine (n int)",
    "CREATE TEMP TABLE products (n int)",
    "CREATE TEMP VIEW products AS SELECT 1",
    "CREATE TEMP TABLE scope_secret AS SELECT 1 AS id, ''::bytea AS secret",
    "SELECT 1 INTO TEMP products",
    "CREATE TEMP SEQUENCE s",
    "CREATE SEQUENCE s",
    "CREATE SCHEMA mine",
    "CREATE VIEW all_products AS SELECT * FROM products",
    "CREATE MATERIALIZED VIEW all_products AS SELECT * FROM products",
    f"CREATE OR REPLACE FUNCTION hub_merchant() RETURNS text {BODY}",
    f"CREATE FUNCTION mine() RETURNS text SECURITY DEFINER {BODY}",
    f"CREATE FUNCTION pg_temp.hub_merchant() RETURNS text {BODY}",
    f"CREATE FUNCTION pg_catalog.mine() RETURNS text {BODY}",
    "CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
    "CREATE OPERATOR pg_temp.= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
    "CREATE CAST (text AS bigint) WITH INOUT",
    "CREATE DOMAIN pg_temp.d AS text",
    "CREATE TYPE t AS (n int)",
    "DROP FUNCTION hub_merchant() CASCADE",
    "ALTER FUNCTION hub_merchant() SECURITY INVOKER",
    "ALTER FUNCTION hub_merchant() SET search_path = pg_temp",
    "ALTER FUNCTION hub_merchant() LEAKPROOF",
    "GRANT SELECT ON scope_secret TO intruder",
    "DROP TABLE scope_secret",
    "DROP SCHEMA public CASCADE",
    "CREATE EXTENSION file_fdw",
    "CREATE EVENT TRIGGER t ON sql_drop EXECUTE FUNCTION notify_head()",
    "CREATE PUBLICATION p FOR ALL TABLES",
    "LOAD 'auto_explain'",
    "SELECT write_audit('a', 'product', 'x', 'INSERT', NULL, NULL)",
    "SELECT audit_products()",
    "SELECT refuse_row()",
    "SELECT notify_head()",
    "INSERT INTO schema_migrations VALUES (99, 'x', 'x')",
)


@pytest.mark.parametrize("statement", OBJECTS)
async def test_nothing_that_seals_is_read_or_changed(attacker: Attacker, statement: str) -> None:
    with pytest.raises((DENIED, asyncpg.UndefinedTableError)) as error:
        await attacker.run(statement)
    assert isinstance(error.value, DENIED) or "schema_migrations" in statement


@pytest.mark.parametrize("table", [*TABLES, "log_state", "hub_instances"])
async def test_no_table_is_opened(attacker: Attacker, table: str) -> None:
    for statement in (
        f"TRUNCATE {table}",
        f"TRUNCATE {table} CASCADE",
        f"DROP TABLE {table}",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"ALTER TABLE {table} OWNER TO intruder",
        f"ALTER TABLE {table} ADD COLUMN mine text",
        f"ALTER TABLE {table} SET UNLOGGED",
        f"CREATE POLICY mine ON {table} USING (TRUE)",
        f"DROP POLICY IF EXISTS {table}_sealed ON {table}",
        f"CREATE RULE mine AS ON INSERT TO {table} DO ALSO NOTHING",
        f"CREATE TRIGGER mine AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {UPDATES}()",
        f"CREATE INDEX mine ON {table} ((1))",
        f"CREATE STATISTICS mine ON ctid, xmin FROM {table}",
        f"GRANT ALL ON {table} TO PUBLIC",
        f"COMMENT ON TABLE {table} IS 'mine'",
        f"CREATE TABLE mine (n text REFERENCES {table})",
        f"CREATE TABLE mine () INHERITS ({table})",
        f"CLUSTER {table}",
        f"REINDEX TABLE {table}",
    ):
        try:
            await attacker.run(statement)
        except (DENIED, asyncpg.UndefinedObjectError, asyncpg.FeatureNotSupportedError):
            continue
        # GRANT by who may not grant only warns; the snapshot afterwards shows that nothing changed.
        assert statement.startswith(("GRANT", "DROP POLICY IF EXISTS")), statement


async def test_the_secret_stands_nowhere_else(attacker: Attacker, hub: PostgresSide) -> None:
    [(sources,)] = await attacker.rows("SELECT string_agg(prosrc, '') FROM pg_proc")
    assert attacker.settings["hub.proof"] not in sources
    await hub.bind("b")
    assert hub.settings["hub.proof"] not in sources
    assert await attacker.rows("SELECT 1 FROM pg_class WHERE relkind = 'S'") == [], "no sequence"


async def test_a_search_path_hides_nothing(attacker: Attacker) -> None:
    for path in ("pg_temp, public", "pg_temp, pg_catalog, public", "public, pg_catalog"):
        async with attacker.transaction() as connection:
            await connection.execute(f"SET LOCAL search_path = {path}")
            assert await names(connection) == ["a"]
            await connection.execute(
                "UPDATE products SET name = name || 'x', version = version + 1"
            )
    found = await attacker.rows("SELECT merchant_id FROM audit_logs WHERE action = 'UPDATE'")
    assert set(found) == {("a",)}


# ── the audit, and what is told to all ───────────────────────────────────────────────────────────


async def test_the_audit_is_not_forged(attacker: Attacker) -> None:
    for statement in (
        "INSERT INTO audit_logs SELECT * FROM audit_logs",
        "DELETE FROM audit_logs",
        "UPDATE audit_logs SET actor_id = 'x'",
        "LOCK TABLE audit_logs",
        "TRUNCATE audit_logs",
        "SELECT 1 FROM audit_logs FOR UPDATE",
        "INSERT INTO audit_logs (id, merchant_id, actor_role, action, target_type, target_id,"
        " created_at)"
        " VALUES ('x', 'a', 'hub', 'CREATE', 'x', 'x', now())",
    ):
        with pytest.raises(DENIED):
            await attacker.run(statement)


@pytest.mark.parametrize("actor", ["{", "[]", '{"role": "root"}', '{"role": {"a": 1}}', '"x"'])
async def test_an_actor_that_is_none_is_refused(attacker: Attacker, actor: str) -> None:
    before = await attacker.rows("SELECT COUNT(*) FROM audit_logs")
    try:
        async with attacker.transaction(actor=actor) as connection:
            await connection.execute("UPDATE products SET name = 'x', version = version + 1")
    except asyncpg.PostgresError:
        assert await attacker.rows("SELECT COUNT(*) FROM audit_logs") == before
        assert await attacker.rows("SELECT name FROM products") == [("Tea",)]
    else:
        assert await attacker.rows("SELECT actor_id FROM audit_logs WHERE action = 'UPDATE'") == [
            (None,)
        ]


async def test_the_channel_tells_the_head_alone(attacker: Attacker, hub: PostgresSide) -> None:
    heard: list[object] = []
    await attacker.connection.add_listener("hub_log", lambda *told: heard.append(told[3]))
    await hub.bind("*")
    await hub.run("INSERT INTO log_state (id, epoch, head, committed_at) VALUES (1, 'e', 0, 0)")
    await hub.run("UPDATE log_state SET head = 7")
    await hub.run("UPDATE log_state SET committed_at = 1")
    async with asyncio.timeout(5):
        while not heard:
            await attacker.connection.fetch("SELECT 1")
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert heard == ["7"]


async def test_every_tenants_table_was_tried() -> None:
    assert set(TENANT) < set(TABLES)
