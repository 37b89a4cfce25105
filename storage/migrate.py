"""Forward-only migrations: numbered SQL files, each applied once, each held by its checksum."""

import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from .database import Database, Engine, Row, Transaction
from .errors import NoSchema, SchemaError
from .scope import HUB

_NAME = re.compile(r"(\d{3})_[a-z0-9_]+\.sql")


class Migration(NamedTuple):
    """One numbered step. `checksum` is the SHA-256 of its text, hexadecimal."""

    number: int
    name: str
    sql: str
    checksum: str


def migrations(engine: Engine) -> list[Migration]:
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


async def migrate(database: Database) -> list[str]:
    """Apply what is missing, all in one transaction.

    Returns:
        The names of the migrations that were applied now.

    Raises:
        SchemaError: an applied migration was changed, or the schema is newer than this program.
    """
    steps = migrations(database.engine)

    async def work(tx: Transaction) -> list[str]:
        await tx.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            " number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
        )
        missing = steps[await _verified(tx, steps) :]
        for step in missing:
            await tx.script(step.sql)
            await tx.execute(
                "INSERT INTO schema_migrations (number, name, checksum) VALUES (?, ?, ?)",
                (step.number, step.name, step.checksum),
            )
        return [step.name for step in missing]

    return await database.maintain(work, deadline=None)


async def pending(database: Database) -> list[str]:
    """The names of the migrations that are not applied yet; raises as `migrate` does."""
    steps = migrations(database.engine)

    async def work(tx: Transaction) -> list[str]:
        exists = "schema_migrations" in await tx.tables()
        return [step.name for step in steps[await _verified(tx, steps) if exists else 0 :]]

    try:
        return await database.read(work, HUB)
    except NoSchema:
        return [step.name for step in steps]


async def _verified(tx: Transaction, steps: list[Migration]) -> int:
    applied = await tx.fetch("SELECT number, name, checksum FROM schema_migrations ORDER BY number")
    return verified(applied, steps)


def verified(applied: Sequence[Row], steps: Sequence[Migration]) -> int:
    """How many steps are applied, each checked against the file it came from.

    Args:
        applied: number, name and checksum of those that a database has, in order.

    Raises:
        SchemaError: one was changed, or the schema is newer than this program.
    """
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
