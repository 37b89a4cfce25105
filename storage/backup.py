"""The form of a backup: one SQLite file with the hub's own schema, whatever engine it came from.

So a backup of SQLite can be restored into Postgres and the other way round. What belongs to the
moment alone is not in it: who is signed in with a browser, which hubs run, which bots they hold.
The mark is the log's fingerprint: whoever opens the file as a database gives the log a new epoch
(`storage.events.ensure_log`), because offsets that were given out later may be given out again.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from .errors import Conflict, SchemaError, Unavailable
from .migrate import migrations, verified

MARK = "backup"
"""The fingerprint of a log that a backup holds."""
OF_THE_MOMENT = ("bot_connections", "browser_sessions", "hub_instances")
"""Tables whose rows no backup has; those that refer to others come first."""
_OWN = ("schema_migrations", "scope")
_DAMAGES = 3


class Contents(NamedTuple):
    """What a database holds: the log's epoch and end, and how many rows each table has."""

    epoch: str
    head: int
    rows: dict[str, int]

    def __str__(self) -> str:
        parts = [
            f"{number:,} {name if number != 1 else name[:-1]}"
            for name in ("merchants", "events")
            for number in (self.rows[name],)
        ]
        return f"{', '.join(parts)}, the last offset is {self.head:,}"


class NotABackup(SchemaError):
    """The file is something else, is not whole, or is damaged."""


# ── making one ───────────────────────────────────────────────────────────────────────────────


@contextmanager
def writing(
    file: Path, *, replace: bool = False, settle: Callable[[], None] | None = None
) -> Iterator[Path]:
    """Make a file whole or not at all: the body writes `FILE.part`, which then becomes the file.

    Args:
        replace: whether a file that is there already may be replaced.
        settle: what has to be done with the file that is there, when the partial one is complete
            and durable and nothing but the renaming is left. It may refuse.

    Yields:
        The partial file, empty, for this user alone.

    Raises:
        Conflict: there is such a file already, or somebody else is writing it.
        Unavailable: it cannot be written.
    """
    if file.is_dir():
        raise Conflict(f"{file} is a directory")
    if file.exists() and not replace:
        raise Conflict(f"{file} is there already; --force replaces it")
    part = file.with_name(f"{file.name}.part")
    with written(file):
        descriptor = _locked(part)
    try:
        with written(file):
            os.ftruncate(descriptor, 0)
            os.fchmod(descriptor, 0o600)
            _remove_beside(part)
            yield part
            os.fsync(descriptor)
            if settle is not None:
                settle()
            part.replace(file)
            sync_directory(file.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        _remove_beside(part)
        os.close(descriptor)


@contextmanager
def written(file: Path) -> Iterator[None]:
    """What the system and SQLite say when a file cannot be written, as storage's own error."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Unavailable(f"{file} cannot be written: {reason}") from error


def _locked(part: Path) -> int:
    """Open a partial file that nobody else writes."""
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Conflict(f"{part} is being written by somebody else") from None
        if part.exists() and os.path.samestat(part.stat(), os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)  # whoever had it has finished it meanwhile


def _remove_beside(part: Path) -> None:
    for ending in ("-journal", "-wal", "-shm"):
        part.with_name(part.name + ending).unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mark(part: Path) -> Contents:
    """Make a backup of a copy with today's schema: strip it, check it, mark it.

    Raises:
        SchemaError: the copy is damaged, or no hub has ever run on the database.
    """
    with closing(opened(part)) as copy:
        # The file alone has everything, and nothing lies beside it; it is synced in the end.
        for pragma in ("journal_mode=DELETE", "journal_mode=MEMORY", "synchronous=OFF"):
            copy.execute(f"PRAGMA {pragma}").fetchall()
        copy.execute("PRAGMA secure_delete=ON")
        copy.execute("BEGIN IMMEDIATE")
        copy.execute("UPDATE scope SET merchant_id = '*'")
        for table in OF_THE_MOMENT:
            copy.execute(f"DELETE FROM {table}")  # noqa: S608
        copy.execute("UPDATE api_keys SET connected = 0 WHERE connected <> 0")
        copy.execute(
            "UPDATE scope SET merchant_id = NULL, actor_id = NULL, actor_role = NULL,"
            " ip_address = NULL, user_agent = NULL"
        )
        copy.execute("COMMIT")
        _check(copy, "PRAGMA quick_check", "the database")
        found = contents(copy)
        copy.execute("UPDATE log_state SET fingerprint = ?", (MARK,))
    return found


# ── reading one ──────────────────────────────────────────────────────────────────────────────


def opened(file: Path, mode: str = "rw") -> sqlite3.Connection:
    """Open a file that exists; every statement is a transaction of its own.

    Args:
        mode: `ro` or `rw`.
    """
    uri = f"file:{quote(str(file.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def tables(database: sqlite3.Connection) -> list[str]:
    """The tables whose rows a backup carries; those that others refer to come first.

    Raises:
        SchemaError: some refer to each other in a circle.
    """
    rows = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"
    ).fetchall()
    names = {name for (name,) in rows} - {*OF_THE_MOMENT, *_OWN}
    refers = {name: references(database, name) - {name} for name in names}
    ordered: list[str] = []
    while left := names.difference(ordered):
        free = sorted(name for name in left if refers[name] <= set(ordered))
        if not free:
            raise SchemaError(
                f"the tables {', '.join(sorted(left))} refer to each other in a circle, "
                "or to a table that is not in a backup"
            )
        ordered += free
    return ordered


def references(database: sqlite3.Connection, table: str) -> set[str]:
    """The tables that a table refers to."""
    return {row[2] for row in database.execute(f"PRAGMA foreign_key_list({table})")}


def columns(database: sqlite3.Connection, table: str) -> list[str]:
    """The names of a table's columns, in their order."""
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def contents(database: sqlite3.Connection) -> Contents:
    """What a database with today's schema holds.

    Raises:
        SchemaError: it has no log.
    """
    logs = database.execute("SELECT epoch, head FROM log_state").fetchall()
    if not logs:
        raise SchemaError("no hub has ever run on this database: there is nothing in it")
    [(epoch, head)] = logs
    return Contents(epoch, head, {name: count(database, name) for name in tables(database)})


def count(database: sqlite3.Connection, table: str) -> int:
    """How many rows a table has."""
    [(rows,)] = database.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608
    return int(rows)


def look(file: Path) -> int:
    """Make sure that a file is a backup, by its mark; how many migrations it still needs.

    Raises:
        NotABackup: it is something else.
        SchemaError: it was made by a newer version, or a migration was changed.
        Unavailable: it cannot be read.
    """
    steps = migrations("sqlite")
    try:
        file.open("rb").close()
        with closing(opened(file, "ro")) as database:
            applied = database.execute(
                "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
            ).fetchall()
            done = verified(applied, steps)
            marks = database.execute("SELECT fingerprint FROM log_state").fetchall()
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror}") from error
    except sqlite3.Error as error:
        raise NotABackup(f"{file} is no backup of this program: {error}") from error
    if marks != [(MARK,)]:
        raise NotABackup(
            f"{file} is no backup: it is a database that is in use or was copied, "
            "or a backup that a hub was started on; make one with `run.py backup`"
        )
    return len(steps) - done


def check(file: Path) -> None:
    """Read a backup from its beginning to its end.

    Raises:
        NotABackup: it is damaged.
    """
    try:
        with closing(opened(file, "ro")) as database:
            _check(database, "PRAGMA integrity_check", str(file))
    except sqlite3.Error as error:
        raise NotABackup(f"{file} is damaged: {error}") from error


def _check(database: sqlite3.Connection, pragma: str, what: str) -> None:
    found = [str(row[0]) for row in database.execute(f"{pragma}({_DAMAGES})")]
    if found != ["ok"]:
        raise NotABackup(f"{what} is damaged: {'; '.join(found)}")
    broken = database.execute("PRAGMA foreign_key_check").fetchmany(_DAMAGES)
    if broken:
        where = ", ".join(f"{table} refers to {parent}" for table, _, parent, _ in broken)
        raise NotABackup(f"{what} is damaged: rows refer to none ({where})")
