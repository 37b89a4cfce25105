"""The queues of a process on its log; and all of a process that has nothing else, `run.py worker`:
a hub without doors, which writes by the same commit.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from hub.protocol.ids import uuid7
from hub.settings import Settings
from hub.stream.log import EventLog, open_log
from jobs.broker import Broker
from jobs.context import Context
from jobs.control import Queues
from jobs.telling import Telling
from storage.database import Database
from storage.merchant_records import Queue


def start_queues(
    settings: Settings,
    event_log: EventLog,
    broker: Broker,
    instance: str,
    names: Iterable[Queue],
    tasks: asyncio.TaskGroup,
    *,
    has_readers: bool,
    attempted: Callable[[str], None] = lambda outcome: None,
) -> tuple[Queues, list[asyncio.Task[None]]]:
    """The queues of this process; see `Queues.told`.

    Args:
        instance: the id of this process, which stays over its restarts.
        names: the queues whose jobs are done here.
        tasks: owns what works.
        has_readers: whether somebody may be connected to this process.
        attempted: called with what came of each attempt to call a webhook.

    Returns:
        The queues, and what is to be cancelled after `Queues.stop`.
    """
    worker = uuid7()
    # Nobody else hears what is told where one process has everything to itself.
    shared = event_log.database.shared
    telling = Telling(event_log, worker, has_readers=has_readers) if shared else None
    context = Context(
        log=telling or event_log, worker=worker, media_root=settings.media_folder,
        hub_id=instance, public_url=settings.public_url, webhook_allow=settings.webhook_allow,
        webhook_schedule=settings.webhook_schedule, attempted=attempted,
    )  # fmt: skip
    queues = Queues(context, instance, names)
    broker.came_up = queues.look_again
    if broker.url is None:
        return queues, []
    working = [tasks.create_task(queues.run(broker.url))]
    if telling is not None:
        working.append(tasks.create_task(telling.run(broker.url)))
    return queues, working


@asynccontextmanager
async def open_work(
    settings: Settings, database: Database, broker: Broker, instance: str, names: Iterable[Queue]
) -> AsyncIterator[Queues]:
    """Work on queues beside the hubs of a database; on leaving, end or hand back what is under way.

    Args:
        broker: the one that the hubs have.
    """
    event_log = await open_log(database, secrets.token_urlsafe(12), ring_size=1)
    event_log.follows = False
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(event_log.run())
        queues, endless = start_queues(
            settings, event_log, broker, instance, names, tasks, has_readers=False
        )
        event_log.queued = queues.told
        endless.append(tasks.create_task(event_log.keep_up()))
        try:
            yield queues
        except Exception as error:  # goes on outside of the group, which would wrap it
            failure = error
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await queues.stop()
            for task in endless:
                task.cancel()
            event_log.close()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
    if failure is not None:
        raise failure
