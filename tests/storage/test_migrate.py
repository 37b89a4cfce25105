"""Migrations: each once, in order, held by its checksum, all or nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from storage.connect import connect
from storage.database import Database, Engine, Row
from storage.errors import Conflict, SchemaError, StorageError, Unavailable
from storage.migrate import migrate, migrations, pending
from tests.support.databases import Store

Write = Callable[[str, str], None]


SEALED = """
CREATE TABLE scope_secret (id BIGINT, secret BYTEA);
INSERT INTO scope_secret VALUES (1, sha256('secret'));
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'hub_app') THEN
        CREATE ROLE hub_app NOLOGIN;
    END IF;
    IF NOT pg_has_role(current_user, 'hub_app', 'MEMBER') THEN
        GRANT hub_app TO CURRENT_USER;
    END IF;
END
$$;
GRANT SELECT ON schema_migrations TO hub_app;
"""
"""What the hub needs on Postgres to look at a schema as the role that it works as."""


@pytest.fixture
def steps(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Migrations of the test's own instead of the program's."""
    folder = tmp_path / "package" / "migrations" / engine
    folder.mkdir(parents=True)
    monkeypatch.setattr("storage.migrate.files", lambda name: tmp_path / "package")

    def write(name: str, sql: str) -> None:
        if name == "001_one.sql" and engine == "postgres":
            sql = SEALED + sql
        (folder / name).write_text(sql, encoding="utf-8")

    return write


@pytest.fixture
async def empty(empty_store: Store) -> AsyncIterator[Database]:
    """A database without a schema."""
    database = await connect(empty_store.url)
    yield database
    await database.close()


async def tables(database: Database) -> set[str]:
    return set(await database.maintain(lambda tx: tx.tables()))


async def owned(database: Database, sql: str) -> list[Row]:
    """What a query finds as the owner of the schema, whose tables nobody else may read."""
    return await database.maintain(lambda tx: tx.fetch(sql))


sqlite_only = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

# ── the program's own ────────────────────────────────────────────────────────────────────────────


async def test_the_schema_is_made_once(empty: Database) -> None:
    names = [step.name for step in migrations(empty.engine)]
    assert names
    assert await pending(empty) == names
    assert await tables(empty) == set(), "looking changes nothing"
    assert await migrate(empty) == names
    assert {"events", "log_state", "merchants", "api_keys"} <= await tables(empty)
    assert await pending(empty) == []
    assert await migrate(empty) == []


async def test_two_that_start_at_once_do_not_disturb_each_other(empty_store: Store) -> None:
    async def start() -> list[str]:
        database = await connect(empty_store.url)
        try:
            return await migrate(database)
        finally:
            await database.close()

    applied = await asyncio.gather(*(start() for _ in range(4)))
    assert sorted(map(len, applied))[:3] == [0, 0, 0]
    assert max(applied, key=len) == [step.name for step in migrations(empty_store.engine)]


# ── steps ────────────────────────────────────────────────────────────────────────────────────────


async def test_only_what_is_missing_is_applied(empty: Database, steps: Write) -> None:
    steps("001_one.sql", "CREATE TABLE one (n BIGINT);\n")
    assert await migrate(empty) == ["001_one.sql"]
    steps("002_two.sql", "ALTER TABLE one ADD COLUMN m BIGINT;\nINSERT INTO one VALUES (1, 2);\n")
    steps("003_three.sql", "INSERT INTO one VALUES (3, 4);\n")
    steps("README.md", "not a migration")
    assert await pending(empty) == ["002_two.sql", "003_three.sql"]
    assert await migrate(empty) == ["002_two.sql", "003_three.sql"]
    assert await owned(empty, "SELECT n, m FROM one ORDER BY n") == [(1, 2), (3, 4)]


async def test_a_step_that_was_changed_is_refused(empty: Database, steps: Write) -> None:
    steps("001_one.sql", "CREATE TABLE one (n BIGINT);\n")
    await migrate(empty)
    steps("001_one.sql", "CREATE TABLE one (n BIGINT); -- harmless?\n")
    steps("002_two.sql", "CREATE TABLE two (n BIGINT);\n")
    for call in (migrate, pending):
        with pytest.raises(SchemaError, match=r"001_one\.sql was changed"):
            await call(empty)
    assert "two" not in await tables(empty)
    steps("001_one.sql", "CREATE TABLE one (n BIGINT);\n")
    assert await migrate(empty) == ["002_two.sql"]


async def test_a_newer_schema_is_refused(empty: Database, steps: Write, tmp_path: Path) -> None:
    steps("001_one.sql", "CREATE TABLE one (n BIGINT);\n")
    steps("002_two.sql", "CREATE TABLE two (n BIGINT);\n")
    await migrate(empty)
    (tmp_path / "package" / "migrations" / empty.engine / "002_two.sql").unlink()
    for call in (migrate, pending):
        with pytest.raises(SchemaError, match=r"002_two\.sql.*newer"):
            await call(empty)


@pytest.mark.parametrize(
    "names", [["002_a.sql"], ["001_a.sql", "003_b.sql"], ["001_a.sql", "001_b.sql"]]
)
async def test_numbers_without_order_are_refused(
    names: list[str], empty: Database, steps: Write
) -> None:
    for name in names:
        steps(name, f"CREATE TABLE t{name[:5]} (n BIGINT);\n")
    with pytest.raises(SchemaError, match="numbered"):
        await migrate(empty)
    assert await tables(empty) == set()


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("INSERT INTO one VALUES (1);\nINSERT INTO one VALUES (1);\n", Conflict),
        ("CREATE TABLE two (n BIGINT);\nNONSENSE;\n", Unavailable),
        ("CREATE TABLE two (n BIGINT);\nCREATE TABLE three (\n", SchemaError),
        ("CREATE TABLE two (n BIGINT);\nINSERT INTO two VALUES ('\n", SchemaError),
        ("CREATE TABLE two (n BIGINT);\n/* What\n", SchemaError),
    ],
)
async def test_all_or_nothing(
    sql: str, error: type[StorageError], empty: Database, steps: Write
) -> None:
    steps("001_one.sql", "CREATE TABLE one (n BIGINT PRIMARY KEY);\n")
    steps("002_bad.sql", sql)
    with pytest.raises(error):
        await migrate(empty)
    assert await tables(empty) == set(), "not even the good ones before it"


# ── statements ───────────────────────────────────────────────────────────────────────────────────


async def test_a_file_has_many_statements(empty: Database, steps: Write) -> None:
    strict = " STRICT" if empty.engine == "sqlite" else ""
    steps(
        "001_one.sql",
        f"""-- A comment; with a semicolon.

        CREATE TABLE one (
            n INTEGER PRIMARY KEY, -- the number
            text TEXT NOT NULL DEFAULT 'a; b'
        ){strict};
        CREATE INDEX one_text ON one (text);   \n
        -- Another comment
        INSERT INTO one (n) VALUES (1),
            (2);
        INSERT INTO one VALUES (3, '-- no comment'); INSERT INTO one VALUES (4, 'é');
        """.replace("; INSERT", ";\n        INSERT"),  # noqa: S608
    )
    await migrate(empty)
    assert await owned(empty, "SELECT n, text FROM one ORDER BY n") == [
        (1, "a; b"), (2, "a; b"), (3, "-- no comment"), (4, "é"),
    ]  # fmt: skip


@sqlite_only
async def test_a_trigger_is_one_statement(empty: Database, steps: Write) -> None:
    steps(
        "001_one.sql",
        """
CREATE TABLE one (n INTEGER);
CREATE TABLE log (what TEXT);
CREATE TRIGGER one_added AFTER INSERT ON one
BEGIN
    INSERT INTO log VALUES ('added');
    INSERT INTO log VALUES ('really');
END;
CREATE TRIGGER one_gone AFTER DELETE ON one BEGIN
    INSERT INTO log VALUES ('gone');
END;
INSERT INTO one VALUES (1);
DELETE FROM one;
""",
    )
    await migrate(empty)
    found = await owned(empty, "SELECT what FROM log")
    assert found == [("added",), ("really",), ("gone",)]


@sqlite_only
async def test_a_trigger_may_be_in_small_letters(empty: Database, steps: Write) -> None:
    steps(
        "001_one.sql",
        """
create table one (n integer);
create trigger one_added after insert on one
begin
    update one set n = n + 1;
    update one set n = n * 2;
end;
insert into one values (1);
""",
    )
    await migrate(empty)
    assert await owned(empty, "SELECT n FROM one") == [(4,)]


@sqlite_only
async def test_a_trigger_may_decide(empty: Database, steps: Write) -> None:
    """`CASE … END;` inside of a body is not the body's end."""
    steps(
        "001_one.sql",
        """
CREATE TABLE one (n INTEGER);
CREATE TRIGGER one_small BEFORE INSERT ON one
BEGIN
    SELECT CASE WHEN NEW.n > 9 THEN RAISE(ABORT, 'too big') END;
    SELECT 1;
END;
""",
    )
    await migrate(empty)
    await empty.maintain(lambda tx: tx.script("INSERT INTO one VALUES (1);"))
    with pytest.raises(Conflict, match="too big"):
        await empty.maintain(lambda tx: tx.script("INSERT INTO one VALUES (10);"))


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_a_function_may_have_a_body(empty: Database, steps: Write) -> None:
    steps(
        "001_one.sql",
        """
CREATE TABLE one (n BIGINT);
CREATE FUNCTION small() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n > 9 THEN RAISE EXCEPTION 'too; big?'; END IF;
    NEW.n := NEW.n + 1;
    RETURN NEW;
END
$$;
CREATE TRIGGER one_small BEFORE INSERT ON one FOR EACH ROW EXECUTE FUNCTION small();
INSERT INTO one VALUES (1);
""",
    )
    await migrate(empty)
    assert await owned(empty, "SELECT n FROM one") == [(2,)]
    with pytest.raises(Conflict, match=r"too; big\?"):
        await empty.maintain(lambda tx: tx.script("INSERT INTO one VALUES (10);"))


async def test_a_comment_may_hold_a_semicolon(empty: Database, steps: Write) -> None:
    steps("001_one.sql", "CREATE TABLE one (\n    n INTEGER, -- first;\n    m INTEGER\n);\n")
    await migrate(empty)
    assert await owned(empty, "SELECT n, m FROM one") == []
