"""Postgres as the engine: one writing connection, four reading ones, one that listens.

Work runs as the role `hub_app`, which owns nothing and sees, by row-level security, the rows of the
merchant that its transaction is bound to, and no others. The binding carries a proof that only who
can read the owner's secret can make (`migrations/postgres/001`), so that SQL which got in by a
fault cannot choose another merchant. The owner itself runs migrations and a restore.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import asyncpg
import msgspec

from .database import DEADLINE_SECONDS, Engine, Row, Transaction, Value
from .errors import Conflict, NoSchema, Sealed, StorageError, Unavailable
from .postgres_line import Connection, Line
from .postgres_sql import (
    changed,
    insert_unnested,
    instant,
    numbered,
    settings,
    wanted_unnested,
)
from .scope import HUB, Scope

T = TypeVar("T")

READERS = 4
APPLICATION = "smart-bot-hub"
"""What its connections are called in `pg_stat_activity`."""
ROLE = "hub_app"
_CHANNEL = "hub"
_LOG_CHANNEL = "hub_log"
_MIGRATION_LOCK = 0x485542  # any number that nothing else on this database uses: "HUB"
_PREFETCH = 500
_STATEMENTS = 512
_LISTEN_SECONDS = 5.0

_SESSION = {
    "application_name": APPLICATION,
    "timezone": "UTC",
    "search_path": "public",
    "standard_conforming_strings": "on",
    "synchronous_commit": "on",
    # Every query has its index. A plan that was made while a table was small, and is kept, would
    # read all of the table later: ids were looked up at a third of the rate.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",  # its compilation costs more than any query here
    # The server gives up a little before the client does: locks end with it. A hub that stands
    # still with the log's head locked must not hold up the others.
    "statement_timeout": str(int(DEADLINE_SECONDS * 1000) - 500),
    "lock_timeout": str(int(DEADLINE_SECONDS * 1000) - 500),
    "idle_in_transaction_session_timeout": str(int(DEADLINE_SECONDS * 1000)),
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_OWNER_SESSION = _SESSION | {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "enable_seqscan": "on",  # a backup reads whole tables
}


class PostgresTransaction:
    """A transaction on one connection.

    What needs no answer (BEGIN, the binding, savepoints) goes out with the next statement of its
    kind, as one message: a round trip costs 0.1 ms on this machine and 1 ms on the next.
    """

    def __init__(
        self, connection: Connection, begin: str, scope: Scope, secret: bytes | None
    ) -> None:
        self._connection = connection
        self._secret = secret
        self._scope = scope
        self._pending = [begin, self._binding(scope)]

    @property
    def scope(self) -> Scope:
        return self._scope

    async def execute(self, sql: str, params: Sequence[Value] = ()) -> int:
        await self._flush()
        with translated():
            return changed(await self._connection.execute(numbered(sql), *params))

    async def fetch(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        await self._flush()
        with translated():
            return [tuple(row) for row in await self._connection.fetch(numbered(sql), *params)]

    async def scan(self, sql: str, params: Sequence[Value] = ()) -> AsyncIterator[Row]:
        await self._flush()
        with translated():
            async for row in self._connection.cursor(numbered(sql), *params, prefetch=_PREFETCH):
                yield tuple(row)

    async def insert(
        self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Value]]
    ) -> None:
        if not rows:
            return
        await self._flush()
        with translated():
            sql = insert_unnested(table, tuple(columns.items()))
            await self._connection.execute(sql, *map(list, zip(*rows, strict=True)))

    async def fetch_wanted(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], sql: str
    ) -> list[Row]:
        if not rows:
            return []
        await self._flush()
        with translated():
            query = wanted_unnested(tuple(columns), sql)
            found = await self._connection.fetch(query, *map(list, zip(*rows, strict=True)))
        return [tuple(row) for row in found]

    @asynccontextmanager
    async def savepoint(self, scope: Scope | None = None) -> AsyncIterator[None]:
        outer = self._scope
        self._pending.append("SAVEPOINT part;")
        self._bind(scope or outer)
        try:
            yield
        except BaseException:
            if not self._connection.is_closed():
                # Its SAVEPOINT may still be pending; ROLLBACK TO follows it in one message.
                self._pending.append("ROLLBACK TO SAVEPOINT part;RELEASE SAVEPOINT part;")
                self._scope = outer  # the binding was rolled back too
                await self._flush()
            raise
        self._pending.append("RELEASE SAVEPOINT part;")
        self._bind(outer)

    async def script(self, sql: str) -> None:
        self._pending.append(sql)
        await self._flush()

    async def tables(self) -> list[str]:
        rows = await self.fetch(
            "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'public'"
        )
        return [name for (name,) in rows]

    async def commit(self) -> None:
        """Commit what was done."""
        self._pending.append("COMMIT;")
        await self._flush()

    def _bind(self, scope: Scope) -> None:
        if scope is not self._scope:
            self._pending.append(self._binding(scope))
            self._scope = scope

    def _binding(self, scope: Scope) -> str:
        if self._secret is None:
            return ""  # before the first migration there is nothing to be sealed
        actor = {
            "id": scope.actor_id, "role": scope.actor_role, "address": scope.address,
            "agent": scope.agent,
        }  # fmt: skip
        return settings(
            {
                "hub.merchant": scope.bound,
                "hub.proof": proof(self._secret, scope.bound),
                "hub.actor": msgspec.json.encode(actor).decode(),
            }
        )

    async def _flush(self) -> None:
        if self._pending:
            pending, self._pending = "".join(self._pending), []
            with translated():
                await self._connection.execute(pending)


def proof(secret: bytes, bound: str) -> str:
    """What shows that a binding was made by who knows the secret; see `hub_merchant()`."""
    inner = hashlib.sha256(secret + bound.encode()).digest()
    return hashlib.sha256(secret + inner).hexdigest()


@contextmanager
def translated() -> Iterator[None]:
    """Postgres' errors as storage's own."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise Conflict(str(error)) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise Sealed(str(error)) from error
    except asyncpg.RaiseError as error:
        refusal = Sealed if str(error).startswith("sealed") else Conflict
        raise refusal(str(error)) from error
    except asyncpg.DataError as error:
        raise Conflict(f"a value does not fit: {error}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise Unavailable(f"Postgres: {str(error) or type(error).__name__}") from error


class PostgresDatabase:
    """`Database` on one Postgres database.

    Args:
        url: where the hub works; the role must be the owner of the schema or a member of
            `hub_app`.
        owner_url: where migrations run, and where the secret of the bindings is read.
    """

    def __init__(self, url: str, owner_url: str) -> None:
        self._url = url
        self._owner_url = owner_url
        self._secret: bytes | None = None
        self._writer = Line(self._connect)
        self._readers = [Line(self._connect) for _ in range(READERS)]
        self._writing = asyncio.Lock()
        self._idle = asyncio.LifoQueue[Line]()
        for line in self._readers:
            self._idle.put_nowait(line)
        self._listening: asyncio.Task[None] | None = None
        self._units: set[asyncio.Task[object]] = set()

    @property
    def engine(self) -> Engine:
        return "postgres"

    @property
    def shared(self) -> bool:
        return True

    async def write(self, work: Callable[[Transaction], Awaitable[T]], scope: Scope) -> T:
        async def unit() -> T:
            async with self._writing:
                return await self._transaction(self._writer, "BEGIN;", work, scope)

        return await self._by_itself(unit)

    async def read(self, work: Callable[[Transaction], Awaitable[T]], scope: Scope) -> T:
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"

        async def unit() -> T:
            line = await self._idle.get()
            try:
                return await self._transaction(line, begin, work, scope)
            finally:
                self._idle.put_nowait(line)

        return await self._by_itself(unit)

    async def maintain(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        return await self._as_owner(f"BEGIN;SELECT pg_advisory_xact_lock({_MIGRATION_LOCK});", work)

    async def snapshot(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` on one consistent snapshot of every merchant's rows, as the owner, without
        writing and for as long as it takes; everybody else goes on."""
        return await self._as_owner("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;", work)

    async def _as_owner(self, begin: str, work: Callable[[Transaction], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                connection = await _open(self._owner_url, _OWNER_SESSION)
        except TimeoutError as error:
            raise Unavailable("the database took no connection in time") from error
        try:
            secret = await _read_secret(connection)
            tx = PostgresTransaction(connection, begin, HUB, secret)
            result = await work(tx)
            await tx.commit()
        finally:
            await connection.close()
        return result

    async def identity(self) -> str | None:
        async def read(tx: Transaction) -> str:
            # The timeline changes when a standby is promoted and after a recovery to a point in
            # time (postgresql.org/docs/current/continuous-archiving.html, Timelines).
            [(system, database, timeline)] = await tx.fetch(
                "SELECT (SELECT system_identifier::text FROM pg_control_system()),"
                " (SELECT oid::text FROM pg_database WHERE datname = current_database()),"
                " substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
            )
            return f"{system}/{database}/{timeline}"

        return await self.read(read, HUB)

    async def listen(self, heard: Callable[[str], None]) -> None:
        self._listening = asyncio.get_running_loop().create_task(self._listen(heard))

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
        for line in (*self._readers, self._writer):
            await line.close()

    # ── one unit of work ─────────────────────────────────────────────────────────────────────

    async def _by_itself(self, unit: Callable[[], Awaitable[T]]) -> T:
        """Run a unit as a task of its own: a caller that goes away leaves it whole, and the answer
        to the others does not wait for a place that is slow to become free."""

        async def whole() -> T:
            return await unit()

        task = asyncio.get_running_loop().create_task(whole())
        self._units.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait((task,), timeout=DEADLINE_SECONDS + 0.2)
        if not done:
            task.cancel()
            raise Unavailable("the database is not fast enough for all that ask it")
        return task.result()

    def _ended(self, task: "asyncio.Task[object]") -> None:
        self._units.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone

    async def _transaction(
        self,
        line: Line,
        begin: str,
        work: Callable[[Transaction], Awaitable[T]],
        scope: Scope,
    ) -> T:
        async def unit(connection: Connection) -> T:
            tx = PostgresTransaction(connection, begin, scope, self._secret)
            try:
                result = await work(tx)
                await tx.commit()
            except BaseException:
                if not connection.is_closed():
                    await _roll_back(connection)
                raise
            return result

        return await line.run(unit)

    async def _connect(self) -> Connection:
        """A connection that works as `hub_app`; before the first migration, as whoever it is."""
        if self._secret is None:
            owner = await _open(self._owner_url, _SESSION)
            try:
                self._secret = await _read_secret(owner)
            finally:
                await owner.close(timeout=1)
            if self._secret is None:
                raise NoSchema("the database has no schema of this program; run.py migrate")
        connection = await _open(self._url, _SESSION)
        with translated():
            await connection.execute(f"SET ROLE {ROLE}")
        return connection

    async def _listen(self, heard: Callable[[str], None]) -> None:
        """Hear notices for ever; a connection that breaks or falls silent is made again."""

        def on_log(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            heard(f"head {payload}")

        def on_notice(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            heard(str(payload))

        async def unit(connection: Connection) -> None:
            await connection.add_listener(_LOG_CHANNEL, on_log)
            await connection.add_listener(_CHANNEL, on_notice)

        async def asked(connection: Connection) -> None:
            await connection.fetchval("SELECT 1")

        line = Line(self._connect)
        listening = False
        try:
            while True:
                try:
                    await line.run(asked if listening else unit)
                    if not listening:
                        heard("again")
                    listening = True
                except (StorageError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    listening = False
                await asyncio.sleep(_LISTEN_SECONDS if listening else 0.2)
        finally:
            await line.close()


async def _roll_back(connection: Connection) -> None:
    try:
        await connection.execute("ROLLBACK")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        connection.terminate()


async def _open(url: str, session: Mapping[str, str]) -> Connection:
    with translated():
        connection: Connection = await asyncpg.connect(
            url,
            timeout=DEADLINE_SECONDS,
            command_timeout=None,
            statement_cache_size=_STATEMENTS,
            max_cached_statement_lifetime=0,
            server_settings=dict(session),
        )
        await connection.set_type_codec(
            "timestamptz", schema="pg_catalog", encoder=str, decoder=instant, format="text"
        )
    return connection


async def _read_secret(owner: Connection) -> bytes | None:
    with translated():
        exists = await owner.fetchval("SELECT to_regclass('public.scope_secret') IS NOT NULL")
        if not exists:
            return None
        secret: bytes = await owner.fetchval("SELECT secret FROM public.scope_secret")
    return secret


async def open_postgres(url: str, owner_url: str | None = None) -> PostgresDatabase:
    """Open a database; nothing is connected before the first work.

    Args:
        owner_url: the owner of the schema, where that is another role.
    """
    return PostgresDatabase(url, owner_url or url)
