"""Messages to customers by both doors: what is queued, and what is refused before it is."""

import time
from typing import Any

import pytest

from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms
from storage import jobs, work
from storage.database import Transaction
from storage.scope import Scope
from tests.commands.shop import NOBODY, PHONE, Body, Shop
from tests.gateway.calling import refusal, result
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

SEND, BULK = "/messages/send", "/messages/bulk"
VALUES: Body = {"order_id": "ORD-1", "amount": "9.00"}
"""For the template `payment_request`, which every merchant has from the start."""
DAY = 24 * 3600


def ahead(seconds: float) -> str:
    return format_ms(time.time_ns() // 1_000_000 + int(seconds * 1000))


async def accepted(shop: Shop, path: str, body: Body, **more: Any) -> Any:
    """The job of a request that is taken."""
    answer = await shop.ask("POST", path, body, **more)
    assert answer.status == 202, answer.body
    said = answer.json()
    assert said.keys() == {"success", "job", "message", "epoch", "offset"}
    assert (said["success"], bool(said["message"])) == (True, True)
    assert answer.headers["location"] == f"/api/jobs/{said['job']['id']}"
    return said["job"]


async def template_id(shop: Shop, name: str, who: str = "merchant") -> str:
    found = (await shop.done("GET", "/templates", who=who))["templates"]
    return str(next(each["id"] for each in found if each["name"] == name))


async def nothing_queued(shop: Shop) -> None:
    assert (await shop.done("GET", "/jobs"))["jobs"] == []
    assert (await shop.done("GET", "/messages"))["messages"] == []


# ── one message ──────────────────────────────────────────────────────────────────────────────────


async def test_a_text_is_queued_with_its_message(shop: Shop) -> None:
    since = await shop.end()
    job = await accepted(shop, SEND, {"to": "+263 77 123-4567", "text": "Hello {{name}}"})
    assert (job["queue"], job["name"], job["state"]) == ("message_sending", "send", "queued")
    assert (job["recipient"], job["args"]["message_id"]) == ("263771234567", job["id"])
    message = (await shop.done("GET", f"/messages/{job['id']}"))["message"]
    wanted = {
        "direction": "outbound", "phone": "263771234567", "text": "Hello {{name}}",
        "status": "queued", "type": "text", "template_id": None,
    }  # fmt: skip
    assert {name: message[name] for name in wanted} == wanted
    [event] = await shop.events(since)
    assert (event["type"], event["subject"]) == ("job_queued", f"job/{job['id']}")
    assert event["source"].startswith("merchant:")
    assert "Hello" not in str(event["data"])
    assert (await shop.done("GET", f"/jobs/{job['id']}"))["job"] == job


@pytest.mark.parametrize("by", ["template", "template_id"])
async def test_a_template_is_named_by_name_or_id(shop: Shop, by: str) -> None:
    id_ = await template_id(shop, "payment_request")
    named = "payment_request" if by == "template" else id_
    job = await accepted(shop, SEND, {"to": PHONE, by: named, "variables": VALUES}, who="bot")
    message = (await shop.done("GET", f"/messages/{job['id']}"))["message"]
    assert (message["template_id"], message["type"]) == (id_, "buttons")
    assert "ORD-1" in message["text"]
    assert job["args"]["template_id"] == id_


async def test_a_group_is_sent_to_by_its_name(shop: Shop) -> None:
    job = await accepted(shop, SEND, {"to": "120363000000000001@g.us", "text": "Hello all"})
    message = (await shop.done("GET", f"/messages/{job['id']}"))["message"]
    assert (message["phone"], message["chat"]) == ("120363000000000001", "120363000000000001@g.us")


async def test_a_message_for_later_waits_for_its_time(shop: Shop) -> None:
    at = ahead(3 * DAY)
    body = {"to": PHONE, "text": "Soon", "send_at": at, "expires_at": ahead(4 * DAY)}
    job = await accepted(shop, SEND, {**body, "priority": 7})
    assert (job["state"], job["run_at"], job["priority"]) == ("scheduled", at, 7)
    assert job["expires_at"] is not None
    # The same moment on another clock; a time that is over is now.
    zoned = {**body, "send_at": f"{at[:-1]}+00:00"}
    assert (await accepted(shop, SEND, zoned))["run_at"] == at
    past = await accepted(shop, SEND, {"to": PHONE, "text": "Now", "send_at": ahead(-60)})
    assert past["state"] == "queued"


async def test_a_repeat_is_one_message(shop: Shop) -> None:
    id_ = uuid7()
    body = {"to": PHONE, "text": "Hello", "id": id_}
    first = await accepted(shop, SEND, body)
    assert first["id"] == id_
    assert await accepted(shop, SEND, body) == first
    assert await shop.refused(409, "POST", SEND, {**body, "text": "Other"}) == []
    key: Any = {"headers": {"Idempotency-Key": "s-1"}}
    other = await accepted(shop, SEND, {"to": PHONE, "text": "Hello"}, **key)
    assert await accepted(shop, SEND, {"to": PHONE, "text": "Hello"}, **key) == other
    assert (await shop.done("GET", "/jobs"))["count"] == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"text": None}, ["/text"]),
        ({"template": "payment_request"}, ["/text"]),
        ({"to": "nobody"}, ["/to"]),
        ({"to": "123"}, ["/to"]),
        ({"to": ""}, ["/to"]),
        ({"text": " \n"}, ["/text"]),
        ({"text": "x" * 4097}, ["/text"]),
        ({"send_at": "tomorrow"}, ["/send_at"]),
        ({"send_at": ahead(400 * DAY)}, ["/send_at"]),
        ({"expires_at": ahead(-1)}, ["/expires_at"]),
        ({"send_at": ahead(DAY), "expires_at": ahead(DAY / 2)}, ["/expires_at"]),
        ({"expires_at": ahead(4000 * DAY)}, ["/expires_at"]),
        ({"priority": 101}, ["/priority"]),
        ({"id": "mine"}, ["/id"]),
        ({"format": "cloud"}, ["/format"]),
    ],
)
async def test_what_cannot_be_sent_is_refused_by_its_field(
    shop: Shop, change: Body, named: list[str]
) -> None:
    body = {"to": PHONE, "text": "Hello"} | change
    assert await shop.refused(422, "POST", SEND, body) == named
    await nothing_queued(shop)


async def test_a_template_that_cannot_be_filled_in_is_refused(shop: Shop) -> None:
    named: Body = {"to": PHONE, "template": "payment_request"}

    async def refused(**change: Any) -> list[str]:
        return await shop.refused(422, "POST", SEND, named | change)

    assert await refused() == ["/variables/order_id", "/variables/amount"]
    assert await refused(variables={"order_id": "1"}) == ["/variables/amount"]
    assert await refused(variables={**VALUES, "amount": ["9"]}) == ["/variables/amount"]
    # Too long is the text that comes of it, of which the template is the field.
    assert await refused(variables={**VALUES, "amount": "9" * 2000}) == ["/template"]
    id_ = await template_id(shop, "payment_request")
    long = {"template": None, "template_id": id_, "variables": {**VALUES, "amount": "9" * 2000}}
    assert await refused(**long) == ["/template_id"]
    assert await refused(template="no_such_one") == ["/template"]
    assert await refused(template=None, template_id=NOBODY) == ["/template_id"]
    # Another merchant's is none.
    theirs = await template_id(shop, "payment_request", who="owner")
    assert await refused(template=None, template_id=theirs, variables=VALUES) == ["/template_id"]
    await shop.done("POST", f"/templates/{id_}/archive", {})
    assert await refused(variables=VALUES) == ["/template"]
    await nothing_queued(shop)


async def test_by_the_socket(shop: Shop) -> None:
    async with connect(shop.hub, shop.hub.keys["bot"]) as socket:
        said = await result(socket, "messages.send", {"to": PHONE, "text": "Hello"})
        assert said["job"]["state"] == "queued"
        error = await refusal(socket, "messages.send", {"to": "x", "text": "Hello"})
        assert [each["pointer"] for each in error["errors"]] == ["/params/to"]
        error = await refusal(
            socket, "messages.bulk", {"recipients": [{"to": PHONE}], "template": "order_status"}
        )
        assert error["code"] == "forbidden"


# ── many ─────────────────────────────────────────────────────────────────────────────────────────


async def stored(shop: Shop, job_id: str) -> list[Any] | None:
    """The recipients that are kept for a job."""

    async def read(tx: Transaction) -> list[Any] | None:
        assert (await jobs.get(tx, job_id)).name == "bulk"
        return await work.get_input(tx, job_id)

    return await shop.hub.database.read(read, Scope(shop.hub.merchant_id))


async def test_many_are_one_job_with_its_recipients(shop: Shop) -> None:
    id_ = await template_id(shop, "payment_request")
    recipients: list[Body] = [
        {"to": "+26377000001", "variables": {"order_id": "ORD-1"}},
        {"to": "nobody at all"},
    ]
    since = await shop.end()
    body = {"template": "payment_request", "recipients": recipients, "variables": {"amount": "1"}}
    job = await accepted(shop, BULK, body)
    assert (job["queue"], job["name"], job["state"]) == ("message_sending", "bulk", "queued")
    assert job["args"] == {"template_id": id_, "total": 2, "variables": {"amount": "1"}}
    assert await stored(shop, job["id"]) == recipients
    assert [event["type"] for event in await shop.events(since)] == ["job_queued"]
    chosen = uuid7()
    later = {"template_id": id_, "recipients": recipients, "send_at": ahead(DAY), "id": chosen}
    job = await accepted(shop, BULK, later)
    assert (job["id"], job["state"]) == (chosen, "scheduled")
    assert await accepted(shop, BULK, later) == job
    assert await shop.refused(409, "POST", BULK, {**later, "priority": 1}) == []


async def test_ten_thousand_fit_into_one_request(shop: Shop) -> None:
    recipients = [
        {"to": f"+26377{n:07}", "variables": {"order_id": f"ORD-{n}"}} for n in range(10_000)
    ]
    body = {"template": "payment_request", "variables": {"amount": "1"}, "recipients": recipients}
    job = await accepted(shop, BULK, body)
    assert job["args"]["total"] == 10_000
    assert len(await stored(shop, job["id"]) or ()) == 10_000
    more = [*recipients, recipients[0]]
    assert await shop.refused(422, "POST", BULK, {**body, "recipients": more}) == ["/recipients"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"recipients": []}, ["/recipients"]),
        ({"recipients": [{"to": PHONE}, {"too": PHONE}]}, ["/recipients/1/too"]),
        ({"recipients": [{"to": PHONE, "variables": []}]}, ["/recipients/0/variables"]),
        ({"template": None}, ["/template"]),
        ({"template_id": NOBODY}, ["/template"]),
        ({"template": "no_such_one"}, ["/template"]),
        ({"template": None, "template_id": NOBODY}, ["/template_id"]),
        ({"send_at": "tomorrow"}, ["/send_at"]),
        ({"text": "Hello"}, ["/text"]),
    ],
)
async def test_what_cannot_be_sent_to_many_is_refused(
    shop: Shop, change: Body, named: list[str]
) -> None:
    body: Body = {"template": "order_status", "recipients": [{"to": PHONE}]}
    assert await shop.refused(422, "POST", BULK, body | change) == named
    await nothing_queued(shop)
