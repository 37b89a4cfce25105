"""Puts back what the broker has lost: jobs that wait in the database, and of which Redis knows
nothing. They may never have got there, or it was flushed, or their taker died before its claim.

A job that was taken a moment ago and is about to be claimed is put back as well; whoever takes it
then finds it claimed.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog

from hub.protocol.times import format_ms
from storage import jobs
from storage.database import Transaction
from storage.errors import StorageError
from storage.merchant_records import Queue
from storage.scope import HUB

from .arq_queues import ArqQueues, BrokerGone, Waiting
from .context import Context
from .queues import NAMES, redis_key, wake_channel

log = structlog.get_logger("jobs.reconcile")

SECONDS = 5.0
"""How often all that waits is compared."""
_MOMENT_MS = 500
"""What came due so lately is on its way."""
_PAGE = 500
_SHARE = 20
"""Comparing takes at most one in so many seconds, however much waits."""


class Reconciler:
    """Compares the queues of the database with those of the broker."""

    def __init__(self, context: Context, queues: ArqQueues) -> None:
        self._context = context
        self._queues = queues
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Compare now: the broker may have lost everything, or a queue goes on."""
        self._wake.set()

    async def run(self) -> None:
        """Compare at once, and now and then until cancelled."""
        moment_ms = 0
        while True:
            self._wake.clear()
            begun = time.monotonic()
            try:
                for queue in NAMES:
                    await self.put_back(queue, moment_ms)
            except BrokerGone:
                pass  # said once by `ArqQueues`, which wakes this when it is back
            except StorageError as error:
                log.warning("what waits could not be compared", error=str(error))
            took = time.monotonic() - begun
            moment_ms = 0
            try:
                async with asyncio.timeout(max(SECONDS, took * _SHARE)):
                    await self._wake.wait()
            except TimeoutError:
                moment_ms = _MOMENT_MS

    async def put_back(self, queue: Queue, moment_ms: int = _MOMENT_MS) -> int:
        """Put back what is missing in a queue; how many they were.

        Args:
            moment_ms: what came due so lately is left alone.

        Raises:
            BrokerGone, StorageError: not all was compared.
        """
        put, after = 0, None
        until = format_ms(self._context.clock() - moment_ms)
        while True:

            async def read(
                tx: Transaction, after: tuple[str, str] | None = after
            ) -> list[tuple[str, str, int, str]]:
                return await jobs.to_carry(tx, queue, _PAGE, until, after)

            page = await self._context.database.read(read, HUB)
            put += await self._put_missing(
                queue, [Waiting(f"{row[0]}:{row[1]}", row[2]) for row in page]
            )
            if len(page) < _PAGE:
                break
            after = (page[-1][3], page[-1][1])
        if put:
            log.info("jobs were put back", queue=queue, count=put)
        return put

    async def _put_missing(self, queue: Queue, waiting: Sequence[Waiting]) -> int:
        if not waiting:
            return 0
        key = redis_key(queue)
        missing = await self._queues.missing(key, [job.id for job in waiting])
        lost = [job for job in waiting if job.id in missing]
        return await self._queues.put(key, lost, wake_channel(queue)) if lost else 0
