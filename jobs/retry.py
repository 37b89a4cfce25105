"""When a failed attempt is made again (pure).

Exponential from 2 s, doubled each time, 5 minutes at most, with jitter: between half of it and all
of it, so that what failed together does not come back together
(AWS Architecture Blog, "Exponential Backoff And Jitter", equal jitter).
"""

from collections.abc import Callable
from random import random

FIRST_SECONDS = 2.0
MOST_SECONDS = 300.0
_DOUBLINGS = 32  # more would overflow nothing and mean nothing


def wait_seconds(attempt: int, chance: Callable[[], float] = random) -> float:
    """How long to wait behind an attempt.

    Args:
        attempt: the one that failed, from 1.
        chance: gives a number from 0 to 1.
    """
    most = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt - 1, _DOUBLINGS))
    return most / 2 + most / 2 * chance()
