"""The server: uvicorn with the hub's socket, and a stop that loses nothing.

SIGTERM or SIGINT: readiness off, no new connections, `bye` to everyone, what is in flight
committed and acknowledged, close 4200, the rest cut after 10 s. A second signal stops at once.
uvicorn's own shutdown would close the sockets first (1012) and wait for the slowest for ever.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType

import structlog
import uvicorn
from starlette.applications import Starlette

from hub.api.routes import BODY_BOUNDS
from hub.gateway.socket import socket_factory
from hub.http1 import IDLE_SECONDS, GuardedHttp
from hub.services import Services

log = structlog.get_logger("hub.server")

DRAIN_SECONDS = 10.0
BACKLOG = 4096


class HubHttp(GuardedHttp):
    """Connections with the bounds of the hub's own paths."""

    body_bounds = BODY_BOUNDS


class HubServer(uvicorn.Server):
    """Serves one hub until a signal asks it to stop.

    Args:
        started: called once the hub answers and signals are handled.
    """

    def __init__(
        self, app: Starlette, services: Services, started: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=HubHttp,
                timeout_keep_alive=IDLE_SECONDS,
                ws=socket_factory(services.gateway),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
            )
        )
        self._services = services
        self._started = started
        self._stop_at_once = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM; uvicorn would raise them again after a clean stop.

        Afterwards, while the database is closed, another signal ends the process at once.
        """
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for number in signals:
                signal.signal(number, _exit)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve; only now, with signals handled, may anyone be told of this hub."""
        await super().startup(sockets)
        self._started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self.force_exit = True
            self._loop.call_soon_threadsafe(self._stop_at_once.set)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then end what is left."""
        log.info("stopping", connections=len(self._services.gateway))
        gateway = self._services.gateway
        gateway.say_bye()
        self._services.queues.rest()
        for server in self.servers:
            server.close()
        drain = asyncio.ensure_future(self._drain())
        at_once = asyncio.ensure_future(self._stop_at_once.wait())
        done, _ = await asyncio.wait(
            (drain, at_once), timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        for task in (drain, at_once):
            task.cancel()
        if drain not in done:
            log.info("cutting what is left", connections=len(gateway))
        gateway.cut_all()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # Every connection must be seen off before presence and log are closed; a request whose
        # connection was cut ends by itself.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await _until(lambda: not len(gateway) and not self.server_state.tasks)
        for request in list(self.server_state.tasks):
            request.cancel()
        log.info("stopped")

    async def _drain(self) -> None:
        """Let what was begun end: requests, commits and their answers, then the sockets."""
        services = self._services
        services.gateway.stop_reading()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        # Streams end with the sockets, after everything that was accepted has reached them.
        streams = services.gateway.streams
        with contextlib.suppress(TimeoutError):  # a body that never ends must not cost the others
            async with asyncio.timeout(DRAIN_SECONDS / 2):
                await _until(lambda: len(self.server_state.tasks) <= len(streams))

        await _until(lambda: services.log.idle)
        await _until(lambda: services.fanout.idle)
        services.gateway.close_all()
        await _until(lambda: not len(services.gateway))


def _exit(sig: int, frame: FrameType | None) -> None:
    os._exit(0)


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for something that tells nobody; a stop is not a hot path."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket.

    Raises:
        OSError: the address cannot be used (the port is taken, or is not ours to take).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)
