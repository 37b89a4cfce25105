"""Who may be called now: endpoints that fail or are slow do not take the places of the others.

An endpoint that is silent holds a place for 10 s. Five of them, or one with a backlog, would hold
all that a worker has.
"""

from collections.abc import Callable
from random import random

HELD_BACK = 2
"""Places of a worker for endpoints that fail or are slow, all together; each has one at most."""
SLOW_SECONDS = 2.0
_REMEMBERED = 10_000
_FIRST_SECONDS, _LAST_SECONDS = 5.0, 30.0


class Places:
    """The calls under way in one process.

    Args:
        chance: gives numbers from 0 to 1.
    """

    def __init__(self, chance: Callable[[], float] = random) -> None:
        self._chance = chance
        self._taken: set[str] = set()
        self._slow: set[str] = set()

    def is_slow(self, webhook_id: str) -> bool:
        """Whether an endpoint took long when it was called last."""
        return webhook_id in self._slow

    def note(self, webhook_id: str, seconds: float) -> None:
        """Note how long an endpoint took."""
        if seconds < SLOW_SECONDS:
            self._slow.discard(webhook_id)
        else:
            if len(self._slow) >= _REMEMBERED:
                self._slow.clear()
            self._slow.add(webhook_id)

    def take(self, webhook_id: str) -> bool:
        """Take a place for an endpoint that fails or is slow; False where it is to wait."""
        if webhook_id in self._taken or len(self._taken) >= HELD_BACK:
            return False
        self._taken.add(webhook_id)
        return True

    def leave(self, webhook_id: str) -> None:
        """Give back a place that was taken."""
        self._taken.discard(webhook_id)

    def wait_seconds(self) -> float:
        """How long a delivery waits that found no place."""
        return _FIRST_SECONDS + (_LAST_SECONDS - _FIRST_SECONDS) * self._chance()
