"""Token buckets: a burst, then an even rate, and never more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.limits import Rate, TokenBucket, TokenBuckets
from tests.limits.clock import ANY, EXACT, STARTS, Clock, Step, steps

RATES = st.builds(Rate, st.integers(1, 1000), st.floats(0.5, 900.0))
COSTS = st.floats(0.0, 2000.0)
HISTORIES = st.lists(st.tuples(ANY, COSTS), max_size=40)


def after(
    history: list[tuple[float, float]], rate: Rate, burst: float | None
) -> tuple[TokenBucket, Clock]:
    """A bucket from which somebody took like this."""
    clock = Clock()
    bucket = TokenBucket(rate, clock, burst)
    for pause, cost in history:
        clock.now += pause
        bucket.take(cost)
    return bucket, clock


@given(start=STARTS, history=HISTORIES, rate=RATES, burst=st.none() | st.floats(1.0, 500.0))
def test_never_more_than_the_burst_and_the_rate(
    start: float, history: list[tuple[float, float]], rate: Rate, burst: float | None
) -> None:
    clock = Clock(start)
    bucket = TokenBucket(rate, clock, burst)
    full = rate.limit if burst is None else burst
    per_second = rate.limit / rate.seconds
    taken: list[tuple[float, float]] = []
    for pause, cost in history:
        clock.now += pause
        if bucket.take(cost) == 0.0:
            taken.append((clock.now, cost))
    rounding = per_second * 1e-5  # of a clock that began long ago
    for first in range(len(taken)):
        total = largest = 0.0
        for at, cost in taken[first:]:
            total += cost
            largest = max(largest, cost)
            allowed = max(full, largest) + per_second * (at - taken[first][0])
            assert total <= allowed * (1 + 1e-9) + rounding


@given(start=STARTS, history=HISTORIES, rate=RATES)
def test_who_waits_exactly_as_told_is_served_and_not_much_earlier(
    start: float, history: list[tuple[float, float]], rate: Rate
) -> None:
    clock = Clock(start)
    bucket = TokenBucket(rate, clock)
    for pause, cost in history:
        clock.now += pause
        wait = bucket.take(cost)
        assert wait >= 0.0
        if wait > 0.01:
            told = clock.now
            clock.now = told + wait - 0.001
            assert bucket.take(cost) == pytest.approx(0.001, abs=1e-5)
            clock.now = told
        if wait:
            clock.now += wait
            assert bucket.take(cost) == 0.0


@given(history=HISTORIES, rate=RATES, low=COSTS, high=COSTS)
def test_a_higher_cost_never_waits_shorter(
    history: list[tuple[float, float]], rate: Rate, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    of_low, _ = after(history, rate, None)
    of_high, _ = after(history, rate, None)
    assert of_low.take(low) <= of_high.take(high)


@given(history=HISTORIES, rate=RATES, cost=COSTS, pauses=st.lists(ANY, min_size=1, max_size=8))
def test_a_wait_shrinks_by_the_time_that_passes(
    history: list[tuple[float, float]], rate: Rate, cost: float, pauses: list[float]
) -> None:
    bucket, clock = after(history, rate, None)
    wait = bucket.take(cost)
    for pause in pauses:
        if not wait:
            break
        clock.now += pause
        shorter = bucket.take(cost)
        assert shorter == pytest.approx(max(0.0, wait - pause), abs=1e-5)
        wait = shorter


@given(history=HISTORIES, rate=RATES, greedy=COSTS, cost=COSTS, asked=st.integers(1, 20))
def test_a_refused_take_takes_nothing(
    history: list[tuple[float, float]], rate: Rate, greedy: float, cost: float, asked: int
) -> None:
    bucket, _ = after(history, rate, None)
    if bucket.take(greedy):
        for _ in range(asked):
            assert bucket.take(greedy) > 0.0
        untouched, _ = after(history, rate, None)
        assert bucket.take(cost) == untouched.take(cost)


def test_a_burst_then_an_even_rate() -> None:
    clock = Clock(1000.0)
    bucket = TokenBucket(Rate(50, 1.0), clock)
    assert [bucket.take() for _ in range(50)] == [0.0] * 50
    assert bucket.take() == pytest.approx(0.02)
    clock.now += 0.1
    assert sum(bucket.take() == 0.0 for _ in range(50)) == 5
    clock.now += 1e6
    assert sum(bucket.take() == 0.0 for _ in range(100)) == 50


def test_a_burst_of_its_own() -> None:
    clock = Clock()
    bucket = TokenBucket(Rate(100, 1.0), clock, burst=3)
    assert [bucket.take() for _ in range(3)] == [0.0] * 3
    assert bucket.take() == pytest.approx(0.01)


def test_a_batch_above_the_burst_is_taken_by_a_full_bucket_and_paid_for() -> None:
    clock = Clock()
    bucket = TokenBucket(Rate(100, 1.0), clock)
    assert bucket.take(500) == 0.0
    assert bucket.take(1) == pytest.approx(4.01)
    assert bucket.take(500) == pytest.approx(5.0)
    clock.now = 4.5
    assert bucket.take(50) == 0.0
    assert bucket.take(500) == pytest.approx(1.0)
    clock.now = 5.5
    assert bucket.take(500) == 0.0


def test_batches_above_the_burst_flow_at_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(Rate(100, 1.0), clock)
    for _ in range(20):
        assert bucket.take(500) == 0.0
        clock.now += bucket.take(500)
    assert clock.now == pytest.approx(100.0)


# ── one per subject ──────────────────────────────────────────────────────────────────────────


@given(
    script=steps(EXACT, "abcd", 12), limit=st.integers(1, 8), seconds=st.sampled_from([1.0, 4.0])
)
def test_every_subject_has_a_bucket_of_its_own(
    script: list[Step], limit: int, seconds: float
) -> None:
    clock = Clock()
    rate = Rate(limit, seconds)
    buckets = TokenBuckets(rate, clock)
    alone = {subject: TokenBucket(rate, clock) for subject in "abcd"}
    for pause, subject, cost in script:
        clock.now += pause
        assert buckets.take(subject, cost) == alone[subject].take(cost)


@given(script=steps(ANY, "abcdefghijkl", 12), most=st.integers(1, 5))
def test_never_more_buckets_than_allowed(script: list[Step], most: int) -> None:
    clock = Clock()
    buckets = TokenBuckets(Rate(4, 4.0), clock, most=most)
    for pause, subject, cost in script:
        clock.now += pause
        buckets.take(subject, cost)
        assert len(buckets) <= most


def test_full_buckets_are_forgotten() -> None:
    clock = Clock()
    buckets = TokenBuckets(Rate(5, 1.0), clock)
    for number in range(1000):
        buckets.take(f"early {number}")
    clock.now = 10.0
    for number in range(1000):
        buckets.take(f"late {number}")
    assert len(buckets) == 1000


def test_a_flood_of_subjects_pushes_out_who_asked_longest_ago() -> None:
    clock = Clock()
    buckets = TokenBuckets(Rate(1, 1e6), clock, most=100)
    assert buckets.take("quiet") == 0.0
    assert buckets.take("busy") == 0.0
    for number in range(1000):
        clock.now += 1.0
        buckets.take(str(number))
        # Whoever keeps asking stays refused: asking again and again is no way out.
        assert buckets.take("busy") > 0.0
    assert len(buckets) == 100
    assert buckets.take("quiet") == 0.0


def test_the_burst_of_every_subject() -> None:
    clock = Clock()
    buckets = TokenBuckets(Rate(100, 1.0), clock, burst=2)
    for subject in ("a", "b"):
        assert [buckets.take(subject) for _ in range(2)] == [0.0] * 2
        assert buckets.take(subject) == pytest.approx(0.01)
