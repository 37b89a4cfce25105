"""`run.py backup` and `run.py restore`.

A backup is made beside the hub that runs, by this process and not by the hub: a second reader of
the same database costs live traffic the least. A restore needs the database for itself.
"""

import asyncio
import os
import secrets
import sys
import time
from pathlib import Path

from hub.settings import Settings, masked_address
from storage import backup as form
from storage import backup_source, restore
from storage.backup import Contents
from storage.connect import sqlite_path
from storage.errors import StorageError
from storage.postgres import PostgresDatabase, open_postgres

from . import lock
from .admin import CommandError
from .first_start import prepare_data_dir

_LOWEST_PRIORITY = 19


def backup(settings: Settings, file: Path, *, force: bool) -> str:
    """Write everything that the database holds into one file; what to say about it.

    Args:
        force: whether a file that is there already is replaced.

    Raises:
        CommandError, StorageError: it could not be made; nothing is there that looks whole.
    """
    begun = time.monotonic()
    source = sqlite_path(settings.effective_database_url)
    _refuse_own_file(file, source)
    _step_back()
    found = asyncio.run(_make(settings, source, file, force=force))
    size = file.stat().st_size
    where = masked_address(settings.effective_database_url)
    lines = [
        f"{file}: {found}",
        f"{size / 1e6:,.1f} MB of {where} in {time.monotonic() - begun:.1f} s; "
        "it holds key hashes and webhook secrets, keep it safe",
    ]
    running = lock.running(settings.data_dir) if settings.data_dir.is_dir() else None
    if running is not None:
        lines.append(
            f"a hub runs (process {running.pid} at {running.url}): its database was read beside "
            "it, everything that it acknowledged before the backup began is in the file"
        )
    return "\n".join(lines)


def _step_back() -> None:
    """Let live traffic come first: at once where the system can do that (nice alone lets a process
    finish its turn of some milliseconds)."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(_LOWEST_PRIORITY)


async def _make(settings: Settings, source: Path | None, file: Path, *, force: bool) -> Contents:
    with form.writing(file, replace=force) as part:
        if source is not None:
            # A hub of another data directory may have the file, and one may be about to listen.
            alone = not lock.is_held(settings.data_dir, source)
            return await backup_source.from_sqlite(source, part, haste=alone)
        database = await _postgres(settings)
        try:
            return await backup_source.from_postgres(database, part)
        finally:
            await database.close()


def restore_(settings: Settings, file: Path, *, sure: bool) -> str:
    """Replace everything that the database holds with a backup; what to say about it.

    Args:
        sure: whether what is there may be replaced without asking.

    Raises:
        AlreadyRunning, CommandError, StorageError: it was not done; the database is as it was.
    """
    form.look(file)
    target = sqlite_path(settings.effective_database_url)
    _refuse_own_file(file, target)
    prepare_data_dir(settings.data_dir)
    with lock.hold(settings.data_dir, target):
        found = asyncio.run(_replace(settings, file, target, sure=sure))
    rows = ", ".join(f"{name} {number:,}" for name, number in sorted(found.rows.items()) if number)
    return (
        f"restored {file}: {found}\nrows: {rows}\n"
        f"the log's epoch is {found.epoch}, a new one: clients are told that their offsets are of "
        "another log, and begin again"
    )


async def _replace(settings: Settings, file: Path, target: Path | None, *, sure: bool) -> Contents:
    epoch = secrets.token_urlsafe(12)
    if target is not None:
        try:
            held: object = restore.held_by_sqlite(target)
        except StorageError as error:
            held = error  # a damaged file is what a backup is for
        _ask(settings, held, sure=sure)
        return await restore.into_sqlite(file, target, epoch)
    database = await _postgres(settings)
    try:
        _ask(settings, await restore.held_by_postgres(database), sure=sure)
        return await restore.into_postgres(file, database, epoch, settings.data_dir)
    finally:
        await database.close()


async def _postgres(settings: Settings) -> PostgresDatabase:
    return await open_postgres(settings.effective_database_url, settings.database_owner_url)


def _ask(settings: Settings, held: object, *, sure: bool) -> None:
    """Let a person confirm that what is there may go."""
    if held is None or sure:
        return
    what = f"{masked_address(settings.effective_database_url)} is not empty: {held}"
    if not sys.stdin.isatty():
        raise CommandError(f"{what}\n--yes replaces all of it")
    print(what, file=sys.stderr)
    if input("Replace all of it? Type yes: ").strip().lower() != "yes":
        raise CommandError("nothing was changed")


def _refuse_own_file(file: Path, database: Path | None) -> None:
    """A database is no backup of itself, nor is what lies beside it."""
    if database is None:
        return
    names = {database.name + ending for ending in ("", "-wal", "-shm", "-journal", ".lock")}
    if file.name in names and file.parent.resolve() == database.parent.resolve():
        raise CommandError(f"{file} is the hub's own; choose another file")
