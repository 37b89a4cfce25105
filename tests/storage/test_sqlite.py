"""What is SQLite's own: one hop, pragmas, readers beside the writer, a full disk, a busy file."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiosqlite
import pytest

from hub.settings import Settings
from storage.connect import connect, sqlite_path
from storage.database import Transaction
from storage.errors import SchemaError, Unavailable
from storage.migrate import migrate
from storage.scope import HUB
from storage.sqlite import READERS, SqliteDatabase, open_sqlite
from tests.storage.support import make_tables, rows, run
from tests.support.databases import until

WAIT = 5.0


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """An open file with the table `t (n)`, empty."""
    database = await open_sqlite(tmp_path / "t.db")
    await migrate(database)
    await make_tables(database, "CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")
    yield database
    await database.close()


async def count(database: SqliteDatabase) -> int:
    [(found,)] = await rows(database, "SELECT count(*) FROM t")
    return int(found)


# ── one hop ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("foreign", [lambda: asyncio.sleep(0), lambda: asyncio.sleep(0.001)])
async def test_awaiting_something_foreign_undoes_everything(
    foreign: object, opened: SqliteDatabase
) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute("INSERT INTO t VALUES (1, 'x')")
        await foreign()  # type: ignore[operator]
        await tx.execute("INSERT INTO t VALUES (2, 'x')")

    for call in (opened.write, opened.read):
        with pytest.raises((RuntimeError, Unavailable)):
            await call(work, HUB)
    with pytest.raises(RuntimeError):
        await opened.write(work, HUB)
    assert await count(opened) == 0
    await run(opened, "INSERT INTO t VALUES (3, 'x')")
    assert await count(opened) == 1


async def test_a_transaction_runs_on_one_thread_that_is_not_the_loops(
    opened: SqliteDatabase,
) -> None:
    async def work(tx: Transaction) -> set[int]:
        threads = {threading.get_ident()}
        async with tx.savepoint():
            await tx.execute("INSERT INTO t VALUES (1, 'x')")
            threads.add(threading.get_ident())
        async for _ in tx.scan("SELECT * FROM t"):
            threads.add(threading.get_ident())
        return threads

    [one] = await opened.write(work, HUB)
    assert one != threading.get_ident()


async def test_aiosqlite_runs_a_function_on_its_thread(tmp_path: Path) -> None:
    """The contract of the one private call, `Connection._execute`, and of `_conn`."""

    def raising() -> None:
        raise LookupError("from there")

    async with aiosqlite.connect(tmp_path / "c.db", isolation_level=None) as connection:
        raw = connection._conn
        assert isinstance(raw, sqlite3.Connection)
        run_there: Callable[..., Awaitable[object]] = connection._execute
        answer = await run_there(lambda: (raw.execute("SELECT 7").fetchone(), 8))
        assert answer == ((7,), 8)
        with pytest.raises(LookupError, match="from there"):
            await run_there(raising)
        order: list[int] = []
        await asyncio.gather(*(run_there(order.append, n) for n in range(100)))
        assert order == list(range(100)), "in the order of the calls"
    with pytest.raises(ValueError, match=r"no active connection|Connection closed"):
        await run_there(lambda: None)


async def test_a_caller_that_gives_up_leaves_the_connection_usable(opened: SqliteDatabase) -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def work(tx: Transaction) -> None:
        await tx.execute("INSERT INTO t VALUES (1, 'x')")
        begun.set()
        assert go_on.wait(WAIT)

    writing = asyncio.create_task(opened.write(work, HUB))
    await asyncio.to_thread(begun.wait, WAIT)
    writing.cancel()
    await asyncio.wait([writing])
    go_on.set()
    await run(opened, "INSERT INTO t VALUES (2, 'x')")
    assert await count(opened) == 2, "its outcome was not known; it was written all the same"


# ── readers beside the writer ────────────────────────────────────────────────────────────────────


async def test_readers_do_not_see_what_is_not_committed(opened: SqliteDatabase) -> None:
    written, go_on = threading.Event(), threading.Event()

    async def work(tx: Transaction) -> None:
        await tx.execute("INSERT INTO t VALUES (1, 'x')")
        written.set()
        assert go_on.wait(WAIT)

    writing = asyncio.create_task(opened.write(work, HUB))
    await asyncio.to_thread(written.wait, WAIT)
    async with asyncio.timeout(WAIT):
        assert await count(opened) == 0, "and a reader does not wait for the writer"
    go_on.set()
    await writing
    assert await count(opened) == 1


async def test_a_read_sees_one_moment(opened: SqliteDatabase) -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def work(tx: Transaction) -> list[int]:
        found = [len(await tx.fetch("SELECT * FROM t"))]
        begun.set()
        assert go_on.wait(WAIT)
        return [*found, len(await tx.fetch("SELECT * FROM t"))]

    reading = asyncio.create_task(opened.read(work, HUB))
    await asyncio.to_thread(begun.wait, WAIT)
    async with asyncio.timeout(WAIT):
        await run(opened, "INSERT INTO t VALUES (1, 'x')")
    go_on.set()
    assert await reading == [0, 0]
    assert await count(opened) == 1


async def test_a_fifth_reader_waits_its_turn(opened: SqliteDatabase) -> None:
    inside: list[int] = []
    together: list[int] = []
    go_on = threading.Event()

    async def work(tx: Transaction) -> None:
        inside.append(1)
        together.append(len(inside))
        assert go_on.wait(WAIT)
        inside.pop()

    reading = [asyncio.create_task(opened.read(work, HUB)) for _ in range(READERS + 3)]
    async with asyncio.timeout(WAIT):
        while len(inside) < READERS:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    assert len(inside) == READERS
    go_on.set()
    await asyncio.gather(*reading)
    assert (len(together), max(together)) == (READERS + 3, READERS)


# ── what is really in force ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
async def test_the_pragmas_are_in_force(durability: str, level: int, tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    database = await open_sqlite(path, durability)  # type: ignore[arg-type]
    await make_tables(database, "CREATE TABLE t (n)")

    async def pragmas(tx: Transaction) -> dict[str, object]:
        names = ("synchronous", "journal_mode", "foreign_keys", "query_only", "busy_timeout")
        return {name: (await tx.fetch(f"PRAGMA {name}"))[0][0] for name in names}

    writer = await database.write(pragmas, HUB)
    assert writer["synchronous"] == level
    assert writer["journal_mode"] == "wal"
    assert (writer["foreign_keys"], writer["query_only"]) == (1, 0)
    assert writer["busy_timeout"] == 5000
    reader = await database.read(pragmas, HUB)
    assert (reader["journal_mode"], reader["foreign_keys"], reader["query_only"]) == ("wal", 1, 1)
    assert path.with_name("p.db-wal").stat().st_size > 0
    await database.close()
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    raw.close()


# ── a full disk, a busy file, a file that is none ────────────────────────────────────────────────


async def test_a_full_disk_leaves_nothing_and_passes(opened: SqliteDatabase) -> None:
    async def limit(tx: Transaction) -> None:
        [(pages,)] = await tx.fetch("PRAGMA page_count")
        await tx.fetch(f"PRAGMA max_page_count = {pages + 10}")

    await opened.write(limit, HUB)

    async def work(tx: Transaction) -> None:
        for n in range(1000):
            async with tx.savepoint():
                await tx.execute("INSERT INTO t VALUES (?, ?)", (n, "x" * 4000))

    with pytest.raises(Unavailable, match="full"):
        await opened.write(work, HUB)
    assert await count(opened) == 0

    async def goes_on(tx: Transaction) -> None:
        """A group goes on after one of its writes has failed; not when the disk is full."""
        for n in range(20):
            try:
                async with tx.savepoint():
                    await tx.execute("INSERT INTO t VALUES (?, ?)", (n, "x" * 4000))
            except Unavailable:
                pass

    try:
        await opened.write(goes_on, HUB)
    except Unavailable:
        assert await count(opened) == 0, "half of a transaction"
    await opened.write(lambda tx: tx.fetch("PRAGMA max_page_count = 100000"), HUB)
    before = await count(opened)
    await run(opened, "INSERT INTO t VALUES (99, hex(zeroblob(50000)))")
    assert await count(opened) == before + 1


async def test_a_file_that_another_program_holds_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.sqlite._BUSY_MS", 50)
    database = await open_sqlite(tmp_path / "b.db")
    await migrate(database)
    await make_tables(database, "CREATE TABLE t (n)")
    holder = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await run(database, "INSERT INTO t VALUES (1)")
    assert await rows(database, "SELECT n FROM t") == []
    holder.execute("ROLLBACK")
    await run(database, "INSERT INTO t VALUES (1)")
    assert await rows(database, "SELECT n FROM t") == [(1,)]
    holder.close()
    await database.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    path.write_bytes(b"this is no database, " * 100)
    threads = threading.active_count()
    with pytest.raises(Unavailable, match=r"n\.db"):
        await open_sqlite(path)
    with pytest.raises(Unavailable):
        await open_sqlite(tmp_path / "no" / "such" / "folder.db")
    await until(lambda: threading.active_count() == threads)  # aiosqlite does not wait for it
    assert path.read_bytes().startswith(b"this is no database")


# ── addresses ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a.db", "a.db"),
        ("sqlite:///data/a.db", "data/a.db"),
        ("sqlite:////var/a.db", "/var/a.db"),
        ("sqlite:///a%20b%25.db", "a b%.db"),
    ],
)
def test_a_url_names_a_file(url: str, path: str) -> None:
    assert sqlite_path(url) == Path(path)


@pytest.mark.parametrize(
    "url", ["", "a.db", "sqlite:", "sqlite://", "sqlite:///", "sqlite://host/a.db", "mysql://x/y"]
)
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(SchemaError, match="HUB_DATABASE_URL"):
        sqlite_path(url)


async def test_connect_makes_the_folder(tmp_path: Path) -> None:
    database = await connect(f"sqlite:///{tmp_path}/deep/er/a.db", "normal")
    await database.close()
    assert (tmp_path / "deep" / "er" / "a.db").exists()


@pytest.mark.parametrize("name", ["with space", "q?uestion", "ha#sh", "per%cent", "ümlaut"])
async def test_any_folder_can_hold_the_database(name: str, tmp_path: Path) -> None:
    """The settings make the URL from the data directory."""
    (tmp_path / name).mkdir()
    settings = Settings(data_dir=tmp_path / name)
    database = await connect(settings.effective_database_url)
    await database.close()
    assert (tmp_path / name / "hub.db").exists()
