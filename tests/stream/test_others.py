"""Two logs on one Postgres are one log: one order, each event once, whatever is lost on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from hub.protocol.drafts import Origin
from hub.protocol.ids import Uuid7Source, uuid7
from hub.stream.append import Outcome, Placed
from hub.stream.entry import Entry
from hub.stream.log import EventLog, open_log
from hub.stream.waiting import WriteScope
from storage import events, merchants
from storage.connect import connect
from storage.database import Database, Transaction
from storage.errors import SchemaError, Unavailable
from storage.postgres import PostgresDatabase, open_postgres
from storage.postgres_transaction import PostgresTransaction
from storage.records import LogState
from storage.scope import HUB
from tests.storage.support import rows
from tests.stream.support import draft, offsets, publish, shown, stored
from tests.support.databases import FaultyDatabase, until
from tests.support.postgres import rows as as_superuser

NOW = "2026-11-22T10:00:00.000Z"


@dataclass
class Other:
    """One of several logs, and what its subscribers saw.

    Attributes:
        heard: the offsets, in order; 0 for volatile events.
        torn: how often its readers had to begin again.
    """

    database: FaultyDatabase
    log: EventLog
    heard: list[int] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    torn: int = 0

    def listen(self, entries: list[Entry]) -> None:
        self.heard += [entry.offset for entry in entries]
        self.frames += [entry.frame for entry in entries]

    def tear(self) -> None:
        self.torn += 1


@asynccontextmanager
async def running(
    url: str, *, notices: bool = True, looks: bool = True, ring: int = 2000
) -> AsyncIterator[Other]:
    """A log at work as in a hub of its own.

    Args:
        notices: whether it hears of what others write.
        looks: whether it looks at the log by itself.
    """
    database = FaultyDatabase(await connect(url))
    log = await open_log(database, "an-epoch", ring)
    one = Other(database, log)
    log.listener, log.torn = one.listen, one.tear
    if notices:
        heard = asyncio.Event()

        def hear(notice: str) -> None:
            word, _, about = notice.partition(" ")
            if word == "head":
                log.hear(int(about))
            heard.set()

        await database.listen(hear)
        await heard.wait()
    tasks = [asyncio.create_task(log.run())]
    if looks:
        tasks.append(asyncio.create_task(log.keep_up()))
    try:
        yield one
    finally:
        database.heal()
        for task in tasks[1:]:
            task.cancel()
        log.close()
        async with asyncio.timeout(5):
            await tasks[0]
        await database.close()


@pytest.fixture(params=["notices", "looks"])
def told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """How a log learns of the others: by notices alone, or by looking alone."""
    monkeypatch.setattr("hub.stream.log._LOOK_SECONDS", 0.02)
    return {"notices": request.param == "notices", "looks": request.param == "looks"}


async def same(*logs: Other, upto: int) -> None:
    """All of them have seen everything in one order, once."""
    await until(lambda: all(one.log.end == upto for one in logs))
    for one in logs:
        assert one.heard == list(range(1, upto + 1))
        assert one.frames == logs[0].frames
        assert one.log.ring.between(0, upto) == logs[0].log.ring.between(0, upto)
        assert one.log.last_offset == logs[0].log.last_offset
        assert one.torn == 0
    frames = await stored(logs[0].database)
    assert [offset for offset, _ in frames] == list(range(1, upto + 1))
    assert [frame["offset"] for _, frame in frames] == list(range(1, upto + 1))


async def test_both_see_everything_in_one_order(postgres_url: str, told: dict[str, bool]) -> None:
    async def flood(one: Other, name: str) -> list[int | None]:
        answers: list[asyncio.Future[list[Outcome]]] = []
        for number in range(300):
            drafts = [draft(f"{name}-{number}-{part}", merchant_id=name) for part in range(2)]
            answers.append(publish(one.log, drafts, name))
            if number % 7 == 0:
                await asyncio.sleep(0.001)
        return [offset for answer in answers for offset in offsets(await answer)]

    async with running(postgres_url, **told) as a, running(postgres_url, **told) as b:
        of_a, of_b = await asyncio.gather(flood(a, "ma"), flood(b, "mb"))
        assert of_a == sorted(of_a)  # type: ignore[type-var]
        assert of_b == sorted(of_b)  # type: ignore[type-var]
        assert sorted([*of_a, *of_b]) == list(range(1, 1201))  # type: ignore[type-var]
        await same(a, b, upto=1200)
        merged = [frame["merchant_id"] for _, frame in await stored(a.database)]
        turns = sum(one != other for one, other in pairwise(merged))
        assert turns > 3, "they wrote at the same time"
        # One that comes later, and one that only ever listens.
        async with running(postgres_url, **told) as late:
            assert (late.log.epoch, late.log.end, late.heard) == (a.log.epoch, 1200, [])
            await publish(a.log, [draft("last")])
            await until(lambda: late.heard == [1201])


async def test_events_of_rows_and_volatile_ones(postgres_url: str, told: dict[str, bool]) -> None:
    async with running(postgres_url, **told) as a, running(postgres_url, **told) as b:
        for number, one in enumerate((a, b, a, b)):
            await one.log.commit(
                lambda scope, n=number: merchants.insert(scope.tx, f"m{n}", "name", NOW, uuid7),  # type: ignore[misc]
                HUB,
            )
            await publish(one.log, [draft(f"id-{number}"), draft("v", volatile=True)])
        await until(lambda: a.log.end == b.log.end == 4)
        for one in (a, b):
            assert [offset for offset in one.heard if offset] == [1, 2, 3, 4]
            assert one.heard.count(0) == 2, "volatile events stay with those that they came to"
        assert len(await rows(a.database, "SELECT 1 FROM merchants")) == 4


async def test_a_group_of_ones_own_waits_for_what_came_before_it(postgres_url: str) -> None:
    """What the other wrote is read and shown first, also when nobody has told of it."""
    deaf = {"notices": False, "looks": False}
    async with running(postgres_url, **deaf) as a, running(postgres_url, **deaf) as b:
        await publish(a.log, [draft(f"a-{n}") for n in range(1, 4)])
        assert (b.log.end, b.heard) == (0, [])
        b.database.failing_reads = 0
        seen: list[list[int]] = []
        answer = publish(b.log, [draft("b-1")])
        answer.add_done_callback(lambda _: seen.append(list(b.heard)))
        assert offsets(await answer) == [4]
        assert seen == [[1, 2, 3, 4]]
        assert offsets(await publish(a.log, [draft("a-4")])) == [5]
        await same(a, upto=5)


async def test_a_group_whose_predecessors_cannot_be_read_is_shown_to_nobody(
    postgres_url: str,
) -> None:
    deaf = {"notices": False, "looks": False}
    async with running(postgres_url, **deaf) as a, running(postgres_url, **deaf) as b:
        await publish(a.log, [draft("a-1")])
        b.database.failing_reads = 1
        assert [shown(o) for o in await publish(b.log, [draft("b-1")])] == ["unavailable"]
        assert (b.log.end, b.heard) == (0, [])
        again = await publish(b.log, [draft("b-1"), draft("b-2")])
        assert [shown(o) for o in again] == [(2, True), (3, False)], "it was durable all the same"
        await same(b, upto=3)


async def test_one_id_on_both_at_once_is_placed_once(
    postgres_url: str, told: dict[str, bool]
) -> None:
    async with running(postgres_url, **told) as a, running(postgres_url, **told) as b:
        for number in range(40):
            # Each with company, so that a group that failed would be seen.
            mine = [draft(f"once-{number}", {"n": number}), draft(f"a-{number}")]
            yours = [draft(f"b-{number}"), draft(f"once-{number}", {"n": number})]
            of_a, of_b = await asyncio.gather(publish(a.log, mine), publish(b.log, yours))
            places = [of_a[0], of_b[1]]
            assert len(set(offsets(places))) == 1
            assert sorted(isinstance(p, Placed) and p.duplicate for p in places) == [False, True]
            assert not any(isinstance(p, Placed) and p.duplicate for p in (of_a[1], of_b[0]))
        await same(a, b, upto=120)
        of_a, of_b = await asyncio.gather(
            publish(a.log, [draft("other", {"n": 1})]), publish(b.log, [draft("other", {"n": 2})])
        )
        assert sorted(map(str, (shown(of_a[0]), shown(of_b[0])))) == ["(121, False)", "conflict"]


class Cut:
    """Ends the connection that one log writes on, right after its COMMIT: done, and nobody says so.

    Attributes:
        next: how many of the next commits lose their answer.
    """

    def __init__(self, one: Other, monkeypatch: pytest.MonkeyPatch, *, done: bool = True) -> None:
        database = one.database._real
        assert isinstance(database, PostgresDatabase)
        self.next = 0
        self.connections = [database._writer._connection]
        commit = PostgresTransaction.commit

        async def cut(tx: PostgresTransaction) -> None:
            if not self.next or tx._connection not in self.connections:
                await commit(tx)
                return
            self.next -= 1
            if done:
                await commit(tx)
            tx._connection.terminate()
            raise Unavailable("the connection was lost")

        monkeypatch.setattr(PostgresTransaction, "commit", cut)


@pytest.mark.parametrize("done", [True, False], ids=["committed", "not committed"])
async def test_a_commit_whose_answer_is_lost(
    done: bool, postgres_url: str, told: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what became of it: it is sent again, and is there once."""
    async with running(postgres_url, **told) as a, running(postgres_url, **told) as b:
        await publish(a.log, [draft("a-1")])
        await until(lambda: b.log.end == 1)
        cut = Cut(a, monkeypatch, done=done)
        cut.next = 1
        lost = await publish(a.log, [draft("a-2"), draft("a-3")])
        assert [shown(o) for o in lost] == ["unavailable", "unavailable"]
        if done:
            # Subscribers of both get it, before anybody has sent it again.
            await until(lambda: a.log.end == b.log.end == 3)
        again = await publish(a.log, [draft("a-2"), draft("a-3"), draft("a-4")])
        assert [shown(o) for o in again] == [(2, done), (3, done), (4, False)]
        await publish(b.log, [draft("b-1")])
        await same(a, b, upto=5)


async def test_a_lost_answer_is_made_good_by_the_next_group(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no notice comes and nobody has looked."""
    async with running(postgres_url, notices=False, looks=False) as a:
        cut = Cut(a, monkeypatch)
        cut.next = 1
        assert [shown(o) for o in await publish(a.log, [draft("a-1")])] == ["unavailable"]
        assert a.heard == []
        again = await publish(a.log, [draft("a-1"), draft("a-2")])
        assert [shown(o) for o in again] == [(1, True), (2, False)]
        await same(a, upto=2)


async def test_retention_by_one_is_seen_by_the_other(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.stream.log._LOOK_SECONDS", 0.02)
    async with running(postgres_url) as a, running(postgres_url) as b:
        await publish(a.log, [draft(f"a-{n}") for n in range(10)])
        await until(lambda: b.log.end == 10)
        assert await a.log.retire(2**53, 4) == 4
        await until(lambda: a.log.oldest == b.log.oldest == 5)
        assert await b.log.retire(2**53, 2) == 2
        await until(lambda: a.log.oldest == b.log.oldest == 7)
        again = await publish(b.log, [draft("a-0"), draft("a-9")])
        assert [shown(o) for o in again] == [(1, True), (10, True)]
        assert (a.torn, b.torn) == (0, 0)


@pytest.mark.parametrize("left", [0, 2])
async def test_what_is_gone_before_it_was_seen_tears_the_stream(
    left: int, postgres_url: str
) -> None:
    async with (
        running(postgres_url) as a,
        running(postgres_url, notices=False, looks=False) as b,
    ):
        await publish(b.log, [draft("b-1")])
        await publish(a.log, [draft(f"a-{n}") for n in range(10)])
        assert await a.log.retire(2**53, 11 - left) == 11 - left
        b.log.hear(11)
        await until(lambda: b.log.end == 11)
        assert (b.torn, b.log.oldest) == (1, 12 - left)
        assert (b.log.ring.first, b.log.ring.end) == (12 - left, 11)
        assert b.heard == [1, *range(12 - left, 12)]
        assert not b.log.ring.reaches(10 - left)
        assert offsets(await publish(b.log, [draft("b-2")])) == [12]
        assert b.heard[-1] == 12
        assert b.torn == 1


async def test_readers_are_torn_by_a_group_of_ones_own_too(postgres_url: str) -> None:
    async with (
        running(postgres_url) as a,
        running(postgres_url, notices=False, looks=False) as b,
    ):
        await publish(a.log, [draft(f"a-{n}") for n in range(5)])
        assert await a.log.retire(2**53, 3) == 3
        assert offsets(await publish(b.log, [draft("b-1")])) == [6]
        assert (b.torn, b.heard, b.log.ring.first) == (1, [4, 5, 6], 4)


async def test_a_page_ends_and_the_next_one_follows(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PAGE_ROWS", 7)
    async with running(postgres_url) as a, running(postgres_url, ring=10) as b:
        await publish(a.log, [draft(f"a-{n}") for n in range(100)])
        await until(lambda: b.log.end == 100)
        assert b.heard == a.heard == list(range(1, 101))
        assert (b.log.ring.first, b.torn) == (91, 0)


async def test_who_cannot_keep_up_reads_no_further(postgres_url: str) -> None:
    async with running(postgres_url) as a, running(postgres_url) as b:
        congested = True
        b.log.congested = lambda: congested
        await publish(a.log, [draft(f"a-{n}") for n in range(5)])
        await asyncio.sleep(0.1)
        assert b.heard == []
        congested = False
        await until(lambda: b.heard == [1, 2, 3, 4, 5])


async def test_a_database_that_fails_for_a_while(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was missed meanwhile comes with the next look, in order."""
    monkeypatch.setattr("hub.stream.log._LOOK_SECONDS", 0.02)
    async with running(postgres_url) as a, running(postgres_url) as b:
        b.database.failing_reads = 10
        for number in range(5):
            await publish(a.log, [draft(f"a-{number}")])
        await until(lambda: b.database.failing_reads == 0)
        await same(a, b, upto=5)


async def test_a_log_that_was_replaced_ends_the_hub(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.stream.log._LOOK_SECONDS", 0.02)
    async with running(postgres_url, looks=False) as a:
        looking = asyncio.create_task(a.log.keep_up())
        await a.database.write(lambda tx: tx.execute("UPDATE log_state SET epoch = 'other'"), HUB)
        await asyncio.wait([looking], timeout=10)
        assert "start the hub again" in str(looking.exception())


async def test_a_notice_of_what_is_not_there_changes_nothing(postgres_url: str) -> None:
    """Anybody who is connected may send one; a group that withdraws offsets sends one too."""
    async with running(postgres_url) as a, running(postgres_url) as b:
        await publish(a.log, [draft("a-1")])
        await until(lambda: b.log.end == 1)
        for one in (a, b):
            one.log.hear(1000)
        as_superuser(postgres_url, "SELECT pg_notify('hub_log', '2000')")
        await asyncio.sleep(0.1)
        reads = b.database.reads
        again = await publish(a.log, [draft("a-1"), draft("a-1"), draft("a-2"), draft("a-2")])
        assert [shown(o) for o in again] == [(1, True), (1, True), (2, False), (2, True)]
        await same(a, b, upto=2)
        await publish(b.log, [draft("b-1")])
        await same(a, b, upto=3)
        assert b.database.reads <= reads + 4, "and is not looked for again and again"


# ── at the same time ─────────────────────────────────────────────────────────────────────────────


async def test_rows_that_are_locked_in_opposite_orders_are_no_deadlock(postgres_url: str) -> None:
    async with running(postgres_url) as one, running(postgres_url) as other:
        ids = ("m-a", "m-b")
        for id_ in ids:
            await one.log.commit(
                lambda scope, id_=id_: merchants.insert(  # type: ignore[misc]
                    scope.tx, id_, "name", NOW, Uuid7Source()
                ),
                HUB,
            )

        async def rename(log: EventLog, id_: str, number: int) -> None:
            async def work(scope: WriteScope) -> None:
                await scope.tx.execute(
                    "UPDATE merchants SET name = ?, version = version + 1 WHERE id = ?",
                    (f"name {number}", id_),
                )

            await log.commit(work, HUB)

        for number in range(25):
            await asyncio.gather(
                *(rename(one.log, id_, number) for id_ in ids),
                *(rename(other.log, id_, number) for id_ in reversed(ids)),
            )


async def test_a_log_that_has_gone_back_takes_nothing_more(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.stream.log._LOOK_SECONDS", 0.02)
    async with running(postgres_url, looks=False) as one:
        await asyncio.gather(*(publish(one.log, [draft()]) for _ in range(5)))

        async def back(tx: Transaction) -> None:
            await tx.execute("DELETE FROM events WHERE log_offset > 2")
            await tx.execute("UPDATE log_state SET head = 2")

        await one.database.write(back, HUB)
        [outcome] = await publish(one.log, [draft()])
        assert shown(outcome) == "unavailable"
        with pytest.raises(SchemaError, match="start the hub again"):
            await one.log.keep_up()


async def test_two_that_open_a_log_of_another_database_agree_on_its_epoch(
    postgres_url: str,
) -> None:
    first, second = await open_postgres(postgres_url), await open_postgres(postgres_url)
    try:
        await first.write(lambda tx: events.ensure_log(tx, "old", "elsewhere"), HUB)
        for number in range(20):

            async def open_as(database: Database, epoch: str, identity: str) -> LogState:
                return await database.write(lambda tx: events.ensure_log(tx, epoch, identity), HUB)

            await asyncio.gather(
                *(
                    open_as(database, f"{name}-{number}", f"here-{number}")
                    for database, name in ((first, "a"), (second, "b"))
                )
            )
            states = [await open_as(d, "x", f"here-{number}") for d in (first, second)]
            assert states[0] == states[1]
            assert states[0].epoch in (f"a-{number}", f"b-{number}")
    finally:
        await first.close()
        await second.close()


async def test_one_without_readers_reads_nothing_of_the_others(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.stream.log._LOOK_SECONDS", 0.02)

    async def change(scope: WriteScope) -> None:
        scope.record(Origin("m1", "hub"), "custom_done", {})

    async with (
        running(postgres_url) as hub,
        running(postgres_url, notices=False, ring=1) as worker,
    ):
        worker.log.follows = False
        for round_ in range(1, 4):
            await publish(hub.log, [draft(f"{round_}-{n}") for n in range(9)])
            committed = await worker.log.commit(change, HUB)
            assert committed.offset == worker.log.end == 10 * round_
        await publish(hub.log, [draft("last")])
        await until(lambda: worker.log.end == 31)
        assert worker.heard == [10, 20, 30]
        await until(lambda: hub.heard == list(range(1, 32)))
        assert (hub.torn, worker.torn) == (0, 0)
