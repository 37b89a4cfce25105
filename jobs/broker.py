"""The broker of the queues: the one that is configured, or a private one beside the hub.

It is looked at once a second. A lost one is survived: the hub goes on without it, jobs wait in the
table `jobs`, and the embedded one is started again, at ever longer distances while it keeps dying.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from .address import be_cancelled, client, redis_settings, socket_url
from .broker_program import find_program
from .broker_server import Server, ServerFailed

log = structlog.get_logger("jobs.broker")

State = Literal["up", "down", "none"]

LOOK_SECONDS = 1.0
"""How often it is looked at."""
HUNG_SECONDS = 15.0
"""How long an embedded server may be silent until it is killed and started again."""
_ANSWER_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0
_STEADY_SECONDS = 30.0  # after a life this long, a death is a first one again


class Broker:
    """The broker, while this context is open.

    Args:
        url: the configured one; without it a server of its own is started.
        folder: the embedded server's own folder, in the data directory.
        wanted: whether a server is started where none is configured.

    Attributes:
        url: its address; None where there is none.
        state: `none` where there is no broker and none is wanted.
        reason: what is wrong while it is down, for people.
        came_up: called whenever it answers again, or for the first time. What was in it before may
            be lost.
    """

    def __init__(self, url: str | None, folder: Path, *, wanted: bool = True) -> None:
        self.url = url
        self.state: State = "none" if url is None and not wanted else "down"
        self.reason = "" if self.state == "none" else "it was not looked at yet"
        self.came_up: Callable[[], None] = lambda: None
        self._folder = folder
        self._server: Server | None = None
        self._client: Redis | None = None
        self._watching: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()
        self._up = asyncio.Event()
        self._heard = 0.0
        self._begun = 0.0
        self._pause = _FIRST_PAUSE_SECONDS

    async def __aenter__(self) -> Self:
        """Look for it, or start it. One that does not answer is waited for in the background.

        Raises:
            NoServer: none is configured, and this machine has no program for one.
        """
        if self.state == "none":
            return self
        if self.url is None:
            program = await asyncio.to_thread(find_program)
            self._server = Server(program, self._folder)
            self.url = socket_url(str(self._server.socket))
        self._client = client(redis_settings(self.url), _ANSWER_SECONDS)
        self._watching = asyncio.create_task(self._watch())
        try:
            await self._looked.wait()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    @property
    def pid(self) -> int | None:
        """The embedded server's process; None where there is none, or while it does not run."""
        return None if self._server is None else self._server.pid

    @property
    def kind(self) -> str:
        """Which it is, for people: never with a password."""
        if self.state == "none":
            return "none"
        return "configured" if self._server is None else f"embedded, {self._server.program.version}"

    async def until_up(self) -> None:
        """Wait until it answers; at once while it does."""
        await self._up.wait()

    async def _end(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait((self._watching,))
        if self._client is not None:
            await self._client.aclose()
        if self._server is not None:
            await self._server.stop()
        if self.state == "up":
            self.state = "down"
        self.reason = "it was ended with the hub"

    async def _watch(self) -> None:
        try:
            while True:
                await self._look()
        except Exception:  # a bug here must not end the hub, which can do without a broker
            log.exception("the watch of the broker failed; it is not looked at any more")
            self._down("the watch of it failed; the log says why. Restart the hub")

    async def _look(self) -> None:
        """Start it where it is to be started, ask it, and wait until the next time."""
        server = self._server
        if server is not None and not server.running:
            self._begun = time.monotonic()
            try:
                await server.start()
            except ServerFailed as error:
                self._down(str(error))
                await self._rest()
                return
            except OSError as error:
                self._down(f"it cannot be started: {error.strerror}: {error.filename}")
                await self._rest()
                return
            self._heard = time.monotonic()
        reason = await self._ask()
        if reason is None:
            self._heard = time.monotonic()
            self._answers()
        elif server is None or server.running:
            self._down(reason)
        if server is None:
            await asyncio.sleep(LOOK_SECONDS)
            return
        if time.monotonic() - self._heard > HUNG_SECONDS:
            log.error("the broker is silent and is killed", pid=server.pid)
            await server.kill()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                said = await server.ended()
        except TimeoutError:
            return
        self._down(said)
        await self._rest()

    async def _rest(self) -> None:
        """Wait before the next start: longer each time, unless it has lived for a while."""
        if time.monotonic() - self._begun > _STEADY_SECONDS:
            self._pause = _FIRST_PAUSE_SECONDS
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    async def _ask(self) -> str | None:
        """What is wrong with it; None where it answers."""
        assert self._client is not None
        for last in (False, True):
            try:
                async with asyncio.timeout(2 * _ANSWER_SECONDS):
                    await self._client.ping()
            except (TimeoutError, RedisTimeout):
                # Twice: it may have been the hub's own loop that was late.
                if last:
                    return f"it does not answer within {_ANSWER_SECONDS:.0f} s"
            except (RedisError, OSError) as error:
                return str(error)
            else:
                return None
            finally:
                be_cancelled()
        raise AssertionError("unreachable")

    def _answers(self) -> None:
        if self.state != "up":
            log.info("the broker answers", kind=self.kind, pid=self.pid)
            self.state, self.reason = "up", ""
            self._up.set()
            self.came_up()
        self._looked.set()

    def _down(self, reason: str) -> None:
        if self.state == "up" or reason != self.reason:
            log.warning("the broker is down; jobs wait in the database", reason=reason)
        self.state, self.reason = "down", reason
        self._up.clear()
        self._looked.set()
