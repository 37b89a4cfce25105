"""Jobs as lists and in numbers, and what people change of them, on both engines."""

from typing import Any

import pytest

from hub.protocol.times import format_ms, parse_ms
from storage import job_changes, job_counts, job_lists, jobs, messages, work
from storage.database import Database, Transaction
from storage.errors import Conflict, Sealed
from storage.merchant_records import Job
from storage.scope import HUB, Scope
from tests.storage import samples
from tests.storage.samples import NOW, OURS, THEIRS, read, write

pytestmark = pytest.mark.both_engines

START = parse_ms(NOW)


def at(seconds: float) -> str:
    return format_ms(START + int(seconds * 1000))


@pytest.fixture(autouse=True)
async def merchants(database: Database) -> None:
    await samples.add_merchants(database)


async def add(database: Database, *rows: Job) -> None:
    async def insert(tx: Transaction) -> None:
        for row in rows:
            await jobs.insert(tx, row)

    await write(database, insert, HUB)


async def listed(
    database: Database, scope: Scope = OURS, limit: int = 9, after: Any = None, **filters: Any
) -> list[str]:
    async def work_(tx: Transaction) -> list[Job]:
        places = await job_lists.newest(tx, after, limit, **filters)
        return await job_lists.at(tx, places)

    return [job.id for job in await read(database, work_, scope)]


async def test_jobs_are_found_by_each_filter_newest_first(database: Database) -> None:
    await add(
        database,
        samples.job(id="z-old", created_at=at(0), name="bulk"),
        samples.job(id="part", created_at=at(1), parent_id="z-old", state="running"),
        samples.job(id="order-1", created_at=at(2), queue="order_processing", name="process"),
        samples.job(id="a-new", created_at=at(3), state="dead"),
        samples.job(id="theirs", created_at=at(4), merchant_id="m2"),
    )
    ours: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["a-new", "order-1", "part", "z-old"]),
        ({"whole": True}, ["a-new", "order-1", "z-old"]),
        ({"queue": "message_sending"}, ["a-new", "part", "z-old"]),
        ({"queue": "message_sending", "whole": True}, ["a-new", "z-old"]),
        ({"state": ["queued"]}, ["order-1", "z-old"]),
        ({"state": ["queued", "dead"]}, ["a-new", "order-1", "z-old"]),
        ({"queue": "message_sending", "state": ["queued"]}, ["z-old"]),
        ({"name": "send"}, ["a-new", "part"]),
        ({"name": "send", "state": ["dead", "succeeded"]}, ["a-new"]),
        ({"parent_id": "z-old"}, ["part"]),
        ({"parent_id": "z-old", "state": ["dead"]}, []),
        ({"parent_id": "z-old", "queue": "webhook_delivery"}, []),
    ]
    for filters, expected in ours:
        assert await listed(database, **filters) == expected, filters
        if "parent_id" not in filters:
            assert [id_ for id_ in await listed(database, HUB, **filters) if id_ != "theirs"] == (
                expected
            ), filters
    assert await listed(database, THEIRS) == ["theirs"]
    assert await listed(database, THEIRS, parent_id="z-old") == []
    with pytest.raises(Sealed):
        await listed(database, HUB, parent_id="z-old")


@pytest.mark.parametrize("filters", [{}, {"queue": "message_sending"}, {"name": "send"}])
async def test_pages_have_no_holes_though_ids_are_chosen(
    database: Database, filters: dict[str, Any]
) -> None:
    # Several of one millisecond, with ids that sort against the time of their making.
    ids = [f"{chr(ord('z') - number)}-{number}" for number in range(9)]
    await add(
        database,
        *(samples.job(id=id_, created_at=at(n // 3), state=("queued", "dead")[n % 2])
          for n, id_ in enumerate(ids)),
    )  # fmt: skip
    seen: list[str] = []
    after: job_lists.Place | None = None
    while True:
        page = await read(
            database,
            lambda tx, after=after: job_lists.newest(tx, after, 2, **filters),  # type: ignore[misc]
        )
        if not page:
            break
        seen += [place.id for place in page]
        after = page[-1]
    assert seen == [*sorted(ids[6:], reverse=True), *sorted(ids[3:6], reverse=True),
                    *sorted(ids[:3], reverse=True)]  # fmt: skip


async def test_what_is_gone_is_left_out_of_a_page(database: Database) -> None:
    await add(database, samples.job(id="a"))

    async def work_(tx: Transaction) -> list[Job]:
        places = [job_lists.Place(NOW, "m1", id_) for id_ in ("gone", "a")]
        return await job_lists.at(tx, places)

    assert [job.id for job in await read(database, work_)] == ["a"]
    found = await read(database, lambda tx: job_lists.place_of(tx, ["a", "gone"]))
    assert found == [job_lists.Place(NOW, "m1", "a")]
    assert await read(database, lambda tx: job_lists.place_of(tx, ["a"]), THEIRS) == []


async def test_numbers_of_a_queue(database: Database) -> None:
    sending: dict[str, Any] = {"queue": "message_sending"}
    await add(
        database,
        samples.job(id="late", created_at=at(0), run_at=at(9), **sending),
        samples.job(id="longest", created_at=at(5), run_at=at(5), **sending),
        samples.job(id="parked", created_at=at(6), run_at=at(6), awaits="bot", **sending),
        samples.job(
            id="held", created_at=at(6), awaits="bot", state="running", worker="w", **sending
        ),
        samples.job(id="done", state="succeeded", started_at=at(1), finished_at=at(2), **sending),
        samples.job(id="dead", state="dead", finished_at=at(60), **sending),
        samples.job(id="theirs", merchant_id="m2", run_at=at(1), **sending),
    )
    counts = await read(database, job_counts.by_state)
    assert counts == {
        ("message_sending", "queued"): 3, ("message_sending", "running"): 1,
        ("message_sending", "succeeded"): 1, ("message_sending", "dead"): 1,
    }  # fmt: skip
    every = await read(database, job_counts.by_state, HUB)
    assert every[("message_sending", "queued")] == 4
    for scope, oldest in ((OURS, at(5)), (HUB, at(1))):
        waiting = await read(
            database, lambda tx: job_counts.waiting_since(tx, "message_sending"), scope
        )
        assert waiting == oldest
        assert await read(
            database, lambda tx: job_counts.awaiting_bot(tx, "message_sending"), scope
        ) == (1, 1)
        assert await read(
            database, lambda tx: job_counts.finished_since(tx, "message_sending", at(3)), scope
        ) == 1  # fmt: skip
        last = await read(
            database, lambda tx: job_counts.last_finished(tx, "message_sending", at(0)), scope
        )
        assert [row.state for row in last] == ["dead", "succeeded"]
    idle = await read(database, lambda tx: job_counts.waiting_since(tx, "order_processing"))
    assert idle is None


# ── changes ──────────────────────────────────────────────────────────────────────────────────────


STATES = ("scheduled", "queued", "running", "succeeded", "retrying", "dead", "cancelled")


async def test_each_change_is_possible_in_its_states_alone(database: Database) -> None:
    async def made() -> list[tuple[str, str]]:
        rows = [samples.job(id=samples.new_id(), state=state) for state in STATES]
        rows.append(samples.job(id=samples.new_id(), state="running", awaits="bot", worker="w"))
        await add(database, *rows)
        return [(row.merchant_id, row.id) for row in rows]

    async def states(keys: list[tuple[str, str]], changed: list[Job]) -> list[str]:
        names = [*STATES, "at a bot"]
        places = dict(zip(keys, names, strict=True))
        return sorted(places[job.merchant_id, job.id] for job in changed)

    keys = await made()
    changed = await write(database, lambda tx: job_changes.cancel(tx, keys, at(1)))
    assert await states(keys, changed) == ["at a bot", "queued", "retrying", "scheduled"]
    assert {(job.state, job.finished_at, job.worker, job.awaits) for job in changed} == {
        ("cancelled", at(1), None, None)
    }
    asked = await write(database, lambda tx: job_changes.ask_to_end(tx, keys, at(1)))
    assert await states(keys, asked) == ["running"]
    assert [(job.state, job.cancelling) for job in asked] == [("running", True)]
    assert await write(database, lambda tx: job_changes.ask_to_end(tx, keys, at(2))) == []
    keys = await made()
    assert await write(database, lambda tx: job_changes.cancel(tx, keys, at(1)), THEIRS) == []
    begun = await write(
        database, lambda tx: job_changes.begin_anew(tx, keys, {"message_sending": 4}, at(1))
    )
    assert await states(keys, begun) == ["cancelled", "dead"]
    assert {(job.state, job.run_at, job.finished_at) for job in begun} == {("queued", at(1), None)}
    keys = await made()
    assert await write(database, lambda tx: job_changes.discard(tx, keys), THEIRS) == 0
    assert await write(database, lambda tx: job_changes.discard(tx, keys)) == 3
    left = await read(database, lambda tx: job_lists.place_of(tx, [id_ for _, id_ in keys]))
    assert {place.id for place in left} == {keys[n][1] for n in (0, 1, 2, 4, 7)}


async def test_a_job_begun_anew_has_all_its_attempts_and_its_time(database: Database) -> None:
    await add(
        database,
        samples.job(id="a", state="dead", attempt=5, max_attempts=5, expires_at=at(-1), error="e"),
        samples.job(id="b", state="dead", attempt=3, expires_at=at(60), unique_key="u"),
    )
    keys = [("m1", "a"), ("m1", "b")]
    begun = await write(
        database, lambda tx: job_changes.begin_anew(tx, keys, {"message_sending": 3}, at(1))
    )
    assert [(j.attempt, j.max_attempts, j.expires_at, j.error) for j in begun] == [
        (5, 8, None, "e"), (3, 6, at(60), None),
    ]  # fmt: skip
    await add(database, samples.job(id="c", state="dead", unique_key="u"))
    with pytest.raises(Conflict):
        await write(
            database,
            lambda tx: job_changes.begin_anew(tx, [("m1", "c")], {"message_sending": 3}, at(1)),
        )


async def test_whoever_has_parts_waits_for_them_and_stays(database: Database) -> None:
    await add(
        database,
        samples.job(id="whole", name="bulk"),
        samples.job(id="not-yet", name="bulk"),
        samples.job(id="alone"),
        samples.job(id="part", parent_id="whole"),
        samples.job(id="early", parent_id="not-yet"),
        samples.job(id="ended", name="bulk", state="dead"),
        samples.job(id="last", parent_id="ended", state="dead"),
    )
    await write(database, lambda tx: work.put_input(tx, "not-yet", ["+1"]))
    keys = [("m1", id_) for id_ in ("whole", "not-yet", "alone")]
    waiting = await write(database, lambda tx: job_changes.await_parts(tx, keys, at(1)))
    assert [(job.id, job.awaits) for job in waiting] == [("whole", "children")]
    assert await write(database, lambda tx: job_changes.discard(tx, [("m1", "ended")])) == 0
    for id_ in ("last", "ended"):
        assert await write(database, lambda tx, i=id_: job_changes.discard(tx, [("m1", i)])) == 1  # type: ignore[misc]


async def test_messages_are_given_up_and_wait_again(database: Database) -> None:
    waiting = samples.message(direction="outbound", status="queued", provider_id=None)
    sent = samples.message(direction="outbound", status="sent", provider_id="p9")

    async def insert(tx: Transaction) -> None:
        await messages.insert(tx, waiting)
        await messages.insert(tx, sent)

    await write(database, insert)
    keys = [("m1", waiting.id), ("m1", sent.id)]
    assert await write(database, lambda tx: messages.give_up(tx, keys, "why", at(1)), THEIRS) == []
    [given_up] = await write(database, lambda tx: messages.give_up(tx, keys, "why", at(1)))
    assert (given_up.id, given_up.status, given_up.error) == (waiting.id, "failed", "why")
    [again] = await write(database, lambda tx: messages.wait_again(tx, keys, at(2)))
    assert (again.id, again.status, again.error, again.version) == (waiting.id, "queued", None, 3)
