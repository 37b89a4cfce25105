"""What a scope keeps apart, on every engine: nobody reads or writes another merchant's rows."""

import msgspec
import pytest

from hub.protocol.ids import Uuid7Source
from storage import events, keys, merchants
from storage.database import Database, Row, Transaction
from storage.errors import Conflict, NotFound, Sealed, StorageError
from storage.records import ApiKey, KnownEvent
from storage.scope import HUB, Scope, scoped
from tests.storage.support import NOW, event_row, fill, make_tables, rows

FAR = "2030-01-01T00:00:00.000Z"
ONE, TWO = Scope("m1", "k1", "merchant", "192.0.2.1", "one/1"), Scope("m2", "k2", "bot")
SIZES = [0, 1, 255, 256, 257, 700]


def digest(text: str) -> str:
    return text.rjust(64, "0")


def key_of(id_: str, merchant_id: str | None) -> ApiKey:
    role = "admin" if merchant_id is None else "bot"
    return ApiKey(id_, merchant_id, role, "till", "hub_b_1234", 1, NOW, None, None)


@pytest.fixture
async def shared(database: Database) -> Database:
    """Two merchants with a key, a browser, events and a retired id each; and an admin."""

    async def work(tx: Transaction) -> None:
        for n in (1, 2):
            await merchants.insert(tx, f"m{n}", f"name {n}", NOW, Uuid7Source())
            await keys.insert(tx, key_of(f"k{n}", f"m{n}"), digest(f"k{n}"))
            await keys.insert_session(tx, digest(f"b{n}"), f"k{n}", f"m{n}", NOW, FAR)
        await keys.insert(tx, key_of("ka", None), digest("ka"), bootstrap=True)
        await keys.insert_session(tx, digest("ba"), "ka", None, NOW, FAR)

    await database.write(work, HUB)
    new = [event_row(n, merchant_id=f"m{1 + n % 2}", committed_ms=n) for n in range(1, 9)]
    await fill(database, new)
    assert await database.write(lambda tx: events.retire(tx, 3, 10), HUB) == 2
    return database


async def everything(database: Database) -> dict[str, list[Row]]:
    """All rows that the tests of writing could change."""
    return {
        table: await rows(database, f"SELECT * FROM {table} ORDER BY 1, 2, 3")  # noqa: S608
        for table in ("merchants", "api_keys", "browser_sessions", "events", "audit_logs")
    }


# ── writing ──────────────────────────────────────────────────────────────────────────────────────

REFUSED = [
    "INSERT INTO merchants (id, name, created_at, updated_at) VALUES ('m3', 'x', :now, :now)",
    "INSERT INTO api_keys (id, merchant_id, role, name, prefix, token_hash, created_at) VALUES"
    " ('k9', 'm2', 'bot', 'x', 'x', :hash, :now)",
    "INSERT INTO api_keys (id, merchant_id, role, name, prefix, token_hash, created_at) VALUES"
    " ('k9', NULL, 'admin', 'x', 'x', :hash, :now)",
    "INSERT INTO browser_sessions (token_hash, key_id, merchant_id, created_at, expires_at) VALUES"
    " (:hash, 'k2', 'm2', :now, :now)",
    "INSERT INTO browser_sessions (token_hash, key_id, merchant_id, created_at, expires_at) VALUES"
    " (:hash, 'ka', NULL, :now, :now)",
    "UPDATE events SET type = 'custom_other' WHERE merchant_id = 'm1'",
]
"""What is refused to the scope of the first merchant, whatever the engine."""

MOVED = [
    "UPDATE api_keys SET merchant_id = 'm2', version = version + 1 WHERE id = 'k1'",
    "UPDATE merchants SET id = 'm3', version = version + 1 WHERE id = 'm1'",
    "UPDATE browser_sessions SET merchant_id = 'm2' WHERE token_hash = :browser",
]
"""Rows of its own that it would give away."""

OUT_OF_REACH = [
    "UPDATE api_keys SET name = 'mine', version = version + 1 WHERE id = 'k2'",
    "UPDATE api_keys SET merchant_id = 'm1', version = version + 1 WHERE id = 'k2'",
    "UPDATE api_keys SET name = 'mine', version = version + 1 WHERE id = 'ka'",
    "UPDATE merchants SET name = 'mine', version = version + 1 WHERE id = 'm2'",
    "UPDATE browser_sessions SET expires_at = :now WHERE merchant_id = 'm2'",
    "DELETE FROM browser_sessions WHERE merchant_id = 'm2'",
    "DELETE FROM browser_sessions WHERE merchant_id IS NULL",
    "DELETE FROM api_keys WHERE id = 'k2'",
]
"""Rows that Postgres does not show to it, and that SQLite refuses to change."""
CLOSED = [
    "DELETE FROM merchants WHERE id = 'm2'",
    "DELETE FROM merchants WHERE id = 'm1'",
    "DELETE FROM events WHERE merchant_id = 'm2'",
    "DELETE FROM events WHERE merchant_id = 'm1'",
]
"""What only happens for every merchant."""


def with_values(statement: str) -> str:
    """The statement with a time and hashes in it."""
    values = {":now": NOW, ":hash": digest("9"), ":browser": digest("b1")}
    for name, value in values.items():
        statement = statement.replace(name, f"'{value}'")
    return statement


@pytest.mark.parametrize("statement", REFUSED)
async def test_a_row_outside_of_the_scope_is_not_added(
    statement: str, shared: Database, raw_sql: None
) -> None:
    before = await everything(shared)
    with pytest.raises(Sealed):
        await shared.write(lambda tx: tx.execute(with_values(statement)), ONE)
    assert await everything(shared) == before


@pytest.mark.parametrize("statement", MOVED)
async def test_a_row_is_not_moved_out_of_the_scope(
    statement: str, shared: Database, raw_sql: None
) -> None:
    before = await everything(shared)
    for scope in (ONE, HUB):
        with pytest.raises((Sealed, Conflict)):
            await shared.write(lambda tx: tx.execute(with_values(statement)), scope)
    assert await everything(shared) == before


@pytest.mark.parametrize("statement", OUT_OF_REACH)
async def test_a_row_outside_of_the_scope_is_out_of_reach(
    statement: str, shared: Database, raw_sql: None
) -> None:
    before = await everything(shared)
    if shared.engine == "sqlite":
        with pytest.raises((Sealed, Conflict)):
            await shared.write(lambda tx: tx.execute(with_values(statement)), ONE)
    else:
        assert await shared.write(lambda tx: tx.execute(with_values(statement)), ONE) == 0
    assert await everything(shared) == before


@pytest.mark.parametrize("statement", CLOSED)
async def test_what_is_done_for_every_merchant_is_not_done_for_one(
    statement: str, shared: Database, raw_sql: None
) -> None:
    before = await everything(shared)
    with pytest.raises((Sealed, Conflict)):
        await shared.write(lambda tx: tx.execute(statement), ONE)
    assert await everything(shared) == before


async def test_a_savepoint_with_another_scope_writes_its_rows_alone(
    shared: Database, raw_sql: None
) -> None:
    async def insert(tx: Transaction, id_: str, merchant_id: str | None) -> None:
        await keys.insert(tx, key_of(id_, merchant_id), digest(id_))

    async def other(tx: Transaction, scope: Scope, *wanted: tuple[str, str | None]) -> None:
        async with tx.savepoint(scope):
            for id_, merchant_id in wanted:
                await insert(tx, id_, merchant_id)

    async def work(tx: Transaction) -> None:
        await insert(tx, "n1", "m1")
        await other(tx, TWO, ("n2", "m2"))
        assert tx.scope is ONE
        with pytest.raises(Sealed):
            await other(tx, TWO, ("n3", "m2"), ("n4", "m1"))
        assert tx.scope is ONE
        await insert(tx, "n5", "m1")
        with pytest.raises(Sealed):
            await other(tx, ONE, ("n6", "m2"))
        await other(tx, HUB, ("n7", "m1"), ("n8", "m2"), ("n9", None))
        async with tx.savepoint(TWO):
            await insert(tx, "p1", "m2")
            with pytest.raises(Sealed):
                await other(tx, ONE, ("p2", "m2"))
            await other(tx, ONE, ("p3", "m1"))
            await insert(tx, "p4", "m2")
        with pytest.raises(Sealed):
            async with tx.savepoint():
                await insert(tx, "p5", "m2")
        await insert(tx, "p6", "m1")

    await shared.write(work, ONE)
    found = await rows(
        shared, "SELECT id FROM api_keys WHERE id LIKE 'n%' OR id LIKE 'p%' ORDER BY 1"
    )
    assert [id_ for (id_,) in found] == ["n1", "n2", "n5", "n7", "n8", "n9", "p1", "p3", "p4", "p6"]
    audited = await rows(shared, "SELECT target_id, actor_id FROM audit_logs")
    actors: dict[str, str | None] = dict(audited)
    assert {id_: actors[id_] for (id_,) in found} == {
        "n1": "k1", "n2": "k2", "n5": "k1", "n7": None, "n8": None, "n9": None,
        "p1": "k2", "p3": "k1", "p4": "k2", "p6": "k1",
    }  # fmt: skip


# ── SQLite's own row ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_at_rest_the_file_names_no_scope(shared: Database, raw_sql: None) -> None:
    """So that whoever opens the file with another program has none."""

    async def at_rest() -> list[Row]:
        return await rows(
            shared,
            "SELECT merchant_id, actor_id, actor_role, ip_address, user_agent FROM scope",
        )

    empty = [(None,) * 5]

    async def good(tx: Transaction) -> None:
        await keys.insert(tx, key_of("n1", "m1"), digest("n1"))
        assert await tx.fetch("SELECT merchant_id, actor_id, actor_role FROM scope") == [
            ("m1", "k1", "merchant")
        ]

    async def raising(tx: Transaction) -> None:
        await keys.insert(tx, key_of("n2", "m1"), digest("n2"))
        raise LookupError

    async def refused(tx: Transaction) -> None:
        await keys.insert(tx, key_of("n2", "m1"), digest("n2"))
        await keys.insert(tx, key_of("n3", "m2"), digest("n3"))

    async def parts(tx: Transaction) -> None:
        for scope, owner in ((TWO, "m2"), (TWO, "m1"), (HUB, "m1")):
            try:
                async with tx.savepoint(scope):
                    id_ = f"p-{scope.bound}-{owner}"
                    await keys.insert(tx, key_of(id_, owner), digest(id_))
            except Sealed:
                assert owner == "m1"
        async with tx.savepoint(TWO):
            pass

    async def only_parts_that_fail(tx: Transaction) -> None:
        with pytest.raises(Sealed):
            async with tx.savepoint(TWO):
                await keys.insert(tx, key_of("n9", "m1"), digest("n9"))

    async def nonsense(tx: Transaction) -> None:
        await keys.insert(tx, key_of("n2", "m1"), digest("n2"))
        await tx.execute("NONSENSE")

    assert await at_rest() == empty
    for work in (good, raising, refused, parts, only_parts_that_fail, nonsense):
        try:
            await shared.write(work, ONE)
        except (StorageError, LookupError):
            assert work in (raising, refused, nonsense)
        assert await at_rest() == empty, work.__name__
    await shared.write(lambda tx: events.retire(tx, 2**53, 10), HUB)
    assert await at_rest() == empty


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_scope_is_a_condition_and_its_parameters(shared: Database) -> None:
    async def work(tx: Transaction) -> tuple[str, list[str]]:
        return scoped(tx, "k.")

    assert await shared.read(work, ONE) == ("k.merchant_id = ?", ["m1"])
    assert await shared.read(work, HUB) == ("TRUE", [])


@pytest.mark.parametrize("own", [1, 2])
async def test_a_merchants_scope_sees_its_keys_alone(own: int, shared: Database) -> None:
    scope, other = Scope(f"m{own}"), 3 - own

    async def work(tx: Transaction) -> None:
        assert (await keys.get(tx, f"k{own}")).merchant_id == f"m{own}"
        for id_ in (f"k{other}", "ka"):
            with pytest.raises(NotFound):
                await keys.get(tx, id_)
        assert [key.id for key in await keys.page(tx, "", 100)] == [f"k{own}"]
        hashes = [digest(id_) for id_ in ("k1", "k2", "ka")]
        assert list(await keys.by_token_hashes(tx, hashes)) == [digest(f"k{own}")]
        assert await keys.bootstrap_keys(tx) == []
        assert await keys.revoked_among(tx, [f"k{own}"]) == []
        assert await keys.revoked_among(tx, [f"k{other}", "ka"]) == [f"k{other}", "ka"]
        found = await keys.by_session_hash(tx, digest(f"b{own}"))
        assert found is not None
        assert found[0].id == f"k{own}"
        for name in (f"b{other}", "ba"):
            assert await keys.by_session_hash(tx, digest(name)) is None
        hashes = [digest(name) for name in ("b1", "b2", "ba")]
        assert digest(f"b{own}") not in await keys.ended_among(tx, hashes)
        assert len(await keys.ended_among(tx, hashes)) == 2

    await shared.read(work, scope)
    await shared.write(work, scope)


async def test_a_merchants_scope_changes_its_keys_alone(shared: Database) -> None:
    async def work(tx: Transaction) -> None:
        for id_ in ("k2", "ka"):
            assert await keys.revoke(tx, id_, NOW) is False
        for name in ("b2", "ba"):
            await keys.delete_session(tx, digest(name))
        # What has expired of others is theirs to forget.
        await keys.insert_session(tx, digest("b3"), "k1", "m1", "2031-01-01T00:00:00.000Z", FAR)

    before = await everything(shared)
    await shared.write(work, ONE)
    after = await everything(shared)
    assert after["api_keys"] == before["api_keys"]
    left = {row[0] for row in await rows(shared, "SELECT token_hash FROM browser_sessions")}
    assert left == {digest(name) for name in ("b2", "ba", "b3")}
    assert await shared.write(lambda tx: keys.revoke(tx, "k1", NOW), ONE) is True
    left = {row[0] for row in await rows(shared, "SELECT token_hash FROM browser_sessions")}
    assert left == {digest(name) for name in ("b2", "ba")}


@pytest.mark.parametrize("own", [1, 2])
async def test_a_merchants_scope_sees_itself_alone(own: int, shared: Database) -> None:
    async def work(tx: Transaction) -> None:
        assert (await merchants.get(tx, f"m{own}")).name == f"name {own}"
        with pytest.raises(NotFound):
            await merchants.get(tx, f"m{3 - own}")
        assert [found.id for found in await merchants.page(tx, "", 100)] == [f"m{own}"]

    await shared.read(work, Scope(f"m{own}"))
    await shared.write(work, Scope(f"m{own}"))


@pytest.mark.parametrize("own", [1, 2])
async def test_a_merchants_scope_sees_its_events_alone(own: int, shared: Database) -> None:
    offsets = [n for n in range(3, 9) if 1 + n % 2 == own]
    pairs = [(f"m{1 + n % 2}", f"id-{n}") for n in range(1, 9)]

    async def work(tx: Transaction) -> None:
        page = await events.page(tx, None, None, after=0, upto=99)
        assert [offset for offset, _ in page.events] == offsets
        found, _ = await events.offsets_before(tx, None, None, 99)
        assert found == offsets[::-1]
        assert [row.offset for row in await events.newest(tx, 100)] == offsets
        assert [row.offset for row in await events.following(tx, 0, 99)] == offsets
        assert await events.last_offsets(tx) == {f"m{own}": offsets[-1]}
        known = await events.known_events(tx, pairs)
        assert {merchant for merchant, _ in known} == {f"m{own}"}
        assert sorted(e.offset for e in known.values()) == [3 - own, *offsets]
        assert (await events.log_state(tx)).head == 8, "how far the log is, is told to all"

    await shared.read(work, Scope(f"m{own}"))


async def test_the_hubs_scope_sees_everything(shared: Database) -> None:
    async def work(tx: Transaction) -> None:
        assert [key.id for key in await keys.page(tx, "", 100)] == ["k1", "k2", "ka"]
        assert [found.id for found in await merchants.page(tx, "", 100)] == ["m1", "m2"]
        assert [row.offset for row in await events.newest(tx, 100)] == list(range(3, 9))
        assert await keys.bootstrap_keys(tx) == ["ka"]
        assert await events.last_offsets(tx) == {"m1": 8, "m2": 7}

    await shared.read(work, HUB)


async def test_a_merchant_nobody_has_sees_nothing(shared: Database, raw_sql: None) -> None:
    async def work(tx: Transaction) -> None:
        assert await keys.page(tx, "", 100) == []
        assert await merchants.page(tx, "", 100) == []
        assert await events.newest(tx, 100) == []

    for name in ("m3", "M1", "m1 ", "%", "m1' OR '1'='1"):
        await shared.read(work, Scope(name))


# ── many rows at once ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", SIZES)
async def test_any_number_of_rows_goes_in_and_is_found(count: int, database: Database) -> None:
    await make_tables(database, "CREATE TABLE many (n BIGINT PRIMARY KEY, a TEXT, b TEXT)")
    new = [(n, f"é{n}'", None if n % 3 else "") for n in range(count)]
    columns = {"n": "bigint", "a": "text", "b": "text"}

    async def insert(tx: Transaction) -> None:
        await tx.insert("many", columns, new)

    await database.write(insert, HUB)
    assert await rows(database, "SELECT n, a, b FROM many ORDER BY n") == new
    wanted = [(f"é{n}'", str(n)) for n in range(2 * count)]

    async def find(tx: Transaction) -> list[Row]:
        sql = "SELECT t, m.n FROM wanted JOIN many m ON m.a = w UNION ALL SELECT t, -1 FROM wanted"
        return await tx.fetch_wanted(("w", "t"), wanted, sql)

    expected = [(str(n), n) for n in range(count)] + [(str(n), -1) for n in range(2 * count)]
    for call in (database.read, database.write):
        assert sorted(await call(find, HUB)) == sorted(expected)


@pytest.mark.parametrize("count", SIZES)
async def test_any_number_of_ids_is_looked_up(count: int, database: Database) -> None:
    new = [event_row(n, merchant_id=f"m{n % 3}") for n in range(1, count + 1)]
    await fill(database, new)
    retired = await database.write(lambda tx: events.retire(tx, 1, count // 2), HUB)
    assert retired == count // 2
    asked = [(row[1], row[2]) for row in new] + [("m0", f"no-{n}") for n in range(count)]
    expected = {
        (row[1], row[2]): KnownEvent(row[0], None if row[0] <= retired else row[6].encode())
        for row in new
    }
    assert await database.read(lambda tx: events.known_events(tx, asked), HUB) == expected
    one = await database.read(lambda tx: events.known_events(tx, asked), Scope("m1"))
    assert one == {key: known for key, known in expected.items() if key[0] == "m1"}


@pytest.mark.parametrize("count", [1, 257])
async def test_of_many_rows_a_refused_one_takes_all_with_it(count: int, database: Database) -> None:
    await make_tables(database, "CREATE TABLE many (n BIGINT PRIMARY KEY CHECK (n <> 200), a TEXT)")
    columns = {"n": "bigint", "a": "text"}

    async def work(tx: Transaction) -> None:
        with pytest.raises(Conflict):
            async with tx.savepoint():
                await tx.insert("many", columns, [*((n, "a") for n in range(count)), (200, "b")])
        await tx.insert("many", columns, [(n, "c") for n in range(count) if n != 200])

    await database.write(work, HUB)
    assert len(await rows(database, "SELECT n FROM many WHERE a = 'c'")) == count - (count > 200)
    assert await rows(database, "SELECT n FROM many WHERE a <> 'c'") == []


def test_a_scope_says_whom_it_binds() -> None:
    assert (HUB.bound, ONE.bound) == ("*", "m1")
    with pytest.raises(AttributeError):
        ONE.merchant_id = "m2"  # type: ignore[misc]
    assert msgspec.structs.replace(ONE, merchant_id=None).bound == "*"
