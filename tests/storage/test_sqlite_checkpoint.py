"""The WAL is moved into the database file beside the commits."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from storage.database import Transaction
from storage.scope import HUB
from storage.sqlite import SqliteDatabase, open_sqlite
from tests.support.databases import until


async def write(database: SqliteDatabase, count: int) -> None:
    async def work(tx: Transaction) -> None:
        for _ in range(count):
            await tx.execute("INSERT INTO events (type) VALUES (?)", ("x" * 4000,))

    await database.write(work, HUB)


def pages(path: Path) -> int:
    """Pages of the database file itself, without what only the WAL has."""
    return path.stat().st_size // 4096


async def opened(path: Path) -> SqliteDatabase:
    database = await open_sqlite(path)
    await database.maintain(lambda tx: tx.execute("CREATE TABLE events (type TEXT)"))
    return database


async def test_what_was_committed_reaches_the_file_without_a_further_commit(
    tmp_path: Path,
) -> None:
    database = await opened(tmp_path / "t.db")
    try:
        await write(database, 100)
        await until(lambda: pages(tmp_path / "t.db") > 100)
    finally:
        await database.close()


async def test_a_checkpoint_that_fails_is_logged_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await opened(tmp_path / "t.db")
    real, failures = database._checkpoints.execute_fetchall, 1

    async def failing(sql: str) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            raise sqlite3.OperationalError("disk I/O error")
        return await real(sql)

    monkeypatch.setattr(database._checkpoints, "execute_fetchall", failing)
    monkeypatch.setattr("storage.sqlite_checkpoint._LONGEST_SECONDS", 0.1)
    try:
        await write(database, 100)
        await until(lambda: not failures)
        await write(database, 100)
        await until(lambda: pages(tmp_path / "t.db") > 200)
    finally:
        await database.close()


async def test_closing_ends_it(tmp_path: Path) -> None:
    database = await opened(tmp_path / "t.db")
    await write(database, 1)
    await database.close()
    assert not [t for t in asyncio.all_tasks() if "Checkpointer" in repr(t)]
    assert not (tmp_path / "t.db-wal").exists()
