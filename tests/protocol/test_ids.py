"""UUIDv7: unique, sortable, and of the form that RFC 9562 asks for."""

import uuid

import pytest

from hub.protocol.ids import Uuid7Source, least_uuid7, uuid7


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, ms: int) -> None:
        self.ms = ms
        monkeypatch.setattr("hub.protocol.ids.time.time_ns", lambda: self.ms * 1_000_000 + 999_999)


def milliseconds(id_: str) -> int:
    return uuid.UUID(id_).int >> 80


def test_ids_have_version_7_and_the_variant() -> None:
    for _ in range(100):
        made = uuid.UUID(id_ := Uuid7Source()())
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        assert str(made) == id_, "36 lower-case characters"


def test_ids_are_unique_and_sort_in_the_order_in_which_they_were_made() -> None:
    made = [uuid7() for _ in range(50_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_an_id_says_when_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 0x0123_4567_89AB)
    source = Uuid7Source()
    assert source().startswith("01234567-89ab-7000-")
    assert source().startswith("01234567-89ab-7001-")
    clock.ms += 1
    assert source().startswith("01234567-89ac-7000-")


def test_a_full_counter_takes_the_next_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 1000)
    source = Uuid7Source()
    made = [source() for _ in range(3 * 4096)]
    assert made == sorted(set(made))
    assert [milliseconds(made[n]) for n in (0, 4095, 4096, 8191, 8192)] == [
        1000, 1000, 1001, 1001, 1002,
    ]  # fmt: skip
    clock.ms = 1001  # the clock is behind what was given out
    assert source() > made[-1]
    clock.ms = 5000
    assert milliseconds(source()) == 5000


def test_a_clock_that_goes_back_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 5000)
    source = Uuid7Source()
    made = []
    for ms in (5000, 4000, 0, 4999, 5000, 5001, 1):
        clock.ms = ms
        made.append(source())
    assert made == sorted(set(made))


def test_two_sources_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch, 1000)
    one, two = Uuid7Source(), Uuid7Source()
    assert not {one() for _ in range(5000)} & {two() for _ in range(5000)}


def test_the_least_id_of_a_moment() -> None:
    moment = 1_764_000_000_123
    for earlier in (1, 1000, 10**9):
        assert least_uuid7(moment - earlier) < least_uuid7(moment)
    made = uuid7()
    now_ms = int(made.replace("-", "")[:12], 16)
    assert least_uuid7(now_ms) <= made < least_uuid7(now_ms + 1)
