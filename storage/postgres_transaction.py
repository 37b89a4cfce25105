"""A transaction on one Postgres connection, and Postgres' errors as storage's own."""

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import msgspec

from .database import Row, Value
from .errors import Conflict, SchemaError, Sealed, Unavailable
from .postgres_line import LOST, Connection
from .postgres_sql import changed, insert_unnested, numbered, wanted_unnested
from .scope import Scope

EVERY_ROLE, TENANT_ROLE = "hub_app", "hub_tenant"
_PREFETCH = 500
# As parameters: the text of a query is shown to every session of the same role, and a proof that
# could be read there could be used there (postgresql.org/docs/current/monitoring-stats.html).
_BIND = (
    "SELECT set_config('hub.merchant', $1, TRUE), set_config('hub.proof', $2, TRUE),"
    " set_config('hub.actor', $3, TRUE), set_config('role', $4, TRUE)"
)


class PostgresTransaction:
    """A transaction on one connection.

    What needs no answer (BEGIN, savepoints) goes out with the next statement of its kind, as one
    message, and a binding only when a statement follows it: a round trip costs 0.1 ms on this
    machine and 1 ms on the next.

    Args:
        begin: what begins it; empty where it has begun.
        as_owner: whether to stay the role that logged in; else the scope decides the role.
        secret: what bindings are proved with; None before the first migration, when there is
            nothing to be sealed.
    """

    def __init__(
        self,
        connection: Connection,
        begin: str,
        scope: Scope,
        secret: bytes | None,
        *,
        as_owner: bool = False,
    ) -> None:
        self._connection = connection
        self._as_owner = as_owner
        self._secret = secret
        self._scope = scope
        self._bound: Scope | None = None
        self._pending = [begin] if begin else []

    @property
    def scope(self) -> Scope:
        return self._scope

    async def execute(self, sql: str, params: Sequence[Value] = ()) -> int:
        await self._prepare()
        with translated():
            return changed(await self._connection.execute(numbered(sql), *params))

    async def fetch(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        await self._prepare()
        with translated():
            return [tuple(row) for row in await self._connection.fetch(numbered(sql), *params)]

    async def scan(self, sql: str, params: Sequence[Value] = ()) -> AsyncIterator[Row]:
        await self._prepare()
        with translated():
            async for row in self._connection.cursor(numbered(sql), *params, prefetch=_PREFETCH):
                yield tuple(row)

    async def insert(
        self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Value]]
    ) -> None:
        if not rows:
            return
        await self._prepare()
        with translated():
            sql = insert_unnested(table, tuple(columns.items()))
            await self._connection.execute(sql, *map(list, zip(*rows, strict=True)))

    async def fetch_wanted(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str | None]],
        sql: str,
        params: Sequence[Value] = (),
    ) -> list[Row]:
        if not rows:
            return []
        await self._prepare()
        with translated():
            query = wanted_unnested(tuple(columns), sql)
            arrays = map(list, zip(*rows, strict=True))
            found = await self._connection.fetch(query, *arrays, *params)
        return [tuple(row) for row in found]

    @asynccontextmanager
    async def savepoint(self, scope: Scope | None = None) -> AsyncIterator[None]:
        outer, bound = self._scope, self._bound
        self._pending.append("SAVEPOINT part;")
        self._scope = scope or outer
        try:
            yield
        except BaseException:
            if not self._connection.is_closed():
                # Its SAVEPOINT may still be pending; ROLLBACK TO follows it in one message.
                self._pending.append("ROLLBACK TO SAVEPOINT part;RELEASE SAVEPOINT part;")
                await self._flush()
            self._bound = bound  # what was bound since is undone with the rest
            raise
        finally:
            self._scope = outer
        self._pending.append("RELEASE SAVEPOINT part;")

    async def script(self, sql: str) -> None:
        await self._prepare()
        try:
            with translated():
                await self._connection.execute(sql)
        except Unavailable as error:
            cause = error.__cause__
            if isinstance(cause, asyncpg.PostgresSyntaxError) and _is_cut(str(cause)):
                raise SchemaError(f"a migration ends within a statement: {cause}") from error
            raise

    async def tables(self) -> list[str]:
        rows = await self.fetch(
            "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'public'"
        )
        return [name for (name,) in rows]

    async def now(self) -> str:
        [(now,)] = await self.fetch("SELECT clock_timestamp()")
        return str(now)

    async def commit(self) -> None:
        """Commit what was done."""
        self._pending.append("COMMIT;")
        await self._flush()

    async def _prepare(self) -> None:
        """Send what is pending, and bind the scope that the next statement runs for."""
        await self._flush()
        scope = self._scope
        if self._bound is not scope and self._secret is not None:
            actor = actor_text(scope)
            with translated():
                await self._connection.fetchval(
                    _BIND,
                    scope.bound,
                    proof(self._secret, scope.bound, actor),
                    actor,
                    "none" if self._as_owner else role_of(scope),
                )
            self._bound = scope

    async def _flush(self) -> None:
        if self._pending:
            pending, self._pending = "".join(self._pending), []
            with translated():
                await self._connection.execute(pending)


def role_of(scope: Scope) -> str:
    """The role that works for a scope; see `migrations/postgres/001`."""
    return EVERY_ROLE if scope.merchant_id is None else TENANT_ROLE


def actor_text(scope: Scope) -> str:
    """Who acts, as the audit's triggers read it: JSON without control characters in it."""
    values = (scope.actor_id, scope.actor_role, scope.address, scope.agent)
    # A NUL, which no text of Postgres can hold, is left out.
    actor = {
        name: value and value.replace("\0", "")
        for name, value in zip(("id", "role", "address", "agent"), values, strict=True)
    }
    return msgspec.json.encode(actor).decode()


def proof(secret: bytes, bound: str, actor: str) -> str:
    """What shows that a binding was made by who knows the secret; see `hub_merchant()`."""
    # The actor has no U+001F in it, so no other pair of texts is joined to the same.
    inner = hashlib.sha256(secret + f"{bound}\x1f{actor}".encode()).digest()
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
    except (*LOST, asyncpg.PostgresError, TimeoutError) as error:
        raise Unavailable(f"Postgres: {str(error) or type(error).__name__}") from error


def _is_cut(message: str) -> bool:
    """Whether a syntax error says that a statement, a string or a comment has no end."""
    return message.endswith("at end of input") or message.startswith("unterminated")
