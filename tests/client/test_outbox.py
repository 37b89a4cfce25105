"""The outbox as a state machine, and its order under every kind of failure."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.client.outbox import Ack, Entry, Outbox
from hub.client.wire import Outgoing
from hub.protocol.errors import Unavailable


def entry(number: int, *, size: int = 10, volatile: bool = False) -> Entry:
    event = Outgoing(b"x" * size, f"id-{number}", 2, 0, volatile)
    return Entry(number, event, asyncio.get_running_loop().create_future())


async def test_it_sends_in_order_up_to_the_window() -> None:
    outbox = Outbox(10, 1000)
    entries = [entry(n) for n in range(4)]
    for one in entries:
        outbox.add(one)
    assert [outbox.next(3) for _ in range(4)] == [*entries[:3], None]
    assert outbox.answered("0") is entries[0]
    assert outbox.next(3) is entries[3]
    assert outbox.answered("0") is None
    assert outbox.answered(None) is None


async def test_what_was_lost_goes_before_what_waits() -> None:
    outbox = Outbox(10, 1000)
    entries = [entry(n) for n in range(4)]
    for one in entries:
        outbox.add(one)
    outbox.next(9)
    outbox.next(9)
    outbox.lost()
    assert [outbox.next(9) for _ in range(5)] == [*entries, None]


async def test_after_a_refusal_for_now_it_holds_until_nothing_is_in_flight() -> None:
    outbox = Outbox(10, 1000)
    entries = [entry(n) for n in range(5)]
    for one in entries:
        outbox.add(one)
    for _ in range(3):
        outbox.next(3)
    outbox.put_off("1")
    assert outbox.next(9) is None
    assert not outbox.settled
    outbox.answered("0")
    outbox.put_off("2")
    assert outbox.settled
    outbox.release()
    assert [outbox.next(9) for _ in range(5)] == [*entries[1:], None]


async def test_room_is_counted_in_events_and_bytes() -> None:
    outbox = Outbox(3, 100)
    assert outbox.has_room(500)  # alone, even a large one has room
    outbox.add(entry(0, size=60))
    assert outbox.has_room(40)
    assert not outbox.has_room(41)
    outbox.add(entry(1, size=1))
    outbox.add(entry(2, size=1))
    assert not outbox.has_room(1)
    for _ in range(3):
        outbox.next(9)
    outbox.answered("0")
    assert outbox.has_room(98)


async def test_a_volatile_event_is_not_sent_twice() -> None:
    outbox = Outbox(10, 1000)
    sent, unsent = entry(0, volatile=True), entry(1, volatile=True)
    outbox.add(sent)
    outbox.next(9)
    outbox.add(unsent)
    outbox.lost()
    assert isinstance(sent.answer.exception(), Unavailable)
    assert outbox.next(9) is unsent


async def test_an_abandoned_event_leaves_no_trace_unless_it_was_sent() -> None:
    outbox = Outbox(10, 1000)
    sent, unsent = entry(0), entry(1)
    for one in (sent, unsent):
        outbox.add(one)
    outbox.next(9)
    for one in (sent, unsent):
        one.answer.cancel()
        outbox.forget(one)
    assert len(outbox) == 1
    outbox.lost()
    assert len(outbox) == 0
    assert outbox.has_room(1000)


async def test_closing_rejects_everything() -> None:
    outbox = Outbox(10, 1000)
    entries = [entry(n) for n in range(3)]
    for one in entries:
        outbox.add(one)
    outbox.next(9)
    outbox.next(9)
    outbox.put_off("0")
    outbox.reject_all(Unavailable("over"))
    assert all(isinstance(one.answer.exception(), Unavailable) for one in entries)
    assert len(outbox) == 0


@given(st.lists(st.sampled_from(["add", "send", "ack", "unavailable", "lost"]), max_size=60))
def test_the_log_gets_publishing_order_whatever_happens(steps: list[str]) -> None:
    """A hub that refuses everything behind a failure, and a network that loses what it likes."""
    asyncio.run(_run(steps))


async def _run(steps: list[str]) -> None:
    outbox = Outbox(1000, 100_000)
    log: list[int] = []
    stored: set[int] = set()
    wire: list[Entry] = []  # what the hub has received on this connection and not answered
    failing = False
    added = 0

    def send() -> None:
        if outbox.settled:
            outbox.release()
        if (one := outbox.next(4)) is not None:
            wire.append(one)

    def answer(unavailable: bool) -> None:
        nonlocal failing
        if not wire:
            return
        one = wire.pop(0)
        failing = unavailable or failing
        if failing:
            outbox.put_off(str(one.number))
            # Nothing behind the failure is left in flight: the hub may start afresh.
            failing = bool(wire)
            return
        if one.number not in stored:
            stored.add(one.number)
            log.append(one.number)
        done = outbox.answered(str(one.number))
        assert done is one
        done.resolve(Ack(one.event.id, len(log), False))

    for step in steps:
        match step:
            case "add":
                outbox.add(entry(added))
                added += 1
            case "send":
                send()
            case "ack":
                answer(False)
            case "unavailable":
                answer(True)
            case "lost":
                # The first of them may have been stored although its answer was lost.
                if wire and not failing and wire[0].number not in stored:
                    stored.add(wire[0].number)
                    log.append(wire[0].number)
                wire.clear()
                failing = False
                outbox.lost()
    for _ in range(3 * added + 1):
        send()
        answer(False)
    assert log == list(range(added))
    assert len(outbox) == 0


async def test_an_answer_comes_once() -> None:
    one = entry(0)
    one.resolve(Ack("a", 1, False))
    one.reject(Unavailable("late"))
    assert (await one.answer).offset == 1
    two = entry(1)
    two.reject(Unavailable("first"))
    two.resolve(Ack("a", 1, False))
    with pytest.raises(Unavailable, match="first"):
        await two.answer
