"""When recurring jobs come: across changes of the clock, and after nobody was there."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.recurrence import MOST_RUNS, ON_TIME_MS, check, due_runs, next_run

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def ms(text: str, zone: str = "UTC", fold: int = 0) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(moment.timestamp() * 1000)


def following(schedule: str, zone: str, start: str, count: int) -> list[str]:
    """The next runs, as UTC."""
    at, found = ms(start), []
    for _ in range(count):
        run = next_run(schedule, zone, at)
        assert run is not None
        at = run
        found.append(datetime.fromtimestamp(run / 1000, UTC).strftime("%m-%dT%H:%M"))
    return found


def test_it_follows_the_clock_of_its_zone() -> None:
    # Berlin: +1 in winter, +2 in summer; the clock was changed on 2026-03-29 and 2026-10-25.
    assert following("0 9 * * *", "Europe/Berlin", "2026-03-27T12:00", 4) == [
        "03-28T08:00", "03-29T07:00", "03-30T07:00", "03-31T07:00",
    ]  # fmt: skip
    assert following("0 9 * * *", "Africa/Harare", "2026-03-27T12:00", 2) == [
        "03-28T07:00", "03-29T07:00",
    ]  # fmt: skip


def test_a_time_that_does_not_exist_comes_right_behind_the_gap() -> None:
    assert following("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00", 3) == [
        "03-28T01:30", "03-29T01:00", "03-30T00:30",
    ]  # fmt: skip
    assert following("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2) == [
        "03-29T01:00", "03-30T00:00",
    ]  # fmt: skip


def test_a_time_that_comes_twice_comes_once() -> None:
    assert following("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2) == [
        "10-25T00:30", "10-26T01:30",
    ]  # fmt: skip
    # Also when it is asked from within the second of the two hours.
    assert next_run("45 2 * * *", "Europe/Berlin", ms("2026-10-25T01:20")) == ms("2026-10-26T01:45")


def test_what_comes_hourly_comes_in_both_hours() -> None:
    assert following("0 * * * *", "Europe/Berlin", "2026-10-24T23:30", 4) == [
        "10-25T00:00", "10-25T01:00", "10-25T02:00", "10-25T03:00",
    ]  # fmt: skip
    assert following("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15", 3) == [
        "03-29T00:30", "03-29T01:00", "03-29T01:30",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schedule", "zone", "said"),
    [
        ("* * * *", "UTC", "five fields"),
        ("0 0 * * * *", "UTC", "five fields"),
        ("61 * * * *", "UTC", "bad minute"),
        ("0 24 * * *", "UTC", "bad hour"),
        ("0 0 31 2 *", "UTC", "day-of-month"),
        ("x * * * *", "UTC", "bad minute"),
        ("0 9 * * *", "Mars/Olympus", "no time zone"),
        ("0 9 * * *", "../etc/passwd", "no time zone"),
        ("0 9 * * *", "", "no time zone"),
    ],
)
def test_what_cannot_come_is_refused(schedule: str, zone: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check(schedule, zone, 0)


def test_what_is_missed_is_left_out_made_once_or_made_each() -> None:
    first, now = ms("2026-05-01T10:00"), ms("2026-05-01T13:30")
    hourly = ("0 * * * *", "UTC", first, now)
    times = [first + n * HOUR for n in range(4)]
    assert due_runs(*hourly, "skip") == []
    assert due_runs(*hourly, "once") == times[-1:]
    assert due_runs(*hourly, "all") == times


def test_what_is_on_time_was_not_missed() -> None:
    at = ms("2026-05-01T10:00")
    for late in (0, 20, ON_TIME_MS):
        assert due_runs("0 * * * *", "UTC", at, at + late, "skip") == [at]
    assert due_runs("0 * * * *", "UTC", at, at + ON_TIME_MS + 1, "skip") == []


def test_a_year_of_minutes_is_a_hundred_runs() -> None:
    now = ms("2027-05-01T10:00")
    runs = due_runs("* * * * *", "Europe/Berlin", now - 365 * DAY, now, "all")
    assert runs == [now - n * MINUTE for n in reversed(range(MOST_RUNS))]
    assert due_runs("* * * * *", "Europe/Berlin", now - 365 * DAY, now, "once") == [now]


SCHEDULES = st.sampled_from(
    ["* * * * *", "*/7 * * * *", "30 2 * * *", "0,45 1-3 * * *", "0 0 * * SUN", "15 * 29 * *"]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])


@given(SCHEDULES, ZONES, st.integers(0, 366 * DAY), st.integers(0, 2 * DAY))
@settings(max_examples=60)
def test_the_last_runs_are_those_of_going_step_by_step(
    schedule: str, zone: str, start: int, length: int
) -> None:
    begin = ms("2026-01-01T00:00") + start
    first = next_run(schedule, zone, begin)
    assert first is not None
    now = first + length
    steps = [first]
    while (run := next_run(schedule, zone, steps[-1])) is not None and run <= now:
        assert run > steps[-1]
        steps.append(run)
        if len(steps) > 3000:
            break
    assert due_runs(schedule, zone, first, now, "all") == steps[-MOST_RUNS:]
