"""The tasks that there are, by queue."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from storage.merchant_records import Queue

from .context import Context
from .media_processing import tasks as media_tasks
from .message_sending import tasks as message_tasks
from .order_processing import tasks as order_tasks
from .run import Task
from .webhook_delivery import tasks as webhook_tasks

Opening = Callable[[Context], AbstractAsyncContextManager[Iterable[Task]]]
"""Opens what the tasks of a queue need while their worker lives, such as processes or a session of
HTTP."""

OPENINGS: dict[Queue, Opening] = {
    "media_processing": media_tasks,
    "message_sending": message_tasks,
    "order_processing": order_tasks,
    "webhook_delivery": webhook_tasks,
}


@asynccontextmanager
async def open_tasks(
    context: Context, queues: Iterable[Queue]
) -> AsyncIterator[dict[tuple[Queue, str], Task]]:
    """The tasks of these queues by queue and name, ready to be performed."""
    async with AsyncExitStack() as stack:
        found: dict[tuple[Queue, str], Task] = {}
        for queue in queues:
            for task in await stack.enter_async_context(OPENINGS[queue](context)):
                found[queue, task.name] = task
        yield found
