"""Short hands for the tests of storage."""

from collections.abc import Sequence

from storage import events
from storage.database import Database, Row, Transaction, Value
from storage.records import EventRow

NOW = "2026-11-22T10:00:00.000Z"


async def run(database: Database, *statements: str) -> None:
    """Statements in one transaction."""

    async def work(tx: Transaction) -> None:
        for statement in statements:
            await tx.execute(statement)

    await database.write(work)


async def rows(database: Database, sql: str, params: Sequence[Value] = ()) -> list[Row]:
    """What a query finds."""
    return await database.read(lambda tx: tx.fetch(sql, params))


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

    await database.write(work)
