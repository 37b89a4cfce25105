"""From a backup into either engine: everything is replaced, and the log gets a new epoch."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import asyncpg

from . import backup
from .backup import OF_THE_MOMENT, Contents, columns, contents, opened, tables
from .backup_source import migrate_copy
from .database import Row, Transaction, Value
from .errors import Conflict, SchemaError, StorageError, Unavailable
from .migrate import migrate
from .postgres import APPLICATION, PostgresDatabase

_BATCH = 1000
_PIECE = 8 << 20
_LOCK_TIMEOUT = "5s"
_ALIVE_SECONDS = 15.0  # how long a hub may be silent and is still taken for a running one
_BEAT_SECONDS = 6.0  # within which a hub that runs gives a sign of life

_BUSY_MS = 2000  # how long somebody else may have a SQLite file that is to be replaced
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

_AS_TEXT = {"timestamp with time zone": "timestamptz", "jsonb": "jsonb"}
"""Types of Postgres whose values are handed over as text."""


class InUse(StorageError):
    """A hub runs on the database that was to be replaced."""


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────


def held_by_sqlite(target: Path) -> Contents | None:
    """What a database file holds; None where nothing would be lost.

    Raises:
        SchemaError: it is a file that cannot be read as a database of this program.
    """
    if not target.exists():
        return None
    try:
        with closing(opened(target)) as database:
            database.execute("PRAGMA busy_timeout=5000")
            names = database.execute("SELECT name FROM sqlite_master WHERE name = 'log_state'")
            return contents(database) if names.fetchall() else None
    except SchemaError:
        return None
    except sqlite3.Error as error:
        raise SchemaError(f"{target} cannot be read: {error}") from error


async def into_sqlite(file: Path, target: Path, epoch: str) -> Contents:
    """Replace a database file; nobody may have it open. After a crash it is the old or the new.

    Args:
        file: a backup.
        epoch: the log's new one.

    Raises:
        NotABackup: the file is damaged.
        Unavailable: somebody has the target open, or it cannot be written; it is as it was.
    """
    with backup.writing(target, replace=True, settle=lambda: _settle(target)) as part:
        await asyncio.to_thread(_copy, file, part)
        await asyncio.to_thread(backup.check, part)
        await migrate_copy(part)
        return await asyncio.to_thread(_begin_anew, part, epoch)


def _copy(file: Path, part: Path) -> None:
    """Copy into the file that is there; its owner and mode stay."""
    with file.open("rb") as source, part.open("r+b") as copy:
        shutil.copyfileobj(source, copy, _PIECE)


def _begin_anew(part: Path, epoch: str) -> Contents:
    with closing(opened(part)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE").fetchall()
        copy.execute("UPDATE log_state SET epoch = ?, fingerprint = NULL", (epoch,))
        return contents(copy)


def _settle(target: Path) -> None:
    """Bring what lies beside a database into it: a write-ahead log that stayed would be taken for
    the new file's own. What is there is whole at every moment, and by itself in the end.

    Raises:
        Unavailable: somebody has it open, or it cannot be written; nothing is lost.
    """
    if target.exists():
        try:
            with closing(opened(target)) as database:
                _become_one_file(database, target)
        except sqlite3.Error as error:
            # A damaged file has nothing to lose; what lies beside it must go all the same.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise Unavailable(
                    f"{target} cannot be replaced: {error}; somebody has it open, or the disk "
                    "cannot be written. It is as it was"
                ) from error
    for ending in ("-wal", "-shm", "-journal"):
        target.with_name(target.name + ending).unlink(missing_ok=True)
    backup.sync_directory(target.parent)


def _become_one_file(database: sqlite3.Connection, target: Path) -> None:
    """Move the write-ahead log into the file, durably, and leave that mode."""
    database.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    # Reading undoes what a crash without a write-ahead log has left half done.
    database.execute("SELECT count(*) FROM sqlite_master").fetchall()
    [(busy, _, _)] = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    mode = None
    if not busy:  # who reads an older state keeps the log from being moved
        [(mode,)] = database.execute("PRAGMA journal_mode=DELETE").fetchall()
    if mode != "delete":
        raise Unavailable(
            f"{target} is open in another program: end that first. The database is as it was"
        )
    # Without a write-ahead log this is how somebody who reads or writes is noticed.
    database.execute("BEGIN EXCLUSIVE")
    database.execute("COMMIT")


# ── Postgres ─────────────────────────────────────────────────────────────────────────────────


async def held_by_postgres(target: PostgresDatabase) -> Contents | None:
    """What a Postgres database holds; None where nothing would be lost.

    Raises:
        InUse: a hub runs on it.
        Unavailable: it does not answer.
    """

    async def work(tx: Transaction) -> Contents | None:
        names = set(await tx.tables())
        await _refuse_if_in_use(tx)
        if not {"log_state", "merchants", "events"} <= names:
            return None
        rows = await tx.fetch("SELECT epoch, head FROM log_state")
        counts = {
            name: (await tx.fetch(f"SELECT count(*) FROM {name}"))[0][0]  # noqa: S608
            for name in ("merchants", "events")
        }
        return Contents(rows[0][0], rows[0][1], counts) if rows else None

    held = await target.maintain(work, deadline=None)  # counting takes its time
    # One that has lost its connection lives on. One that has ended gives no further sign.
    if signs := await target.maintain(_signs_of_life):
        await asyncio.sleep(_BEAT_SECONDS)
        if (await target.maintain(_signs_of_life)).items() - signs.items():
            raise InUse("a hub runs on this database, by its signs of life: stop every hub first")
    return held


async def into_postgres(file: Path, target: PostgresDatabase, epoch: str, space: Path) -> Contents:
    """Replace all rows of a Postgres database, in one transaction.

    Args:
        file: a backup.
        epoch: the log's new one.
        space: a directory for a copy of a backup with an older schema.

    Raises:
        NotABackup: the file is damaged.
        InUse: a hub runs on the database.
        Conflict: Postgres refuses a row.
        Unavailable: it does not answer.
    """
    await asyncio.to_thread(backup.check, file)
    await migrate(target)
    async with _current(file, space) as current:
        with closing(opened(current, "ro")) as source:
            return await target.maintain(lambda tx: _replace(tx, source, epoch), deadline=None)


@asynccontextmanager
async def _current(file: Path, space: Path) -> AsyncIterator[Path]:
    """The backup with today's schema: itself, or a copy that was migrated."""
    if not backup.look(file):
        yield file
        return
    with _scratch(space / "restore.db") as copy:
        await asyncio.to_thread(_copy, file, copy)
        await migrate_copy(copy)
        yield copy


@contextmanager
def _scratch(copy: Path) -> Iterator[Path]:
    os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    try:
        yield copy
    finally:
        for ending in ("", "-wal", "-shm"):
            copy.with_name(copy.name + ending).unlink(missing_ok=True)


async def _replace(tx: Transaction, source: sqlite3.Connection, epoch: str) -> Contents:
    names = tables(source)
    every = [*names, *OF_THE_MOMENT]
    await tx.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    try:
        # Nobody reads half of it, and a hub that starts at this moment waits.
        await tx.execute(f"LOCK TABLE {', '.join(every)} IN ACCESS EXCLUSIVE MODE")
    except Unavailable as error:
        if not isinstance(error.__cause__, asyncpg.LockNotAvailableError):
            raise
        raise InUse(f"somebody uses the database: {error}") from error
    await _refuse_if_in_use(tx)
    await tx.execute(f"TRUNCATE {', '.join(every)}")
    for name in names:
        # Restored rows were checked and audited where they were made; foreign keys still count.
        await tx.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
    for name in names:
        try:
            await _load(tx, source, name)
        except (Conflict, SchemaError) as error:
            raise type(error)(f"the table {name} of the backup does not fit: {error}") from error
    await tx.execute("UPDATE log_state SET epoch = ?, fingerprint = NULL", (epoch,))
    for name in names:
        await tx.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")
        await tx.execute(f"ANALYZE {name}")
    found = contents(source)
    for name, rows in found.rows.items():
        [(written,)] = await tx.fetch(f"SELECT count(*) FROM {name}")  # noqa: S608
        if written != rows:
            raise Unavailable(f"{name}: {rows} rows were read, {written} written")
    return found._replace(epoch=epoch)


async def _refuse_if_in_use(tx: Transaction) -> None:
    [(sessions,)] = await tx.fetch(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = ? AND pid <> pg_backend_pid()",
        (APPLICATION,),
    )
    if sessions:
        raise InUse(
            f"a hub runs on this database, or a command of it ({sessions} connections): "
            "stop every hub first"
        )


async def _signs_of_life(tx: Transaction) -> dict[str, str]:
    """The last sign of life of every hub that may run."""
    if "hub_instances" not in await tx.tables():
        return {}
    return dict(
        await tx.fetch(
            "SELECT id, seen_at FROM hub_instances"
            " WHERE seen_at > clock_timestamp() - make_interval(secs => ?)",
            (_ALIVE_SECONDS,),
        )
    )


async def _load(tx: Transaction, source: sqlite3.Connection, table: str) -> None:
    """Copy all rows of a table by the names of its columns."""
    names = columns(source, table)
    kinds: dict[str, str] = dict(
        await tx.fetch(
            "SELECT column_name::text, data_type::text FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = ?",
            (table,),
        )
    )
    if set(kinds) != set(names):
        raise SchemaError("the database has other columns")
    arrays = ", ".join(
        f"${n}::{'text' if kinds[name] in _AS_TEXT else kinds[name]}[]"
        for n, name in enumerate(names, 1)
    )
    values = ", ".join(
        f"{name}::{_AS_TEXT[kinds[name]]}" if kinds[name] in _AS_TEXT else name for name in names
    )
    sql = (
        f"INSERT INTO {table} ({', '.join(names)})"  # noqa: S608
        f" SELECT {values} FROM unnest({arrays}) AS row ({', '.join(names)})"
    )
    flags = [n for n, name in enumerate(names) if kinds[name] == "boolean"]
    rows = source.execute(_selection(source, table, names))
    while batch := await asyncio.to_thread(rows.fetchmany, _BATCH):
        await tx.execute(sql, _by_column(batch, flags))


def _by_column(batch: Sequence[Row], flags: Sequence[int]) -> list[Value]:
    arrays = [list(column) for column in zip(*batch, strict=True)]
    for n in flags:
        arrays[n] = [None if value is None else bool(value) for value in arrays[n]]
    return arrays  # type: ignore[return-value]  # Postgres takes arrays for values


def _selection(source: sqlite3.Connection, table: str, names: Sequence[str]) -> str:
    """All rows; those of a table that refers to itself come behind those that they refer to."""
    shown = ", ".join(f"t.{name}" for name in names)
    keys = source.execute(f"PRAGMA foreign_key_list({table})").fetchall()
    own = [(row[3], row[4]) for row in keys if row[2] == table]
    if not own:
        return f"SELECT {shown} FROM {table} t"  # noqa: S608
    parents = " AND ".join(f"t.{here} = p.{there}" for here, there in own)
    none = " OR ".join(f"t.{here} IS NULL" for here, _ in own)
    key = ", ".join(f"t.{there} AS {there}" for _, there in own)
    same = " AND ".join(f"t.{there} = p.{there}" for _, there in own)
    return (
        f"WITH RECURSIVE p AS (SELECT {key}, 0 AS depth FROM {table} t WHERE {none}"  # noqa: S608
        f" UNION ALL SELECT {key}, p.depth + 1 FROM {table} t JOIN p ON {parents})"
        f" SELECT {shown} FROM p JOIN {table} t ON {same} ORDER BY p.depth"
    )
