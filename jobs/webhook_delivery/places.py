"""Who may be called now: endpoints that fail or are slow do not take the places of the others.

An endpoint that is silent holds a place for 10 s. Five of them, or one with a backlog, would hold
all that a worker has.
"""

import time
from collections.abc import Callable
from random import random

HELD_BACK = 2
"""Places of a worker for endpoints that fail or are slow, all together; each has one at most."""
SLOW_SECONDS = 2.0
_REMEMBERED = 10_000
_FIRST_SECONDS, _LAST_SECONDS = 5.0, 30.0
_TURN_SECONDS = 0.05
"""Between two deliveries that come back for a place. Each costs a claim and a commit: without turns
10,000 of them would come back 570 times a second, which is all that a worker can do."""
_LONGEST_SECONDS = 3600.0


class Places:
    """The calls under way in one process.

    Args:
        chance: gives numbers from 0 to 1.
        clock: seconds that never go back.
    """

    def __init__(
        self, chance: Callable[[], float] = random, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._chance = chance
        self._clock = clock
        self._turn = clock()
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
        """How long a delivery waits that found no place: longer, the more of them wait."""
        now = self._clock()
        self._turn = max(self._turn + _TURN_SECONDS, now)
        some = _FIRST_SECONDS + (_LAST_SECONDS - _FIRST_SECONDS) * self._chance()
        return min(max(some, self._turn - now), _LONGEST_SECONDS)
