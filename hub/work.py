"""The queues of a process on its log; and all of a process that has nothing else, `run.py worker`:
a hub without doors, which writes by the same commit.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from hub.protocol.ids import uuid7
from hub.settings import Settings
from hub.stream.log import EventLog, open_log
from jobs.broker import Broker
from jobs.context import Context
from jobs.control import Queues
from storage.database import Database
from storage.merchant_records import Queue


def make_queues(
    settings: Settings, event_log: EventLog, instance: str, names: Iterable[Queue]
) -> Queues:
    """The queues of this process; see `Queues.told` and `Queues.run`.

    Args:
        instance: the id of this process, which stays over its restarts.
        names: the queues whose jobs are done here.
    """
    context = Context(
        log=event_log, worker=uuid7(), media_root=settings.media_folder, hub_id=instance,
        public_url=settings.public_url,
    )  # fmt: skip
    return Queues(context, instance, names)


@asynccontextmanager
async def open_work(
    settings: Settings, database: Database, broker: Broker, instance: str, names: Iterable[Queue]
) -> AsyncIterator[Queues]:
    """Work on queues beside the hubs of a database; on leaving, end or hand back what is under way.

    Args:
        broker: the one that the hubs have.
    """
    assert broker.url is not None, "a worker without a broker would hear of nothing"
    event_log = await open_log(database, secrets.token_urlsafe(12), settings.ring_size)
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(event_log.run())
        queues = make_queues(settings, event_log, instance, names)
        event_log.queued = queues.told
        endless = [
            tasks.create_task(event_log.keep_up()),
            tasks.create_task(queues.run(broker.url)),
        ]
        try:
            yield queues
        except Exception as error:  # goes on outside of the group, which would wrap it
            failure = error
        finally:
            for task in endless:
                task.cancel()
            event_log.close()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
    if failure is not None:
        raise failure
