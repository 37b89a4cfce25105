"""Lanes: whose turn it is at the log, and that each keeps its order."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.drafts import Draft
from hub.stream.waiting import (
    GROUP_BYTES,
    GROUP_EVENTS,
    Lane,
    Lanes,
    Publication,
    Write,
    WriteScope,
)
from storage.scope import Scope
from tests.stream.support import draft


def waiting(lane: Lane, drafts: list[Draft] | None = None, owner: object = None) -> Publication:
    return Publication(drafts or [draft()], lambda outcomes: None, owner, lane=lane)


def test_a_key_does_not_wait_behind_what_another_key_of_its_merchant_has_waiting() -> None:
    lanes = Lanes()
    big = [draft(data={"text": "x" * 60_000}) for _ in range(4)]
    for _ in range(100):
        lanes.push(waiting(("m", "flood"), big))
    healthy = waiting(("m", "healthy"))
    lanes.push(healthy)
    assert healthy in lanes.take_group()[:2]


def test_a_merchant_does_not_wait_behind_the_keys_of_another() -> None:
    lanes = Lanes()
    for number in range(100):
        for _ in range(100):
            lanes.push(waiting(("crowded", f"key-{number}")))
    alone = waiting(("alone", "key"))
    lanes.push(alone)
    assert alone in lanes.take_group()[:2]


def test_what_a_connection_has_waiting_is_taken_out_and_the_rest_keeps_its_order() -> None:
    lanes = Lanes()
    failed, other = object(), object()
    items = [waiting(("m", "k"), owner=owner) for owner in (failed, other, failed, other)]
    for item in items:
        lanes.push(item)
    assert lanes.take_of({id(failed)}) == [items[0], items[2]]
    assert lanes.take_group() == [items[1], items[3]]
    assert not lanes
    assert (lanes.events, lanes.bytes) == (0, 0)


def test_messages_fill_a_group_sooner() -> None:
    lanes = Lanes()
    data = {"messageId": "w", "fromPhone": "1", "text": "", "timestamp": 1}
    message = draft(type_="message_received", data=data)
    for _ in range(100):
        lanes.push(waiting(("m", "k"), [message]))
    assert lanes.events == 800
    assert [len(lanes.take_group()) for _ in range(2)] == [64, 36]
    lanes.push(waiting(("m", "k"), [message, draft()]))
    assert lanes.events == 9


def test_writes_of_one_merchant_do_not_make_those_of_another_wait() -> None:
    async def work(scope: WriteScope) -> None:
        """Nothing: it is never carried out."""

    def write(merchant_id: str | None, key: str | None) -> Write:
        return Write(work, Scope(merchant_id, key), asyncio.Future(loop=loop))

    loop = asyncio.new_event_loop()
    lanes = Lanes()
    for _ in range(1000):
        lanes.push(write("crowded", "flood"))
    others = [write("crowded", "healthy"), write("alone", "key"), write(None, None)]
    for item in others:
        lanes.push(item)
    group = lanes.take_group()
    assert {id(item) for item in others} < {id(item) for item in group[:6]}
    loop.close()


def test_what_is_put_back_comes_before_the_rest_of_its_lane() -> None:
    lanes = Lanes()
    items = [waiting(("m", "k")) for _ in range(GROUP_EVENTS + 2)]
    for item in items:
        lanes.push(item)
    group = lanes.take_group()
    lanes.put_back(group[-3:])
    assert (lanes.events, lanes.bytes) == (5, sum(item.size for item in items[-5:]))
    assert lanes.take_group() == items[-5:]
    assert (lanes.events, lanes.bytes) == (0, 0)


LANE = st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"))


@given(st.lists(st.tuples(LANE, st.integers(0, 300)), max_size=60))
def test_everything_comes_out_once_and_each_lane_in_order(pushed: list[tuple[Lane, int]]) -> None:
    lanes = Lanes()
    one = draft()
    items = [waiting(lane, [one] * max(1, count)) for lane, count in pushed]
    for item in items:
        lanes.push(item)
    taken: list[Publication] = []
    while lanes:
        group = [item for item in lanes.take_group() if isinstance(item, Publication)]
        assert group
        sizes = [max(1, len(item.drafts)) for item in group]
        assert sum(sizes[:-1]) < GROUP_EVENTS
        assert sum(item.size for item in group[:-1]) < GROUP_BYTES
        taken += group
    for lane in {lane for lane, _ in pushed}:
        assert [i for i in taken if i.lane == lane] == [i for i in items if i.lane == lane]
    assert len(taken) == len(items)
    assert (lanes.events, lanes.bytes) == (0, 0)
