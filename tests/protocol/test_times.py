"""Times on the wire: RFC 3339 in, UTC with milliseconds out."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.times import format_ms, normalize, parse_ms

FIRST = -62_135_596_800_000  # 0001-01-01T00:00:00.000Z
LAST = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(ms=st.integers(0, LAST))
def test_a_time_survives_the_round_trip(ms: int) -> None:
    text = format_ms(ms)
    assert len(text) == 24
    assert datetime.fromisoformat(text) == EPOCH + timedelta(milliseconds=ms)
    assert parse_ms(text) == ms
    assert normalize(text) == text


@given(ms=st.integers(FIRST, -1))
def test_a_time_before_1970_survives_the_round_trip(ms: int) -> None:
    text = format_ms(ms)
    assert len(text) == 24
    assert datetime.fromisoformat(text) == EPOCH + timedelta(milliseconds=ms)
    assert parse_ms(text) == ms


@given(
    moment=st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),
    offset=st.none() | st.integers(-23 * 60 - 59, 23 * 60 + 59),
    digits=st.integers(0, 9),
    separator=st.sampled_from("Tt "),
    lower=st.booleans(),
)
def test_any_rfc_3339_time_becomes_utc_with_milliseconds(
    moment: datetime, offset: int | None, digits: int, separator: str, lower: bool
) -> None:
    zone = UTC if offset is None else timezone(timedelta(minutes=offset))
    moment = moment.replace(tzinfo=zone)
    fraction = f".{moment.microsecond:06d}000"[: digits + 1] if digits else ""
    sign, minutes = "-" if (offset or 0) < 0 else "+", abs(offset or 0)
    suffix = "Z" if offset is None else f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    date = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
    text = f"{date}{separator}{moment:%H:%M:%S}{fraction}{suffix}"
    written = normalize(text.lower() if lower else text)
    whole = moment.replace(microsecond=int((fraction[1:] + "000000")[:6])).astimezone(UTC)
    assert len(written) == 24
    assert (written[10], written[23]) == ("T", "Z")
    assert abs(datetime.fromisoformat(written) - whole) < timedelta(milliseconds=1)
    assert normalize(written) == written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:00:00.123Z", "2026-11-22T10:00:00.123Z"),
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22T10:00:00.5+02:00", "2026-11-22T08:00:00.500Z"),
        ("2026-11-22T23:30:00-01:00", "2026-11-23T00:30:00.000Z"),
        ("2026-11-22T10:00:00-00:00", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22t10:00:00.123z", "2026-11-22T10:00:00.123Z"),
        ("2026-11-22t10:00:00.123Z", "2026-11-22T10:00:00.123Z"),
        ("2026-11-22 10:00:00.123Z", "2026-11-22T10:00:00.123Z"),
        ("2024-02-29T00:00:00.000Z", "2024-02-29T00:00:00.000Z"),
        ("1969-12-31T23:59:59.999+00:00", "1969-12-31T23:59:59.999Z"),
        ("0999-01-01T00:00:00+00:00", "0999-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_written_in_one_way(text: str, expected: str) -> None:
    assert normalize(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026", "2026-11-22", "2026-11-22T10:00:00", "2026-11-22T10:00:00.123",
        "2026-11-22T10:00Z", "2026-11-22T10Z", "20261122T100000Z", "2026-W47-7T10:00:00Z",
        "2026-326T10:00:00Z", "2026-11-22T10:00:00,123Z", "2026-11-22T10:00:00.Z",
        "2026-11-22T10:00:00.1234567890Z", "2026-11-22T10:00:00+1:00", "2026-11-22T10:00:00+0100",
        "2026-11-22T10:00:00+01:00:30", "2026-11-22T10:00:00 Z", " 2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00Z\n", "2026-11-22T10:00:00.123Z ", "2026-11-22X10:00:00.123Z",
        "२०२६-11-22T10:00:00Z", "+2026-11-22T10:00:00Z", "12026-11-22T10:00:00Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00.000Z", "2026-02-29T00:00:00.000Z",
        "2026-11-31T00:00:00.000Z", "2026-11-22T24:00:00.000Z", "2026-11-22T25:00:00Z",
        "2026-11-22T10:60:00.000Z", "2026-06-30T23:59:60Z", "2016-12-31T23:59:60.000Z",
        "2026-11-22T10:00:00+24:00", "2026-11-22T10:00:00+99:99", "0000-01-01T00:00:00.000Z",
        "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        normalize(text)
