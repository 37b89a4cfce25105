"""EventLog: groups, their order, their failures, and what survives."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hub.protocol.drafts import Origin
from hub.protocol.errors import Unavailable
from hub.protocol.ids import Uuid7Source
from hub.stream import log as module
from hub.stream.append import Outcome
from hub.stream.entry import Entry
from hub.stream.log import EventLog, open_log
from hub.stream.waiting import Publication, WriteScope
from storage import events, merchants
from storage.database import Database, Transaction
from storage.errors import Conflict
from storage.scope import HUB
from tests.stream.support import draft, offsets, publish, running_log, shown, stored, unframed
from tests.support.databases import FaultyDatabase, Store, until

OF_M1 = Origin("m1", "hub")


def merchant(id_: str, *records: str) -> Callable[[WriteScope], Awaitable[str]]:
    """A write that adds a merchant and records events with these texts."""

    async def work(scope: WriteScope) -> str:
        await merchants.insert(scope.tx, id_, "name", "2026-11-22T10:00:00.000Z", Uuid7Source())
        for text in records:
            scope.record(OF_M1, "custom_recorded", {"text": text}, "a/subject")
        return id_.upper()

    return work


async def merchant_ids(database: Database) -> list[str]:
    async def work(tx: Transaction) -> list[str]:
        return [found.id for found in await merchants.page(tx, "", 100)]

    return await database.read(work, HUB)


# ── groups ───────────────────────────────────────────────────────────────────────────────────────


async def test_what_arrives_during_a_commit_is_the_next_group(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running_log(faulty) as log:
        opened = faulty.writes
        faulty.writing.clear()
        answers = [publish(log, [draft()])]
        await until(lambda: faulty.writes == opened + 1)
        answers += [publish(log, [draft()]) for _ in range(1299)]
        assert log.end == 0
        faulty.writing.set()
        outcomes = await asyncio.gather(*answers)
        assert [offset for o in outcomes for offset in offsets(o)] == list(range(1, 1301))
        # One for the first; 1,299 in groups of at most 512.
        assert faulty.writes == opened + 1 + 3


async def test_a_group_closes_at_a_quarter_of_a_mebibyte(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running_log(faulty) as log:
        opened = faulty.writes
        faulty.writing.clear()
        first = publish(log, [draft()])
        await until(lambda: faulty.writes == opened + 1)
        answers = [publish(log, [draft(None, {"x": "y" * 60_000})]) for _ in range(40)]
        faulty.writing.set()
        await asyncio.gather(first, *answers)
        assert faulty.writes == opened + 1 + 8, "40 events of 60 KB are eight groups"


async def test_every_publisher_keeps_its_order(database: Database) -> None:
    async with running_log(database) as log:
        answers: dict[str, list[asyncio.Future[list[Outcome]]]] = {"a": [], "b": [], "c": []}
        for number in range(600):
            owner = "abc"[number % 3]
            answers[owner].append(publish(log, [draft(f"{owner}-{number}")], owner))
            if number % 50 == 0:
                await asyncio.sleep(0)
        for one in answers.values():
            found = [offset for answer in one for offset in offsets(await answer)]
            assert found == sorted(found)  # type: ignore[type-var]
    ids = [frame["id"] for _, frame in await stored(database)]
    assert sorted(ids) == sorted(f"{'abc'[n % 3]}-{n}" for n in range(600))


async def test_nothing_is_seen_before_it_is_durable(store: Store, database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with store.open() as second, running_log(faulty) as log:
        seen: list[Entry] = []
        order: list[str] = []

        def listen(entries: list[Entry]) -> None:
            seen.extend(entries)
            order.append(f"heard at {log.end}")

        log.listener = listen
        faulty.writing.clear()
        answer = publish(log, [draft("a"), draft("b")])
        answer.add_done_callback(lambda _: order.append("answered"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (log.end, seen, answer.done()) == (0, [], False)
        faulty.writing.set()
        await answer
        assert [found.offset for found in seen] == [1, 2]
        assert order == ["heard at 2", "answered"], "the ring, the fan-out, then the answers"
        assert [frame["id"] for _, frame in await stored(second)] == ["a", "b"]


# ── writes that change rows ──────────────────────────────────────────────────────────────────────


async def test_rows_and_events_are_one_commit(database: Database) -> None:
    async with running_log(database) as log:
        await publish(log, [draft()])
        committed = await log.commit(merchant("m1", "one", "two"), HUB)
        assert (committed.result, committed.offset) == ("M1", 3)
    assert await merchant_ids(database) == ["m1"]
    [_, (_, one), (_, two)] = await stored(database)
    assert one["source"] == two["source"] == "hub"
    assert [frame["data"]["text"] for frame in (one, two)] == ["one", "two"]
    assert (one["merchant_id"], one["subject"]) == ("m1", "a/subject")
    assert one["id"] < two["id"]


async def test_a_write_without_events_answers_the_end(database: Database) -> None:
    async with running_log(database) as log:
        await publish(log, [draft(), draft()])
        assert (await log.commit(merchant("m1"), HUB)).offset == 2


async def test_writes_that_take_long_wait_for_the_next_group_in_their_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GROUP_SECONDS", -1.0)  # one is as long as a group may take
    faulty = FaultyDatabase(database)

    async def failing(scope: WriteScope) -> None:
        raise LookupError("mine")

    async with running_log(faulty) as log:
        opened = faulty.writes
        faulty.writing.clear()
        before = publish(log, [draft("first")])
        await until(lambda: faulty.writes == opened + 1)
        writes = [
            asyncio.ensure_future(log.commit(merchant(f"m{number}", f"{number}"), HUB))
            for number in range(4)
        ]
        bad = asyncio.ensure_future(log.commit(failing, HUB))
        await asyncio.sleep(0)
        after = publish(log, [draft("last")])
        faulty.writing.set()
        assert offsets(await before) == [1]
        # What only appends does not wait for them.
        assert offsets(await after) == [3]
        assert [(await write).offset for write in writes] == [3, 4, 5, 6]
        with pytest.raises(LookupError, match="mine"):
            await bad
        assert faulty.writes == opened + 6
        assert log.idle
    texts = [frame["data"].get("text") for _, frame in await stored(database)]
    assert texts == [None, "0", None, "1", "2", "3"]
    assert await merchant_ids(database) == ["m0", "m1", "m2", "m3"]


async def test_a_failing_write_is_undone_alone_and_leaves_no_hole(database: Database) -> None:
    faulty = FaultyDatabase(database)

    async def failing(scope: WriteScope) -> None:
        await merchant("bad", "never", "never")(scope)
        raise LookupError("mine")

    async with running_log(faulty) as log:
        opened = faulty.writes
        faulty.writing.clear()
        before = publish(log, [draft("first")])
        await until(lambda: faulty.writes == opened + 1)
        # All of these are one group.
        good = asyncio.ensure_future(log.commit(merchant("good", "one"), HUB))
        bad = asyncio.ensure_future(log.commit(failing, HUB))
        refused = asyncio.ensure_future(log.commit(merchant("good", "never"), HUB))
        await asyncio.sleep(0)
        after = publish(log, [draft("last")])
        faulty.writing.set()
        assert offsets(await before) == [1]
        assert (await good).offset == 3
        with pytest.raises(LookupError, match="mine"):
            await bad
        with pytest.raises(Conflict):
            await refused
        assert offsets(await after) == [3]
        assert faulty.writes == opened + 2
    assert await merchant_ids(database) == ["good"]
    assert [(o, f["data"].get("text")) for o, f in await stored(database)] == [
        (1, None),
        (2, "one"),
        (3, None),
    ]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_a_write_that_awaits_something_foreign_writes_nothing(database: Database) -> None:
    """On SQLite, whose thread has no loop; Postgres would wait."""

    async def foreign(scope: WriteScope) -> None:
        await merchant("bad", "never")(scope)
        await asyncio.sleep(0)

    async with running_log(database) as log:
        with pytest.raises(Unavailable):
            await log.commit(foreign, HUB)
        assert offsets(await publish(log, [draft()])) == [1]
    assert await merchant_ids(database) == []


async def test_a_caller_that_gave_up_disturbs_nobody(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running_log(faulty) as log:
        opened = faulty.writes
        faulty.writing.clear()
        given_up = asyncio.ensure_future(log.commit(merchant("m1", "written"), HUB))
        await asyncio.sleep(0)
        stays = publish(log, [draft()])
        await until(lambda: faulty.writes == opened + 1)
        given_up.cancel()
        await asyncio.wait([given_up])
        faulty.writing.set()
        assert offsets(await stays) == [2]
        assert offsets(await publish(log, [draft()])) == [3]
    assert await merchant_ids(database) == ["m1"]


async def test_a_commit_that_raises_nothing_may_record_for_several_merchants(
    database: Database,
) -> None:
    async def work(scope: WriteScope) -> None:
        scope.record(Origin("m1", "hub"), "custom_a", {})
        scope.record(Origin("m2", "hub"), "custom_b", {})

    async with running_log(database) as log:
        heard: list[Entry] = []
        log.listener = heard.extend
        await log.commit(work, HUB)
        assert [(e.offset, e.merchant_id, e.type) for e in heard] == [
            (1, "m1", "custom_a"),
            (2, "m2", "custom_b"),
        ]
        assert log.last_offset == {"m1": 1, "m2": 2}


# ── known ids ────────────────────────────────────────────────────────────────────────────────────


async def test_a_repeat_answers_its_first_offset(database: Database) -> None:
    async with running_log(database, ring_size=2) as log:
        heard: list[Entry] = []
        log.listener = heard.extend
        one = draft("a", {"n": 1}, subject="order/1")
        same = draft("a", {"n": 1}, subject="order/1")
        [within] = await asyncio.gather(publish(log, [one, draft("b"), same]))
        assert [shown(o) for o in within] == [(1, False), (2, False), (1, True)]
        across = await publish(log, [draft("a", {"n": 1}, subject="order/1")])
        assert [shown(o) for o in across] == [(1, True)]
        others = await publish(
            log,
            [
                draft("a", {"n": 2}, subject="order/1"),
                draft("a", {"n": 1}, subject="order/2"),
                draft("a", {"n": 1}),
                draft("a", {"n": 1}, type_="custom_b", subject="order/1"),
                draft("a", {"n": 1}, merchant_id="m2", subject="order/1"),
            ],
        )
        assert [shown(o) for o in others] == ["conflict"] * 4 + [(3, False)]
        assert [found.offset for found in heard] == [1, 2, 3], "a repeat is shown to nobody"


async def test_the_order_of_keys_makes_no_other_event(database: Database) -> None:
    async with running_log(database) as log:
        await publish(log, [draft("a", {"x": 1, "y": {"p": [1], "q": None}})])
        again = await publish(log, [draft("a", {"y": {"q": None, "p": [1]}, "x": 1})])
        assert [shown(o) for o in again] == [(1, True)]


async def test_an_id_is_known_after_its_event_is_gone(database: Database) -> None:
    async with running_log(database) as log:
        await publish(log, [draft("a", {"n": 1}), draft("b"), draft()])
        assert await log.retire(2**53, 100) == 3
        again = await publish(log, [draft("a", {"n": 2}), draft("b"), draft("c")])
        assert [shown(o) for o in again] == [(1, True), (2, True), (4, False)]
    async with running_log(database) as log:
        assert [shown(o) for o in await publish(log, [draft("a")])] == [(1, True)]


async def test_an_id_that_the_hub_made_is_known_too(database: Database) -> None:
    async with running_log(database) as log:
        made = draft(None, {"n": 1})
        await publish(log, [made])
        again = await publish(log, [draft(made.id, {"n": 1}), draft(made.id, {"n": 2})])
        assert [shown(o) for o in again] == [(1, True), "conflict"]


async def test_an_atomic_batch_is_whole_or_absent(database: Database) -> None:
    async with running_log(database) as log:
        await publish(log, [draft("a", {"n": 1})])
        refused = await publish(log, [draft("b"), draft("a", {"n": 2}), draft("c")], atomic=True)
        assert [shown(o) for o in refused] == ["conflict"] * 3
        taken = await publish(
            log, [draft("b"), draft("a", {"n": 1}), draft("c"), draft("c")], atomic=True
        )
        assert [shown(o) for o in taken] == [(2, False), (1, True), (3, False), (3, True)]


# ── failing commits ──────────────────────────────────────────────────────────────────────────────


async def test_a_failed_commit_refuses_what_the_same_owner_has_behind_it(
    database: Database,
) -> None:
    faulty = FaultyDatabase(database)
    async with running_log(faulty) as log:
        opened = faulty.writes
        faulty.writing.clear()
        faulty.failing = 1
        first = publish(log, [draft("a-1")], "a")
        await until(lambda: faulty.writes == opened + 1)
        behind = [publish(log, [draft(f"a-{n}")], "a") for n in (2, 3)]
        others = publish(log, [draft("b-1")], "b")
        nobodys = publish(log, [draft("n-1")])
        row = asyncio.ensure_future(log.commit(merchant("m1", "recorded"), HUB))
        await asyncio.sleep(0)
        faulty.writing.set()
        for refused in (first, *behind):
            assert [shown(o) for o in await refused] == ["unavailable"]
        assert offsets(await others) == [1]
        assert offsets(await nobodys) == [2]
        assert (await row).offset == 3
        assert faulty.writes == opened + 2
        # Sent again with the same ids, in the same order.
        again = await publish(log, [draft(f"a-{n}") for n in (1, 2, 3)], "a")
        assert [shown(o) for o in again] == [(4, False), (5, False), (6, False)]


async def test_a_failed_group_refuses_writes_too(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running_log(faulty) as log:
        faulty.failing = 1
        with pytest.raises(Unavailable):
            await log.commit(merchant("m1", "lost"), HUB)
        assert (log.end, await merchant_ids(database)) == (0, [])
        assert (await log.commit(merchant("m1", "kept"), HUB)).offset == 1


async def test_the_order_of_refusals_is_the_order_of_publishing(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running_log(faulty) as log:
        faulty.failing = 1
        answered: list[int] = []

        def answer(number: int) -> Callable[[list[Outcome]], None]:
            return lambda outcomes: answered.append(number)

        faulty.writing.clear()
        for number in range(10):
            log.publish(Publication([draft()], answer(number), "a"))
            await asyncio.sleep(0)
        faulty.writing.set()
        await until(lambda: len(answered) == 10)
        assert answered == list(range(10))


# ── volatile events ──────────────────────────────────────────────────────────────────────────────


async def test_a_volatile_event_has_no_offset_and_is_not_stored(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running_log(faulty) as log:
        heard: list[Entry] = []
        log.listener = heard.extend
        opened = faulty.writes
        alone = await publish(log, [draft("v", {"n": 1}, volatile=True)])
        assert [shown(o) for o in alone] == [(None, False)]
        assert faulty.writes == opened, "a volatile event needs no transaction"
        mixed = await publish(
            log, [draft("a"), draft("v", {"n": 2}, volatile=True), draft("b"), draft("v")]
        )
        assert [shown(o) for o in mixed] == [(1, False), (None, False), (2, False), (3, False)]
        assert [found.offset for found in heard] == [0, 1, 0, 2, 3]
        [frame] = unframed(heard[0].frame)
        assert frame["volatile"] is True
        assert "offset" not in frame
        assert log.end == 3
    assert [offset for offset, _ in await stored(database)] == [1, 2, 3]


# ── the end, and the next beginning ──────────────────────────────────────────────────────────────


async def test_closing_writes_what_was_accepted_and_takes_no_more(database: Database) -> None:
    faulty = FaultyDatabase(database)
    log = await open_log(faulty, "epoch", 10)
    running = asyncio.create_task(log.run())
    faulty.writing.clear()
    answers = [publish(log, [draft()]) for _ in range(700)]
    row = asyncio.ensure_future(log.commit(merchant("m1", "one"), HUB))
    await asyncio.sleep(0)
    log.close()
    late = publish(log, [draft()])
    assert [shown(o) for o in await late] == ["unavailable"]
    with pytest.raises(Unavailable) as refused:
        await log.commit(merchant("m2"), HUB)
    assert refused.value.retry_after
    assert not running.done()
    faulty.writing.set()
    async with asyncio.timeout(5):
        await running
    assert [o for a in answers for o in offsets(a.result())] == list(range(1, 701))
    assert (await row).offset == 701
    assert len(await stored(database)) == 701


@pytest.mark.alone
async def test_an_idle_log_closes_at_once(database: Database) -> None:
    async with asyncio.timeout(1), running_log(database):
        pass


async def test_the_epoch_and_the_end_survive(store: Store) -> None:
    async with store.open() as database, running_log(database) as log:
        assert (log.epoch, log.end, log.oldest) == ("the-first-epoch", 0, 1)
        await publish(log, [draft(f"id-{n}") for n in range(5)])
    async with store.open() as database:
        again = await open_log(database, "another", 3)
        assert (again.epoch, again.end, again.oldest) == ("the-first-epoch", 5, 1)
        ring = again.ring
        assert (ring.first, ring.end) == (3, 5)
        frames = [frame for e in ring.between(2, 5) for frame in unframed(e.frame)]
        assert [(f["offset"], f["id"]) for f in frames] == [(3, "id-2"), (4, "id-3"), (5, "id-4")]


async def test_the_ring_of_a_reopened_log_is_the_one_that_was(store: Store) -> None:
    async with store.open() as database, running_log(database, ring_size=50) as log:
        for subject in (None, "order/1", "chat/ü"):
            await publish(log, [draft(None, {"text": "é€😀"}, subject=subject)])
        before = log.ring.between(0, 3)
    async with store.open() as database:
        again = await open_log(database, "another", 50)
        assert again.ring.between(0, 3) == before


async def test_the_last_offset_of_each_merchant_survives(store: Store) -> None:
    async with store.open() as database, running_log(database) as log:
        await log.commit(merchant("m1"), HUB)
        await log.commit(merchant("m2"), HUB)
        await log.commit(merchant("m3"), HUB)
        await publish(log, [draft(merchant_id=m) for m in ("m1", "m2", "m1")])
        assert log.last_offset == {"m1": 3, "m2": 2}
    async with store.open() as database:
        assert (await open_log(database, "x", 1)).last_offset == {"m1": 3, "m2": 2}


async def test_a_log_whose_events_are_all_gone_goes_on_counting(store: Store) -> None:
    async with store.open() as database, running_log(database) as log:
        await publish(log, [draft(), draft()])
        assert await log.retire(2**53, 10) == 2
        assert (log.end, log.oldest) == (2, 3)
    async with store.open() as database, running_log(database) as log:
        assert (log.end, log.oldest, log.ring.first) == (2, 3, 3)
        assert offsets(await publish(log, [draft()])) == [3]


# ── retention and the clock ──────────────────────────────────────────────────────────────────────


async def test_retention_removes_the_oldest_up_to_a_moment(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with running_log(database) as log:
        for second in (10, 20, 15, 30):  # the third commit meets a clock that went back
            clock.seconds = second
            await publish(log, [draft(), draft()])
        assert await log.retire(20_000, 100) == 2
        assert log.oldest == 3
        assert await log.retire(20_001, 3) == 3, "no more than asked for"
        assert log.oldest == 6
        assert await log.retire(20_001, 3) == 1
        assert await log.retire(20_001, 3) == 0
        assert (log.oldest, log.end) == (7, 8)
    assert [offset for offset, _ in await stored(database)] == [7, 8]


class Clock:
    """The time of day, for the log alone to go wrong."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        monkeypatch.setattr("hub.stream.log.time.time_ns", lambda: int(self.seconds * 1e9))


# ── a fan-out that cannot keep up ────────────────────────────────────────────────────────────────


async def test_a_congested_log_waits_until_it_is_woken(database: Database) -> None:
    congested = True
    faulty = FaultyDatabase(database)
    async with running_log(faulty) as log:
        log.congested = lambda: congested
        opened = faulty.writes
        answers = [publish(log, [draft()]) for _ in range(3)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert faulty.writes == opened
        congested = False
        log.wake()
        assert [o for a in answers for o in offsets(await a)] == [1, 2, 3]


async def test_two_logs_with_the_same_state_read_the_same(database: Database) -> None:
    def state(log: EventLog) -> Any:
        return log.epoch, log.end, log.oldest, log.last_offset

    async with running_log(database) as log:
        await publish(log, [draft(merchant_id="m2")])
        await log.commit(merchant("m2"), HUB)
        assert state(await open_log(database, "x", 5)) == state(log)


async def test_what_is_stored_is_what_was_shown(database: Database) -> None:
    async with running_log(database) as log:
        heard: list[Entry] = []
        log.listener = heard.extend
        await publish(log, [draft("a", {"text": "é€😀\u2028"}, subject="x"), draft("b")])

        async def work(tx: Transaction) -> list[bytes]:
            page = await events.page(tx, None, None, after=0, upto=9)
            return [frame for _, frame in page.events]

        frames = await database.read(work, HUB)
        assert [entry.frame[-len(f) :] for entry, f in zip(heard, frames, strict=True)] == frames
