"""Turns: what is too much for one turn of the loop goes on in the next ones.

All who wait share one slice a turn, whatever their number: four connections that flood the hub
slow the others no more than one does, and 500 requests at once do not stop those who are live.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """The queue of those who wait for their turn, on the running loop.

    Args:
        at_once: how many have theirs in one turn of the loop.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._at_once = at_once
        self._waiting: deque[Callable[[], None]] = deque()
        self._coming = False
        self._loop = asyncio.get_running_loop()

    def wait(self, go_on: Callable[[], None]) -> None:
        """Have something called once, in a later turn of the loop, behind those who wait."""
        self._waiting.append(go_on)
        if not self._coming:
            self._coming = True
            self._loop.call_soon(self._next)

    async def turn(self) -> None:
        """Return in a later turn of the loop, behind those who wait."""
        coming: asyncio.Future[None] = self._loop.create_future()
        self.wait(lambda: None if coming.done() else coming.set_result(None))
        await coming

    def _next(self) -> None:
        now = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
        self._coming = bool(self._waiting)
        if self._coming:
            self._loop.call_soon(self._next)
        for go_on in now:
            go_on()
