"""What every engine promises of a transaction."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from storage.database import Database, Transaction
from storage.errors import Conflict, NotFound, Unavailable
from storage.scope import HUB
from tests.storage.support import make_tables, rows, run
from tests.support.databases import Store

COUNTER = "CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n < 1000))"


@pytest.fixture
async def counting(database: Database) -> Database:
    """A database with a table of one row: (1, 0)."""
    await make_tables(database, COUNTER)
    await run(database, "INSERT INTO counter VALUES (1, 0)")
    return database


async def numbers(database: Database) -> list[int]:
    return [n for (n,) in await rows(database, "SELECT n FROM counter ORDER BY id")]


async def test_values_come_back_as_they_were(database: Database) -> None:
    await make_tables(
        database, "CREATE TABLE kept (n INTEGER, i BIGINT, r DOUBLE PRECISION, t TEXT)"
    )
    values = [
        (0, 0.5, "é€😀 'quoted' ? \u2028"),
        (2**53, -1e300, ""),
        (-(2**53), 0.1, "x" * 100_000),
        (None, None, None),
    ]

    async def work(tx: Transaction) -> list[int]:
        return [
            await tx.execute("INSERT INTO kept VALUES (?, ?, ?, ?)", (n, *row))
            for n, row in enumerate(values)
        ]

    assert await database.write(work, HUB) == [1, 1, 1, 1]
    assert await rows(database, "SELECT i, r, t FROM kept ORDER BY n") == values


async def test_execute_tells_how_many_rows_it_changed(counting: Database) -> None:
    await run(counting, "INSERT INTO counter VALUES (2, 0), (3, 5)")

    async def work(tx: Transaction) -> list[int]:
        return [
            await tx.execute("UPDATE counter SET n = n + 1 WHERE n = ?", (0,)),
            await tx.execute("UPDATE counter SET n = n + 1 WHERE n = ?", (77,)),
            await tx.execute("DELETE FROM counter WHERE n > ?", (0,)),
        ]

    assert await counting.write(work, HUB) == [2, 0, 3]


async def test_a_transaction_that_fails_leaves_nothing(counting: Database) -> None:
    async def failing(tx: Transaction) -> None:
        await tx.execute("UPDATE counter SET n = 1")
        await tx.execute("INSERT INTO counter VALUES (2, 2)")
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await counting.write(failing, HUB)
    assert await numbers(counting) == [0]
    await run(counting, "UPDATE counter SET n = 7")
    assert await numbers(counting) == [7]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO counter VALUES (1, 5)",
        "UPDATE counter SET n = 1000",
        "UPDATE counter SET n = NULL",
        "INSERT INTO browser_sessions (token_hash, key_id, merchant_id, created_at, expires_at)"
        " VALUES ('0123456789012345678901234567890123456789012345678901234567890123',"
        " 'no such key', 'no such merchant', '2026-11-22T10:00:00Z', '2026-11-22T10:00:00Z')",
    ],
)
async def test_a_constraint_is_a_conflict(statement: str, counting: Database) -> None:
    with pytest.raises(Conflict):
        await run(counting, "INSERT INTO counter VALUES (2, 2)", statement)
    assert await numbers(counting) == [0]


@pytest.mark.parametrize("statement", ["SELECT nonsense", "INSERT INTO nowhere VALUES (1)", "%"])
async def test_anything_else_of_the_database_is_unavailable(
    statement: str, counting: Database
) -> None:
    with pytest.raises(Unavailable):
        await run(counting, "INSERT INTO counter VALUES (2, 2)", statement)
    with pytest.raises(Unavailable):
        await rows(counting, statement)
    assert await numbers(counting) == [0]


async def test_a_read_cannot_write(counting: Database) -> None:
    with pytest.raises(Unavailable):
        await counting.read(lambda tx: tx.execute("UPDATE counter SET n = 1"), HUB)
    assert await numbers(counting) == [0]


async def test_an_error_of_our_own_passes_unchanged(counting: Database) -> None:
    async def work(tx: Transaction) -> None:
        raise NotFound("x")

    for call in (counting.read, counting.write):
        with pytest.raises(NotFound):
            await call(work, HUB)


async def test_writes_wait_for_each_other(counting: Database, store: Store) -> None:
    async def add_one(tx: Transaction) -> int:
        # Another process waits at its first change: as the log's head is, the row is locked by one.
        await tx.execute("UPDATE counter SET n = n WHERE id = 1")
        [(n,)] = await tx.fetch("SELECT n FROM counter WHERE id = 1")
        await tx.execute("UPDATE counter SET n = ? WHERE id = 1", (n + 1,))
        return int(n) + 1

    async with store.open() as second:
        both = (counting, second)
        found = await asyncio.gather(*(both[n % 2].write(add_one, HUB) for n in range(60)))
    assert sorted(found) == list(range(1, 61))
    assert await numbers(counting) == [60]


async def test_what_is_committed_is_there_for_everyone(counting: Database, store: Store) -> None:
    async with store.open() as second:
        for n in range(1, 30):
            await run(counting, "UPDATE counter SET n = n + 1")
            assert await numbers(counting) == await numbers(second) == [n]


async def test_many_reads_at_once(counting: Database) -> None:
    found = await asyncio.gather(*(numbers(counting) for _ in range(50)))
    assert found == [[0]] * 50


async def test_a_scan_may_stop_early(counting: Database) -> None:
    await run(counting, "INSERT INTO counter VALUES (2, 1), (3, 2), (4, 3)")

    async def work(tx: Transaction) -> list[int]:
        seen: list[int] = []
        async for (n,) in tx.scan("SELECT n FROM counter ORDER BY id"):
            seen.append(n)
            if len(seen) == 2:
                break
        await tx.fetch("SELECT 1")
        return seen

    assert await counting.read(work, HUB) == [0, 1]
    assert await counting.write(work, HUB) == [0, 1]
    await counting.maintain(lambda tx: tx.execute("DROP TABLE counter"))


# ── savepoints ───────────────────────────────────────────────────────────────────────────────────


def part(
    tx: Transaction, statement: str, error: Exception | None = None
) -> Callable[[], Awaitable[None]]:
    """A statement in a savepoint of its own, which may fail."""

    async def work() -> None:
        async with tx.savepoint():
            await tx.execute(statement)
            if error is not None:
                raise error

    return work


async def test_a_part_is_undone_alone(counting: Database) -> None:
    async def work(tx: Transaction) -> None:
        await part(tx, "INSERT INTO counter VALUES (2, 2)")()
        with pytest.raises(LookupError):
            await part(tx, "INSERT INTO counter VALUES (3, 3)", LookupError())()
        with pytest.raises(Conflict):
            await part(tx, "INSERT INTO counter VALUES (1, 1)")()
        with pytest.raises(Unavailable):
            await part(tx, "INSERT INTO nowhere VALUES (1)")()
        await part(tx, "INSERT INTO counter VALUES (4, 4)")()

    await counting.write(work, HUB)
    assert await numbers(counting) == [0, 2, 4]


async def test_a_part_of_an_undone_transaction_is_undone(counting: Database) -> None:
    async def work(tx: Transaction) -> None:
        await part(tx, "INSERT INTO counter VALUES (2, 2)")()
        raise LookupError

    with pytest.raises(LookupError):
        await counting.write(work, HUB)
    assert await numbers(counting) == [0]


async def test_parts_have_parts(counting: Database) -> None:
    async def work(tx: Transaction) -> None:
        async with tx.savepoint():
            await tx.execute("UPDATE counter SET n = 1")
            with pytest.raises(LookupError):
                await part(tx, "UPDATE counter SET n = 2", LookupError())()
            assert await tx.fetch("SELECT n FROM counter") == [(1,)]

    await counting.write(work, HUB)
    assert await numbers(counting) == [1]


# ── closing ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_closed_database_is_unavailable(store: Store) -> None:
    async with store.open() as database:
        await rows(database, "SELECT 1")
    with pytest.raises(Unavailable):
        await rows(database, "SELECT 1")
    with pytest.raises(Unavailable):
        await run(database, "DELETE FROM events")


async def test_what_was_written_is_there_after_closing(store: Store) -> None:
    async with store.open() as database:
        await make_tables(database, COUNTER)
        await run(database, "INSERT INTO counter VALUES (1, 42)")
    async with store.open() as database:
        assert await numbers(database) == [42]
