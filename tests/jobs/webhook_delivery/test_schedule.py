"""When a delivery is tried again."""

import pytest

from jobs.context import WEBHOOK_SCHEDULE as SCHEDULE
from jobs.webhook_delivery.schedule import JITTER, wait


@pytest.mark.parametrize(("failed", "seconds"), list(enumerate(SCHEDULE, 1)))
def test_each_wait_has_its_place(failed: int, seconds: float) -> None:
    assert wait(SCHEDULE, failed, chance=lambda: 0.0) == seconds
    assert wait(SCHEDULE, failed, chance=lambda: 1.0) == pytest.approx(seconds * (1 + JITTER))


def test_beyond_the_schedule_the_last_wait_holds() -> None:
    assert wait((1.0, 7.0), 9, chance=lambda: 0.0) == 7.0
    assert wait((), 1) == 0.0


@pytest.mark.parametrize(
    ("asked", "seconds"), [(0.0, 5.0), (4.0, 5.0), (60.0, 60.0), (1e9, max(SCHEDULE))]
)
def test_a_receiver_may_ask_for_longer_within_the_schedule(asked: float, seconds: float) -> None:
    assert wait(SCHEDULE, 1, asked, chance=lambda: 0.0) == seconds
