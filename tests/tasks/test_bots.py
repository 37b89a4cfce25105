"""Who takes the next task, in memory."""

from typing import Any, cast

import pytest

from hub.protocol.frames import Ready
from hub.tasks.bots import GRACE_SECONDS, Bot, Bots
from storage.merchant_records import Job

NOW = "2026-11-28T10:00:00.000Z"


class _Reader:
    closed = stalled = False


class _Session:
    def __init__(self, id_: str) -> None:
        self.id = id_
        self.reader = _Reader()


def job(id_: str, attempt: int = 1) -> Job:
    return Job(
        id=id_, merchant_id="m", queue="message_sending", name="send", args={}, attempt=attempt,
        run_at=NOW, created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def bot(bots: Bots, id_: str, credit: int, **more: Any) -> Bot:
    made = bots.bot_of(cast(Any, _Session(id_)))
    made.says(Ready(credit=credit, **more))
    return made


def turns(bots: Bots, most: int) -> list[str]:
    return [each.session.id for each in bots.places(most)]


def test_places_go_around_as_far_as_credit_goes() -> None:
    bots = Bots("m")
    bot(bots, "a", 1)
    bot(bots, "b", 3)
    bot(bots, "c", 0)
    assert turns(bots, 10) == ["a", "b", "b", "b"]
    assert turns(bots, 2) == ["a", "b"]
    assert bots.free == 4


def test_who_was_given_a_task_is_last() -> None:
    bots = Bots("m")
    for id_ in "abc":
        bot(bots, id_, 2)
    bots.served(bots.bots["a"])
    assert turns(bots, 4) == ["b", "c", "a", "b"]


@pytest.mark.parametrize("reason", ["closed", "stalled"])
def test_who_does_not_read_has_no_place(reason: str) -> None:
    bots = Bots("m")
    made = bot(bots, "a", 5)
    setattr(made.session.reader, reason, True)
    assert (turns(bots, 5), made.free) == ([], 0)


def test_who_is_being_looked_up_or_takes_other_queues_has_no_place() -> None:
    bots = Bots("m")
    made = bot(bots, "a", 5)
    made.resuming = 1
    other = bot(bots, "b", 5, queues=())
    assert (made.free, other.free) == (0, 0)


def test_what_is_held_counts_against_credit() -> None:
    bots = Bots("m")
    made = bot(bots, "a", 2)
    bots.hold(job("1"), made, 100.0)
    assert made.free == 1
    made.says(Ready(credit=1))
    assert made.free == 0
    made.says(Ready(credit=0))
    assert made.free == 0
    bots.let_go("1", 1)
    made.says(Ready(credit=1))
    assert made.free == 1


def test_a_later_attempt_is_not_let_go_by_an_answer_to_an_earlier_one() -> None:
    bots = Bots("m")
    bots.hold(job("1", attempt=2), bot(bots, "a", 2), 100.0)
    assert bots.let_go("1", 1) is None
    assert bots.let_go("1", 2) is not None
    assert bots.let_go("1", 2) is None


def test_tasks_of_a_bot_that_left_are_over_when_it_does_not_come_back() -> None:
    bots = Bots("m")
    held = bots.hold(job("1"), bot(bots, "a", 2), 1000.0)
    short = bots.hold(job("2"), bots.bots["a"], 5.0)
    bots.left("a", now=0.0)
    assert not bots.bots
    assert not bots.empty
    assert list(bots.over(4.9)) == []
    assert list(bots.over(5.0)) == [short], "its deadline stays"
    assert list(bots.over(GRACE_SECONDS)) == [held, short]
    back = bot(bots, "b", 2)
    held.taken_by(back)
    assert list(bots.over(GRACE_SECONDS)) == [short]
    assert list(bots.over(1000.0)) == [held, short]


def test_a_task_moves_from_one_bot_to_another() -> None:
    bots = Bots("m")
    one, two = bot(bots, "a", 1), bot(bots, "b", 1)
    held = bots.hold(job("1"), one, 100.0)
    held.taken_by(two)
    assert (one.free, two.free) == (1, 0)
    bots.left("a", now=0.0)
    assert held.bot is two
