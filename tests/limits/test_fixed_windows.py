"""Fixed windows: never more than the limit in one, and every number in a quota is exact."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.limits import FixedWindows, Quota, Rate
from tests.limits.clock import ANY, EXACT, STARTS, Clock, Step, steps

LIMITS = st.integers(1, 6)


class Model:
    """The rule as it is written down, without a thought for speed."""

    def __init__(self, limit: int, seconds: float, most: int) -> None:
        self.limit, self.seconds, self.most = limit, seconds, most
        self.windows: dict[str, tuple[float, int]] = {}  # subject: its beginning, what is used

    def take(self, now: float, subject: str, cost: int) -> Quota:
        self.windows = {
            name: window for name, window in self.windows.items() if now < window[0] + self.seconds
        }
        if subject not in self.windows:
            if len(self.windows) == self.most:
                del self.windows[min(self.windows, key=lambda name: self.windows[name][0])]
            self.windows[subject] = (now, 0)
        begun, used = self.windows[subject]
        allowed = used + min(cost, self.limit) <= self.limit
        if allowed:
            used += min(cost, self.limit)
            self.windows[subject] = (begun, used)
        reset = begun + self.seconds - now
        wait = 0.0 if allowed else reset
        return Quota(self.limit, self.seconds, self.limit - used, reset, allowed, wait)


@given(
    script=steps(EXACT, "abcdefgh", 8),
    limit=LIMITS,
    seconds=st.sampled_from([0.5, 1.0, 7.0, 60.0]),
    most=st.integers(1, 9),
)
def test_every_answer_is_exact(script: list[Step], limit: int, seconds: float, most: int) -> None:
    clock = Clock()
    windows = FixedWindows(Rate(limit, seconds), clock, most)
    model = Model(limit, seconds, most)
    for pause, subject, cost in script:
        clock.now += pause
        assert windows.take(subject, cost) == model.take(clock.now, subject, cost)
        assert len(windows) <= most


@given(start=STARTS, script=steps(ANY, "a", 3), limit=st.integers(3, 6), seconds=st.floats(0.1, 60))
def test_never_more_than_the_limit_in_one_window(
    start: float, script: list[Step], limit: int, seconds: float
) -> None:
    clock = Clock(start)
    windows = FixedWindows(Rate(limit, seconds), clock)
    taken: list[tuple[float, int]] = []
    begun, used = -math.inf, 0
    for pause, subject, cost in script:
        clock.now += pause
        if clock.now >= begun + seconds:
            begun, used = clock.now, 0
        if windows.take(subject, cost).allowed:
            taken.append((clock.now, cost))
            used += cost
        assert used <= limit
    # Wherever one looks for so long, at most the end of one window and the beginning of the next.
    for first, _ in taken:
        assert sum(cost for at, cost in taken if first <= at < first + seconds) <= 2 * limit


@given(start=STARTS, script=steps(ANY, "ab", 8), limit=LIMITS, seconds=st.floats(0.1, 1000))
def test_who_waits_exactly_as_told_is_let_in(
    start: float, script: list[Step], limit: int, seconds: float
) -> None:
    clock = Clock(start)
    windows = FixedWindows(Rate(limit, seconds), clock)
    for pause, subject, cost in script:
        clock.now += pause
        quota = windows.take(subject, cost)
        if quota.allowed:
            assert quota.retry_after == 0.0
        else:
            assert 0.0 < quota.retry_after <= seconds + math.ulp(clock.now + seconds) * 2
            clock.now += quota.retry_after
            assert windows.take(subject, cost).allowed


@pytest.mark.parametrize(
    ("begun", "seconds", "now"),
    [
        (0.40712246099126703, 60.0, 22.656411174404685),
        (59.10065569321195, 900.0, 203.9430605983742),
        (42.81411954644029, 900.0, 352.7119396766121),
    ],
)
def test_a_wait_that_would_be_rounded_down(begun: float, seconds: float, now: float) -> None:
    clock = Clock(begun)
    windows = FixedWindows(Rate(1, seconds), clock)
    windows.take("key")
    clock.now = now
    quota = windows.take("key")
    assert now + quota.reset < begun + seconds
    clock.now = now + quota.retry_after
    assert windows.take("key").allowed


@given(script=steps(EXACT, "abc", 3), limit=st.integers(3, 6))
def test_a_peek_takes_nothing(script: list[Step], limit: int) -> None:
    clock = Clock()
    peeked = FixedWindows(Rate(limit, 5.0), clock)
    left_alone = FixedWindows(Rate(limit, 5.0), clock)
    for pause, subject, cost in script:
        clock.now += pause
        before = peeked.peek(subject)
        assert peeked.peek(subject) == before
        after = peeked.take(subject, cost)
        assert after == left_alone.take(subject, cost)
        assert after.allowed == (cost <= before.remaining)
        assert after.remaining == before.remaining - (cost if after.allowed else 0)
        assert before.allowed == (before.remaining > 0)
        assert before.reset == after.reset
        assert before.retry_after == (0.0 if before.allowed else before.reset)


def test_a_window_begins_with_the_first_request_and_not_with_the_clock() -> None:
    clock = Clock(59.0)
    windows = FixedWindows(Rate(2, 60.0), clock)
    assert windows.peek("key") == Quota(2, 60.0, 2, 60.0, True, 0.0)
    clock.now = 70.0
    assert windows.take("key") == Quota(2, 60.0, 1, 60.0, True, 0.0)
    clock.now = 129.5
    assert windows.take("key") == Quota(2, 60.0, 0, 0.5, True, 0.0)
    assert windows.take("key") == Quota(2, 60.0, 0, 0.5, False, 0.5)
    assert windows.take("another").allowed
    clock.now = 130.0
    assert windows.take("key") == Quota(2, 60.0, 1, 60.0, True, 0.0)


def test_a_cost_above_the_limit_needs_a_whole_window() -> None:
    clock = Clock()
    windows = FixedWindows(Rate(10, 60.0), clock)
    assert windows.take("key", 500) == Quota(10, 60.0, 0, 60.0, True, 0.0)
    clock.now = 60.0
    assert windows.take("key", 1).remaining == 9
    assert windows.take("key", 500) == Quota(10, 60.0, 9, 60.0, False, 60.0)


def test_subjects_that_stay_away_are_forgotten() -> None:
    clock = Clock()
    windows = FixedWindows(Rate(5, 60.0), clock)
    for number in range(10_000):
        windows.take(f"early {number}")
    clock.now = 60.0
    for number in range(10_000):
        windows.take(f"late {number}")
    assert len(windows) == 10_000


@pytest.mark.parametrize("most", [1, 2, 100])
def test_a_flood_of_subjects_pushes_out_the_oldest_first(most: int) -> None:
    clock = Clock()
    windows = FixedWindows(Rate(1, 1e6), clock, most)
    for number in range(1000):
        clock.now += 1.0
        windows.take(str(number))
        assert len(windows) == min(number + 1, most)
    assert [windows.peek(str(number)).allowed for number in range(1000)] == [True] * (
        1000 - most
    ) + [False] * most


def test_a_window_that_begins_again_is_the_youngest() -> None:
    clock = Clock()
    windows = FixedWindows(Rate(1, 60.0), clock, most=4)
    for subject in ("a", "b", "again"):
        windows.take(subject)
    clock.now = 30.0
    windows.take("older")
    clock.now = 60.0
    for subject in ("again", "c", "d", "e"):
        windows.take(subject)
    assert windows.peek("older").allowed
    assert not windows.peek("again").allowed
