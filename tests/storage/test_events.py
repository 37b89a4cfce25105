"""The log's tables: pages against a plain list, and what retention leaves."""

from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.protocol.filters import Filter, split_patterns
from hub.protocol.ids import Uuid7Source
from storage import events, merchants
from storage.database import Database, Transaction
from storage.errors import Conflict
from storage.records import EventPage, EventRow, KnownEvent, LogState
from storage.scope import HUB, Scope
from tests.storage.support import NOW, emptied, event_row, fill, rows

once = settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def retire(database: Database, before_ms: int, limit: int) -> int:
    return await database.write(lambda tx: events.retire(tx, before_ms, limit), HUB)


# ── the head ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_log_is_started_once(database: Database) -> None:
    first = await database.write(lambda tx: events.ensure_log(tx, "one"), HUB)
    assert first == LogState("one", 0, 1)
    await database.write(lambda tx: events.advance_head(tx, 5, 100), HUB)
    again = await database.write(lambda tx: events.ensure_log(tx, "two"), HUB)
    assert again == LogState("one", 5, 1)
    assert await database.read(events.log_state, HUB) == LogState("one", 5, 1)


async def test_the_head_moves_and_time_never_goes_back(database: Database) -> None:
    await database.write(lambda tx: events.ensure_log(tx, "one"), HUB)

    async def advance(count: int, now_ms: int) -> tuple[int, int, str]:
        return await database.write(lambda tx: events.advance_head(tx, count, now_ms), HUB)

    assert await advance(3, 100) == (3, 100, "one")
    assert await advance(0, 150) == (3, 150, "one")
    assert await advance(2, 120) == (5, 150, "one"), "the clock went back"
    assert await advance(1, 151) == (6, 151, "one")


async def test_an_undone_transaction_gives_its_offsets_back(database: Database) -> None:
    await database.write(lambda tx: events.ensure_log(tx, "one"), HUB)

    async def failing(tx: Transaction) -> None:
        await events.advance_head(tx, 10, 100)
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(failing, HUB)
    assert await database.write(lambda tx: events.advance_head(tx, 1, 1), HUB) == (1, 1, "one")


# ── appending ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [0, 1, 2, 3, 127, 128, 129, 255, 256, 257, 511, 512, 600])
async def test_any_number_of_rows_is_stored_exactly(count: int, database: Database) -> None:
    new = [
        event_row(n, subject=f"s/{n}" if n % 2 else None, committed_ms=n * 10)
        for n in range(1, count + 1)
    ]
    await fill(database, new)
    columns = "log_offset, merchant_id, id, type, subject, committed_at, frame"
    assert await rows(database, f"SELECT {columns} FROM events ORDER BY 1") == new  # noqa: S608


async def test_every_size_up_to_600_is_stored_exactly(database: Database) -> None:
    for count in range(0, 600, 7):
        await emptied(database)
        new = [event_row(n) for n in range(1, count + 1)]
        await fill(database, new)
        found = await rows(database, "SELECT log_offset, id FROM events ORDER BY 1")
        assert found == [(row[0], row[2]) for row in new]


@pytest.mark.parametrize("taken", [{"id_": "id-1"}, {}])
async def test_an_offset_or_an_id_is_never_given_twice(
    taken: dict[str, str], database: Database
) -> None:
    await fill(database, [event_row(1)])
    again = event_row(2, **taken) if taken else event_row(1, id_="other")  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        await database.write(lambda tx: events.insert_events(tx, [event_row(3), again]), HUB)
    assert len(await rows(database, "SELECT 1 FROM events")) == 1


async def test_known_ids_are_found_whoever_asks_for_how_many(database: Database) -> None:
    await fill(database, [event_row(n, merchant_id=f"m{n % 2}") for n in range(1, 400)])
    assert await retire(database, 1, 100) == 100
    wanted = [(f"m{n % 2}", f"id-{n}") for n in range(1, 500)]
    wanted += [("m0", "id-1"), ("m9", "id-2"), ("m1", "ID-1"), ("m1", "")]
    known = await database.read(lambda tx: events.known_events(tx, wanted), HUB)
    assert known == {
        (f"m{n % 2}", f"id-{n}"): KnownEvent(n, None if n <= 100 else event_row(n)[6].encode())
        for n in range(1, 400)
    }
    assert await database.read(lambda tx: events.known_events(tx, []), HUB) == {}


# ── pages ────────────────────────────────────────────────────────────────────────────────────────

types = st.sampled_from(["custom_a", "custom_ab", "Custom_a", "custom_%", "custom__"])
subjects = st.none() | st.sampled_from(["", "é/1", "É/1", "é/12", "😀", "a_b", "a%b"])
patterns = st.sampled_from(
    ["custom_a", "custom_a*", "custom_%", "custom_%*", "custom__", "*", "é/1", "é/*", "😀*", "a_*"]
)
lists = st.none() | st.lists(patterns, min_size=1, max_size=3)


class Query(NamedTuple):
    merchant_id: str | None
    filter: Filter
    after: int
    upto: int
    limit: int

    def wants(self, row: EventRow) -> bool:
        return self.merchant_id in (None, row[1]) and self.filter.matches(row[3], row[4])


queries = st.builds(
    Query,
    merchant_id=st.sampled_from([None, "m1", "m2", "m3"]),
    filter=st.builds(Filter, lists, lists),
    after=st.integers(0, 14),
    upto=st.integers(0, 14),
    limit=st.integers(1, 8),
)
logs = st.lists(st.tuples(st.sampled_from(["m1", "m2"]), types, subjects), max_size=12)


async def page_of(database: Database, query: Query) -> EventPage:
    wanted = query.filter
    return await database.read(
        lambda tx: events.page(
            tx,
            None if wanted.types is None else split_patterns(wanted.types),
            None if wanted.subjects is None else split_patterns(wanted.subjects),
            after=query.after,
            upto=query.upto,
            limit=query.limit,
        ),
        Scope(query.merchant_id),
    )


@once
@given(log=logs, query=queries, scan=st.integers(1, 15))
async def test_a_page_is_what_the_filter_says(
    database: Database, log: list[tuple[str, str, str | None]], query: Query, scan: int
) -> None:
    await emptied(database)
    stored = [
        event_row(n, merchant_id=merchant, type_=type_, subject=subject)
        for n, (merchant, type_, subject) in enumerate(log, 1)
    ]
    await fill(database, stored)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.events.PAGE_ROWS", scan)
        page = await page_of(database, query)
    matching = [r for r in stored if query.after < r[0] <= query.upto and query.wants(r)]
    found = [offset for offset, _ in page.events]
    assert found == [row[0] for row in matching if row[0] <= page.upto][: query.limit]
    assert [frame for _, frame in page.events] == [
        row[6].encode() for row in matching[: len(found)]
    ]
    assert page.upto <= max(query.upto, query.after)
    if found == [row[0] for row in matching] and len(found) < query.limit and scan == 15:
        assert page.upto == query.upto, "it looked at everything"
    if query.upto > query.after and matching:
        assert page.upto > query.after, "a page gets further"


@once
@given(log=logs, query=queries, scan=st.integers(1, 4), bytes_=st.integers(1, 200))
async def test_page_after_page_is_everything(
    database: Database,
    log: list[tuple[str, str, str | None]],
    query: Query,
    scan: int,
    bytes_: int,
) -> None:
    await emptied(database)
    stored = [
        event_row(n, merchant_id=merchant, type_=type_, subject=subject, size=n % 3 * 20)
        for n, (merchant, type_, subject) in enumerate(log, 1)
    ]
    await fill(database, stored)
    query = query._replace(after=0, upto=len(log))
    found: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.events.PAGE_ROWS", scan)
        patch.setattr("storage.events.PAGE_BYTES", bytes_)
        for _ in range(len(log) + 2):
            page = await page_of(database, query)
            found += [offset for offset, _ in page.events]
            if page.upto == query.upto:
                break
            assert page.upto > query.after
            assert sum(len(frame) for _, frame in page.events[:-1]) < bytes_
            query = query._replace(after=page.upto)
        else:
            pytest.fail("paging does not end")
    assert found == [row[0] for row in stored if query.wants(row)]


@once
@given(log=logs, query=queries, scan=st.integers(1, 6))
async def test_offsets_before_go_backwards_through_everything(
    database: Database, log: list[tuple[str, str, str | None]], query: Query, scan: int
) -> None:
    await emptied(database)
    stored = [
        event_row(n, merchant_id=merchant, type_=type_, subject=subject)
        for n, (merchant, type_, subject) in enumerate(log, 1)
    ]
    await fill(database, stored)
    wanted = query.filter
    before, found = query.after, list[int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.events.PAGE_ROWS", scan)
        while before:
            at = before
            hits, before = await database.read(
                lambda tx, at=at: events.offsets_before(  # type: ignore[misc]
                    tx,
                    None if wanted.types is None else split_patterns(wanted.types),
                    None if wanted.subjects is None else split_patterns(wanted.subjects),
                    at,
                ),
                Scope(query.merchant_id),
            )
            assert before < at
            found += hits
    expected = [row[0] for row in stored if row[0] < query.after and query.wants(row)]
    assert found == expected[::-1]


async def test_a_page_ends_with_the_event_that_fills_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(database, [event_row(n, size=50) for n in range(1, 11)])
    size = len(event_row(1, size=50)[6].encode())
    monkeypatch.setattr("storage.events.PAGE_BYTES", 3 * size)
    page = await page_of(database, Query(None, Filter(), 2, 99, 2000))
    assert [offset for offset, _ in page.events] == [3, 4, 5]
    assert page.upto == 5


async def test_the_newest_come_oldest_first(database: Database) -> None:
    await fill(database, [event_row(n, subject=f"é/{n}") for n in range(1, 8)])
    for count, expected in ((3, [5, 6, 7]), (7, list(range(1, 8))), (99, list(range(1, 8)))):
        found = await database.read(lambda tx, count=count: events.newest(tx, count), HUB)  # type: ignore[misc]
        assert [row.offset for row in found] == expected
        assert [(row.merchant_id, row.type, row.subject) for row in found] == [
            ("m1", "custom_a", f"é/{n}") for n in expected
        ]
        assert [row.frame for row in found] == [event_row(n)[6].encode() for n in expected]


async def test_last_offsets_are_by_merchant(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        for id_ in ("m1", "m2", "m3"):
            await merchants.insert(tx, id_, "name", NOW, Uuid7Source())

    await database.write(work, HUB)
    await fill(database, [event_row(n, merchant_id=f"m{1 + n % 2}") for n in range(1, 6)])
    assert await database.read(events.last_offsets, HUB) == {"m1": 4, "m2": 5}


# ── retention ────────────────────────────────────────────────────────────────────────────────────


@once
@given(
    times=st.lists(st.integers(0, 5), max_size=12).map(sorted),
    before=st.integers(0, 7),
    limit=st.integers(0, 13),
)
async def test_retention_takes_a_prefix_and_keeps_its_ids(
    database: Database, times: list[int], before: int, limit: int
) -> None:
    await emptied(database)
    await fill(database, [event_row(n, committed_ms=ms) for n, ms in enumerate(times, 1)])
    gone = min(limit, sum(ms < before for ms in times))
    assert await retire(database, before, limit) == gone
    offsets = [offset for (offset,) in await rows(database, "SELECT log_offset FROM events")]
    assert sorted(offsets) == list(range(gone + 1, len(times) + 1))
    retired = await rows(database, "SELECT merchant_id, id, log_offset FROM retired_event_ids")
    assert sorted(retired) == sorted(("m1", f"id-{n}", n) for n in range(1, gone + 1))
    state = await database.read(events.log_state, HUB)
    assert (state.head, state.oldest) == (len(times), gone + 1)


async def test_a_later_event_that_looks_older_keeps_what_is_behind_it(database: Database) -> None:
    """Only a prefix goes, whatever the times say."""
    await fill(database, [event_row(n, committed_ms=ms) for n, ms in enumerate((1, 9, 2, 3), 1)])
    assert await retire(database, 5, 10) == 1
    assert await retire(database, 5, 10) == 0
