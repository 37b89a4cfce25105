"""FanOut: one write per reader and flush, and cursors that are exact at any moment."""

import asyncio
from collections.abc import Callable

import pytest

from hub.protocol.filters import Filter
from hub.stream.entry import Entry
from hub.stream.fanout import BACKLOG_EVENTS, FanOut
from hub.stream.reader import Reader
from tests.stream.support import Sink, entry, reader


def attached(
    fanout: FanOut, *, merchant_id: str | None = None, filter_: Filter | None = None
) -> tuple[Reader, Sink]:
    """A reader at the live end."""
    sink = Sink()
    one = reader(sink, merchant_id=merchant_id, filter_=filter_ or Filter())
    one.cursor = fanout.position
    fanout.attach(one)
    return one, sink


def entries(first: int, last: int) -> list[Entry]:
    return [entry(offset) for offset in range(first, last + 1)]


async def flushed(fanout: FanOut) -> None:
    async with asyncio.timeout(5):
        while not fanout.idle:
            await asyncio.sleep(0)


async def step() -> None:
    """One turn of the loop."""
    await asyncio.sleep(0)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_group_is_one_write_and_the_same_bytes_for_everyone() -> None:
    fanout = FanOut(0)
    sinks = [attached(fanout)[1] for _ in range(3)]
    fanout.enqueue(entries(1, 3))
    assert sinks[0].writes == [], "not inside the commit: acknowledgements go first"
    await flushed(fanout)
    assert [sink.offsets for sink in sinks] == [[1, 2, 3]] * 3
    assert all(len(sink.writes) == 1 for sink in sinks)
    assert sinks[0].writes[0] is sinks[1].writes[0] is sinks[2].writes[0]


async def test_each_filter_gets_its_own_events_in_order() -> None:
    fanout = FanOut(0)
    _, everything = attached(fanout)
    _, ours = attached(fanout, merchant_id="m1")
    _, some = attached(fanout, filter_=Filter(["custom_b*"], None))
    _, nothing = attached(fanout, filter_=Filter(["custom_z"], None))
    fanout.enqueue(
        [
            entry(1),
            entry(2, type_="custom_b", merchant_id="m2"),
            entry(3, type_="custom_bc"),
            entry(4, merchant_id="m2"),
        ]
    )
    await flushed(fanout)
    assert everything.offsets == [1, 2, 3, 4]
    assert ours.offsets == [1, 3]
    assert some.offsets == [2, 3]
    assert nothing.writes == []


async def test_events_that_come_during_a_flush_join_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.stream.fanout.FLUSH_READERS", 1)
    fanout = FanOut(0)
    sinks = [attached(fanout)[1] for _ in range(4)]
    fanout.enqueue(entries(1, 1))
    await step()
    assert sum(len(sink.writes) for sink in sinks) == 1
    for offset in (2, 3, 4):
        fanout.enqueue(entries(offset, offset))
    await flushed(fanout)
    assert [sink.offsets for sink in sinks] == [[1, 2, 3, 4]] * 4
    assert [len(sink.writes) for sink in sinks] == [2] * 4


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 7])
async def test_a_flush_gives_the_loop_back_between_readers(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.stream.fanout.FLUSH_READERS", chunk)
    fanout = FanOut(0)
    filters = [Filter(), Filter(["custom_*"], None), Filter(["custom_a"], None)]
    sinks = [attached(fanout, filter_=filters[n % 3])[1] for n in range(9)]
    fanout.enqueue(entries(1, 2))
    written = 0
    while not fanout.idle:
        await step()
        now = sum(len(sink.writes) for sink in sinks)
        assert now - written <= chunk
        written = now
    assert [sink.offsets for sink in sinks] == [[1, 2]] * 9


async def test_a_flush_takes_no_more_than_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.stream.fanout.FLUSH_BYTES", 10_000)
    fanout = FanOut(0)
    _, sink = attached(fanout)
    fanout.enqueue([entry(offset, size=4000) for offset in range(1, 11)])
    await flushed(fanout)
    assert sink.offsets == list(range(1, 11))
    assert [len(written) // 4000 for written in sink.writes] == [3, 3, 3, 1]


async def test_it_is_congested_while_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.stream.fanout.FLUSH_BYTES", 1)
    fanout = FanOut(0)
    relieved = []
    fanout.relieved = lambda: relieved.append(fanout.congested)
    fanout.enqueue(entries(1, BACKLOG_EVENTS))
    assert not fanout.congested
    fanout.enqueue(entries(BACKLOG_EVENTS + 1, BACKLOG_EVENTS + 3))
    assert fanout.congested
    await flushed(fanout)
    assert relieved == [False], "told once, when it was over"
    assert fanout.position == BACKLOG_EVENTS + 3


# ── volatile events ──────────────────────────────────────────────────────────────────────────────


async def test_a_volatile_event_moves_nobody() -> None:
    fanout = FanOut(7)
    one, sink = attached(fanout)
    volatile = Entry(0, "m1", "custom_a", None, entry(0).frame)
    fanout.enqueue([volatile])
    await flushed(fanout)
    assert (len(sink.writes), fanout.position, fanout.cursor_of(one)) == (1, 7, 7)
    fanout.enqueue([volatile, entry(8), volatile])
    await flushed(fanout)
    assert (sink.offsets, fanout.position) == ([0, 0, 8, 0], 8)


# ── coming and going ─────────────────────────────────────────────────────────────────────────────


async def test_cursors_are_exact_in_the_middle_of_a_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.stream.fanout.FLUSH_READERS", 1)
    fanout = FanOut(0)
    readers = [attached(fanout) for _ in range(4)]
    quiet, _ = attached(fanout, filter_=Filter(["custom_z"], None))
    fanout.enqueue(entries(1, 3))
    await step()
    await step()
    cursors = [fanout.cursor_of(one) for one, _ in readers]
    assert cursors == [3 if sink.writes else 0 for _, sink in readers]
    assert sorted(cursors) == [0, 0, 3, 3]
    assert fanout.cursor_of(quiet) == 3, "nothing of this flush is for it"
    for one, _ in readers:
        fanout.detach(one)
    assert [one.cursor for one, _ in readers] == cursors
    await flushed(fanout)
    assert [sink.offsets for _, sink in readers] == [[1, 2, 3] if c else [] for c in cursors]


async def test_who_comes_in_the_middle_of_a_flush_gets_only_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.stream.fanout.FLUSH_READERS", 1)
    fanout = FanOut(0)
    for _ in range(3):
        attached(fanout)
    fanout.enqueue(entries(1, 2))
    await step()
    assert not fanout.idle
    late, sink = attached(fanout)
    assert fanout.cursor_of(late) == 2
    fanout.enqueue(entries(3, 3))
    await flushed(fanout)
    assert sink.offsets == [3]


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
async def test_who_leaves_and_comes_back_gets_nothing_twice(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.stream.fanout.FLUSH_READERS", 1)
    fanout = FanOut(0)
    readers = [attached(fanout) for _ in range(3)]
    fanout.enqueue(entries(1, 2))
    for _ in range(steps):
        await step()
    for one, sink in readers:
        fanout.detach(one)
        # What it missed comes by replay, as far as `position`.
        for offset in range(one.cursor + 1, fanout.position + 1):
            sink.write(entry(offset).frame)
        one.cursor = fanout.position
        fanout.attach(one)
    fanout.enqueue(entries(3, 4))
    await flushed(fanout)
    assert [sink.offsets for _, sink in readers] == [[1, 2, 3, 4]] * 3


async def test_who_is_ahead_waits_for_the_flush_that_passes_it() -> None:
    fanout = FanOut(5)
    behind: list[Reader] = []
    fanout.behind = behind.append
    sink = Sink()
    at_seven, at_nine = reader(sink, cursor=7), reader(Sink(), cursor=9)
    fanout.attach(at_seven)
    fanout.attach(at_nine)
    fanout.enqueue(entries(6, 7))
    await flushed(fanout)
    assert (sink.writes, behind) == ([], [])
    assert fanout.cursor_of(at_seven) == 7
    fanout.enqueue(entries(8, 10))
    await flushed(fanout)
    assert sink.offsets == [8, 9, 10]
    assert behind == [at_nine], "the flush went past its cursor: it catches up"


async def test_who_waits_ahead_can_leave() -> None:
    fanout = FanOut(0)
    behind: list[Reader] = []
    fanout.behind = behind.append
    early = reader(Sink(), cursor=3)
    fanout.attach(early)
    fanout.detach(early)
    assert early.cursor == 3
    fanout.enqueue(entries(1, 5))
    await flushed(fanout)
    assert behind == []
    assert early.audience is None


async def test_leaving_twice_is_harmless() -> None:
    fanout = FanOut(0)
    one, _ = attached(fanout)
    fanout.enqueue(entries(1, 4))
    await flushed(fanout)
    fanout.detach(one)
    fanout.detach(one)
    assert one.cursor == 4


# ── full buffers ─────────────────────────────────────────────────────────────────────────────────


async def test_a_reader_that_fills_up_inside_a_write_leaves_the_others_alone() -> None:
    fanout = FanOut(0)
    readers = [attached(fanout) for _ in range(4)]

    def stall(one: Reader) -> Callable[[], None]:
        def full() -> None:
            one.stalled = True
            fanout.detach(one)

        return full

    for one, sink in readers[1:3]:
        sink.full_after = 1
        sink.on_full = stall(one)
    fanout.enqueue(entries(1, 3))
    await flushed(fanout)
    fanout.enqueue(entries(4, 5))
    await flushed(fanout)
    assert [sink.offsets for _, sink in readers] == [
        [1, 2, 3, 4, 5], [1, 2, 3], [1, 2, 3], [1, 2, 3, 4, 5],
    ]  # fmt: skip
    assert [one.cursor for one, _ in readers[1:3]] == [3, 3]
