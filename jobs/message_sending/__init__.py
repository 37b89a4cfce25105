"""Prepares messages for the bots that send them.

send        a message and its job, in the transaction of their cause
recipients  whom a message goes to
rendering   what it says: a template filled in, within WhatsApp's limits
prepare     the task `send`: renders, and lets the job wait for a bot
bulk        the task `bulk`: a job for each recipient
parts       how far the jobs of a bulk send are, and what came of them
endings     what becomes of a message whose job has ended without it being sent
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from jobs.context import Context
from jobs.run import Task
from jobs.tasks import Bulk, Send

from .bulk import expand
from .prepare import prepare


@asynccontextmanager
async def tasks(context: Context) -> AsyncIterator[Iterable[Task]]:
    """The tasks of this queue."""
    yield Task("send", Send, prepare), Task("bulk", Bulk, expand)
