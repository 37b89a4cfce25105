"""Brings orders on their way.

begin       the job of an order, in the transaction of its cause
process     the task: confirms an order or says why not, all in the commit of the job's end
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from jobs.context import Context
from jobs.run import Task
from jobs.tasks import Process

from .process import process


@asynccontextmanager
async def tasks(context: Context) -> AsyncIterator[Iterable[Task]]:
    """The tasks of this queue."""
    yield (Task("process", Process, process),)
