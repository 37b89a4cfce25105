"""When a delivery is tried again, and when an endpoint is given up."""

import random
from collections.abc import Callable, Sequence

JITTER = 0.2
"""A wait is longer by up to this part of it: what failed together does not come back together."""
GIVE_UP_SECONDS = 5 * 86400.0
"""An endpoint that has failed for so long, without a success between, is called no longer."""


def wait(
    waits: Sequence[float],
    failed: int,
    retry_after: float | None = None,
    chance: Callable[[], float] = random.random,
) -> float:
    """Seconds until the next attempt.

    Args:
        waits: the schedule.
        failed: attempts that have failed, at least 1. Beyond the schedule its last wait holds.
        retry_after: what the receiver asked for, in seconds. It makes a wait longer and never
            shorter, and no longer than the longest of the schedule.
        chance: gives numbers from 0 to 1.
    """
    if not waits:
        return 0.0
    seconds = waits[min(failed, len(waits)) - 1] * (1 + JITTER * chance())
    if retry_after is None:
        return seconds
    return max(seconds, min(retry_after, max(waits)))
