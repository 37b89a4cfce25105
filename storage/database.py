"""The one seam between the hub and its databases.

SQL is written with `?` placeholders and is the same for every engine, or stands in the engine's
own migrations. A unit of work is an `async def` that awaits nothing but its transaction: SQLite
runs the whole of it in one hop on its thread, where those awaits never suspend; on a server they
are real round trips. Every unit has a scope: the merchant whose rows it may touch, and who acts.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeVar

from .scope import Scope

T = TypeVar("T")
Value = str | bytes | int | float | None
Row = tuple[Any, ...]
Engine = Literal["sqlite", "postgres"]

DEADLINE_SECONDS = 4.5
"""How long a unit of work may take on a server before it counts as failed."""


class Transaction(Protocol):
    """An open transaction. Not to be used after the work that got it has returned."""

    @property
    def scope(self) -> Scope:
        """For whom it runs at the moment."""

    async def execute(self, sql: str, params: Sequence[Value] = ()) -> int:
        """Run one statement; the number of rows that it changed."""

    async def fetch(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """Run one query; all its rows."""

    def scan(self, sql: str, params: Sequence[Value] = ()) -> AsyncIterator[Row]:
        """Run one query; its rows one by one, so that the reader may stop early."""

    async def insert(
        self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Value]]
    ) -> None:
        """Insert many rows by few statements.

        Args:
            columns: their names with their types in standard SQL, in the order of the values.
        """

    async def fetch_wanted(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str | None]],
        sql: str,
        params: Sequence[Value] = (),
    ) -> list[Row]:
        """Run one statement for many rows of text.

        Args:
            columns: what the values of a row are called in `wanted`.
            sql: a query or a change that may use the table `wanted` any number of times.
            params: for the placeholders in `sql`.
        """

    def savepoint(self, scope: Scope | None = None) -> AbstractAsyncContextManager[None]:
        """A part that is undone alone when its body raises.

        Args:
            scope: for whom the part runs, if not for whom the whole does.
        """

    async def script(self, sql: str) -> None:
        """Run the statements of a migration, one after the other.

        Raises:
            SchemaError: it ends within a statement.
        """

    async def tables(self) -> list[str]:
        """The names of all tables that there are."""

    async def now(self) -> str:
        """The time by the one clock that all processes on the database share, as text."""


class Database(Protocol):
    """A pool of connections to one database.

    Attributes:
        engine: which SQL its migrations are written in.
        shared: whether other processes may write to it too, so that what they have written is to
            be looked for.
    """

    @property
    def engine(self) -> Engine: ...

    @property
    def shared(self) -> bool: ...

    async def write(self, work: Callable[[Transaction], Awaitable[T]], scope: Scope) -> T:
        """Run `work` in one read-write transaction and commit it durably.

        Raises:
            Conflict: a constraint refused a statement; nothing was written.
            Sealed: a row of another merchant was to be written; nothing was.
            Unavailable: the transaction failed or its outcome is not known.
        """

    async def read(self, work: Callable[[Transaction], Awaitable[T]], scope: Scope) -> T:
        """Run `work` on one consistent snapshot, without writing.

        Raises:
            Unavailable: the database did not answer.
        """

    async def maintain(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        deadline: float | None = DEADLINE_SECONDS,
    ) -> T:
        """Run `work` in one transaction as the owner of the schema; no other such work runs
        meanwhile.

        Args:
            deadline: seconds for all of it on a server, or None for as long as it takes: for
                migrations and a restore.

        Raises:
            Unavailable: the database did not do it in time.
        """

    async def identity(self) -> str | None:
        """What tells this database from a copy of it: a text that changes when the server goes
        back to an earlier state or another server holds the data; None where nothing tells."""

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Call `heard` with each notice of another process, for as long as the database is open.

        A notice is a word and an id, written by the database's own triggers: `head N`, the new end
        of the log; `key ID`, a key was revoked; `browser HASH`, a browser's session was ended;
        `merchant ID`, there is a new one. `again` says that notices may have been missed.
        """

    async def close(self) -> None:
        """Finish what runs and close every connection."""
