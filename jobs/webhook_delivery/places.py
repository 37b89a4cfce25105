"""Who may be called now: endpoints that fail do not take the places of those that do not.

An endpoint that is silent holds a place for 10 s. Five of them, or one with a backlog, would hold
all that a worker has.
"""

from collections import Counter
from collections.abc import Callable
from random import random

FAILING = 2
"""Places of a worker for endpoints that fail, all together; each has one of them at most."""
_FIRST_SECONDS, _LAST_SECONDS = 5.0, 30.0


class Places:
    """The calls under way in one process.

    Args:
        chance: gives numbers from 0 to 1.
    """

    def __init__(self, chance: Callable[[], float] = random) -> None:
        self._chance = chance
        self._failing: Counter[str] = Counter()

    def take(self, webhook_id: str) -> bool:
        """Take a place for an endpoint that fails; False where it is to wait."""
        if self._failing[webhook_id] or self._failing.total() >= FAILING:
            return False
        self._failing[webhook_id] += 1
        return True

    def leave(self, webhook_id: str) -> None:
        """Give back a place that was taken."""
        del self._failing[webhook_id]

    def wait_seconds(self) -> float:
        """How long a delivery waits that found no place."""
        return _FIRST_SECONDS + (_LAST_SECONDS - _FIRST_SECONDS) * self._chance()
