"""Tells other systems of events: each one that matches is posted to the endpoint that wants it.

    the log ─ feeder ─▶ deliveries (a job and its attempts) ─ arq ─▶ deliver ─ post ─▶ a receiver

feeder      reads the log behind the commit and writes the deliveries, with a durable cursor
endpoints   which endpoints want an event
deliveries  the rows of a delivery
deliver     one attempt: the task
places      who may be called now
signing     the header fields of both schemes
post        one POST, and what came of it
guard       how connections are made, and to what none is made
addresses   which addresses are refused
schedule    when an attempt is made again
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from jobs.context import Context
from jobs.run import Task
from jobs.tasks import Deliver

from .addresses import networks
from .deliver import Deliverer
from .deliveries import TASK
from .post import Caller


@asynccontextmanager
async def tasks(context: Context) -> AsyncIterator[Iterable[Task]]:
    """The tasks of this queue, with the connections that they share."""
    caller = Caller(networks(context.webhook_allow))
    try:
        deliverer = Deliverer(context, caller, context.webhook_schedule)
        yield [Task(TASK, Deliver, deliverer.deliver)]
    finally:
        await caller.close()
