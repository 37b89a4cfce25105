"""Recurring jobs by both doors: made, changed, let rest; what could never be done is refused."""

from typing import Any

import pytest

from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms, parse_ms
from jobs.context import Context
from jobs.recurring import begin_due
from storage import recurring
from storage.scope import Scope
from tests.commands.shop import NOBODY, PHONE, Body, Shop
from tests.gateway.calling import refusal, result
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

DAILY: Body = {
    "name": "Good morning", "task": "send", "args": {"to": PHONE, "text": "Hello"},
    "schedule": "30  9 * * *", "time_zone": "Africa/Harare",
}  # fmt: skip
MANY: Body = {
    "name": "News", "task": "bulk", "schedule": "0 9 * * MON", "missed": "skip",
    "args": {"template": "order_status", "recipients": [{"to": PHONE}]},
}  # fmt: skip


async def made(shop: Shop, body: Body = DAILY, **more: Any) -> Any:
    answer = await shop.ask("POST", "/recurring", body, **more)
    assert answer.status == 201, answer.body
    row = answer.json()["recurring"]
    assert answer.headers["location"] == f"/api/recurring/{row['id']}"
    return row


async def test_one_is_made_with_its_next_time(shop: Shop) -> None:
    row = await made(shop)
    assert (row["queue"], row["task"], row["args"]) == ("message_sending", "send", DAILY["args"])
    assert (row["schedule"], row["missed"], row["is_active"]) == ("30 9 * * *", "once", True)
    assert row["created_by"] == shop.hub.key_ids["merchant"]
    # Harare is two hours ahead of UTC, the whole year.
    assert row["next_run_at"].endswith("T07:30:00.000Z")
    wait = parse_ms(row["next_run_at"]) - shop.hub.services.started.at_ms
    assert 0 < wait <= 24 * 3600 * 1000 + 60_000
    assert (await shop.done("GET", f"/recurring/{row['id']}", who="viewer"))["recurring"] == row
    many = await made(shop, MANY)
    listed = await shop.done("GET", "/recurring")
    assert (listed["recurring"], listed["count"], listed["next"]) == ([row, many], 2, None)
    page = await shop.done("GET", "/recurring", limit=1)
    assert (page["recurring"], page["next"]) == ([row], row["id"])
    assert (await shop.done("GET", "/recurring", who="owner"))["recurring"] == []
    await shop.refused(404, "GET", f"/recurring/{row['id']}", who="owner")
    await shop.refused(403, "GET", "/recurring", who="bot")


@pytest.mark.parametrize(
    ("body", "change", "named"),
    [
        (DAILY, {"schedule": "every morning"}, ["/schedule"]),
        (DAILY, {"schedule": "60 9 * * *"}, ["/schedule"]),
        (DAILY, {"schedule": "0 0 30 2 *"}, ["/schedule"]),
        (DAILY, {"schedule": "0 0 9 * * *"}, ["/schedule"]),
        (DAILY, {"schedule": "* * *"}, ["/schedule"]),
        (DAILY, {"time_zone": "Harare"}, ["/time_zone"]),
        (DAILY, {"time_zone": "../etc/passwd"}, ["/time_zone"]),
        (DAILY, {"missed": "some"}, ["/missed"]),
        (DAILY, {"name": ""}, ["/name"]),
        (DAILY, {"name": "x" * 101}, ["/name"]),
        (DAILY, {"args": {"text": "Hello"}}, ["/args/to"]),
        (DAILY, {"args": {"to": PHONE}}, ["/args/text"]),
        (DAILY, {"args": {"to": "nobody", "text": "Hello"}}, ["/args/to"]),
        (DAILY, {"args": {"to": PHONE, "text": " "}}, ["/args/text"]),
        (DAILY, {"args": {"to": PHONE, "text": 7}}, ["/args/text"]),
        (DAILY, {"args": {"to": PHONE, "text": "Hello", "chat": "x"}}, ["/args"]),
        (DAILY, {"args": {"to": PHONE, "template": "no_such_one"}}, ["/args/template"]),
        (
            DAILY,
            {"args": {"to": PHONE, "template": "payment_request", "variables": {"amount": "1"}}},
            ["/args/variables/order_id"],
        ),
        (MANY, {"args": {"template": "order_status", "recipients": []}}, ["/args/recipients"]),
        (MANY, {"args": {"template": "lost", "recipients": [{"to": "1"}]}}, ["/args/template"]),
        (MANY, {"args": {"template": "order_status", "recipients": [{}]}},
         ["/args/recipients/0/to"]),
        (
            MANY,
            {"args": {"template": "order_status", "recipients": [{"to": "x" * 66_000}]}},
            ["/args"],
        ),
    ],
)  # fmt: skip
async def test_what_could_never_be_done_is_refused(
    shop: Shop, body: Body, change: Body, named: list[str]
) -> None:
    assert await shop.refused(422, "POST", "/recurring", body | change) == named
    row = await made(shop, body)
    assert await shop.refused(422, "PATCH", f"/recurring/{row['id']}", change) == named
    assert (await shop.done("GET", "/recurring"))["recurring"] == [row]


async def test_each_has_a_name_of_its_own(shop: Shop) -> None:
    await made(shop)
    other = await made(shop, MANY)
    theirs = {**DAILY, "name": MANY["name"]}
    await made(shop, theirs, who="owner")
    answer = await shop.ask("POST", "/recurring", DAILY)
    assert (answer.status, DAILY["name"] in answer.json()["error"]) == (409, True)
    path = f"/recurring/{other['id']}"
    answer = await shop.ask("PATCH", path, {"name": DAILY["name"]})
    assert (answer.status, DAILY["name"] in answer.json()["error"]) == (409, True)
    assert (await shop.done("GET", path))["recurring"] == other


async def test_other_tasks_do_not_recur(shop: Shop) -> None:
    for task in ("optimize", "process", "deliver"):
        body = {**DAILY, "task": task}
        assert await shop.refused(422, "POST", "/recurring", body) == ["/task"]


async def test_one_is_changed_and_let_rest(shop: Shop) -> None:
    row = await made(shop)
    path = f"/recurring/{row['id']}"

    async def changed(**change: Any) -> Any:
        return (await shop.done("PATCH", path, change))["recurring"]

    assert await changed(name=row["name"], schedule="30 9  * * *") == row, "that is no change"
    named = await changed(name="Good day")
    assert (named["name"], named["version"], named["next_run_at"]) == (
        "Good day", 2, row["next_run_at"],
    )  # fmt: skip
    moved = await changed(time_zone="UTC")
    assert moved["next_run_at"].endswith("T09:30:00.000Z")
    rests = await changed(is_active=False)
    assert (rests["is_active"], rests["next_run_at"]) == (False, None)
    assert (await changed(schedule="0 8 * * *"))["next_run_at"] is None, "it rests"
    again = await changed(is_active=True)
    assert again["next_run_at"].endswith("T08:00:00.000Z")
    stale: Any = {"headers": {"If-Match": '"1"'}}
    await shop.refused(412, "PATCH", path, {"name": "x"}, **stale)
    await shop.refused(412, "DELETE", path, **stale)
    assert (await shop.done("DELETE", path))["id"] == row["id"]
    await shop.refused(404, "PATCH", path, {"name": "x"})
    await shop.refused(404, "DELETE", f"/recurring/{NOBODY}")
    audit = (await shop.done("GET", "/audit"))["audit"]
    actions = [each["action"] for each in audit if each["target_id"] == row["id"]]
    assert actions == ["DELETE", *["UPDATE"] * 5, "CREATE"]


async def test_what_has_rested_is_looked_at_again(shop: Shop) -> None:
    """The template may be gone by the time when it is to come again."""
    row = await made(shop, {**MANY, "is_active": False})
    assert row["next_run_at"] is None
    found = (await shop.done("GET", "/templates"))["templates"]
    [id_] = [each["id"] for each in found if each["name"] == "order_status"]
    await shop.done("POST", f"/templates/{id_}/archive", {})
    path = f"/recurring/{row['id']}"
    assert await shop.refused(422, "PATCH", path, {"is_active": True}) == ["/args/template"]


@pytest.mark.parametrize("body", [DAILY, MANY], ids=["send", "bulk"])
async def test_when_it_comes_it_is_a_job(shop: Shop, body: Body) -> None:
    row = await made(shop, body)
    services = shop.hub.services
    due = parse_ms(row["next_run_at"])
    context = Context(
        log=services.log, worker="w", media_root=services.settings.media_folder, hub_id="h",
        clock=lambda: due + 1000,
    )  # fmt: skip
    assert await begin_due(context) == 1
    [job] = (await shop.done("GET", "/jobs"))["jobs"]
    assert (job["name"], job["state"], job["error"]) == (body["task"], "queued", None)

    async def read(tx: Any) -> Any:
        return await recurring.get(tx, row["id"])

    after = await services.database.read(read, Scope(shop.hub.merchant_id))
    assert after.last_run_at == row["next_run_at"]
    assert after.next_run_at > format_ms(due)
    # As long as it has not ended, the next one does not overtake it.
    due = parse_ms(after.next_run_at)
    assert await begin_due(context) == 1
    assert (await shop.done("GET", "/jobs"))["count"] == 1


async def test_by_the_socket_and_again(shop: Shop) -> None:
    async with connect(shop.hub, shop.hub.keys["merchant"]) as socket:
        body = {**DAILY, "id": uuid7()}
        first = await result(socket, "recurring.create", body)
        assert await result(socket, "recurring.create", body) == first
        error = await refusal(socket, "recurring.create", {**DAILY, "schedule": "tomorrow!"})
        assert [each["pointer"] for each in error["errors"]] == ["/params/schedule"]
