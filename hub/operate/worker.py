"""`run.py worker`: does the jobs of queues, here or on another machine, beside hubs with doors."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence

import structlog
import uvloop

from hub.media.sight import unseen
from hub.settings import QUEUES, Settings
from hub.work import open_work
from jobs.broker import Broker
from storage.connect import sqlite_path
from storage.database import Database
from storage.merchant_records import Queue
from storage.migrate import pending

from . import lock, logs
from .database import open_database
from .first_start import prepare_data_dir
from .serve import SWITCH_SECONDS, raise_open_files

log = structlog.get_logger("hub.operate")

MEDIA_ADVICE = (
    "mount the hub's media folder on this machine and set HUB_MEDIA_URL to it, or leave "
    "media_processing to workers that have it"
)


class CannotWork(Exception):
    """A worker cannot run with these settings; the message says what to do."""


def worker(
    settings: Settings, queues: Sequence[Queue], version: str, unknown: Sequence[str] = ()
) -> None:
    """Work until told to stop.

    Args:
        queues: whose jobs are done; those of HUB_WORKERS without any, or all.
        unknown: names in the environment that look like settings and are none.

    Raises:
        CannotWork: the settings, the schema or the media folder do not allow it.
        OSError: the data directory cannot be used.
        StorageError: the database cannot be opened.
    """
    for name in unknown:
        log.warning("not a setting of this version, ignored", name=name)
    if sqlite_path(settings.effective_database_url) is not None:
        raise CannotWork(
            "a worker needs HUB_DATABASE_URL=postgres://…: a SQLite file is for one process, the "
            "hub, which does the jobs itself"
        )
    if settings.redis_url is None:
        raise CannotWork(
            "a worker needs HUB_REDIS_URL, the same as the hub's: the broker that a hub starts for "
            "itself is its own"
        )
    names = tuple(queue for queue in QUEUES if queue in (queues or settings.workers or QUEUES))
    prepare_data_dir(settings.data_dir)
    raise_open_files()
    sys.setswitchinterval(SWITCH_SECONDS)
    with (
        lock.hold_worker(settings.data_dir) as instance,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_work(settings, names, version, instance))
    # The interpreter gives signals back their default on its way out: a late one would turn a
    # clean stop into a killed process.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


async def _work(settings: Settings, names: tuple[Queue, ...], version: str, instance: str) -> None:
    asyncio.get_running_loop().set_exception_handler(logs.on_loop_error)
    stop = _until_told()
    async with contextlib.AsyncExitStack() as stack:
        database = await open_database(settings)
        stack.push_async_callback(database.close)
        await _refuse_old_schema(database)
        if "media_processing" in names:
            reason = await unseen(database, settings.media_folder)
            if reason is not None:
                raise CannotWork(f"media_processing cannot be worked on: {reason}; {MEDIA_ADVICE}")
        broker = await stack.enter_async_context(
            Broker(settings.redis_url, settings.broker_folder, wanted=False)
        )
        await stack.enter_async_context(open_work(settings, database, broker, instance, names))
        log.info(
            "working", queues=",".join(names), host=socket.gethostname(), pid=os.getpid(),
            version=version, instance=instance,
        )  # fmt: skip
        await stop.wait()
        log.info("stopping")
    log.info("stopped")


async def _refuse_old_schema(database: Database) -> None:
    missing = await pending(database)
    if missing:
        raise CannotWork(
            f"the database lacks {', '.join(missing)}: start a hub of this version on it first, "
            "or `run.py migrate`; a worker does not change the schema"
        )


def _until_told() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second one ends the process at once."""
    told = asyncio.Event()

    def tell() -> None:
        if told.is_set():
            os._exit(0)
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, tell)
    return told
