"""From either engine's database into a backup, on one snapshot and beside a hub that goes on."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from .backup import Contents, columns, count, mark, opened, tables, written
from .database import Row, Transaction
from .errors import SchemaError, Unavailable
from .migrate import migrate, pending
from .postgres import PostgresDatabase
from .sqlite import open_sqlite

_BATCH = 1000
_SYNC_SECONDS = 0.05
_PAGES = 64
"""Copied at a time, and synced at once: hundreds of megabytes that wait to be written would hold
up the commits of the hub on the same disk."""
_CACHED_PAGES = 64
_PAUSE = 3.0
_LONGEST_PAUSE = 0.25


async def from_sqlite(source: Path, part: Path, *, haste: bool) -> Contents:
    """Write what a SQLite file holds into a partial backup.

    Its pages are copied little by little while one read transaction holds the snapshot: whatever a
    hub commits meanwhile stays in the WAL, and the hub waits for nothing (sqlite.org/wal.html,
    section 2.2). The copy may have an older schema; it is migrated.

    Args:
        haste: no pauses; for a database that nobody else uses.

    Raises:
        SchemaError: it is damaged, newer than this program, or no hub has ever run on it.
        Unavailable: it cannot be read, or the copy cannot be written.
    """
    ended = threading.Event()

    def copy() -> None:
        try:
            with closing(opened(source, "ro")) as database, closing(opened(part)) as target:
                _copy_pages(database, target, part, _Pace(ended, 0.0 if haste else _PAUSE))
        except sqlite3.Error as error:
            raise Unavailable(f"{source} cannot be copied to {part}: {error}") from error

    copying = asyncio.ensure_future(asyncio.to_thread(copy))
    try:
        await asyncio.shield(copying)
    except asyncio.CancelledError:
        ended.set()
        await asyncio.wait((copying,))
        copying.exception()  # it was given up, and nobody asks why
        raise
    await migrate_copy(part)
    return await asyncio.to_thread(mark, part)


def _copy_pages(
    database: sqlite3.Connection, target: sqlite3.Connection, part: Path, pace: "_Pace"
) -> None:
    target.execute("PRAGMA journal_mode=OFF").fetchall()
    target.execute("PRAGMA synchronous=OFF")
    target.execute(f"PRAGMA cache_size={_CACHED_PAGES}")
    database.execute("PRAGMA busy_timeout=5000")
    descriptor = os.open(part, os.O_RDWR | os.O_CLOEXEC)
    try:
        # The transaction begins with its first read; all pages are those of this moment.
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_master").fetchall()

        def progress(_status: int, _remaining: int, _total: int) -> None:
            os.fdatasync(descriptor)
            pace()

        database.backup(target, pages=_PAGES, progress=progress, sleep=0)
    finally:
        os.close(descriptor)


class _Pace:
    """Pauses in the work, as long as the work before them times a factor: what is slow because
    others need the disk is left to them."""

    def __init__(self, ended: threading.Event, factor: float) -> None:
        self._ended = ended
        self._factor = factor
        self._since = time.monotonic()

    def __call__(self) -> None:
        worked = time.monotonic() - self._since
        if self._ended.wait(min(_LONGEST_PAUSE, worked * self._factor)):
            raise InterruptedError("the copy was given up")
        self._since = time.monotonic()


async def from_postgres(source: PostgresDatabase, part: Path) -> Contents:
    """Write what a Postgres database holds into a partial backup.

    Raises:
        SchemaError: it has no schema, or another one than this program.
        Unavailable: it does not answer, or the copy cannot be written.
    """
    if missing := await pending(source):
        raise SchemaError(f"not applied: {', '.join(missing)}; run `run.py migrate` first")
    await migrate_copy(part)
    with closing(opened(part)) as copy:
        # The copy is ours alone until it is whole: nothing has to be undone or survive.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536"):
            copy.execute(f"PRAGMA {pragma}").fetchall()
        with _without_triggers(copy), _synced(part):
            await source.snapshot(lambda tx: _copy_rows(tx, copy))
    return await asyncio.to_thread(mark, part)


async def migrate_copy(part: Path) -> None:
    """Bring a copy that is ours alone up to today's schema; an empty one gets all of it."""
    database = await open_sqlite(part, "normal")
    try:
        await migrate(database)
    finally:
        await database.close()


async def _copy_rows(tx: Transaction, copy: sqlite3.Connection) -> None:
    found = await tx.fetch(
        "SELECT table_name::text, column_name::text FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    )
    for table in tables(copy):
        names = columns(copy, table)
        if {column for name, column in found if name == table} != set(names):
            raise SchemaError(f"the table {table} has other columns than this program knows")
        write = _writer(copy, table, names)
        batch: list[Row] = []
        async for row in tx.scan(_selection(copy, table, names)):
            batch.append(row)
            if len(batch) == _BATCH:
                await asyncio.to_thread(write, batch)
                batch = []
        await asyncio.to_thread(write, batch)
        [(rows,)] = await tx.fetch(f"SELECT count(*) FROM {table}")  # noqa: S608
        if rows != count(copy, table):
            raise Unavailable(f"{table}: {rows} rows were read, {count(copy, table)} written")


def _selection(copy: sqlite3.Connection, table: str, names: list[str]) -> str:
    """All rows in the order of their key, which is the order in which they were made."""
    info = copy.execute(f"PRAGMA table_info({table})").fetchall()
    key = [name for _, name in sorted((row[5], row[1]) for row in info if row[5])]
    return f"SELECT {', '.join(names)} FROM {table} ORDER BY {', '.join(key)}"  # noqa: S608


def _writer(copy: sqlite3.Connection, table: str, names: list[str]) -> Callable[[list[Row]], None]:
    marks = ", ".join("?" * len(names))
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608

    def write(batch: list[Row]) -> None:
        with written(Path("the backup")):
            copy.execute("BEGIN")
            copy.executemany(sql, batch)
            copy.execute("COMMIT")

    return write


@contextmanager
def _without_triggers(copy: sqlite3.Connection) -> Iterator[None]:
    """Rows that come from a database were checked and audited there."""
    rows = copy.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in rows:
        copy.execute(f"DROP TRIGGER {name}")
    yield
    for _, sql in rows:
        copy.execute(sql)


@contextmanager
def _synced(part: Path) -> Iterator[None]:
    """Send what is written to the disk bit by bit: hundreds of megabytes at once would hold up
    the commits of the hub on the same disk."""
    ended = threading.Event()
    descriptor = os.open(part, os.O_RDWR | os.O_CLOEXEC)

    def sync() -> None:
        while not ended.wait(_SYNC_SECONDS):
            os.fdatasync(descriptor)

    thread = threading.Thread(target=sync, name="backup-sync")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        os.close(descriptor)
