"""SQLite as the engine: one writing connection, four reading ones, one that moves the WAL.

WAL lets readers go on while the writer writes (sqlite.org/wal.html). With `synchronous=FULL` a
commit has been fsynced before it returns; with NORMAL a power cut may take the last commits.
"""

import asyncio
import re
import sqlite3
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import aiosqlite

from .database import DEADLINE_SECONDS, Engine, Row, Transaction, Value
from .errors import Conflict, SchemaError, Sealed, Unavailable
from .scope import HUB, Scope
from .sqlite_checkpoint import Checkpointer

T = TypeVar("T")
Durability = Literal["full", "normal"]

READERS = 4
_INSERT_ROWS = 256
_BUSY_MS = 5000
# Multi-row INSERTs come in sizes of powers of two, so that a few statements serve every group.
_CACHED_STATEMENTS = 256
# Where the WAL reaches 32 MiB all the same, a commit moves what is left and begins it anew.
_CHECKPOINT_PAGES = 8192


class SqliteTransaction:
    """A transaction on SQLite's thread: every await returns without suspending."""

    def __init__(self, connection: sqlite3.Connection, scope: Scope) -> None:
        self._connection = connection
        self.scope = scope
        self._bound: Scope | None = None

    async def execute(self, sql: str, params: Sequence[Value] = ()) -> int:
        if self._bound is not self.scope and _is_guarded(sql):
            self._bind(self.scope)
        return self._run(sql, params).rowcount

    async def fetch(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        if self._bound is not self.scope and _is_guarded(sql):  # UPDATE ... RETURNING
            self._bind(self.scope)
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

    async def insert(
        self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Value]]
    ) -> None:
        at = 0
        for size in _row_sizes(len(rows)):
            params: list[Value] = []
            for row in rows[at : at + size]:
                params += row
            await self.execute(_insert(table, tuple(columns), size), params)
            at += size

    async def fetch_wanted(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str | None]],
        sql: str,
        params: Sequence[Value] = (),
    ) -> list[Row]:
        found: list[Row] = []
        at = 0
        for size in _row_sizes(len(rows)):
            texts = [text for row in rows[at : at + size] for text in row]
            found += await self.fetch(_wanted(tuple(columns), sql, size), [*texts, *params])
            at += size
        return found

    @asynccontextmanager
    async def savepoint(self, scope: Scope | None = None) -> AsyncIterator[None]:
        outer, bound = self.scope, self._bound
        self._run("SAVEPOINT part", ())
        self.scope = scope or outer
        try:
            yield
        except BaseException:
            self._bound = bound
            # A full disk or an I/O error has already undone the whole transaction.
            if self._connection.in_transaction:
                self._run("ROLLBACK TO part", ())
                self._run("RELEASE part", ())
            raise
        finally:
            self.scope = outer
        self._run("RELEASE part", ())

    async def script(self, sql: str) -> None:
        for statement in _statements(sql):
            self._run(statement, ())

    async def tables(self) -> list[str]:
        rows = await self.fetch("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [name for (name,) in rows]

    async def now(self) -> str:
        [(now,)] = await self.fetch("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
        return str(now)

    def commit(self) -> None:
        """Commit; at rest the file names no scope, so that a stranger's change has none."""
        if self._bound is not None:
            self._run("UPDATE scope SET merchant_id = NULL, actor_id = NULL, actor_role = NULL,"
                      " ip_address = NULL, user_agent = NULL", ())  # fmt: skip
        self._run("COMMIT", ())

    def _bind(self, scope: Scope) -> None:
        """Let the triggers know for whom the statements that follow run."""
        self._run(
            "UPDATE scope SET merchant_id = ?, actor_id = ?, actor_role = ?, ip_address = ?,"
            " user_agent = ?",
            (scope.bound, scope.actor_id, scope.actor_role, scope.address, scope.agent),
        )
        self._bound = scope

    def _run(self, sql: str, params: Sequence[Value]) -> sqlite3.Cursor:
        # A full disk or an I/O error ends the transaction by itself; what follows would be
        # committed statement by statement.
        if not self._connection.in_transaction:
            raise Unavailable("SQLite: the transaction was rolled back")
        with _translated():
            return self._connection.execute(sql, params)


_GUARDED = re.compile(
    r"\s*(?:WITH\b.*?\b)?(INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(\w+)", re.IGNORECASE | re.DOTALL
)
_UNGUARDED = {"log_state", "retired_event_ids", "schema_migrations", "scope"}
"""Tables without a trigger that asks for the scope: the log's own, written in every group."""


@lru_cache(maxsize=1024)
def _is_guarded(sql: str) -> bool:
    """Whether a statement writes to a table whose triggers ask for the scope."""
    match = _GUARDED.match(sql)
    if match is None:
        return False
    # Events are appended in every group too; it is removing them that asks.
    appends = match[1][:6].upper() == "INSERT" and match[2].lower() == "events"
    return not appends and match[2].lower() not in _UNGUARDED


def _row_sizes(count: int) -> list[int]:
    """Split many rows into statements of a power of two rows, largest first.

    Each size is prepared once and kept: 2.2 µs an event, against 3.4 for `executemany` (which
    also takes the GIL back for every row) and 6.4 for one `json_each`.
    """
    sizes = [_INSERT_ROWS] * (count // _INSERT_ROWS)
    rest = count % _INSERT_ROWS
    return sizes + [1 << bit for bit in reversed(range(rest.bit_length())) if rest >> bit & 1]


@lru_cache(maxsize=256)
def _insert(table: str, columns: tuple[str, ...], size: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    rows = ", ".join([row] * size)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {rows}"  # noqa: S608


@lru_cache(maxsize=256)
def _wanted(columns: tuple[str, ...], sql: str, size: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"WITH wanted ({', '.join(columns)}) AS (VALUES {', '.join([row] * size)}) {sql}"


def _statements(sql: str) -> Iterator[str]:
    """Split a migration into statements; SQLite's own tokenizer knows comments and triggers.

    Raises:
        SchemaError: it ends within a statement.
    """
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if any(line.strip() and not line.strip().startswith("--") for line in statement.splitlines()):
        raise SchemaError(f"a migration ends within a statement: {statement.strip()[:80]}")


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's errors as storage's own."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        refusal = Sealed if str(error).startswith("sealed") else Conflict
        raise refusal(str(error)) from error
    except sqlite3.Error as error:
        raise Unavailable(f"SQLite: {error}") from error


class SqliteDatabase:
    """`Database` on one SQLite file. Made by `open_sqlite`."""

    def __init__(
        self,
        writer: aiosqlite.Connection,
        readers: list[aiosqlite.Connection],
        checkpoints: aiosqlite.Connection,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._checkpoints = checkpoints
        self._checkpointer = Checkpointer(checkpoints)
        self._checkpointing = asyncio.get_running_loop().create_task(self._checkpointer.run())
        self._idle = asyncio.LifoQueue[aiosqlite.Connection]()
        for reader in readers:
            self._idle.put_nowait(reader)

    @property
    def engine(self) -> Engine:
        return "sqlite"

    @property
    def shared(self) -> bool:
        return False

    async def write(self, work: Callable[[Transaction], Awaitable[T]], scope: Scope) -> T:
        result = await _in_one_hop(self._writer, "BEGIN IMMEDIATE", work, scope)
        self._checkpointer.written()
        return result

    async def read(self, work: Callable[[Transaction], Awaitable[T]], scope: Scope) -> T:
        reader = await self._idle.get()
        try:
            return await _in_one_hop(reader, "BEGIN", work, scope)
        finally:
            self._idle.put_nowait(reader)

    async def maintain(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        deadline: float | None = DEADLINE_SECONDS,
    ) -> T:
        # The deadline is for a server that does not answer: a file's only wait is for its lock,
        # and that has an end of its own (`busy_timeout`).
        return await self.write(work, HUB)

    async def identity(self) -> str | None:
        return None

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Nobody else writes to the file: there is nothing to be heard."""

    async def close(self) -> None:
        self._checkpointing.cancel()
        await asyncio.wait((self._checkpointing,))
        for connection in (self._checkpoints, *self._readers, self._writer):
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
        # What savepoints would have to undo is kept in memory and not in a file: a group in which
        # 64 keys write messages took half as long again.
        await writer.execute_fetchall("PRAGMA temp_store=MEMORY")
        for _ in range(READERS):
            reader = await _connect(path, opened)
            await reader.execute_fetchall("PRAGMA query_only=ON")
        checkpoints = await _connect(path, opened)
    except sqlite3.Error as error:
        for connection in opened:
            await connection.close()
        raise Unavailable(f"cannot open {path}: {error}") from error
    return SqliteDatabase(writer, opened[1:-1], checkpoints)


async def _connect(path: Path, opened: list[aiosqlite.Connection]) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(
        path, isolation_level=None, cached_statements=_CACHED_STATEMENTS
    )
    opened.append(connection)
    await connection.execute_fetchall(f"PRAGMA busy_timeout={_BUSY_MS}")
    await connection.execute_fetchall("PRAGMA foreign_keys=ON")
    # Else a row that REPLACE removes would go without its delete triggers, and without an audit.
    await connection.execute_fetchall("PRAGMA recursive_triggers=ON")
    return connection


async def _in_one_hop(
    connection: aiosqlite.Connection,
    begin: str,
    work: Callable[[Transaction], Awaitable[T]],
    scope: Scope,
) -> T:
    """Run a whole transaction in one call on the connection's thread.

    A hop costs 50-100 µs and a statement 2 µs, so a group of 500 statements takes one hop.
    `_execute` is aiosqlite's only way to run a function there; a contract test holds it.
    """

    def transaction() -> T:
        raw = connection._conn
        tx = SqliteTransaction(raw, scope)
        with _translated():
            raw.execute(begin)
        try:
            result = _drive(work(tx))
            tx.commit()
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
