"""The waits between attempts."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.client.backoff import Backoff, full_jitter, within

seconds = st.floats(min_value=0.001, max_value=100)
draws = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(st.integers(0, 10_000), seconds, seconds, draws)
def test_a_wait_lies_between_nothing_and_its_bound(
    attempt: int, base: float, cap: float, drawn: float
) -> None:
    wait = full_jitter(attempt, base, cap, lambda: drawn)
    assert 0 <= wait <= cap
    assert wait <= base * 2.0 ** min(attempt, 1000)


@given(st.integers(0, 1000), draws)
def test_the_same_draw_never_waits_less_after_more_failures(attempt: int, drawn: float) -> None:
    assert full_jitter(attempt, 0.25, 15, lambda: drawn) <= full_jitter(
        attempt + 1, 0.25, 15, lambda: drawn
    )


def test_jitter_is_full_and_the_bound_doubles_up_to_the_cap() -> None:
    rng = random.Random(7)
    for attempt, bound in enumerate([0.25, 0.5, 1, 2, 4, 8, 15, 15, 15]):
        waits = [full_jitter(attempt, 0.25, 15, rng.random) for _ in range(4000)]
        assert min(waits) < bound * 0.01
        assert max(waits) > bound * 0.99
        assert sum(waits) / len(waits) == pytest.approx(bound / 2, rel=0.05)


def test_the_default_is_a_quarter_of_a_second_up_to_fifteen() -> None:
    assert (Backoff().base, Backoff().cap) == (0.25, 15.0)
    assert all(Backoff().wait(0) <= 0.25 for _ in range(100))


@given(st.tuples(st.floats(-5, 100), st.floats(-5, 100)), draws)
def test_a_range_that_the_hub_gave_is_kept(wait: tuple[float, float], drawn: float) -> None:
    low, high = (max(0.0, bound) for bound in sorted(wait))
    assert low <= within(wait, lambda: drawn) <= max(low, high)
