"""When to try again: exponential backoff with full jitter.

A herd that lost the same hub must not come back as one: each waits a random time between nothing
and an upper bound that doubles with every attempt.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

_DOUBLINGS = 30  # 2.0**1024 overflows; long before it every cap is reached


def full_jitter(
    attempt: int, base: float, cap: float, draw: Callable[[], float] = random.random
) -> float:
    """Seconds to wait before an attempt: uniform in [0, min(cap, base · 2^attempt)].

    Args:
        attempt: how many have failed in a row before, from 0.
        base: the upper bound of the first wait, seconds.
        cap: the upper bound of every wait, seconds.
        draw: uniform in [0, 1).
    """
    bound: float = min(cap, base * 2.0 ** min(attempt, _DOUBLINGS))
    return draw() * bound


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait between attempts; `base` and `cap` in seconds, as for `full_jitter`."""

    base: float = 0.25
    cap: float = 15.0

    def wait(self, attempt: int) -> float:
        """Seconds to wait after so many failures in a row, the last one not counted."""
        return full_jitter(attempt, self.base, self.cap)


def within(wait: tuple[float, float], draw: Callable[[], float] = random.random) -> float:
    """A random time in a range that the hub gave, seconds; a reversed range is put right."""
    low, high = sorted(max(0.0, bound) for bound in wait)
    return low + draw() * (high - low)
