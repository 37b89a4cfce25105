"""How many requests begin in one turn of the loop: 500 clients that ask at once must not stop
those who are live for half a second."""

import asyncio
from collections import deque
from collections.abc import Callable

PER_TURN = 8
"""About 3 ms of work."""


class Starts:
    """The requests of one process that are about to begin, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._coming = False

    def add(self, start: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        """Begin a request in this turn of the loop, or in the next that has room."""
        self._waiting.append(start)
        if not self._coming:
            self._coming = True
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(min(PER_TURN, len(self._waiting))):
            self._waiting.popleft()()
        self._coming = bool(self._waiting)
        if self._coming:
            loop.call_soon(self._next, loop)
