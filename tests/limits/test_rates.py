"""Rates as they are written in settings, and quotas as they are told in header fields."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.limits import FixedWindows, Quota, Rate, parse_rate, ratelimit_headers
from tests.limits.clock import ANY, STARTS, Clock, Step, steps

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/15m", Rate(100, 900.0)),
        ("50/s", Rate(50, 1.0)),
        ("60/1m", Rate(60, 60.0)),
        ("500/10s", Rate(500, 10.0)),
        ("1/h", Rate(1, 3600.0)),
        ("1000/7d", Rate(1000, 604_800.0)),
        ("off", None),
    ],
)
def test_a_rate_is_read(text: str, rate: Rate | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        *("", "100", "/s", "100/", "100/15", "100/m15", "100/15 m", " 50/s", "50/s ", "50/s\n"),
        *("-1/s", "+1/s", "1.5/s", "1/1.5s", "1e3/s", "50 per s", "50/S", "50/ms", "50/w", "50//s"),
        *("0/s", "5/0s", "0/0m", "٣/s", "1/٣s", "1_000/s", "OFF", "on", "none", "9999999999/s"),
    ],
)
def test_what_is_no_rate_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="off for no") as refusal:
        parse_rate(text)
    assert repr(text) in str(refusal.value)


@given(
    limit=st.integers(1, 999_999_999),
    count=st.integers(1, 99_999),
    unit=st.sampled_from(sorted(UNITS)),
)
def test_a_written_rate_is_the_rate_again(limit: int, count: int, unit: str) -> None:
    rate = parse_rate(f"{limit}/{count}{unit}")
    assert rate == Rate(limit, count * UNITS[unit])
    assert parse_rate(str(rate)) == rate


@given(st.text("0123456789/smhdof -.", max_size=12) | st.text(max_size=12))
def test_a_text_is_a_rate_or_refused(text: str) -> None:
    try:
        rate = parse_rate(text)
    except ValueError:
        return
    assert rate is None or (rate.limit >= 1 and rate.seconds >= 1)
    assert rate is not None or text == "off"


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(100, 900.0), "100/15m"),
        (Rate(50, 1.0), "50/s"),
        (Rate(60, 60.0), "60/m"),
        (Rate(7, 90.0), "7/90s"),
        (Rate(7, 86_400.0), "7/d"),
        (Rate(5, 0.5), "5/0.5s"),
    ],
)
def test_a_rate_is_written_as_in_a_setting(rate: Rate, text: str) -> None:
    assert str(rate) == text


# ── header fields ────────────────────────────────────────────────────────────────────────────


def test_the_header_fields_of_an_allowed_request() -> None:
    quota = Quota(100, 900.0, 99, 899.2, True, 0.0)
    assert ratelimit_headers("rest", quota) == [
        (b"ratelimit", b'"rest";r=99;t=900'),
        (b"ratelimit-policy", b'"rest";q=100;w=900'),
    ]


def test_the_header_fields_of_a_refused_request() -> None:
    quota = Quota(100, 900.0, 0, 12.1, False, 12.1)
    assert ratelimit_headers("rest", quota) == [
        (b"ratelimit", b'"rest";r=0;t=13'),
        (b"ratelimit-policy", b'"rest";q=100;w=900'),
        (b"retry-after", b"13"),
    ]


def test_retry_after_is_never_at_once() -> None:
    quota = Quota(1, 1.0, 0, 1e-9, False, 1e-9)
    assert dict(ratelimit_headers("rest", quota))[b"retry-after"] == b"1"


@given(start=STARTS, script=steps(ANY), limit=st.integers(1, 6), seconds=st.floats(0.5, 100))
def test_a_client_that_honours_the_header_fields_is_let_in(
    start: float, script: list[Step], limit: int, seconds: float
) -> None:
    clock = Clock(start)
    windows = FixedWindows(Rate(limit, seconds), clock)
    for pause, subject, cost in script:
        clock.now += pause
        quota = windows.take(subject, cost)
        fields = {n: v.decode("ascii") for n, v in ratelimit_headers("rest", quota)}
        shown = re.fullmatch(r'"rest";r=(\d+);t=(\d+)', fields[b"ratelimit"])
        assert shown is not None
        assert int(shown[1]) == quota.remaining
        assert int(shown[2]) >= quota.reset
        if not quota.allowed:
            clock.now += int(fields[b"retry-after"])
            assert windows.take(subject, cost).allowed
        else:
            assert b"retry-after" not in fields
