"""Postgres as the engine: one writing connection, four reading ones, one that listens.

Work for one merchant runs as the role `hub_tenant`, which owns nothing and sees, by row-level
security, the rows of the merchant that its transaction is bound to, and no others; work for every
merchant runs as `hub_app`, which sees nothing unless every merchant is bound. The binding carries
a proof that only who can read the owner's secret can make (`migrations/postgres/001`). Where the
hub logs in as a role that owns nothing (the strict way of docs/deploy/README.md), SQL that got in
by a fault cannot choose another merchant; a connection that logged in as the owner can become it
again and read the secret. The owner itself runs migrations and a restore.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TypeVar

import asyncpg
import structlog

from .database import DEADLINE_SECONDS, Engine, Transaction
from .errors import NoSchema, SchemaError, Sealed, StorageError, Unavailable
from .postgres_line import LOST, Connection, Line
from .postgres_sql import instant
from .postgres_transaction import EVERY_ROLE, PostgresTransaction, translated
from .scope import HUB, Scope

T = TypeVar("T")
log = structlog.get_logger("storage.postgres")

READERS = 4
APPLICATION = "smart-bot-hub"
"""What its connections are called in `pg_stat_activity`."""
_CHANNEL = "hub"
_LOG_CHANNEL = "hub_log"
_MIGRATION_LOCK = 0x485542  # any number that nothing else on this database uses: "HUB"
_STATEMENTS = 512
_LISTEN_SECONDS = 5.0
_RELISTEN_SECONDS = 0.2
_CLOSE_SECONDS = 2.0
_TOLD_SECONDS = 1.0

_SESSION = {
    "application_name": APPLICATION,
    "timezone": "UTC",
    "search_path": "public, pg_temp",  # temporary tables would come first
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
_OWNER_SESSION = _SESSION | {"enable_seqscan": "on"}  # a backup reads whole tables
_NO_LIMITS = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


class PostgresDatabase:
    """`Database` on one Postgres database.

    Args:
        url: where the hub works; the role must be the owner of the schema or a member of
            `hub_app` and `hub_tenant`.
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

    async def maintain(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        deadline: float | None = DEADLINE_SECONDS,
    ) -> T:
        async def begin(connection: Connection) -> None:
            with _told_when_slow("another process migrates or restores this database, waiting"):
                await connection.execute(f"BEGIN;SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")

        return await self._as_owner(begin, work, deadline)

    async def snapshot(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` on one consistent snapshot of every merchant's rows, as the owner, without
        writing and for as long as it takes; everybody else goes on."""

        async def begin(connection: Connection) -> None:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

        return await self._as_owner(begin, work, None)

    async def _as_owner(
        self,
        begin: Callable[[Connection], Awaitable[None]],
        work: Callable[[Transaction], Awaitable[T]],
        deadline: float | None,
    ) -> T:
        """Run `work` on a connection of its own, which ends with it whatever happens.

        Args:
            deadline: seconds for all of it, the connecting too; None for no limit after that.
        """
        session = _OWNER_SESSION | (_NO_LIMITS if deadline is None else {})

        async def unit(connection: Connection) -> T:
            with translated():
                await begin(connection)
            secret = await _read_secret(connection)
            tx = PostgresTransaction(connection, "", HUB, secret, as_owner=True)
            result = await work(tx)
            await tx.commit()
            return result

        line = Line(lambda: _open(self._owner_url, session))
        try:
            return await line.run(unit, deadline)
        finally:
            await line.close()

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
            await asyncio.wait((self._listening,), timeout=_CLOSE_SECONDS)
        if self._units:  # each has its deadline
            await asyncio.wait(self._units)
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
            except Sealed as error:
                raise SchemaError(
                    "the role of HUB_DATABASE_URL does not own the schema: set "
                    f"HUB_DATABASE_OWNER_URL to the role that does ({error})"
                ) from error
            finally:
                await owner.close(timeout=1)
            if self._secret is None:
                raise NoSchema("the database has no schema of this program; run.py migrate")
        return await _open(self._url, _SESSION, f"SET ROLE {EVERY_ROLE}")

    async def _listen(self, heard: Callable[[str], None]) -> None:
        """Hear notices for ever; a connection that breaks or falls silent is made again."""

        listening: Connection | None = None
        ended = asyncio.Event()

        def on_log(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            heard(f"head {payload}")

        def on_notice(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            heard(str(payload))

        def on_end(_connection: object) -> None:
            ended.set()

        async def unit(connection: Connection) -> None:
            nonlocal listening
            if connection is listening:
                await connection.fetchval("SELECT 1")
                return
            # A line that has lost its connection gives another one, which hears nothing yet.
            ended.clear()
            connection.add_termination_listener(on_end)
            await connection.add_listener(_LOG_CHANNEL, on_log)
            await connection.add_listener(_CHANNEL, on_notice)
            listening = connection
            heard("again")

        line = Line(self._connect)
        try:
            while True:
                pause = _LISTEN_SECONDS
                try:
                    await line.run(unit)
                except (*LOST, StorageError, asyncpg.PostgresError):
                    listening, pause = None, _RELISTEN_SECONDS
                    ended.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await ended.wait()
        finally:
            await line.close()


@contextlib.contextmanager
def _told_when_slow(what: str) -> Iterator[None]:
    """Log a sentence, once, where the body takes longer than a second."""
    timer = asyncio.get_running_loop().call_later(_TOLD_SECONDS, log.warning, what)
    try:
        yield
    finally:
        timer.cancel()


async def _roll_back(connection: Connection) -> None:
    try:
        await connection.execute("ROLLBACK")
    except (*LOST, asyncpg.PostgresError):
        connection.terminate()


async def _open(url: str, session: Mapping[str, str], first: str = "") -> Connection:
    """Connect, and run a first statement; who gives up on it leaves no connection behind."""
    with translated():
        connection: Connection = await asyncpg.connect(
            url,
            timeout=DEADLINE_SECONDS,
            command_timeout=None,
            statement_cache_size=_STATEMENTS,
            max_cached_statement_lifetime=0,
            server_settings=dict(session),
        )
        try:
            await connection.set_type_codec(
                "timestamptz", schema="pg_catalog", encoder=str, decoder=instant, format="text"
            )
            if first:
                await connection.execute(first)
        except BaseException:
            connection.terminate()
            raise
    return connection


async def _read_secret(owner: Connection) -> bytes | None:
    with translated():
        exists = await owner.fetchval("SELECT to_regclass('public.scope_secret') IS NOT NULL")
        if not exists:
            return None
        secret: bytes = await owner.fetchval("SELECT secret FROM public.scope_secret")
    return secret


async def open_postgres(url: str, owner_url: str | None = None) -> PostgresDatabase:
    """Open a database, as its class says; nothing is connected before the first work."""
    return PostgresDatabase(url, owner_url or url)
