"""The one seam between the hub and its databases.

SQL is written with `?` placeholders and is the same for every engine, or stands in the engine's
own migrations. A unit of work is an `async def` that awaits nothing but its transaction: SQLite
runs the whole of it in one hop on its thread, where those awaits never suspend; on a server they
are real round trips.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Value = str | bytes | int | float | None
Row = tuple[Any, ...]


class Transaction(Protocol):
    """An open transaction. Not to be used after the work that got it has returned."""

    async def execute(self, sql: str, params: Sequence[Value] = ()) -> int:
        """Run one statement; the number of rows that it changed."""

    async def fetch(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """Run one query; all its rows."""

    def scan(self, sql: str, params: Sequence[Value] = ()) -> AsyncIterator[Row]:
        """Run one query; its rows one by one, so that the reader may stop early."""

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """A part that is undone alone when its body raises."""


class Database(Protocol):
    """A pool of connections to one database."""

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in one read-write transaction and commit it durably.

        Raises:
            Conflict: a constraint refused a statement; nothing was written.
            Unavailable: the transaction failed or its outcome is not known.
        """

    async def read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` on one consistent snapshot, without writing.

        Raises:
            Unavailable: the database did not answer.
        """

    async def close(self) -> None:
        """Finish what runs and close every connection."""
