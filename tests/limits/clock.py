"""A clock that a test moves."""

from typing import NamedTuple

from hypothesis import strategies as st


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Step(NamedTuple):
    """After `pause` seconds, `subject` takes `cost`."""

    pause: float
    subject: str
    cost: int


EXACT = st.integers(0, 80).map(lambda eighths: eighths / 8)
"""Pauses in eighths of a second: floats add them without rounding."""
ANY = st.floats(0.0, 30.0)
"""Pauses that are rounded when they are added."""
STARTS = st.floats(0.0, 1e9)
"""Readings of a monotonic clock: up to 30 years after the machine's start."""


def steps(
    pauses: st.SearchStrategy[float], subjects: str = "abc", most_cost: int = 4
) -> st.SearchStrategy[list[Step]]:
    """Takes of some subjects."""
    one = st.builds(Step, pauses, st.sampled_from(subjects), st.integers(1, most_cost))
    return st.lists(one, min_size=1, max_size=60)
