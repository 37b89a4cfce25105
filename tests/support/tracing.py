"""Every statement that a hub under test sends to SQLite, watched for the merchant it runs for.

A statement that touches a tenant's table belongs to a transaction whose scope names every merchant,
or it has the id of the scope's one merchant in it. Postgres holds this by itself; on SQLite it is
the code that does, so it is watched wherever tests run it: in their own process, and in a hub that
`HubProcess` starts (which calls `main` here instead of `run.py`, or is forked from a process that
has imported this).
"""

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path

import aiosqlite

from storage import sqlite
from storage.migrate import migrations
from storage.scope import Scope
from storage.sqlite import SqliteTransaction

INFRASTRUCTURE = frozenset(
    {
        "bot_connections",
        "hub_instances",
        "log_cursors",
        "log_state",
        "schema_migrations",
        "scope",
        "workers",
    }
)
"""Tables that belong to no tenant."""

FOUND: dict[str, str] = {}
"""What was found: the statement without its values, and where it came from first."""

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_report: Callable[[str, str], object] = FOUND.setdefault
_transactions: dict[int, SqliteTransaction] = {}
"""The open transaction of each connection, by the connection's `id`."""
_paused = False


@cache
def tenant_tables() -> frozenset[str]:
    """The names of all tables that the migrations leave behind, without the infrastructure."""
    with closing(sqlite3.connect(":memory:")) as database:
        for step in migrations("sqlite"):
            database.executescript(step.sql)
        rows = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
            " ESCAPE '\\'"
        ).fetchall()
    return frozenset(name for (name,) in rows) - INFRASTRUCTURE


def install() -> None:
    """Watch every connection that storage opens from here on in this process."""
    names = re.compile(rf"\b(?:{'|'.join(sorted(tenant_tables()))})\b", re.IGNORECASE)
    connect, begin = sqlite._connect, SqliteTransaction.__init__

    async def watched(path: Path, opened: list[aiosqlite.Connection]) -> aiosqlite.Connection:
        connection = await connect(path, opened)
        key = id(connection._conn)
        await connection.set_trace_callback(lambda statement: _look(key, names, statement))
        return connection

    def begun(self: SqliteTransaction, connection: sqlite3.Connection, scope: Scope) -> None:
        begin(self, connection, scope)
        _transactions[id(connection)] = self

    sqlite._connect = watched
    SqliteTransaction.__init__ = begun  # type: ignore[method-assign]


def pause(paused: bool) -> None:
    """Whether this process's statements are left alone: those of a test that breaks the rule."""
    global _paused
    _paused = paused


def collect(file: Path) -> None:
    """Take over what another process has written into its file; there may be none."""
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        statement, _, where = line.partition("\t")
        FOUND.setdefault(statement, where)


def main(arguments: list[str]) -> int:
    """Run the hub's command line with its statements watched.

    Args:
        arguments: the file that takes what is found, then the hub's own.
    """
    import run

    watch(Path(arguments[0]))
    return run.main(arguments[1:])


def watch(file: Path) -> None:
    """Watch every connection from here on, for another process to `collect` what is found.

    Args:
        file: takes what is found; there is one as soon as this process is watched.
    """
    global _report

    def append(statement: str, where: str) -> None:
        # At once: the process may be killed at any moment.
        if statement not in FOUND:
            FOUND[statement] = where
            with file.open("a") as lines:
                lines.write(f"{statement}\t{where}\n")

    _report = append
    install()
    file.touch()


def _look(key: int, names: re.Pattern[str], statement: str) -> None:
    """Look at one statement with its values in it, on the connection's thread."""
    transaction = _transactions.get(key)
    if statement.startswith(("COMMIT", "ROLLBACK")) and not statement.startswith("ROLLBACK TO"):
        _transactions.pop(key, None)
        return
    scope = transaction.scope if transaction else None
    if _paused or (scope is not None and scope.merchant_id is None):
        return
    if statement.startswith("--"):
        return  # a trigger's
    if scope is not None and f"'{scope.merchant_id}'" in statement:
        return  # nearly all of them: what follows costs more
    bare = _LITERAL.sub("?", statement)
    if not names.search(bare):
        return
    problem = "without a scope" if scope is None else "without its merchant"
    shown = " ".join(bare.split())[:400]
    _report(f"{problem}: {shown}", os.environ.get("PYTEST_CURRENT_TEST", ""))


PRELUDE = f"""
import sys
sys.path[0] = {str(Path(__file__).resolve().parents[2])!r}
from tests.support.tracing import main
sys.exit(main(sys.argv[1:]))
"""
"""What runs `main` in a child."""


def command(file: Path, *arguments: str) -> list[str]:
    """The command line after `python` of a hub whose statements are watched."""
    return ["-c", PRELUDE, str(file), *arguments]
