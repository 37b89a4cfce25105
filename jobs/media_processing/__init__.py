"""Makes the sizes of uploaded pictures.

begin       the row of an upload waits for its sizes, in the transaction that makes it
optimize    the task: makes them, stores them, and says so
failing     what becomes of a picture whose sizes are not made
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from jobs.context import Context
from jobs.pictures.processes import Processes
from jobs.pictures.store import PictureStore
from jobs.queues import RULES
from jobs.run import Task
from jobs.tasks import Optimize

from .optimize import Optimizer


@asynccontextmanager
async def tasks(context: Context) -> AsyncIterator[Iterable[Task]]:
    """The tasks of this queue, with processes that decode and a way to the media folder."""
    # The hub has a corner of its own in the folder, and sweeps it when it starts.
    store = PictureStore(context.media_root, f"{context.hub_id}.work", context.database)
    processes = Processes(RULES["media_processing"].concurrency)
    optimizer = Optimizer(store, processes)
    try:
        yield (Task("optimize", Optimize, optimizer.optimize),)
    finally:
        await processes.close()
