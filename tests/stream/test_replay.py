"""Replay: from any cursor to the live end, out of the ring or of the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.protocol.filters import ALL, Filter
from hub.stream.fanout import FanOut
from hub.stream.log import EventLog
from hub.stream.reader import Reader
from hub.stream.replay import Replay
from hub.stream.retention import keep_retention
from storage.database import Database
from tests.storage.support import emptied
from tests.stream.support import (
    Sink,
    draft,
    publish,
    reader,
    running_log,
    stored,
)
from tests.support.databases import FaultyDatabase, until


@dataclass
class Stream:
    """A log, its live end, and the way there."""

    database: FaultyDatabase
    log: EventLog
    fanout: FanOut
    replay: Replay

    def follow(
        self,
        cursor: int,
        *,
        merchant_id: str | None = None,
        filter_: Filter = ALL,
        full_after: int | None = None,
    ) -> tuple[Reader, Sink]:
        """A reader that subscribes from `cursor` on; it stalls when its sink is full."""
        sink = Sink()
        sink.full_after = full_after
        one = reader(sink, merchant_id=merchant_id, filter_=filter_, cursor=cursor)
        sink.on_full = lambda: self.stall(one)
        self.replay.catch_up(one)
        return one, sink

    def stall(self, one: Reader) -> None:
        one.stalled = True
        self.fanout.detach(one)

    def drain(self, one: Reader) -> None:
        one.stalled = False
        self.replay.catch_up(one)


@asynccontextmanager
async def streaming(database: Database, *, ring: int = 1000) -> AsyncIterator[Stream]:
    faulty = FaultyDatabase(database)
    async with running_log(faulty, ring) as log, asyncio.TaskGroup() as tasks:
        fanout = FanOut(log.end)
        log.listener = fanout.enqueue
        yield Stream(faulty, log, fanout, Replay(log, fanout, tasks))


async def filled(stream: Stream, count: int) -> None:
    """Events with two types and two merchants, in turns; flushed."""
    drafts = [
        draft(
            None,
            {"n": number},
            type_=("custom_a", "custom_b")[number % 2],
            merchant_id=("m1", "m2")[number // 2 % 2],
            subject=(None, f"order/{number}")[number % 3 == 0],
        )
        for number in range(1, count + 1)
    ]
    await publish(stream.log, drafts)
    await until(lambda: stream.fanout.idle)


# ── where the events come from ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ring", [1, 5, 20, 1000])
@pytest.mark.parametrize("cursor", [0, 1, 14, 15, 16, 19, 20])
async def test_it_replays_everything_after_the_cursor(
    ring: int, cursor: int, database: Database
) -> None:
    async with streaming(database, ring=ring) as stream:
        await filled(stream, 20)
        one, sink = stream.follow(cursor)
        await until(lambda: one.audience is not None)
        assert sink.offsets == list(range(cursor + 1, 21))
        assert sink.frames[-1] == {"type": "live", "offset": 20}
        await filled(stream, 3)
        assert sink.offsets == list(range(cursor + 1, 24))
        assert sink.types.count("live") == 1


async def test_the_ring_needs_no_database(database: Database) -> None:
    async with streaming(database, ring=10) as stream:
        await filled(stream, 20)
        before = stream.database.reads
        _, sink = stream.follow(10)
        assert sink.offsets == list(range(11, 21)), "at once, in the same turn"
        assert stream.database.reads == before


async def test_a_merchant_that_missed_nothing_needs_no_database(database: Database) -> None:
    async with streaming(database, ring=2) as stream:
        await publish(stream.log, [draft(merchant_id="m1")])
        await publish(stream.log, [draft(merchant_id="m2") for _ in range(50)])
        await until(lambda: stream.fanout.idle)
        before = stream.database.reads
        _, sink = stream.follow(1, merchant_id="m1")
        _, stranger = stream.follow(0, merchant_id="m3")
        assert sink.frames == stranger.frames == [{"type": "live", "offset": 51}]
        assert stream.database.reads == before


async def test_readers_at_the_same_place_share_their_pages(database: Database) -> None:
    async with streaming(database, ring=1) as stream:
        await filled(stream, 30)
        before = stream.database.reads
        readers = [stream.follow(3) for _ in range(20)]
        await until(lambda: all(one.audience for one, _ in readers))
        assert all(sink.offsets == list(range(4, 31)) for _, sink in readers)
        assert stream.database.reads == before + 1
        # A later one finds the page still there.
        late, sink = stream.follow(3)
        await until(lambda: late.audience is not None)
        assert sink.offsets == list(range(4, 31))
        assert stream.database.reads == before + 1


async def test_readers_with_other_wishes_do_not_share(database: Database) -> None:
    async with streaming(database, ring=1) as stream:
        await filled(stream, 12)
        some = Filter(["custom_a"], None)
        readers = [
            stream.follow(2),
            stream.follow(2, merchant_id="m1"),
            stream.follow(2, merchant_id="m2"),
            stream.follow(2, filter_=some),
            stream.follow(2, merchant_id="m1", filter_=some),
        ]
        await until(lambda: all(one.audience for one, _ in readers))
        after = range(3, 13)
        assert [sink.offsets for _, sink in readers] == [
            list(after),
            [n for n in after if n // 2 % 2 == 0],
            [n for n in after if n // 2 % 2 == 1],
            [n for n in after if n % 2 == 0],
            [n for n in after if n % 2 == 0 and n // 2 % 2 == 0],
        ]


async def test_an_event_is_not_lost_between_commit_and_flush(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may hold what is committed but not yet flushed: it comes once all the same."""
    monkeypatch.setattr("hub.stream.fanout.FLUSH_BYTES", 1)
    async with streaming(database, ring=1) as stream:
        await filled(stream, 10)
        watcher, watched = stream.follow(10)
        answers = publish(stream.log, [draft() for _ in range(200)])
        await answers
        assert not stream.fanout.idle
        one, sink = stream.follow(0)
        await until(lambda: stream.fanout.idle and one.audience is not None)
        assert sink.offsets == list(range(1, 211))
        assert watched.offsets == list(range(11, 211))
        assert stream.fanout.cursor_of(watcher) == 210


# ── slow readers ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ring", [3, 1000])
@pytest.mark.parametrize("page", [1, 4, 2000])
async def test_a_reader_that_stalls_goes_on_where_it_was(
    ring: int, page: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.events.PAGE_ROWS", page)
    monkeypatch.setattr("hub.stream.replay._RING_BYTES", 300)
    async with streaming(database, ring=ring) as stream:
        await filled(stream, 30)
        one, sink = stream.follow(0, full_after=1)
        stalls = 0
        async with asyncio.timeout(5):
            while one.audience is None:
                if one.stalled:
                    stalls += 1
                    before = len(sink.writes)
                    sink.full_after = before + 1
                    if stalls % 3 == 0:
                        await filled(stream, 2)
                    await asyncio.sleep(0.001)
                    assert len(sink.writes) == before, "written to while it was full"
                    stream.drain(one)
                await asyncio.sleep(0)
        assert stalls > 0
        assert sink.offsets == list(range(1, stream.log.end + 1))
        assert sink.types.count("live") == 1


async def test_a_reader_that_left_gets_nothing_more(database: Database) -> None:
    async with streaming(database, ring=1) as stream:
        await filled(stream, 10)
        stream.database.reading.clear()
        one, sink = stream.follow(0)
        await asyncio.sleep(0)
        one.closed = True
        stream.fanout.detach(one)
        stream.database.reading.set()
        await until(lambda: not one.replaying)
        await filled(stream, 2)
        assert sink.frames == []
        assert one.audience is None


async def test_a_reader_that_unsubscribed_during_a_page_gets_nothing_more(
    database: Database,
) -> None:
    async with streaming(database, ring=1) as stream:
        await filled(stream, 10)
        stream.database.reading.clear()
        one, sink = stream.follow(0)
        await asyncio.sleep(0)
        stream.fanout.detach(one)
        one.generation += 1
        one.subscribed = one.announce = False
        stream.database.reading.set()
        await until(lambda: not one.replaying)
        await filled(stream, 2)
        assert sink.frames == []
        assert one.audience is None


async def test_a_page_for_an_old_subscription_is_dropped(database: Database) -> None:
    async with streaming(database, ring=1) as stream:
        await filled(stream, 10)
        stream.database.reading.clear()
        one, sink = stream.follow(0)
        await until(lambda: one.replaying)
        stream.fanout.detach(one)
        one.filter = Filter(["custom_b"], None)
        one.cursor = 4
        one.generation += 1
        stream.replay.catch_up(one)
        stream.database.reading.set()
        await until(lambda: one.audience is not None)
        assert sink.offsets == [5, 7, 9]
        assert sink.types.count("live") == 1


# ── when the database does not answer ────────────────────────────────────────────────────────────


async def test_it_tries_again_when_the_database_fails(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.stream.replay._RETRY_SECONDS", 0.001)
    async with streaming(database, ring=1) as stream:
        await filled(stream, 10)
        stream.database.failing_reads = 3
        one, sink = stream.follow(0)
        other, others = stream.follow(5)
        await until(lambda: bool(one.audience and other.audience))
        assert sink.offsets == list(range(1, 11))
        assert others.offsets == list(range(6, 11))


# ── retention ────────────────────────────────────────────────────────────────────────────────────


async def test_what_retention_removed_is_a_gap(database: Database) -> None:
    async with streaming(database, ring=1000) as stream:
        await filled(stream, 20)
        await stream.log.retire(2**53, 12)
        gap = {"type": "gap", "reason": "retention", "to": 12, "resume": 12}
        for cursor in (0, 5, 11):
            one, sink = stream.follow(cursor)
            await until(lambda one=one: one.audience is not None)  # type: ignore[misc]
            assert sink.frames[0] == gap | {"from": cursor + 1}
            assert sink.offsets == list(range(13, 21))
        for cursor in (12, 13, 20):
            one, sink = stream.follow(cursor)
            await until(lambda one=one: one.audience is not None)  # type: ignore[misc]
            assert "gap" not in sink.types
            assert sink.offsets == list(range(cursor + 1, 21))


async def test_retention_in_the_middle_of_a_replay_is_a_gap(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.events.PAGE_ROWS", 4)
    async with streaming(database, ring=1) as stream:
        await filled(stream, 20)
        one, sink = stream.follow(0, full_after=1)
        await until(lambda: one.stalled)
        assert sink.offsets == [1, 2, 3, 4]
        await stream.log.retire(2**53, 10)
        stream.drain(one)
        await until(lambda: one.audience is not None)
        gap = {"type": "gap", "from": 5, "to": 10, "reason": "retention", "resume": 10}
        assert [frame for frame in sink.frames if frame["type"] == "gap"] == [gap]
        assert sink.offsets == [1, 2, 3, 4, *range(11, 21)]


async def test_a_gap_that_fills_the_buffer_is_not_followed_by_a_page(database: Database) -> None:
    """Retention that the log has not heard of yet is seen by the page itself."""
    async with streaming(database, ring=1) as stream:
        await filled(stream, 20)
        stream.database.reading.clear()
        one, sink = stream.follow(0)
        await until(lambda: one.replaying)
        await stream.log.retire(2**53, 10)
        stream.log.oldest = 1  # as another process would leave it
        full = sink.send

        def send_and_stall(frame: object) -> None:
            full(frame)  # type: ignore[arg-type]
            stream.stall(one)

        one.send = send_and_stall
        stream.database.reading.set()
        await until(lambda: not one.replaying)
        assert sink.types == ["gap"], "events were written to a reader whose buffer is full"
        one.send = sink.send
        stream.drain(one)
        await until(lambda: one.audience is not None)
        assert sink.offsets == list(range(11, 21))


async def test_retention_keeps_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.stream.retention._BATCH", 7)
    monkeypatch.setattr("hub.stream.retention._PAUSE_SECONDS", 0.001)
    async with streaming(database) as stream:
        await filled(stream, 30)
        stream.database.failing = 1
        keeping = asyncio.create_task(keep_retention(stream.log, -3600))
        await until(lambda: stream.log.oldest == 31)
        await filled(stream, 3)
        await until(lambda: stream.log.oldest == 34)
        keeping.cancel()
        await asyncio.wait([keeping])
        assert await stored(stream.database) == []
        patient = asyncio.create_task(keep_retention(stream.log, 3600))
        await filled(stream, 3)
        await asyncio.sleep(0.01)
        patient.cancel()
        await asyncio.wait([patient])
        assert len(await stored(stream.database)) == 3


# ── the last few ─────────────────────────────────────────────────────────────────────────────────


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    events=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["m1", "m2"])), max_size=25),
    ring=st.integers(1, 30),
    page=st.integers(1, 6),
    retired=st.integers(0, 10),
    count=st.integers(1, 12),
    wanted=st.sampled_from([None, ["custom_a"], ["custom_*"], ["custom_z"]]),
    merchant_id=st.sampled_from([None, "m1"]),
)
async def test_the_last_matching_events_are_found(
    events: list[tuple[str, str]],
    ring: int,
    page: int,
    retired: int,
    count: int,
    wanted: list[str] | None,
    merchant_id: str | None,
    database: Database,
) -> None:
    await emptied(database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.events.PAGE_ROWS", page)
        async with streaming(database, ring=ring) as stream:
            for letter, owner in events:
                await publish(stream.log, [draft(type_=f"custom_{letter}", merchant_id=owner)])
            removed = await stream.log.retire(2**53, retired)
            filter_ = Filter(wanted, None)
            cursor = await stream.replay.last_matching(merchant_id, filter_, count)
            matching = [
                offset
                for offset, (letter, owner) in enumerate(events, 1)
                if merchant_id in (None, owner) and filter_.matches(f"custom_{letter}", None)
            ]
            # The ring may still hold what retention has removed.
            stored_ = [offset for offset in matching if offset > removed]
            found = [offset for offset in matching if offset > max(cursor, removed)]
            assert found == stored_[-count:]
