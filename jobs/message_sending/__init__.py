"""Prepares messages for the bots that send them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from jobs.context import Context
from jobs.run import Task


@asynccontextmanager
async def tasks(context: Context) -> AsyncIterator[Iterable[Task]]:
    """The tasks of this queue."""
    yield ()
