"""Brings orders on their way."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from jobs.context import Context
from jobs.run import Task


@asynccontextmanager
async def tasks(context: Context) -> AsyncIterator[Iterable[Task]]:
    """The tasks of this queue."""
    yield ()
