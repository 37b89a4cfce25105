"""Forward-only migrations: numbered SQL files, each applied once, each held by its checksum."""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

from .database import Database, Transaction
from .errors import SchemaError

_NAME = re.compile(r"(\d{3})_[a-z0-9_]+\.sql")


class Migration(NamedTuple):
    """One numbered step. `checksum` is the SHA-256 of its text, hexadecimal."""

    number: int
    name: str
    sql: str
    checksum: str


def migrations(engine: str) -> list[Migration]:
    """All steps for an engine, in order.

    Raises:
        SchemaError: the numbers are not 1, 2, 3 …
    """
    found = []
    for entry in (files("storage") / "migrations" / engine).iterdir():
        match = _NAME.fullmatch(entry.name)
        if match:
            sql = entry.read_text(encoding="utf-8")
            checksum = hashlib.sha256(sql.encode()).hexdigest()
            found.append(Migration(int(match[1]), entry.name, sql, checksum))
    found.sort()
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise SchemaError(f"the migrations for {engine} are not numbered 1, 2, 3 …")
    return found


async def migrate(database: Database, engine: str = "sqlite") -> list[str]:
    """Apply what is missing, all in one transaction.

    Returns:
        The names of the migrations that were applied now.

    Raises:
        SchemaError: an applied migration was changed, or the schema is newer than this program.
    """
    steps = migrations(engine)

    async def work(tx: Transaction) -> list[str]:
        await tx.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            " number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
        )
        missing = steps[await _verified(tx, steps) :]
        for step in missing:
            for statement in _statements(step.sql):
                await tx.execute(statement)
            await tx.execute(
                "INSERT INTO schema_migrations (number, name, checksum) VALUES (?, ?, ?)",
                (step.number, step.name, step.checksum),
            )
        return [step.name for step in missing]

    return await database.write(work)


async def pending(database: Database, engine: str = "sqlite") -> list[str]:
    """The names of the migrations that are not applied yet; raises as `migrate` does."""
    steps = migrations(engine)

    async def work(tx: Transaction) -> list[str]:
        exists = await tx.fetch(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'"
        )
        return [step.name for step in steps[await _verified(tx, steps) if exists else 0 :]]

    return await database.read(work)


async def _verified(tx: Transaction, steps: list[Migration]) -> int:
    """How many steps are applied, each checked against the file it came from."""
    applied = await tx.fetch("SELECT number, name, checksum FROM schema_migrations ORDER BY number")
    if len(applied) > len(steps):
        raise SchemaError(
            f"the database has migration {applied[-1][1]}, which this program does not know: "
            "it was made by a newer version; start that one"
        )
    for (_, name, checksum), step in zip(applied, steps, strict=False):
        if checksum != step.checksum:
            raise SchemaError(
                f"migration {name} was changed after it was applied (its checksum differs): "
                "restore the file; a change of the schema is a new migration"
            )
    return len(applied)


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
