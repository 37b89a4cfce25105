"""Webhooks by both doors: made, changed, given another secret; the secret is shown once."""

import base64
import json
from typing import Any

import pytest

from hub.protocol.ids import uuid7
from hub.protocol.times import parse_ms
from storage import webhook_logs, webhooks
from storage.database import Transaction
from storage.merchant_records import Webhook
from storage.scope import HUB
from tests.gateway.calling import called, refusal, result
from tests.gateway.local_hub import LocalHub
from tests.storage import samples
from tests.support.rest import Answer
from tests.support.rest import call as rest
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

Body = dict[str, Any]
PATH = "/api/webhooks"
HOOK: Body = {"url": "https://shop.example/hook", "event_types": ["order_*", "payment_received"]}


async def ask(
    hub: LocalHub, method: str, path: str = "", body: Body | None = None, who: str = "merchant",
    /, headers: dict[str, str] | None = None, **query: Any,
) -> Answer:  # fmt: skip
    return await rest(
        hub, method, PATH + path, body, key=hub.keys[who], query=query, headers=headers
    )


async def made(hub: LocalHub, body: Body = HOOK, who: str = "merchant") -> tuple[Body, str]:
    """A webhook that was made, and its secret."""
    answer = await ask(hub, "POST", "", body, who)
    assert answer.status == 201, answer.body
    said = answer.json()
    return said["webhook"], said["secret"]


async def stored(hub: LocalHub, id_: str) -> Webhook:
    return await hub.database.read(lambda tx: webhooks.get(tx, id_), HUB)


def pointers(answer: Answer) -> list[str]:
    return [error["pointer"] for error in answer.json().get("errors", [])]


async def test_a_webhook_is_made_with_a_secret(local: LocalHub) -> None:
    answer = await ask(local, "POST", "", HOOK)
    assert answer.status == 201
    said = answer.json()
    assert said.keys() == {"success", "webhook", "secret", "message", "epoch", "offset"}
    webhook, secret = said["webhook"], said["secret"]
    assert webhook.keys() == {
        "id", "merchant_id", "event_types", "url", "is_active", "retry_count",
        "last_triggered_at", "disabled_reason", "failing_since", "last_success_at",
        "last_failure_at", "last_error", "previous_until", "version", "created_at", "updated_at",
    }  # fmt: skip
    assert (webhook["url"], webhook["event_types"]) == (HOOK["url"], HOOK["event_types"])
    assert (webhook["is_active"], webhook["version"], webhook["retry_count"]) == (True, 1, 0)
    assert answer.headers["location"] == f"{PATH}/{webhook['id']}"
    # https://www.standardwebhooks.com: `whsec_`, and base64 of 24 to 64 bytes.
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    assert (await stored(local, webhook["id"])).secret == secret
    assert (await made(local))[1] != secret


async def test_a_secret_is_shown_nowhere_else(local: LocalHub) -> None:
    webhook, _ = await made(local)
    path = f"/{webhook['id']}"
    answers = [
        await ask(local, "GET"),
        await ask(local, "GET", path),
        await ask(local, "GET", f"{path}/logs"),
        await ask(local, "PATCH", path, {"is_active": False}),
        await rest(local, "GET", "/api/audit", key=local.keys["merchant"]),
        await ask(local, "DELETE", path),
    ]
    for answer in answers:
        assert answer.status == 200, answer.body
        assert "whsec_" not in answer.body.decode()
    changes = answers[4].json()["audit"]
    assert [row["action"] for row in changes if row["target_id"] == webhook["id"]] == [
        "UPDATE", "CREATE",
    ]  # fmt: skip
    events = await rest(local, "GET", "/api/events", key=local.keys["merchant"])
    assert events.json()["events"] == [], "no event tells of it"


async def test_a_repeat_makes_one_and_shows_no_secret(local: LocalHub) -> None:
    headers = {"Idempotency-Key": "w-1"}
    first, again = [(await ask(local, "POST", "", HOOK, headers=headers)) for _ in range(2)]
    assert (first.status, again.status) == (201, 201)
    assert again.json()["webhook"] == first.json()["webhook"]
    assert (first.json()["secret"] is None, again.json()["secret"]) == (False, None)
    assert "shown once" in again.json()["message"]
    by_id = {**HOOK, "id": uuid7()}
    assert (await made(local, by_id))[1]
    assert (await made(local, by_id))[1] is None
    assert (await ask(local, "GET")).json()["count"] == 2

    async def kept(tx: Transaction) -> str:
        rows = await tx.fetch("SELECT response FROM idempotency_keys WHERE TRUE")
        return json.dumps([list(row) for row in rows])

    assert "whsec_" not in await local.database.read(kept, HUB)
    id_ = first.json()["webhook"]["id"]
    async with connect(local, local.keys["merchant"]) as socket:
        one = await called(socket, "webhooks.rotate", {"id": id_}, key="w-2")
        two = await called(socket, "webhooks.rotate", {"id": id_}, key="w-2")
    assert two["result"]["webhook"] == one["result"]["webhook"]
    assert two["result"]["secret"] is None
    assert (await stored(local, id_)).secret == one["result"]["secret"]


async def test_another_secret_in_place_of_the_first(local: LocalHub) -> None:
    webhook, secret = await made(local)
    answer = await ask(local, "POST", f"/{webhook['id']}/rotate")
    assert answer.status == 200
    said = answer.json()
    assert said["secret"].startswith("whsec_")
    assert said["secret"] != secret
    assert said["webhook"]["version"] == 2
    row = await stored(local, webhook["id"])
    assert (row.secret, row.previous_secret) == (said["secret"], secret)
    day = parse_ms(str(row.previous_until)) - parse_ms(row.updated_at)
    assert day == 24 * 3600 * 1000
    assert said["webhook"]["previous_until"] == row.previous_until
    stale = await ask(local, "POST", f"/{webhook['id']}/rotate", headers={"If-Match": '"1"'})
    assert stale.status == 412
    assert (await stored(local, webhook["id"])).secret == said["secret"]
    third = (await ask(local, "POST", f"/{webhook['id']}/rotate")).json()["secret"]
    row = await stored(local, webhook["id"])
    assert (row.secret, row.previous_secret) == (third, said["secret"]), "the first is good no more"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"url": ""}, ["/url"]),
        ({"url": "https://shop.example/" + "x" * 480}, ["/url"]),
        ({"url": "https://anna:x@shop.example/"}, ["/url"]),
        ({"event_types": []}, ["/event_types"]),
        ({"event_types": ["order_*"] * 33}, ["/event_types"]),
        ({"event_types": ["lost_*", "webhook_failed"]}, ["/event_types/0", "/event_types/1"]),
        ({"url": "ftp://a/", "event_types": ["lost"]}, ["/url", "/event_types/0"]),
        ({"secret": "whsec_mine"}, ["/secret"]),
        ({"is_active": "yes"}, ["/is_active"]),
    ],
)
async def test_every_fault_is_named_by_its_field(
    local: LocalHub, change: Body, named: list[str]
) -> None:
    answer = await ask(local, "POST", "", {**HOOK, **change})
    assert (answer.status, pointers(answer)) == (422, named)
    webhook, _ = await made(local)
    answer = await ask(local, "PATCH", f"/{webhook['id']}", change)
    assert (answer.status, pointers(answer)) == (422, named)
    assert (await ask(local, "GET")).json()["webhooks"] == [webhook]


async def test_a_webhook_is_changed_and_deleted(local: LocalHub) -> None:
    webhook, secret = await made(local)
    path = f"/{webhook['id']}"
    same = await ask(local, "PATCH", path, {"url": HOOK["url"], "is_active": True})
    assert same.json()["webhook"] == webhook, "what is so already is no change"
    answer = await ask(local, "PATCH", path, {"event_types": ["*"]}, headers={"If-Match": '"1"'})
    changed = answer.json()["webhook"]
    assert (changed["event_types"], changed["url"], changed["version"]) == (["*"], HOOK["url"], 2)
    assert answer.headers["etag"] == '"2"'
    assert (await stored(local, webhook["id"])).secret == secret
    for method, body in (("PATCH", {"is_active": False}), ("DELETE", None)):
        answer = await ask(local, method, path, body, headers={"If-Match": '"1"'})
        assert answer.status == 412
    answer = await ask(local, "DELETE", path, headers={"If-Match": '"2"'})
    assert (answer.status, answer.json()["id"]) == (200, webhook["id"])
    for method, body in (("GET", None), ("PATCH", {"is_active": False}), ("DELETE", None)):
        assert (await ask(local, method, path, body)).status == 404


async def test_one_that_was_disabled_is_made_active_again(local: LocalHub) -> None:
    row = samples.webhook(
        merchant_id=local.merchant_id, is_active=False, disabled_reason="410 Gone",
        secret="whsec_a", failing_since=samples.NOW, retry_count=9,
    )  # fmt: skip
    await local.database.write(lambda tx: webhooks.insert(tx, row), HUB)
    moved = await ask(local, "PATCH", f"/{row.id}", {"url": "https://shop.example/moved"})
    assert moved.json()["webhook"]["disabled_reason"] == "410 Gone"
    again = await ask(local, "PATCH", f"/{row.id}", {"is_active": True})
    found = again.json()["webhook"]
    assert (found["is_active"], found["disabled_reason"], found["version"]) == (True, None, 3)
    assert (found["failing_since"], found["retry_count"]) == (None, 0)
    kept = await stored(local, row.id)
    assert (kept.failing_since, kept.retry_count) == (None, 0)
    assert kept.heard_from == local.services.log.end


async def test_lists_by_activity_in_pages(local: LocalHub) -> None:
    ids = [(await made(local))[0]["id"] for _ in range(3)]
    await ask(local, "PATCH", f"/{ids[1]}", {"is_active": False})

    async def listed(**query: Any) -> tuple[list[str], str | None]:
        said = (await ask(local, "GET", **query)).json()
        assert said["count"] == len(said["webhooks"])
        return [webhook["id"] for webhook in said["webhooks"]], said["next"]

    assert await listed() == (ids, None)
    assert await listed(limit=2) == (ids[:2], ids[1])
    assert await listed(limit=2, after=ids[1]) == (ids[2:], None)
    assert await listed(is_active="true") == ([ids[0], ids[2]], None)
    assert await listed(is_active="false") == ([ids[1]], None)


async def test_the_attempts_of_a_webhook_newest_first(local: LocalHub) -> None:
    webhook, _ = await made(local)
    other, _ = await made(local)
    rows = [
        samples.attempt(webhook["id"], merchant_id=local.merchant_id, delivery_id=f"d{n}", **more)
        for n, more in enumerate(({}, {"status": "failed", "response_status": 500}, {}))
    ]
    rows.append(samples.attempt(other["id"], merchant_id=local.merchant_id))
    for row in rows:
        await local.database.write(lambda tx, row=row: webhook_logs.insert(tx, row), HUB)  # type: ignore[misc]
    ids = [row.id for row in rows[2::-1]]
    path = f"/{webhook['id']}/logs"

    async def listed(**query: Any) -> tuple[list[str], str | None]:
        said = (await ask(local, "GET", path, **query)).json()
        return [row["id"] for row in said["logs"]], said["next"]

    assert await listed() == (ids, None)
    assert await listed(limit=2) == (ids[:2], ids[1])
    assert await listed(limit=2, after=ids[1]) == (ids[2:], None)
    assert await listed(status="failed") == ([rows[1].id], None)
    assert await listed(delivery_id="d2") == ([rows[2].id], None)
    said = (await ask(local, "GET", path, status="failed")).json()["logs"][0]
    assert (said["response_status"], said["payload"]) == (500, {"type": "order_created"})
    assert pointers(await ask(local, "GET", path, limit=1001)) == ["/limit"]


async def test_whose_webhooks_somebody_sees(local: LocalHub) -> None:
    await local.add_key("merchant", "theirs", merchant_id=local.other_merchant)
    webhook, _ = await made(local)
    assert pointers(await ask(local, "POST", "", HOOK, "admin")) == ["/merchant_id"]
    foreign, _ = await made(local, {**HOOK, "merchant_id": local.other_merchant}, "admin")
    assert (await ask(local, "GET", "", None, "theirs")).json()["webhooks"] == [foreign]
    for method, path, body in (
        ("GET", "", None), ("GET", "/logs", None), ("POST", "/rotate", None),
        ("PATCH", "", {"is_active": False}), ("DELETE", "", None),
    ):  # fmt: skip
        answer = await ask(local, method, f"/{webhook['id']}{path}", body, "theirs")
        assert answer.status == 404
    async with connect(local, local.keys["admin"]) as admin:
        assert (await result(admin, "webhooks.get", {"id": webhook["id"]}))["webhook"] == webhook
        narrowed = {"merchant_id": local.other_merchant}
        assert (await result(admin, "webhooks.list", narrowed))["webhooks"] == [foreign]
        error = await refusal(admin, "webhooks.get", {"id": uuid7()})
        assert error["code"] == "not_found"
