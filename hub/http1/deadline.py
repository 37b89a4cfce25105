"""One deadline of one connection, moved at every request."""

import asyncio
import math
from collections.abc import Callable


class Deadline:
    """Calls back once when a time is up.

    The timer looks again when it fires, so that a deadline moves without touching the loop: a busy
    connection has one timer, not two for each request.

    Args:
        expired: called when the deadline has passed.

    Attributes:
        what: what has to happen before the deadline; `NOTHING` while there is none.
        period: seconds it was given for that.
    """

    NOTHING = 0

    __slots__ = ("_at", "_expired", "_fires", "_loop", "_timer", "period", "what")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self.what = self.NOTHING
        self.period = 0.0
        self._loop = loop
        self._expired = expired
        self._at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._fires = math.inf

    def expect(self, what: int, seconds: float) -> None:
        """Replace the deadline."""
        self.what = what
        self.period = seconds
        self._at = at = self._loop.time() + seconds
        if at < self._fires:
            self._arm()

    def expect_nothing(self) -> None:
        """There is no deadline for now."""
        self.what = self.NOTHING
        self._at = math.inf

    def end(self) -> None:
        """There will be no deadline any more, and nobody to call back."""
        self.expect_nothing()
        self._expired = _nobody
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._fires = math.inf

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._at, self._look)
        self._fires = self._at

    def _look(self) -> None:
        self._timer = None
        self._fires = math.inf
        if self.what == self.NOTHING:
            return
        if self._loop.time() < self._at:
            self._arm()
        else:
            self._expired()


def _nobody() -> None:
    """Stands for who was called back: naming them would keep both for the garbage collector."""
