"""What is Postgres' own: its SQL, its session, its errors, and connections that come back."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.protocol.ids import Uuid7Source
from hub.protocol.times import format_ms
from storage import merchants, postgres
from storage.connect import connect
from storage.database import Transaction
from storage.errors import Conflict, SchemaError, Sealed, StorageError, Unavailable
from storage.migrate import migrate, migrations, pending
from storage.postgres import PostgresDatabase, open_postgres
from storage.postgres_line import Line
from storage.postgres_sql import instant, numbered
from storage.scope import HUB, Scope
from tests.storage.support import NOW, event_row, fill, make_tables, rows, run
from tests.support.databases import until
from tests.support.hub_process import REPOSITORY
from tests.support.postgres import PostgresServer, database_of
from tests.support.postgres import rows as as_superuser

once = settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# What a Postgres text can hold: anything but NUL, and surrogates are no text.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@pytest.fixture
async def opened(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    """An open database with the table `t (n, text)`, empty. Whatever a test does to it, no
    transaction may stay open."""
    database = await open_postgres(postgres_url)
    await make_tables(database, "CREATE TABLE t (n BIGINT PRIMARY KEY, text TEXT)")
    yield database
    await until(lambda: open_transactions(postgres_url) == [])
    await database.close()


def open_transactions(url: str) -> list[str]:
    """The states of the hub's connections that are in a transaction."""
    found = as_superuser(
        url,
        "SELECT state FROM pg_stat_activity WHERE application_name = 'smart-bot-hub'"
        " AND datname = current_database() AND xact_start IS NOT NULL",
    )
    return [state for (state,) in found]


def terminate(url: str, which: str = "TRUE") -> int:
    """Let the server close the hub's connections; how many they were."""
    found = as_superuser(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"  # noqa: S608
        f" WHERE application_name = 'smart-bot-hub' AND datname = current_database() AND {which}",
    )
    return len(found)


async def count(database: PostgresDatabase) -> int:
    [(found,)] = await rows(database, "SELECT count(*) FROM t")
    return int(found)


async def bound(tx: Transaction) -> tuple[str, str | None]:
    """The merchant and the actor that the server knows of."""
    [(merchant, actor)] = await tx.fetch(
        "SELECT hub_merchant(), current_setting('hub.actor')::json ->> 'id'"
    )
    return merchant, actor


# ── SQL ──────────────────────────────────────────────────────────────────────────────────────────

plain = st.text(st.characters(exclude_characters="'\"?"), max_size=8)
quoted = st.builds(
    lambda quote, text: f"{quote}{text.replace(quote, quote * 2)}{quote}",
    st.sampled_from("'\""),
    st.text("'\"?a$1 ", max_size=8),
)
# Between two strings there is something, or they would be one with a quote in it.
pieces = st.lists(st.tuples(plain, st.none() | quoted).map(lambda p: (f" {p[0]} ", p[1])))


@given(pieces)
def test_placeholders_are_numbered_and_strings_left_alone(
    pieces: list[tuple[str, str | None]],
) -> None:
    sql = "".join(text + ("?" if string is None else string) for text, string in pieces)
    expected, number = "", 0
    for text, string in pieces:
        number += string is None
        expected += text + (f"${number}" if string is None else string)
    assert numbered(sql) == expected


async def test_a_question_mark_in_a_string_is_no_placeholder(opened: PostgresDatabase) -> None:
    found = await opened.read(
        lambda tx: tx.fetch("SELECT 'it''s ?' AS \"a?\", ? || '?', CAST(? AS bigint)", ("x", 7)),
        HUB,
    )
    assert found == [("it's ?", "x?", 7)]


@once
@given(address=texts, agent=st.none() | st.text(st.characters(codec="utf-8")))
async def test_whatever_an_actor_calls_itself_reaches_the_audit(
    opened: PostgresDatabase, address: str, agent: str | None
) -> None:
    async def work(tx: Transaction) -> None:
        [(last,)] = await tx.fetch("SELECT count(*) FROM merchants")
        await merchants.insert(tx, f"m{last}", "name", NOW, Uuid7Source())

    await opened.write(work, Scope(None, "k1", "admin", address, agent))
    found = await rows(
        opened, "SELECT ip_address, user_agent FROM audit_logs ORDER BY id DESC LIMIT 1"
    )
    assert found == [(address, agent and agent.replace("\0", ""))]


# ── values ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-22 10:00:00+00", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22 10:00:00.1+00", "2026-11-22T10:00:00.100Z"),
        ("2026-11-22 10:00:00.123+00", "2026-11-22T10:00:00.123Z"),
        ("2026-11-22 10:00:00.123999+00", "2026-11-22T10:00:00.123Z"),
        ("0001-01-01 00:00:00.05+00", "0001-01-01T00:00:00.050Z"),
    ],
)
def test_an_instant_is_written_as_everywhere_else(written: str, read: str) -> None:
    assert instant(written) == read


@once
@given(
    moment=st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(
        lambda d: int(d.timestamp() * 1000)
    )
)
async def test_a_time_comes_back_as_it_was(opened: PostgresDatabase, moment: int) -> None:
    text = format_ms(moment)
    sql = "SELECT CAST(? AS timestamptz), CAST(? AS timestamptz(3)), CAST(NULL AS timestamptz)"
    assert await rows(opened, sql, (text, text)) == [(text, text, None)]


async def test_json_is_text(opened: PostgresDatabase) -> None:
    [(found,)] = await rows(opened, "SELECT CAST(? AS jsonb)", ('{"b":[1,null,"é"],"a":{}}',))
    assert json.loads(found) == {"b": [1, None, "é"], "a": {}}


# ── the session ──────────────────────────────────────────────────────────────────────────────────


async def session(tx: Transaction) -> dict[str, str]:
    names = ("role", "TimeZone", "search_path", "synchronous_commit", "application_name",
             "standard_conforming_strings", "statement_timeout", "lock_timeout",
             "idle_in_transaction_session_timeout", "transaction_isolation",
             "transaction_read_only")  # fmt: skip
    return {name: (await tx.fetch(f"SELECT current_setting('{name}')"))[0][0] for name in names}


async def test_it_works_as_the_role_that_owns_nothing(opened: PostgresDatabase) -> None:
    for call in (opened.read, opened.write):
        found = await call(lambda tx: tx.fetch("SELECT current_user, session_user"), HUB)
        assert found == [("hub_app", "hub")]
    assert await opened.maintain(lambda tx: tx.fetch("SELECT current_user")) == [("hub",)]
    writes, reads = await opened.write(session, HUB), await opened.read(session, HUB)
    assert writes | {"transaction_isolation": "repeatable read"} == reads | {
        "transaction_read_only": "off"
    }
    assert writes == {
        "role": "hub_app", "TimeZone": "UTC", "search_path": "public, pg_temp",
        "synchronous_commit": "on",
        "application_name": "smart-bot-hub", "standard_conforming_strings": "on",
        "statement_timeout": "4s", "lock_timeout": "4s",
        "idle_in_transaction_session_timeout": "4500ms",
        "transaction_isolation": "read committed", "transaction_read_only": "off",
    }  # fmt: skip


@asynccontextmanager
async def login(server: PostgresServer) -> AsyncIterator[str]:
    """A role that may log in and is no more than a member of `hub_app`; its name."""
    name = f"login_{time.time_ns()}"
    server.execute(
        f"CREATE ROLE {name} LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT IN ROLE hub_app, hub_tenant"
    )
    try:
        yield name
    finally:
        server.execute(f"DROP ROLE {name}")


async def test_a_role_of_its_own_and_an_owner_beside_it(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    async with login(postgres_server) as name:
        url = postgres_server.url(database_of(postgres_url), user=name)
        database = await connect(url, owner_url=postgres_url)
        try:
            assert await migrate(database) == await pending(database) == []
            who = "SELECT current_user, session_user"
            assert await rows(database, who) == [("hub_app", name)]
            await database.write(
                lambda tx: merchants.insert(tx, "m1", "one", NOW, Uuid7Source()), HUB
            )
            await fill(database, [event_row(1)])
            assert await rows(database, "SELECT id FROM merchants") == [("m1",)]
            with pytest.raises(Sealed):
                await run(database, "SELECT secret FROM scope_secret")
            heard: list[str] = []
            await database.listen(heard.append)
            await until(lambda: heard == ["again"])
            await run(database, "UPDATE log_state SET head = 2")
            await until(lambda: heard == ["again", "head 2"])
            assert await database.identity()
        finally:
            await database.close()


async def test_without_its_owner_such_a_role_can_bind_nothing(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    async with login(postgres_server) as name:
        database = await connect(postgres_server.url(database_of(postgres_url), user=name))
        try:
            with pytest.raises(SchemaError, match="HUB_DATABASE_OWNER_URL"):
                await rows(database, "SELECT 1")
        finally:
            await database.close()


# ── savepoints ───────────────────────────────────────────────────────────────────────────────────

ONE, TWO, THREE = (Scope(f"m{n}", f"k{n}", "bot") for n in (1, 2, 3))


async def test_what_needs_no_answer_goes_out_with_the_next_statement(
    opened: PostgresDatabase,
) -> None:
    async def nothing(tx: Transaction) -> str:
        return "done"

    async def only_parts(tx: Transaction) -> None:
        async with tx.savepoint(ONE), tx.savepoint(TWO):
            pass
        with pytest.raises(LookupError):
            async with tx.savepoint(ONE):
                raise LookupError
        async with tx.savepoint(THREE):
            pass
        assert await bound(tx) == ("*", None)

    async def first_fails(tx: Transaction) -> None:
        with pytest.raises(Unavailable):
            async with tx.savepoint(ONE):
                await tx.execute("NONSENSE")
        await tx.execute("INSERT INTO t VALUES (1, 'x')")

    for call in (opened.write, opened.read):
        assert await call(nothing, HUB) == "done"
        await call(only_parts, HUB)
    await opened.write(first_fails, HUB)
    assert await count(opened) == 1


async def test_a_part_is_bound_to_its_scope_and_the_rest_to_its_own(
    opened: PostgresDatabase,
) -> None:
    async def work(tx: Transaction) -> None:
        assert await bound(tx) == ("*", None)
        async with tx.savepoint(ONE):
            assert (tx.scope, await bound(tx)) == (ONE, ("m1", "k1"))
            async with tx.savepoint():
                assert (tx.scope, await bound(tx)) == (ONE, ("m1", "k1"))
            async with tx.savepoint(TWO):
                assert (tx.scope, await bound(tx)) == (TWO, ("m2", "k2"))
                async with tx.savepoint(HUB):
                    assert (tx.scope, await bound(tx)) == (HUB, ("*", None))
                assert (tx.scope, await bound(tx)) == (TWO, ("m2", "k2"))
            assert (tx.scope, await bound(tx)) == (ONE, ("m1", "k1"))
        assert (tx.scope, await bound(tx)) == (HUB, ("*", None))
        async with tx.savepoint(TWO):
            assert await bound(tx) == ("m2", "k2")
        async with tx.savepoint(THREE):
            assert await bound(tx) == ("m3", "k3")

    await opened.write(work, HUB)
    await opened.read(work, HUB)


@pytest.mark.parametrize("statement", [None, "SELECT 1", "NONSENSE", "SELECT 1 / 0"])
async def test_a_part_that_fails_leaves_the_binding_that_was(
    statement: str | None, opened: PostgresDatabase
) -> None:
    async def failing(tx: Transaction, scope: Scope | None) -> None:
        async def part() -> None:
            async with tx.savepoint(scope):
                if statement is not None:
                    await tx.execute(statement)
                raise LookupError

        with pytest.raises((LookupError, StorageError)):
            await part()

    async def work(tx: Transaction) -> None:
        for scope in (ONE, None):
            await failing(tx, scope)
            assert (tx.scope, await bound(tx)) == (HUB, ("*", None))
        async with tx.savepoint(ONE):
            for scope in (TWO, HUB, None):
                await failing(tx, scope)
                assert (tx.scope, await bound(tx)) == (ONE, ("m1", "k1"))
            # And again without a statement in between.
            await failing(tx, TWO)
            await failing(tx, THREE)
            assert (tx.scope, await bound(tx)) == (ONE, ("m1", "k1"))
        assert (tx.scope, await bound(tx)) == (HUB, ("*", None))

    await opened.write(work, HUB)
    await opened.read(work, HUB)


async def test_a_binding_ends_with_its_transaction(opened: PostgresDatabase) -> None:
    for _ in range(3):
        for scope in (ONE, TWO, HUB):
            expected = (scope.bound, scope.actor_id)
            assert await opened.write(bound, scope) == await opened.read(bound, scope) == expected


@pytest.mark.parametrize("forged", ["m2", "*", ""])
async def test_a_binding_that_the_hub_did_not_make_is_sealed(
    forged: str, opened: PostgresDatabase
) -> None:
    async def work(tx: Transaction) -> None:
        await merchants.get(tx, "m1")
        async with tx.savepoint():
            await tx.fetch("SELECT set_config('hub.merchant', ?, TRUE)", (forged,))
            await tx.fetch("SELECT id FROM merchants")

    async def add(tx: Transaction) -> None:
        for id_ in ("m1", "m2"):
            await merchants.insert(tx, id_, "one", NOW, Uuid7Source())

    await opened.write(add, HUB)
    with pytest.raises(Sealed):
        await opened.write(work, ONE)


REFUSALS: list[tuple[str, type[StorageError]]] = [
    ("INSERT INTO t VALUES (1, 'again')", Conflict),
    ("UPDATE merchants SET name = '', version = version + 1", Conflict),
    ("INSERT INTO browser_sessions (token_hash, key_id, merchant_id, created_at, expires_at)"
     " VALUES (repeat('a', 64), 'k', 'm9', now(), now())", Conflict),
    ("SELECT 1 / 0", Conflict),
    ("INSERT INTO t VALUES (9223372036854775808, 'x')", Conflict),
    ("UPDATE merchants SET created_at = now()", Conflict),
    ("UPDATE events SET type = 'x'", Sealed),
    ("TRUNCATE merchants", Sealed),
    ("SELECT secret FROM scope_secret", Sealed),
    ("INSERT INTO audit_logs (id) VALUES ('x')", Sealed),
    ("DROP TABLE t", Sealed),
    ("CREATE TABLE mine (n BIGINT)", Sealed),
    ("SELECT nonsense", Unavailable),
    ("SELECT 1 FROM nowhere", Unavailable),
    ("NONSENSE", Unavailable),
]  # fmt: skip


async def test_a_group_goes_on_after_every_kind_of_refusal(opened: PostgresDatabase) -> None:
    await opened.write(lambda tx: merchants.insert(tx, "m1", "one", NOW, Uuid7Source()), HUB)
    await run(opened, "INSERT INTO t VALUES (1, 'x')")

    async def work(tx: Transaction) -> None:
        for number, (statement, error) in enumerate(REFUSALS, 10):
            with pytest.raises(error):
                async with tx.savepoint():
                    await tx.execute(statement)
            async with tx.savepoint(ONE):
                await tx.execute("INSERT INTO t VALUES (?, 'after')", (number,))

    await opened.write(work, HUB)
    assert await count(opened) == 1 + len(REFUSALS)


@pytest.mark.parametrize(("statement", "error"), REFUSALS)
async def test_a_refusal_is_one_of_storages_own(
    statement: str, error: type[StorageError], opened: PostgresDatabase
) -> None:
    await opened.write(lambda tx: merchants.insert(tx, "m1", "one", NOW, Uuid7Source()), HUB)
    await run(opened, "INSERT INTO t VALUES (1, 'x')")
    with pytest.raises(error):
        await run(opened, "INSERT INTO t VALUES (3, 'x')", statement)
    assert await count(opened) == 1


@pytest.mark.parametrize("value", ["a\0b", 7, b"bytes", "\ud800"])
async def test_a_value_that_is_no_text_is_a_conflict(
    value: str | int | bytes, opened: PostgresDatabase
) -> None:
    with pytest.raises(Conflict, match="does not fit"):
        await opened.write(lambda tx: tx.execute("INSERT INTO t VALUES (1, ?)", (value,)), HUB)
    await run(opened, "INSERT INTO t VALUES (1, 'x')")


# ── time ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.alone
async def test_a_statement_that_takes_too_long_is_ended_by_the_server(
    opened: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres._SESSION, "statement_timeout", "200")
    begun = time.monotonic()
    for call in (opened.write, opened.read):
        with pytest.raises(Unavailable, match="statement timeout"):
            await call(lambda tx: tx.execute("SELECT pg_sleep(3)"), HUB)
        assert await call(lambda tx: tx.fetch("SELECT 1"), HUB) == [(1,)]
    assert time.monotonic() - begun < 2


async def test_a_lock_that_is_held_too_long_is_given_up(
    opened: PostgresDatabase, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres._SESSION, "lock_timeout", "200")
    await run(opened, "INSERT INTO t VALUES (1, 'x')")
    other = await open_postgres(postgres_url)
    locked, go_on = asyncio.Event(), asyncio.Event()

    async def hold(tx: Transaction) -> None:
        await tx.execute("UPDATE t SET text = 'held'")
        locked.set()
        await go_on.wait()

    holding = asyncio.create_task(other.write(hold, HUB))
    await locked.wait()
    with pytest.raises(Unavailable, match="lock timeout"):
        await run(opened, "UPDATE t SET text = 'mine'")
    assert await rows(opened, "SELECT text FROM t") == [("x",)], "and a read does not wait for it"
    go_on.set()
    await holding
    await run(opened, "UPDATE t SET text = text || ' no more'")
    assert await rows(opened, "SELECT text FROM t") == [("held no more",)]
    await other.close()


@pytest.mark.alone
async def test_a_unit_that_takes_too_long_is_ended_by_the_client(
    opened: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it waits for: nobody may be kept waiting by a server that does not answer."""
    monkeypatch.setattr(Line.run, "__defaults__", (0.3,))

    async def work(tx: Transaction) -> None:
        await tx.execute("INSERT INTO t VALUES (1, 'x')")
        await tx.execute("SELECT pg_sleep(1.5)")

    begun = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer"):
        await opened.write(work, HUB)
    assert time.monotonic() - begun < 1
    await until(lambda: opened._writer._connection is not None)
    await run(opened, "INSERT INTO t VALUES (2, 'x')")
    assert await rows(opened, "SELECT n FROM t") == [(2,)]


@pytest.mark.alone
async def test_a_read_that_finds_no_place_in_time_is_refused(
    opened: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = 0
    go_on = asyncio.Event()

    async def hold(tx: Transaction) -> int:
        nonlocal inside
        await tx.fetch("SELECT 1")
        inside += 1
        await go_on.wait()
        return inside

    holding = [asyncio.create_task(opened.read(hold, HUB)) for _ in range(postgres.READERS)]
    await until(lambda: inside == postgres.READERS)
    with monkeypatch.context() as patch:
        patch.setattr("storage.postgres.DEADLINE_SECONDS", 0.1)
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="not fast enough"):
            await rows(opened, "SELECT 1")
        assert time.monotonic() - begun < 1
    waiting = asyncio.create_task(rows(opened, "SELECT 2"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    go_on.set()
    assert await asyncio.gather(*holding) == [postgres.READERS] * postgres.READERS
    assert await waiting == [(2,)]
    many = await asyncio.gather(*(rows(opened, "SELECT 3") for _ in range(20)))
    assert many == [[(3,)]] * 20, "the place of the one that gave up is not lost"


# ── callers and connections that go away ─────────────────────────────────────────────────────────


@pytest.mark.parametrize("call", ["read", "write"])
async def test_a_caller_that_gives_up_leaves_the_connection_usable(
    call: str, opened: PostgresDatabase, postgres_url: str
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def work(tx: Transaction) -> None:
        await tx.fetch("SELECT 1")
        if call == "write":
            await tx.execute("INSERT INTO t VALUES (1, 'x')")
        begun.set()
        await go_on.wait()
        ended.append("whole")

    caller = asyncio.create_task(getattr(opened, call)(work, HUB))
    await begun.wait()
    [(before,)] = as_superuser(postgres_url, "SELECT count(*) FROM pg_stat_activity")
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    go_on.set()
    await run(opened, "INSERT INTO t VALUES (2, 'x')")
    for _ in range(2 * postgres.READERS):
        assert await count(opened) == (2 if call == "write" else 1)
    assert ended == ["whole"], "its outcome was not known; it was written all the same"
    [(after,)] = as_superuser(postgres_url, "SELECT count(*) FROM pg_stat_activity")
    assert after <= before + 2


async def test_a_caller_that_gives_up_while_it_waits_writes_all_the_same(
    opened: PostgresDatabase,
) -> None:
    go_on = asyncio.Event()

    async def hold(tx: Transaction) -> None:
        await tx.fetch("SELECT 1")
        await go_on.wait()

    holding = asyncio.create_task(opened.write(hold, HUB))
    caller = asyncio.create_task(run(opened, "INSERT INTO t VALUES (1, 'x')"))
    await asyncio.sleep(0.02)
    caller.cancel()
    await asyncio.wait([caller])
    go_on.set()
    await holding
    await run(opened, "INSERT INTO t VALUES (2, 'x')")
    assert await count(opened) == 2


async def test_connections_that_the_server_closed_come_back(
    opened: PostgresDatabase, postgres_url: str
) -> None:
    await asyncio.gather(*(count(opened) for _ in range(postgres.READERS)))
    await run(opened, "INSERT INTO t VALUES (1, 'x')")
    assert terminate(postgres_url) == postgres.READERS + 1
    await asyncio.sleep(0.05)
    assert await asyncio.gather(*(count(opened) for _ in range(20))) == [1] * 20
    await run(opened, "INSERT INTO t VALUES (2, 'x')")
    assert await count(opened) == 2


@pytest.mark.parametrize("call", ["read", "write"])
async def test_a_connection_that_is_closed_during_a_unit(
    call: str, opened: PostgresDatabase, postgres_url: str
) -> None:
    async def work(tx: Transaction) -> None:
        if call == "write":
            await tx.execute("INSERT INTO t VALUES (1, 'x')")
        await tx.fetch("SELECT pg_sleep(4)")

    working = asyncio.create_task(getattr(opened, call)(work, HUB))
    async with asyncio.timeout(3):
        while not terminate(postgres_url, "query LIKE '%pg_sleep%' AND state = 'active'"):
            await asyncio.sleep(0.005)
    with pytest.raises(Unavailable):
        await working
    for _ in range(postgres.READERS + 1):
        assert await count(opened) == 0
    await run(opened, "INSERT INTO t VALUES (1, 'x')")
    assert await count(opened) == 1


@pytest.mark.alone
async def test_a_server_that_restarts_is_found_again(own_postgres: PostgresServer) -> None:
    database = await open_postgres(own_postgres.create_database())
    await migrate(database)
    heard: list[str] = []
    await database.listen(heard.append)
    await until(lambda: heard == ["again"])
    own_postgres.kill()
    with pytest.raises(Unavailable):
        await rows(database, "SELECT 1")
    for _ in range(2):
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            await database.write(
                lambda tx: merchants.insert(tx, "m1", "one", NOW, Uuid7Source()), HUB
            )
    assert time.monotonic() - begun < 0.5, "refused at once, as long as it cannot be reached"
    own_postgres.start()

    async def found() -> bool:
        try:
            return await rows(database, "SELECT 1") == [(1,)]
        except Unavailable:
            return False

    async with asyncio.timeout(5):
        while not await found():
            await asyncio.sleep(0.02)
    await database.write(lambda tx: merchants.insert(tx, "m1", "one", NOW, Uuid7Source()), HUB)
    await until(lambda: heard == ["again", "again"], seconds=8)
    await database.close()


async def test_notices_are_heard_again_after_the_connection_was_cut(
    opened: PostgresDatabase, postgres_url: str
) -> None:
    heard: list[str] = []
    await opened.listen(heard.append)
    await until(lambda: heard == ["again"])
    await fill(opened, [event_row(1)])
    await until(lambda: heard == ["again", "head 1"])
    assert terminate(postgres_url) >= 2
    await until(lambda: heard[2:] == ["again"], seconds=2)
    await run(opened, "UPDATE log_state SET head = 2")
    await until(lambda: heard[3:] == ["head 2"], seconds=1)


async def test_closing_waits_for_what_runs_and_leaves_no_connection(postgres_url: str) -> None:
    database = await open_postgres(postgres_url)
    heard: list[str] = []
    await database.listen(heard.append)
    await until(lambda: heard == ["again"])
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(tx: Transaction) -> None:
        await merchants.insert(tx, "m1", "one", NOW, Uuid7Source())
        begun.set()
        await go_on.wait()

    writing = asyncio.create_task(database.write(work, HUB))
    await begun.wait()
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0.02)
    go_on.set()
    await closing
    await writing
    assert as_superuser(postgres_url, "SELECT id FROM merchants") == [("m1",)]
    connected = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    await until(lambda: as_superuser(postgres_url, f"{connected} pg_backend_pid()") == [])
    assert len(asyncio.all_tasks()) == 1
    for call in (database.read, database.write):
        with pytest.raises(Unavailable, match="closed"):
            await call(lambda tx: tx.fetch("SELECT 1"), HUB)


@pytest.mark.parametrize("turns", range(0, 60, 4))
async def test_closing_while_a_connection_is_being_opened(turns: int, postgres_url: str) -> None:
    """However far it has come: a connection that nobody waits for any more is closed."""
    database = await open_postgres(postgres_url)
    await rows(database, "SELECT 1")
    asked = [asyncio.create_task(rows(database, "SELECT 1")) for _ in range(postgres.READERS)]
    await database.listen(lambda notice: None)
    for _ in range(turns):
        await asyncio.sleep(0)
    for line in database._readers:
        await line.close()
    await asyncio.wait(asked)
    await database.close()
    connected = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    await until(lambda: as_superuser(postgres_url, f"{connected} pg_backend_pid()") == [])
    for task in asked:
        task.exception()


async def test_a_scan_that_stops_early_leaves_no_cursor(opened: PostgresDatabase) -> None:
    await run(opened, "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 2000) AS s(n)")

    async def work(tx: Transaction) -> list[int]:
        seen: list[int] = []
        for stop in (1, 700, 5000):
            last = 0
            async for (n,) in tx.scan("SELECT n FROM t WHERE n > ? ORDER BY n", (0,)):
                last = n
                if n == stop:
                    break
            seen.append(last)
        return seen

    for _ in range(5):
        assert await opened.read(work, HUB) == [1, 700, 2000]


# ── which database it is ─────────────────────────────────────────────────────────────────────────


async def identity(url: str) -> str:
    database = await open_postgres(url)
    try:
        found = await database.identity()
        assert found
        return found
    finally:
        await database.close()


async def test_an_identity_survives_restarts_and_is_no_others(own_postgres: PostgresServer) -> None:
    urls = [own_postgres.create_database() for _ in range(2)]
    for url in urls:
        database = await open_postgres(url)
        await migrate(database)
        await database.close()
    copy = own_postgres.create_database(template=database_of(urls[0]))
    before = [await identity(url) for url in (*urls, copy)]
    assert len(set(before)) == 3
    own_postgres.restart()
    assert [await identity(url) for url in (*urls, copy)] == before
    own_postgres.kill()
    own_postgres.start()
    assert [await identity(url) for url in (*urls, copy)] == before, "a crash loses nothing"
    with PostgresServer() as other:
        database = await open_postgres(other.create_database(database_of(urls[0])))
        await migrate(database)
        assert await database.identity() not in before
        await database.close()


# ── several that start ───────────────────────────────────────────────────────────────────────────

MIGRATE = """
import asyncio, sys
from storage.migrate import migrate
from storage.postgres import open_postgres

async def main() -> None:
    database = await open_postgres(sys.argv[1])
    sys.stdin.readline()
    print(len(await migrate(database)))
    await database.close()

asyncio.run(main())
"""


async def migrated_at_once(*urls: str) -> list[int]:
    """How many steps each of several processes applied that were let go together."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATE, url, cwd=REPOSITORY,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for url in urls
    ]  # fmt: skip
    await asyncio.sleep(1.0)  # they import
    answers = await asyncio.gather(*(process.communicate(b"\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * len(urls), answers
    return [int(out) for out, _ in answers]


async def test_processes_that_migrate_one_database_at_once(empty_postgres_url: str) -> None:
    applied = await migrated_at_once(*[empty_postgres_url] * 3)
    assert sorted(applied) == [0, 0, len(migrations("postgres"))]


async def test_databases_of_one_server_that_are_made_at_once(own_postgres: PostgresServer) -> None:
    """The role belongs to all of them: the first that comes makes it."""
    urls = [own_postgres.create_database() for _ in range(3)]
    assert await migrated_at_once(*urls) == [len(migrations("postgres"))] * 3
    for url in urls:
        database = await open_postgres(url)
        assert await rows(database, "SELECT current_user") == [("hub_app",)]
        await database.close()
