"""Jobs by both doors: listed, looked at, ended, begun anew and thrown away, one and many."""

from typing import Any

import pytest
from msgspec import structs

from hub.commands import job_selections
from hub.protocol.times import format_ms, parse_ms
from jobs import by_hand
from storage import jobs, messages, work
from storage.database import Transaction
from storage.merchant_records import Job
from storage.scope import HUB, Scope
from tests.commands.shop import NOBODY, Body, Shop
from tests.gateway.calling import called, refusal, result
from tests.storage import samples
from tests.storage.samples import NOW
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

STATES = ("scheduled", "queued", "running", "succeeded", "retrying", "dead", "cancelled")


def at(seconds: float) -> str:
    return format_ms(parse_ms(NOW) + int(seconds * 1000))


async def add(shop: Shop, **changes: Any) -> Job:
    """A row of the first merchant."""
    row = samples.job(**{"merchant_id": shop.hub.merchant_id, "id": samples.new_id()} | changes)
    await shop.hub.database.write(lambda tx: jobs.insert(tx, row), HUB)
    return row


async def add_message(shop: Shop, status: str = "queued", **job: Any) -> Job:
    """A message to be sent, and its job."""
    row = samples.message(
        merchant_id=shop.hub.merchant_id, direction="outbound", status=status, provider_id=None
    )
    await shop.hub.database.write(lambda tx: messages.insert(tx, row), HUB)
    return await add(shop, id=row.id, args={"message_id": row.id, "to": "+49"}, **job)


async def stored(shop: Shop, id_: str) -> Job:
    scope = Scope(shop.hub.merchant_id)
    return await shop.hub.database.read(lambda tx: jobs.get(tx, id_), scope)


async def states(shop: Shop, **query: Any) -> list[tuple[str, str]]:
    found = (await shop.done("GET", "/jobs", **query))["jobs"]
    return [(job["id"], job["state"]) for job in found]


async def told(shop: Shop, since: int) -> list[tuple[str, str]]:
    """The events after an offset: their types, and what they are about."""
    return [(event["type"], event["subject"]) for event in await shop.events(since)]


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_list_is_newest_first_whatever_the_ids_are(shop: Shop) -> None:
    ids = ["z-1", "order-2", "a-3", "m-4", "b-5"]
    for number, id_ in enumerate(ids):
        await add(shop, id=id_, created_at=at(number))
    await add(shop, merchant_id=shop.hub.other_merchant)
    seen: list[str] = []
    after = ""
    for _ in range(9):
        answer = await shop.ask("GET", "/jobs", limit=2, after=after)
        said = answer.json()
        assert said["count"] == len(said["jobs"])
        seen += [job["id"] for job in said["jobs"]]
        if said["next"] is None:
            break
        assert 'rel="next"' in answer.headers["link"]
        after = said["next"]
    assert seen == ids[::-1]
    for wrong in ("x", "AAAA", "x" * 513, "ä"):
        assert await shop.refused(422, "GET", "/jobs", after=wrong) == ["/after"]


async def test_a_list_is_narrowed(shop: Shop) -> None:
    bulk = await add(shop, name="bulk", created_at=at(0))
    part = await add(shop, parent_id=bulk.id, state="dead", created_at=at(1))
    order = await add(shop, queue="order_processing", name="process", created_at=at(2))
    for query, expected in (
        ({}, [order, part, bulk]),
        ({"queue": "message_sending"}, [part, bulk]),
        ({"state": "dead"}, [part]),
        ({"state": "dead,queued"}, [order, part, bulk]),
        ({"name": "bulk"}, [bulk]),
        ({"parent_id": bulk.id}, [part]),
        ({"whole": "true"}, [order, bulk]),
        ({"queue": "message_sending", "state": "queued,running"}, [bulk]),
    ):
        assert await states(shop, **query) == [(job.id, job.state) for job in expected], query
    assert await shop.refused(422, "GET", "/jobs", state="lost") == ["/state"]
    assert await shop.refused(422, "GET", "/jobs", state="dead,") == ["/state"]
    assert await shop.refused(422, "GET", "/jobs", queue="lost") == ["/queue"]
    # No index goes over the parts of all merchants.
    named = {"parent_id": bulk.id, "who": "admin"}
    assert await shop.refused(422, "GET", "/jobs", **named) == ["/merchant_id"]
    own = await states(shop, merchant_id=shop.hub.merchant_id, **named)
    assert own == [(part.id, "dead")]


async def test_a_list_leaves_out_what_is_long(shop: Shop) -> None:
    long = await add(
        shop, args={"to": "x" * 3000}, result=["x" * 3000], error="x" * 4000, state="dead"
    )
    short = await add(shop, args={"to": "+49"}, result={"ok": True}, state="succeeded")
    found = {job["id"]: job for job in (await shop.done("GET", "/jobs"))["jobs"]}
    assert found[long.id]["abridged"] == ["args", "result", "error"]
    assert (found[long.id]["args"], found[long.id]["result"]) == ({}, None)
    assert len(found[long.id]["error"]) == 500
    assert (found[short.id]["args"], found[short.id]["result"]) == ({"to": "+49"}, {"ok": True})
    assert found[short.id]["abridged"] == []
    whole = (await shop.done("GET", f"/jobs/{long.id}"))["job"]
    assert (whole["args"], whole["result"], whole["error"]) == (long.args, long.result, long.error)


async def test_a_job_is_shown_with_its_attempts_and_parts(shop: Shop) -> None:
    bulk = await add(shop, name="bulk", awaits="children")
    for state in ("dead", "dead", "succeeded"):
        await add(shop, parent_id=bulk.id, state=state)
    tried = [
        structs.replace(
            samples.job_attempt(bulk.id), merchant_id=shop.hub.merchant_id, attempt=n,
            traceback="line 7", error=f"e{n}",
        )
        for n in (2, 1)
    ]  # fmt: skip

    async def insert(tx: Transaction) -> None:
        for attempt in tried:
            await work.add_attempt(tx, attempt)

    await shop.hub.database.write(insert, HUB)
    answer = await shop.ask("GET", f"/jobs/{bulk.id}")
    said = answer.json()
    assert answer.headers["etag"] == '"1"'
    assert said["parts"] == {"dead": 2, "succeeded": 1}
    assert [(a["attempt"], a["error"], a["traceback"]) for a in said["attempts"]] == [
        (1, "e1", "line 7"), (2, "e2", "line 7"),
    ]  # fmt: skip
    # Where in the program it failed is for who runs the business.
    seen = await shop.done("GET", f"/jobs/{bulk.id}", who="viewer")
    assert [(a["error"], a["traceback"]) for a in seen["attempts"]] == [("e1", None), ("e2", None)]
    alone = await add(shop)
    assert (await shop.done("GET", f"/jobs/{alone.id}"))["parts"] is None


async def test_the_status_of_a_job_is_told_to_a_bot_too(shop: Shop) -> None:
    job = await add(shop, state="retrying", attempt=2, error="no bot", progress=40, run_at=at(9))
    said = await shop.done("GET", f"/jobs/{job.id}/status", who="bot")
    wanted = {
        "id": job.id, "state": "retrying", "attempts": 2, "max_attempts": 3, "error": "no bot",
        "progress": 40, "run_at": at(9), "queue": "message_sending", "version": 1,
    }  # fmt: skip
    assert {name: said[name] for name in wanted} == wanted
    for who in ("owner", "driver", "reader"):
        await shop.refused(404, "GET", f"/jobs/{job.id}/status", who=who)
    await shop.refused(404, "GET", f"/jobs/{NOBODY}/status")


async def test_an_id_of_several_merchants_wants_the_merchant(shop: Shop) -> None:
    for merchant_id in (shop.hub.merchant_id, shop.hub.other_merchant):
        await add(shop, id="order-1", merchant_id=merchant_id)
    await shop.refused(409, "GET", "/jobs/order-1", who="admin")
    found = await shop.done("GET", "/jobs/order-1", who="admin", merchant_id=shop.hub.merchant_id)
    assert found["job"]["merchant_id"] == shop.hub.merchant_id


# ── one job ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_job_that_waits_is_ended_with_its_message(shop: Shop) -> None:
    job = await add_message(shop, state="retrying", attempt=1, error="no bot")
    since = await shop.end()
    answer = await shop.ask("POST", f"/jobs/{job.id}/cancel", {})
    assert answer.status == 200, answer.body
    said = answer.json()
    assert said["message"]
    cancelled = said["job"]
    assert (cancelled["state"], cancelled["version"]) == ("cancelled", 2)
    assert cancelled["finished_at"] is not None
    subject = f"job/{job.id}"
    events = await told(shop, since)
    assert ("job_cancelled", subject) in events
    assert [type_ for type_, _ in events].count("message_failed") == 1
    message = (await shop.done("GET", f"/messages/{job.id}"))["message"]
    assert (message["status"], "cancelled" in message["error"]) == ("failed", True)
    # What is so already is no change.
    again = (await shop.done("POST", f"/jobs/{job.id}/cancel", {}))["job"]
    assert again == cancelled
    assert await told(shop, since) == events


async def test_a_job_that_a_worker_performs_is_told_to_end(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []
    monkeypatch.setattr(shop.hub.services.queues, "cancel", ended.extend)
    job = await add(shop, state="running", attempt=1, worker="w")
    since = await shop.end()
    found = (await shop.done("POST", f"/jobs/{job.id}/cancel", {}))["job"]
    assert (found["state"], found["cancelling"], found["worker"]) == ("running", True, "w")
    assert ended == [(shop.hub.merchant_id, job.id)]
    assert await told(shop, since) == [], "it has not ended yet"
    # A bot is not waited for.
    at_bot = await add_message(shop, state="running", attempt=1, worker="w", awaits="bot")
    found = (await shop.done("POST", f"/jobs/{at_bot.id}/cancel", {}))["job"]
    assert (found["state"], found["worker"], found["awaits"]) == ("cancelled", None, None)


@pytest.mark.parametrize("state", ["succeeded", "dead"])
async def test_what_has_ended_is_not_cancelled(shop: Shop, state: str) -> None:
    job = await add(shop, state=state)
    await shop.refused(409, "POST", f"/jobs/{job.id}/cancel", {})
    assert (await stored(shop, job.id)).version == 1


async def test_a_dead_job_has_all_its_attempts_again(shop: Shop) -> None:
    job = await add_message(
        shop, status="failed", state="dead", attempt=3, max_attempts=3, error="no bot",
        finished_at=at(1), expires_at=at(2), progress=50,
    )  # fmt: skip
    since = await shop.end()
    heard: list[Job] = []
    shop.hub.services.log.queued = heard.extend
    found = (await shop.done("POST", f"/jobs/{job.id}/retry", {}))["job"]
    assert (found["state"], found["attempt"], found["max_attempts"]) == ("queued", 3, 6)
    assert (found["error"], found["progress"], found["finished_at"]) == ("no bot", 0, None)
    assert found["expires_at"] is None, "its time is over, and somebody wants it all the same"
    assert [each.id for each in heard] == [job.id]
    assert await told(shop, since) == [("job_queued", f"job/{job.id}")]
    message = (await shop.done("GET", f"/messages/{job.id}"))["message"]
    assert (message["status"], message["error"]) == ("queued", None)
    await shop.refused(409, "POST", f"/jobs/{job.id}/retry", {})


async def test_a_job_does_not_take_the_place_of_another(shop: Shop) -> None:
    dead = await add(shop, state="dead", unique_key="one")
    await add(shop, unique_key="one")
    assert await shop.refused(409, "POST", f"/jobs/{dead.id}/retry", {}) == []
    assert (await stored(shop, dead.id)).state == "dead"


@pytest.mark.parametrize("state", STATES)
async def test_what_has_ended_is_thrown_away(shop: Shop, state: str) -> None:
    job = await add(shop, state=state)
    if state in ("succeeded", "dead", "cancelled"):
        assert (await shop.done("DELETE", f"/jobs/{job.id}"))["id"] == job.id
        await shop.refused(404, "GET", f"/jobs/{job.id}")
    else:
        await shop.refused(409, "DELETE", f"/jobs/{job.id}")
        assert (await stored(shop, job.id)) == job


async def test_a_change_heeds_the_version(shop: Shop) -> None:
    job = await add(shop)
    stale: Any = {"headers": {"If-Match": '"7"'}}
    await shop.refused(412, "POST", f"/jobs/{job.id}/cancel", {}, **stale)
    now: Any = {"headers": {"If-Match": '"1"'}}
    answer = await shop.ask("POST", f"/jobs/{job.id}/cancel", {}, **now)
    assert (answer.status, answer.headers["etag"]) == (200, '"2"')
    await shop.refused(412, "POST", f"/jobs/{job.id}/retry", {}, **now)
    await shop.refused(412, "DELETE", f"/jobs/{job.id}", **now)
    assert (await stored(shop, job.id)).state == "cancelled"


async def test_a_job_takes_its_parts_with_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "PART", 2)
    bulk = await add(shop, name="bulk", awaits="children")
    parts = [await add_message(shop, parent_id=bulk.id, created_at=at(n)) for n in range(5)]
    done = await add(shop, parent_id=bulk.id, state="succeeded")
    since = await shop.end()
    await shop.done("POST", f"/jobs/{bulk.id}/cancel", {})
    assert set(await states(shop, parent_id=bulk.id)) == {
        *((part.id, "cancelled") for part in parts), (done.id, "succeeded"),
    }  # fmt: skip
    # A bulk send of ten thousand must not push everything else out of the log.
    assert await told(shop, since) == [("job_cancelled", f"job/{bulk.id}")]
    for part in parts:
        message = (await shop.done("GET", f"/messages/{part.id}"))["message"]
        assert (message["status"], message["error"]) == ("failed", "cancelled before it was sent")
    since = await shop.end()
    again = (await shop.done("POST", f"/jobs/{bulk.id}/retry", {}))["job"]
    assert (again["state"], again["awaits"]) == ("queued", "children")
    assert (await shop.done("GET", f"/jobs/{bulk.id}"))["parts"] == {"queued": 5, "succeeded": 1}
    assert await told(shop, since) == [("job_queued", f"job/{bulk.id}")]
    await shop.done("POST", f"/jobs/{bulk.id}/cancel", {})
    assert (await shop.done("DELETE", f"/jobs/{bulk.id}"))["id"] == bulk.id
    assert await states(shop) == []
    assert (await shop.done("GET", f"/messages/{parts[0].id}"))["message"]["status"] == "failed"


async def test_an_ended_job_with_an_open_part_stays(shop: Shop) -> None:
    bulk = await add(shop, name="bulk", state="succeeded")
    part = await add(shop, parent_id=bulk.id, state="running")
    await shop.refused(409, "DELETE", f"/jobs/{bulk.id}")
    assert set(await states(shop)) == {(bulk.id, "succeeded"), (part.id, "running")}


async def test_a_repeat_changes_nothing(shop: Shop) -> None:
    job = await add(shop)
    headers = {"Idempotency-Key": "c-1"}
    first = await shop.done("POST", f"/jobs/{job.id}/cancel", {}, headers=headers)
    await shop.done("POST", f"/jobs/{job.id}/retry", {})
    async with connect(shop.hub, shop.hub.keys["merchant"]) as socket:
        again = await called(socket, "jobs.cancel", {"id": job.id}, key="c-1")
    assert again["result"]["job"] == first["job"]
    assert (await stored(shop, job.id)).state == "queued"


# ── many jobs ────────────────────────────────────────────────────────────────────────────────────


async def many(shop: Shop, verb: str, body: Body, **more: Any) -> tuple[int, int]:
    said = await shop.done("POST", f"/jobs/{verb}", body, **more)
    return said["count"], said["left"]


async def test_all_that_match_are_changed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_selections, "LOT", 2)
    for number, state in enumerate(STATES):
        await add(shop, id=state, state=state, created_at=at(number), worker="w")
        await add(shop, id=f"o-{state}", state=state, queue="order_processing")
    await add(shop, id="theirs", merchant_id=shop.hub.other_merchant)
    ended: list[Any] = []
    monkeypatch.setattr(shop.hub.services.queues, "cancel", ended.extend)
    assert await many(shop, "cancel", {"queue": "message_sending"}) == (4, 0)
    assert ended == [(shop.hub.merchant_id, "running")]
    found = dict(await states(shop, queue="message_sending"))
    assert [id_ for id_, state in found.items() if state == "cancelled"] == [
        "cancelled", "retrying", "queued", "scheduled",
    ]  # fmt: skip
    # Those that somebody has ended are not begun anew unless that is said.
    assert await many(shop, "retry", {"queue": "message_sending"}) == (1, 0)
    assert (await stored(shop, "dead")).state == "queued"
    body: Body = {"queue": "message_sending", "state": "cancelled"}
    assert await many(shop, "retry", body) == (4, 0)
    assert await many(shop, "discard", {"queue": "order_processing"}) == (3, 0)
    assert await many(shop, "discard", {"name": "send", "state": "dead,succeeded"}) == (1, 0)
    rest = dict(await states(shop, queue="order_processing"))
    assert set(rest) == {"o-scheduled", "o-queued", "o-running", "o-retrying"}
    theirs = await shop.done("GET", "/jobs", who="owner")
    assert [(job["id"], job["state"]) for job in theirs["jobs"]] == [("theirs", "queued")]


async def test_those_of_a_list_are_changed(shop: Shop) -> None:
    rows = [await add(shop, state=state) for state in ("queued", "dead", "cancelled")]
    theirs = await add(shop, merchant_id=shop.hub.other_merchant)
    ids = [*(row.id for row in rows), theirs.id, NOBODY, rows[0].id]
    assert await many(shop, "cancel", {"ids": ids}) == (1, 0)
    assert await many(shop, "retry", {"ids": ids}) == (3, 0)
    assert await many(shop, "discard", {"ids": ids}) == (0, 0)
    assert await many(shop, "cancel", {"ids": ids}) == (3, 0)
    assert await many(shop, "discard", {"ids": ids}) == (3, 0)
    assert (await shop.done("GET", f"/jobs/{theirs.id}", who="owner"))["job"]["version"] == 1


async def test_a_call_has_an_end_and_says_what_is_left(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_selections, "LOT", 2)
    monkeypatch.setattr(job_selections, "MOST", 4)
    for number in range(7):
        await add(shop, created_at=at(number))
    assert await many(shop, "cancel", {"state": "queued"}) == (4, 3)
    assert await many(shop, "cancel", {"state": "queued"}) == (3, 0)


async def test_parts_go_with_what_matches(shop: Shop) -> None:
    bulk = await add(shop, name="bulk", awaits="children")
    part = await add(shop, parent_id=bulk.id)
    assert await many(shop, "cancel", {"name": "bulk"}) == (1, 0)
    assert (await stored(shop, part.id)).state == "cancelled"
    assert await many(shop, "retry", {"name": "bulk", "state": "cancelled"}) == (1, 0)
    assert (await stored(shop, part.id)).state == "queued"
    assert await many(shop, "cancel", {"ids": [bulk.id]}) == (1, 0)
    assert await many(shop, "discard", {"name": "bulk"}) == (1, 0)
    assert await states(shop) == []


async def test_one_whose_place_is_taken_is_left_and_the_others_are_not(shop: Shop) -> None:
    dead = [await add(shop, state="dead", unique_key=key) for key in ("a", "b", "b")]
    await add(shop, unique_key="a")
    assert await many(shop, "retry", {"state": "dead"}) == (1, 0)
    found = [(await stored(shop, job.id)).state for job in dead]
    assert (found[0], sorted(found[1:])) == ("dead", ["dead", "queued"])


async def test_a_call_for_many_says_which(shop: Shop) -> None:
    job = await add(shop, state="dead")
    for verb in ("cancel", "retry", "discard"):
        assert await shop.refused(422, "POST", f"/jobs/{verb}", {}) == [""]
        both = {"ids": [job.id], "queue": "message_sending"}
        assert await shop.refused(422, "POST", f"/jobs/{verb}", both) == ["/ids"]
        named = await shop.refused(422, "POST", f"/jobs/{verb}", {"name": "send"}, who="admin")
        assert named == ["/merchant_id"]
        assert await shop.refused(422, "POST", f"/jobs/{verb}", {"ids": []}) == ["/ids"]
    for verb, state in (("cancel", "dead"), ("retry", "succeeded"), ("discard", "queued")):
        body = {"state": f"{state},cancelled" if verb != "cancel" else state}
        assert await shop.refused(422, "POST", f"/jobs/{verb}", body) == ["/state"]
    assert (await stored(shop, job.id)) == job


async def test_a_repeat_for_many_changes_nothing(shop: Shop) -> None:
    await add(shop)
    headers = {"Idempotency-Key": "all-1"}
    body: Body = {"queue": "message_sending"}
    assert await many(shop, "cancel", body, headers=headers) == (1, 0)
    late = await add(shop)
    assert await many(shop, "cancel", body, headers=headers) == (1, 0)
    assert (await stored(shop, late.id)).state == "queued"


async def test_by_the_socket(shop: Shop) -> None:
    job = await add(shop, state="dead")
    async with connect(shop.hub, shop.hub.keys["merchant"]) as socket:
        assert (await result(socket, "jobs.status", {"id": job.id}))["state"] == "dead"
        assert (await result(socket, "jobs.retry", {"id": job.id}))["job"]["state"] == "queued"
        assert await result(socket, "jobs.cancel_all", {"ids": [job.id]}) == {"count": 1, "left": 0}
        error = await refusal(socket, "jobs.discard_all", {})
        assert error["code"] == "invalid_params"
    async with connect(shop.hub, shop.hub.keys["bot"]) as socket:
        assert (await refusal(socket, "jobs.retry", {"id": job.id}))["code"] == "forbidden"
