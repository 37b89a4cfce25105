"""The tasks that there are, by queue."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from storage.merchant_records import Job, Queue

from .context import Context, WriteScope
from .media_processing import tasks as media_tasks
from .media_processing.failing import not_made
from .message_sending import tasks as message_tasks
from .message_sending.endings import not_sent, parts_end
from .order_processing import tasks as order_tasks
from .run import Task
from .webhook_delivery import tasks as webhook_tasks
from .webhook_delivery.deliveries import delivery_begins, delivery_ends

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


Ending = Callable[[WriteScope, Job], Awaitable[None]]

_ENDINGS: dict[tuple[Queue, str], Ending] = {
    ("media_processing", "optimize"): not_made,
    ("message_sending", "send"): not_sent,
    ("message_sending", "bulk"): parts_end,
    ("webhook_delivery", "deliver"): delivery_ends,
}


async def ended(scope: WriteScope, job: Job) -> None:
    """Change what a job was about, if it is dead or cancelled: in the transaction that ends it,
    whoever does that.

    Args:
        job: as it is afterwards; nothing happens for one that goes on or has succeeded.
    """
    ending = _ENDINGS.get((job.queue, job.name))
    if ending is not None and job.state in ("dead", "cancelled"):
        await ending(scope, job)


async def begun_anew(scope: WriteScope, job: Job) -> None:
    """Change what a job is about that had ended and is queued again: in the same transaction.

    Args:
        job: as it is afterwards, `queued`.
    """
    if (job.queue, job.name) == ("webhook_delivery", "deliver"):
        await delivery_begins(scope, job)
