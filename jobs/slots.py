"""How many jobs of a queue a process performs at the same time, and how many it takes on for that.

A job holds a slot only while it is performed: beginning it and writing what came of it cost a
commit each, and meanwhile another one is performed. So that a slot need not wait for a commit
either, short jobs are taken on ahead: as many as are done within 20 ms.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

AHEAD_SECONDS = 0.02
"""How much work is taken on beyond the slots. Another worker could have begun it sooner."""
MOST_AHEAD = 64
MOST_UNWRITTEN = 256
"""So many may wait to have written what came of them; then nothing more is begun."""
_SMOOTHING = 0.2
_UNKNOWN_SECONDS = 1.0


class Slots:
    """The slots of one queue.

    Args:
        number: of jobs that are performed at the same time.

    Attributes:
        paused: whether nothing is to be begun.
        performing: how many jobs are being performed.
        ended: how many of those that were taken on have been performed, and are being written.
        roomy: called when there is room again.
    """

    def __init__(self, number: int) -> None:
        self.paused = False
        self.performing = 0
        self.ended = 0
        self.roomy: Callable[[], None] = lambda: None
        self._number = number
        self._free = asyncio.Semaphore(number)
        self._usual_seconds = _UNKNOWN_SECONDS

    def room(self, taken: int) -> int:
        """How many more jobs to take on.

        Args:
            taken: those that were taken on and have not been written yet.
        """
        if self.paused:
            return 0
        ahead = min(MOST_AHEAD, int(self._number * AHEAD_SECONDS / self._usual_seconds))
        return min(self._number + ahead - (taken - self.ended), MOST_UNWRITTEN - taken)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Perform a job in here, as soon as there is a slot."""
        async with self._free:
            begun = time.monotonic()
            self.performing += 1
            try:
                yield
            finally:
                self.performing -= 1
                took = max(time.monotonic() - begun, 1e-4)
                self._usual_seconds += (took - self._usual_seconds) * _SMOOTHING
