"""SQLite as the engine: one writing connection, up to four reading ones, all through aiosqlite.

WAL lets readers go on while the writer writes (sqlite.org/wal.html). With `synchronous=FULL` a
commit has been fsynced before it returns; with NORMAL a power cut may take the last commits.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import aiosqlite

from .database import Row, Transaction, Value
from .errors import Conflict, Unavailable

T = TypeVar("T")
Durability = Literal["full", "normal"]

READERS = 4
_BUSY_MS = 5000
# Multi-row INSERTs come in sizes of powers of two, so that a few statements serve every group.
_CACHED_STATEMENTS = 256
# A checkpoint copies the WAL into the database inside a commit: 16 MiB a time instead of the
# default 4 makes that pause a quarter as frequent under sustained ingest.
_CHECKPOINT_PAGES = 4096


class SqliteTransaction:
    """A transaction on SQLite's thread: every await returns without suspending."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def execute(self, sql: str, params: Sequence[Value] = ()) -> int:
        return self._run(sql, params).rowcount

    async def fetch(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        cursor = self._run(sql, params)
        with _translated():
            return cursor.fetchall()

    async def scan(self, sql: str, params: Sequence[Value] = ()) -> AsyncIterator[Row]:
        cursor = self._run(sql, params)
        try:
            while True:
                with _translated():
                    row = cursor.fetchone()
                if row is None:
                    return
                yield row
        finally:
            cursor.close()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        self._run("SAVEPOINT part", ())
        try:
            yield
        except BaseException:
            # A full disk or an I/O error has already undone the whole transaction.
            if self._connection.in_transaction:
                self._run("ROLLBACK TO part", ())
                self._run("RELEASE part", ())
            raise
        self._run("RELEASE part", ())

    def _run(self, sql: str, params: Sequence[Value]) -> sqlite3.Cursor:
        # A full disk or an I/O error ends the transaction by itself; what follows would be
        # committed statement by statement.
        if not self._connection.in_transaction:
            raise Unavailable("SQLite: the transaction was rolled back")
        with _translated():
            return self._connection.execute(sql, params)


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's errors as storage's own."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Conflict(str(error)) from error
    except sqlite3.Error as error:
        raise Unavailable(f"SQLite: {error}") from error


class SqliteDatabase:
    """`Database` on one SQLite file. Made by `open_sqlite`."""

    def __init__(self, writer: aiosqlite.Connection, readers: list[aiosqlite.Connection]) -> None:
        self._writer = writer
        self._readers = readers
        self._idle = asyncio.LifoQueue[aiosqlite.Connection]()
        for reader in readers:
            self._idle.put_nowait(reader)

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        return await _in_one_hop(self._writer, "BEGIN IMMEDIATE", work)

    async def read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        reader = await self._idle.get()
        try:
            return await _in_one_hop(reader, "BEGIN", work)
        finally:
            self._idle.put_nowait(reader)

    async def close(self) -> None:
        for connection in (*self._readers, self._writer):
            await connection.close()


async def open_sqlite(path: Path, durability: Durability = "full") -> SqliteDatabase:
    """Open the database file, making it if it is missing.

    Raises:
        Unavailable: the file cannot be opened or is not a database.
    """
    opened: list[aiosqlite.Connection] = []
    try:
        writer = await _connect(path, opened)
        await writer.execute_fetchall("PRAGMA journal_mode=WAL")
        await writer.execute_fetchall(f"PRAGMA synchronous={durability.upper()}")
        await writer.execute_fetchall(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        for _ in range(READERS):
            reader = await _connect(path, opened)
            await reader.execute_fetchall("PRAGMA query_only=ON")
    except sqlite3.Error as error:
        for connection in opened:
            await connection.close()
        raise Unavailable(f"cannot open {path}: {error}") from error
    return SqliteDatabase(opened[0], opened[1:])


async def _connect(path: Path, opened: list[aiosqlite.Connection]) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(
        path, isolation_level=None, cached_statements=_CACHED_STATEMENTS
    )
    opened.append(connection)
    await connection.execute_fetchall(f"PRAGMA busy_timeout={_BUSY_MS}")
    await connection.execute_fetchall("PRAGMA foreign_keys=ON")
    return connection


async def _in_one_hop(
    connection: aiosqlite.Connection, begin: str, work: Callable[[Transaction], Awaitable[T]]
) -> T:
    """Run a whole transaction in one call on the connection's thread.

    A hop costs 50-100 µs and a statement 2 µs, so a group of 500 statements takes one hop.
    `_execute` is aiosqlite's only way to run a function there; a contract test holds it.
    """

    def transaction() -> T:
        raw = connection._conn
        tx = SqliteTransaction(raw)
        with _translated():
            raw.execute(begin)
        try:
            result = _drive(work(tx))
            tx._run("COMMIT", ())
        except BaseException:
            if raw.in_transaction:
                with _translated():
                    raw.rollback()
            raise
        return result

    try:
        return cast(T, await connection._execute(transaction))  # type: ignore[no-untyped-call]
    except ValueError as error:
        if str(error) in ("Connection closed", "no active connection"):
            raise Unavailable("the database is closed") from error
        raise


def _drive(work: Awaitable[T]) -> T:
    """Run a coroutine that never suspends to its end, without an event loop.

    Raises:
        RuntimeError: it awaited something other than its transaction.
    """
    coroutine = cast(Coroutine[Any, Any, T], work)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast(T, stop.value)
    coroutine.close()
    raise RuntimeError("a unit of work awaited something other than its transaction")
