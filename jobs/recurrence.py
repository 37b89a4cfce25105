"""When a recurring job comes (pure): cron expressions on the clock of a time zone.

As Debian's cron has it (cron(8)): where the clock is put forward, a job at a time that does not
exist comes right behind the gap; where it is put back, a job at a time that comes twice comes the
first time, and one that comes every hour or oftener comes in both.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from storage.merchant_records import MissedRuns

MOST_RUNS = 100
"""Of what was missed, with `all`: the last so many."""
ON_TIME_MS = 60_000
"""A run that is late by no more was not missed: the hub was busy, or was restarted."""
_FIRST_WINDOW_MS = 3_600_000
_FIELDS = 5


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name in the IANA database.

    Raises:
        ValueError: there is none; the message says what a name looks like.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"there is no time zone {name[:64]!r}: give a name such as Africa/Harare or UTC"
        ) from None


def check(schedule: str, time_zone: str, now_ms: int) -> int:
    """When a job with a schedule comes first, in milliseconds since 1970.

    Raises:
        ValueError: it is no schedule, or never comes, or there is no such time zone.
    """
    if len(schedule.split()) != _FIELDS:
        raise ValueError(
            "a schedule has five fields: minute, hour, day of the month, month, day of the week,"
            " such as 30 9 * * MON-FRI"
        )
    zone = zone_of(time_zone)
    try:
        first = next(_runs(schedule, zone, now_ms), None)
    except CronSimError as error:
        raise ValueError(f"{schedule!r} is no schedule: {str(error).lower()}") from None
    if first is None:
        raise ValueError(f"{schedule!r} never comes")
    return first


def next_run(schedule: str, time_zone: str, after_ms: int) -> int | None:
    """When a job comes next after a moment; None: never.

    Raises:
        ValueError: see `check`.
    """
    try:
        return next(_runs(schedule, zone_of(time_zone), after_ms), None)
    except CronSimError as error:
        raise ValueError(f"{schedule!r} is no schedule: {str(error).lower()}") from None


def due_runs(
    schedule: str, time_zone: str, first_ms: int, now_ms: int, missed: MissedRuns
) -> list[int]:
    """The runs that are to be made of those that have come due.

    skip    only one that is on time
    once    one for all of them
    all     each, up to the last 100

    Args:
        first_ms: the first of them.
        now_ms: later than that, or the same.

    Raises:
        ValueError: see `check`.
    """
    last = _last_runs(schedule, zone_of(time_zone), first_ms, now_ms)
    match missed:
        case "skip":
            return [run for run in last[-1:] if run >= now_ms - ON_TIME_MS]
        case "once":
            return last[-1:]
        case "all":
            return last


def _last_runs(schedule: str, zone: ZoneInfo, first_ms: int, now_ms: int) -> list[int]:
    """The last `MOST_RUNS` runs from `first_ms` to `now_ms`.

    A schedule is followed forwards alone, since what the clock's changes mean is said only so. To
    pass over months of minutes it begins near the end, and the further away the less it finds.
    """
    window = _FIRST_WINDOW_MS
    while True:
        begin = max(first_ms, now_ms - window)
        found: list[int] = []
        for run in _runs(schedule, zone, begin - 1):
            if run > now_ms:
                break
            found.append(run)
        if begin == first_ms or len(found) >= MOST_RUNS:
            return found[-MOST_RUNS:]
        window *= 2


def _runs(schedule: str, zone: ZoneInfo, after_ms: int) -> Iterator[int]:
    """The runs after a moment, each once, in their order."""
    # From a second earlier: what is between two seconds is cut off.
    start = datetime.fromtimestamp((after_ms - 1000) / 1000, UTC).astimezone(zone)
    last = after_ms
    for moment in CronSim(schedule, start):
        run = int(moment.timestamp()) * 1000
        if run > last:
            last = run
            yield run
