"""Turns: who has more to read than one turn of the loop can bear reads on in the next ones.

All who wait share one slice a turn, whatever their number: four connections that flood the hub
slow the others no more than one does.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """The queue of those who wait for their turn. One per hub."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._coming = False
        self._loop = asyncio.get_running_loop()

    def wait(self, read_on: Callable[[], None]) -> None:
        """Have something called once, in a later turn of the loop, behind those who wait."""
        self._waiting.append(read_on)
        if not self._coming:
            self._coming = True
            self._loop.call_soon(self._next)

    async def turn(self) -> None:
        """Return in a later turn of the loop, behind those who wait."""
        coming: asyncio.Future[None] = self._loop.create_future()
        self.wait(lambda: None if coming.done() else coming.set_result(None))
        await coming

    def _next(self) -> None:
        read_on = self._waiting.popleft()
        self._coming = bool(self._waiting)
        if self._coming:
            self._loop.call_soon(self._next)
        read_on()
