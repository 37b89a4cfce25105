"""How many jobs are taken on: never more at once than there are slots, and short ones ahead."""

import asyncio

from jobs.slots import MOST_AHEAD, MOST_UNWRITTEN, Slots


async def perform(slots: Slots, seconds: float) -> None:
    async with slots.slot():
        await asyncio.sleep(seconds)


async def test_at_first_there_is_room_for_what_is_performed_at_once() -> None:
    slots = Slots(5)
    assert slots.room(0) == 5
    assert slots.room(3) == 2
    assert slots.room(5) == 0


async def test_no_more_is_performed_than_there_are_slots() -> None:
    slots = Slots(2)
    performing = [asyncio.create_task(perform(slots, 0.02)) for _ in range(6)]
    most = 0
    while not all(task.done() for task in performing):
        most = max(most, slots.performing)
        await asyncio.sleep(0)
    assert most == 2
    assert slots.performing == 0


async def test_short_jobs_are_taken_on_ahead_and_long_ones_are_not() -> None:
    slots = Slots(5)
    for _ in range(60):
        await perform(slots, 0)
    assert slots.room(0) == 5 + MOST_AHEAD
    for _ in range(20):
        await perform(slots, 0.11)
    assert slots.room(0) == 5


async def test_what_is_only_being_written_takes_no_slot() -> None:
    slots = Slots(5)
    slots.ended = 5
    assert slots.room(5) == 5
    slots.ended = MOST_UNWRITTEN
    assert slots.room(MOST_UNWRITTEN) == 0


async def test_nothing_is_taken_on_while_the_queue_stands_still() -> None:
    slots = Slots(5)
    slots.paused = True
    assert slots.room(0) == 0
