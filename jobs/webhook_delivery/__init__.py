"""Webhooks: events of a merchant's log, posted to the addresses that the merchant named.

`feeder` reads the log behind the commit and writes a delivery for each event and endpoint that
match; `deliver` makes one attempt; the rest is what they are made of.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from jobs.context import Context
from jobs.run import Task


@asynccontextmanager
async def tasks(context: Context) -> AsyncIterator[Iterable[Task]]:
    """The tasks of this queue."""
    yield ()
