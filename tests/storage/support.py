"""Short hands for the tests of storage."""

import re
from collections.abc import Sequence

from storage import events
from storage.database import Database, Row, Transaction, Value
from storage.records import EventRow
from storage.scope import HUB

NOW = "2026-11-22T10:00:00.000Z"


async def run(database: Database, *statements: str) -> None:
    """Statements in one transaction."""

    async def work(tx: Transaction) -> None:
        for statement in statements:
            await tx.execute(statement)

    await database.write(work, HUB)


async def make_tables(database: Database, *statements: str) -> None:
    """Tables of a test's own, made by the owner of the schema, which the hub may read and write."""

    async def work(tx: Transaction) -> None:
        for statement in statements:
            await tx.execute(statement)
            if database.engine == "postgres":
                [name] = re.findall(r"CREATE TABLE (\w+)", statement)
                await tx.execute(
                    f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO hub_app, hub_tenant"
                )

    await database.maintain(work)


async def emptied(database: Database) -> None:
    """Forget every event, as if the log had just been made."""
    tables = ("events", "retired_event_ids", "log_state")

    async def work(tx: Transaction) -> None:
        if database.engine == "postgres":
            await tx.execute(f"TRUNCATE {', '.join(tables)}")
            return
        for table in tables:
            await tx.execute(f"DELETE FROM {table}")  # noqa: S608

    await database.maintain(work)


async def rows(database: Database, sql: str, params: Sequence[Value] = ()) -> list[Row]:
    """What a query finds."""
    return await database.read(lambda tx: tx.fetch(sql, params), HUB)


def event_row(
    offset: int,
    *,
    id_: str | None = None,
    merchant_id: str = "m1",
    type_: str = "custom_a",
    subject: str | None = None,
    committed_ms: int = 0,
    size: int = 0,
) -> EventRow:
    """A row of the log whose frame says its offset."""
    frame = f'{{"offset":{offset},"pad":"{"é" * size}"}}'
    return (offset, merchant_id, id_ or f"id-{offset}", type_, subject, committed_ms, frame)


async def fill(database: Database, new: Sequence[EventRow]) -> None:
    """A log with exactly these events."""

    async def work(tx: Transaction) -> None:
        await events.ensure_log(tx, "epoch")
        await events.advance_head(tx, len(new), 0)
        await events.insert_events(tx, new)

    await database.write(work, HUB)
