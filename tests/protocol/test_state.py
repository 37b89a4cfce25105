"""A client's cursor, frame by frame."""

import pytest

from hub.protocol.frames import Connected, Event, Gap, Limits, Live, ServerPing, Subscribed
from hub.protocol.state import Cursor

CONNECTED = Connected(
    1, "s", "bot", "m", "e1", 40, 1, 25, None, Limits(1, 1, 1, 1, 1, 1, 1), "hello"
)


def event(offset: int | None) -> Event:
    return Event(
        type="custom_a", id="i", timestamp="t", merchant_id="m", source="s", data={},
        offset=offset, volatile=offset is None,
    )  # fmt: skip


def subscribed(offset: int, *, epoch: str = "e1", recovered: bool = True) -> Subscribed:
    return Subscribed(None, epoch, offset, recovered, None, None)


def place(cursor: Cursor) -> tuple[int | None, str | None, bool]:
    return cursor.offset, cursor.epoch, cursor.live


def test_a_first_connection() -> None:
    cursor = Cursor()
    cursor.follow(CONNECTED)
    assert place(cursor) == (None, None, False)
    cursor.follow(subscribed(40))
    assert place(cursor) == (40, "e1", False)
    cursor.follow(Live(40))
    assert place(cursor) == (40, "e1", True)
    assert cursor.accepts(event(45))
    assert place(cursor) == (45, "e1", True)


def test_what_was_seen_is_dropped() -> None:
    cursor = Cursor(10, "e1")
    assert [cursor.accepts(event(n)) for n in (9, 10, 11, 11, 10, 13, 12)] == [
        False, False, True, False, False, True, False,
    ]  # fmt: skip
    assert cursor.offset == 13


def test_a_volatile_event_is_always_new_and_moves_nothing() -> None:
    cursor = Cursor(10, "e1")
    assert all(cursor.accepts(event(None)) for _ in range(3))
    assert cursor.offset == 10


def test_a_heartbeat_moves_a_quiet_reader_on_and_never_back() -> None:
    cursor = Cursor(10, "e1")
    cursor.follow(ServerPing("t", 50))
    assert place(cursor) == (50, "e1", False)
    cursor.follow(ServerPing("t", 30))
    assert cursor.offset == 50
    assert not cursor.accepts(event(50))


def test_a_reconnect_goes_on_where_it_was() -> None:
    cursor = Cursor(10, "e1")
    cursor.live = True
    cursor.follow(CONNECTED)
    assert place(cursor) == (10, "e1", False)
    cursor.follow(subscribed(10))
    assert [cursor.accepts(event(n)) for n in (11, 12)] == [True, True]
    cursor.follow(Live(40))
    assert place(cursor) == (40, "e1", True)


def test_retention_moves_it_past_the_gap() -> None:
    cursor = Cursor(10, "e1")
    cursor.follow(subscribed(20, recovered=False))
    cursor.follow(Gap(11, 20, "retention", 20))
    assert place(cursor) == (20, "e1", False)
    assert not cursor.accepts(event(20))
    assert cursor.accepts(event(21))


def test_another_epoch_counts_anew() -> None:
    cursor = Cursor(1000, "e1")
    cursor.follow(subscribed(7, epoch="e2", recovered=False))
    cursor.follow(Gap(None, None, "epoch", 7))
    assert place(cursor) == (7, "e2", False)
    assert cursor.accepts(event(8))


@pytest.mark.parametrize("epoch", ["e1", "e2"])
def test_a_cut_before_the_gap_loses_nothing(epoch: str) -> None:
    """The next connection asks from the old place again, and gets the gap again."""
    cursor = Cursor(1000, "e1")
    cursor.follow(subscribed(7, epoch=epoch, recovered=False))
    assert place(cursor) == (1000, "e1", False)


def test_a_gap_in_mid_replay() -> None:
    cursor = Cursor(10, "e1")
    cursor.follow(subscribed(10))
    cursor.accepts(event(11))
    cursor.follow(Gap(12, 30, "retention", 30))
    assert place(cursor) == (30, "e1", False)
    assert cursor.accepts(event(31))
