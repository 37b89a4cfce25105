"""`run.py serve`: the hub, from the lock to the drain."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable

import structlog
import uvloop

from hub.app import make_app
from hub.origins import Origins
from hub.server import HubServer, listen
from hub.services import open_services
from hub.settings import Settings
from hub.tickets import SIGN_IN_SECONDS, Behind
from jobs.broker import Broker
from storage.connect import sqlite_path
from storage.migrate import migrate

from . import lock, logs
from .banner import banner, example_line
from .database import open_database
from .first_start import ensure_keys, instance_id, prepare_data_dir, seed_merchants

log = structlog.get_logger("hub.operate")

# The database's thread needs the interpreter between its statements, and a busy loop gives it
# away only this often. With the default of 5 ms a commit beside a fan-out waits for most of it.
SWITCH_SECONDS = 0.0005


def serve(settings: Settings, version: str, unknown: list[str]) -> None:
    """Run a hub until it is told to stop.

    Args:
        unknown: names in the environment that look like settings and are none.

    Raises:
        AlreadyRunning: another hub holds the data directory or the database file.
        OSError: the address or the data directory cannot be used.
        StorageError: the database cannot be opened or migrated.
        NoServer: there is no broker, and no program for one of the hub's own.
    """
    for name in unknown:
        log.warning("not a setting of this version, ignored", name=name)
    prepare_data_dir(settings.data_dir)
    raise_open_files()
    sys.setswitchinterval(SWITCH_SECONDS)
    with (
        lock.hold(settings.data_dir, sqlite_path(settings.effective_database_url)) as held,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(settings, version, held.announce))
    # The interpreter gives signals back their default on its way out: a late one would turn a
    # clean stop into a killed process.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


async def _serve(
    settings: Settings, version: str, announce: Callable[[lock.Running], None]
) -> None:
    asyncio.get_running_loop().set_exception_handler(logs.on_loop_error)
    listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    local = local_url(settings.host, port)
    url = settings.public_url or local
    async with contextlib.AsyncExitStack() as stack:
        database = await open_database(settings)
        stack.push_async_callback(database.close)
        applied = await migrate(database)
        if applied:
            log.info("migrated", applied=applied)
        seeded = await seed_merchants(database)
        if seeded:
            log.info("merchants got their default templates", merchants=seeded)
        instance = instance_id(settings.data_dir)
        admin_id, first = await ensure_keys(
            database, settings.data_dir, settings.admin_key, instance
        )
        origins = Origins(settings.public_url, port, settings.allowed_origins)
        broker = await stack.enter_async_context(
            Broker(settings.redis_url, settings.broker_folder, wanted=bool(settings.workers))
        )
        services = await stack.enter_async_context(
            open_services(settings, database, origins, version, instance, broker)
        )
        await services.media.open()
        ticket = services.authenticator.issue_ticket(Behind(admin_id, None), SIGN_IN_SECONDS)

        def started() -> None:
            print(
                banner(
                    version, url, settings.data_dir, ticket,
                    first=first, admin_key_set=settings.admin_key is not None,
                ),
                flush=True,
            )  # fmt: skip
            # Whoever waits for this may look for the sign-in link next.
            announce(lock.Running(os.getpid(), local))
            log.info("listening", url=local, epoch=services.log.epoch, offset=services.log.end)

        app = make_app(services, example_line(url, settings.data_dir))
        # What was made until here stays: no collection need look at it.
        gc.collect()
        gc.freeze()
        server = HubServer(app, services, started)
        await server.serve(sockets=[listener])


def local_url(host: str, port: int) -> str:
    """The address at which this machine reaches a hub that listens on `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    name = f"[{reachable}]" if ":" in reachable and not reachable.startswith("[") else reachable
    return f"http://{name}:{port}"


def raise_open_files() -> None:
    """Raise the limit of open files to the hard limit: every connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
