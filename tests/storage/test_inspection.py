"""What `doctor` says of a Postgres database."""

from collections.abc import AsyncIterator

import pytest

from storage.connect import connect
from storage.database import Database
from storage.inspection import Finding, inspect
from tests.support.postgres import PostgresServer, database_of

SEALED = "every merchant's rows are sealed by row-level security"


@pytest.fixture
async def opened(postgres_server: PostgresServer, postgres_url: str) -> AsyncIterator[Database]:
    # A copied database has this right again; the migrations take it away where they run.
    postgres_server.execute(f"REVOKE TEMPORARY ON DATABASE {database_of(postgres_url)} FROM PUBLIC")
    database = await connect(postgres_url)
    yield database
    await database.close()


async def wrong(database: Database) -> list[Finding]:
    """What is not as it should be, but for what the tests' own server does and a slow machine."""
    found = await inspect(database, "here")
    return [
        finding
        for finding in found
        if finding.state != "ok" and not finding.what.startswith(("fsync", "a round trip"))
    ]


async def test_a_migrated_database_is_sealed(opened: Database) -> None:
    found = await inspect(opened, "here")
    assert SEALED in [finding.what for finding in found if finding.state == "ok"]
    assert [finding.what for finding in found if finding.state == "fail"] == [
        finding.what for finding in found if finding.what.startswith("fsync")
    ]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER TABLE merchants DISABLE ROW LEVEL SECURITY", "merchants"),
        ("ALTER TABLE log_state DISABLE ROW LEVEL SECURITY", "log_state"),
        ("ALTER TABLE hub_instances NO FORCE ROW LEVEL SECURITY", "hub_instances"),
        ("GRANT SELECT ON scope_secret TO hub_app", "scope_secret"),
        ("GRANT SELECT (secret) ON scope_secret TO hub_tenant", "scope_secret"),
        ("CREATE TABLE notes (text TEXT); GRANT INSERT ON notes TO PUBLIC", "notes"),
        (
            "CREATE TABLE notes (text TEXT); GRANT SELECT ON notes TO hub_app;"
            "ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            "notes",
        ),
        ("CREATE POLICY open ON orders TO hub_tenant USING (TRUE)", "open on orders"),
        ("CREATE POLICY open ON orders USING (TRUE)", "open on orders"),
        (
            "CREATE POLICY open ON orders TO hub_app USING (TRUE)"
            " WITH CHECK ((SELECT hub_merchant()) = '*')",
            "open on orders",
        ),
        ("CREATE POLICY open ON orders FOR INSERT TO hub_app WITH CHECK (TRUE)", "open on orders"),
        ("ALTER POLICY merchants_read ON merchants USING (id <> '')", "merchants_read on merch"),
    ],
)
async def test_what_is_not_sealed_is_told(
    opened: Database,
    postgres_server: PostgresServer,
    postgres_url: str,
    statement: str,
    told: str,
) -> None:
    postgres_server.execute(statement, database=database_of(postgres_url))
    found = await inspect(opened, "here")
    assert SEALED not in [finding.what for finding in found]
    [finding] = [one for one in found if one.state == "fail" and "fsync" not in one.what]
    assert told in finding.what
    assert finding.advice


async def test_what_only_takes_rows_away_is_no_hole(
    opened: Database, postgres_server: PostgresServer, postgres_url: str
) -> None:
    postgres_server.execute(
        "CREATE POLICY less ON orders AS RESTRICTIVE TO hub_app USING (status <> 'x')",
        database=database_of(postgres_url),
    )
    assert SEALED in [finding.what for finding in await inspect(opened, "here")]


async def test_a_hub_that_logs_in_as_the_owner_is_told_of_the_strict_way(
    opened: Database, postgres_server: PostgresServer, postgres_url: str
) -> None:
    told = "logs in as the owner of its tables"
    [finding] = [one for one in await wrong(opened) if told in one.what]
    assert (finding.state, "strict way" in finding.advice) == ("warn", True)
    postgres_server.execute(
        "CREATE ROLE inspected LOGIN NOINHERIT IN ROLE hub_app, hub_tenant",
        "CREATE ROLE mighty LOGIN BYPASSRLS IN ROLE hub_app, hub_tenant",
    )
    try:
        name = database_of(postgres_url)
        for role, states in (
            ("inspected", []),
            ("mighty", ["the role mighty is allowed to bypass"]),
        ):
            strict = await connect(postgres_server.url(name, role), owner_url=postgres_url)
            try:
                what = [finding.what for finding in await wrong(strict)]
            finally:
                await strict.close()
            assert not [one for one in what if told in one]
            assert [one for one in what if one.startswith("the role")] == [
                f"{state} row-level security" for state in states
            ]
    finally:
        postgres_server.execute("DROP ROLE inspected", "DROP ROLE mighty")
