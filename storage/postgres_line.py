"""One connection to a Postgres server, which comes back by itself.

A black hole in the network answers nothing at all: neither a query, nor a request to cancel it,
nor a new connection. So nothing here waits for the other side to agree. Whatever takes too long is
abandoned with its connection, the socket is dropped, and a new one is tried in the background;
while those tries fail, everybody is refused at once.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import asyncpg
import structlog

from .database import DEADLINE_SECONDS
from .errors import Unavailable

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
log = structlog.get_logger("storage.postgres")

LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises when a connection is gone, or goes in the middle of something."""
CONNECT_SECONDS = 3.0
_FIRST_PAUSE, _LAST_PAUSE = 0.1, 1.0


class Line:
    """A connection, and what makes the next one.

    Args:
        connect: opens a connection, ready for use.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._tried = asyncio.Event()
        self._closed = False

    async def run(
        self, unit: Callable[[Connection], Awaitable[T]], deadline: float | None = DEADLINE_SECONDS
    ) -> T:
        """Run a unit of work on the connection. It is ended with it when it takes too long.

        Args:
            deadline: seconds for all of it, or None for as long as it takes.

        Raises:
            Unavailable: there is no connection, it was lost, or time is up.
            StorageError: the database cannot be used as it is.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        connection = await self._ready()
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = True
            self._drop(connection, Unavailable(no_answer))

        no_answer = f"the database did not answer within {deadline} s"
        timer = None
        if deadline is not None:
            timer = loop.call_later(max(0.0, begun + deadline - loop.time()), expire)
        try:
            return await unit(connection)
        except Exception as error:
            if expired:
                raise Unavailable(no_answer) from error
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if connection.is_closed():
                self._lost(connection)

    async def close(self) -> None:
        """Close it; it does not come back."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait((self._opening,), timeout=1)
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # On a silent network a polite goodbye would wait for its answer.
        goodbye = asyncio.ensure_future(connection.close(timeout=1))
        try:
            await asyncio.wait((goodbye,), timeout=1)
        finally:
            connection.terminate()
            goodbye.cancel()
            with contextlib.suppress(
                asyncio.CancelledError,
                TimeoutError,
                OSError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
            ):
                await goodbye

    async def _ready(self) -> Connection:
        connection = self._connection
        if connection is not None and not connection.is_closed():
            return connection
        if self._closed:
            raise Unavailable("the database is closed")
        if connection is not None:
            self._lost(connection)
        self._open()
        if self._failure is None:  # else others have found out already
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._tried.wait()
        connection = self._connection
        if connection is None or connection.is_closed():
            failure = self._failure
            if failure is not None and not isinstance(failure, Unavailable):
                self._failure = None  # it does not pass by waiting: the next caller tries anew
                raise failure
            raise Unavailable(str(failure or "the database does not answer")) from failure
        return connection

    def _open(self) -> None:
        if self._opening is None:
            self._tried.clear()
            self._opening = asyncio.get_running_loop().create_task(self._keep_opening())

    async def _keep_opening(self) -> None:
        pause = _FIRST_PAUSE
        try:
            while True:
                try:
                    connection = await _in_time(self._connect, CONNECT_SECONDS)
                except Unavailable as error:
                    self._failure = error
                    self._tried.set()
                else:
                    self._failure = None
                    self._connection = connection
                    return
                await asyncio.sleep(pause)
                pause = min(_LAST_PAUSE, pause * 2)
        except Exception as error:
            self._failure = error  # not the network's doing: a wrong schema, a wrong role
        finally:
            self._opening = None
            self._tried.set()

    def _lost(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = None
            if not self._closed:
                self._open()

    def _drop(self, connection: Connection, why: Exception) -> None:
        """Give a connection up that does not answer: others need not find that out again."""
        log.warning("a database connection is given up", reason=str(why))
        self._failure = why
        connection.terminate()
        self._lost(connection)


_abandoned: set[asyncio.Task[Any]] = set()


async def _in_time(connect: Callable[[], Awaitable[Connection]], seconds: float) -> Connection:
    """Open a connection, or give up without waiting for anything else to end."""

    async def opened() -> Connection:
        return await connect()

    task = asyncio.get_running_loop().create_task(opened())
    try:
        done, _ = await asyncio.wait((task,), timeout=seconds)
    except asyncio.CancelledError:
        _abandon(task)
        raise
    if not done:
        _abandon(task)
        raise Unavailable(f"the database took no connection within {seconds:.0f} s")
    return task.result()


def _abandon(task: "asyncio.Task[Connection]") -> None:
    task.cancel()
    _abandoned.add(task)
    task.add_done_callback(_forget)


def _forget(task: "asyncio.Task[Connection]") -> None:
    """Whatever an abandoned attempt comes to, nobody waits for it."""
    _abandoned.discard(task)
    if not task.cancelled() and task.exception() is None:
        task.result().terminate()
