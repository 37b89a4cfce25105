"""Deliveries by both doors: an event to try a webhook, and one made again."""

from typing import Any

import pytest
from msgspec import structs

from hub.protocol.ids import uuid7
from jobs.webhook_delivery.deliveries import Delivery, add_deliveries
from storage import jobs, webhook_logs, webhooks
from storage.merchant_records import Job, WebhookLog
from storage.scope import HUB, Scope
from storage.webhook_logs import Made
from tests.gateway.local_hub import NOW, LocalHub
from tests.storage import samples
from tests.support.rest import Answer
from tests.support.rest import call as rest

pytestmark = pytest.mark.both_engines

PATH = "/api/webhooks"


async def ask(hub: LocalHub, path: str, body: Any = None, **headers: str) -> Answer:
    return await rest(
        hub, "POST", PATH + path, body, key=hub.keys["merchant"],
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )  # fmt: skip


async def made(hub: LocalHub, **changes: Any) -> str:
    """A webhook; its id."""
    row = samples.webhook(merchant_id=hub.merchant_id, **changes)
    await hub.database.write(lambda tx: webhooks.insert(tx, row), HUB)
    return row.id


async def delivered(hub: LocalHub, webhook_id: str) -> Job:
    """A delivery that has been made well."""
    event_id = uuid7()
    payload = f'{{"type":"order_created","id":"{event_id}"}}'
    delivery = Delivery(hub.merchant_id, webhook_id, event_id, "order_created", payload)

    async def work(scope: Any) -> Job:
        [job] = await add_deliveries(scope, [delivery], 9, NOW)
        ended = structs.replace(
            job, state="succeeded", attempt=1, result={"status": 200}, finished_at=NOW
        )
        await webhook_logs.settle(scope.tx, job.id, 1, Made(status="success"), NOW)
        return await jobs.update(scope.tx, ended)

    return (await hub.services.log.commit(work, Scope(hub.merchant_id))).result


async def kept(hub: LocalHub, delivery_id: str) -> tuple[Job | None, list[WebhookLog]]:
    """The job of a delivery, and its attempts, the first one first."""

    async def read(tx: Any) -> tuple[Job | None, list[WebhookLog]]:
        found = await webhook_logs.page(tx, "", 99, delivery_id=delivery_id)
        return await jobs.find(tx, delivery_id), found[::-1]

    return await hub.database.read(read, Scope(hub.merchant_id))


async def test_an_event_to_try_a_webhook(local: LocalHub) -> None:
    for active in (True, False):
        id_ = await made(local, is_active=active)
        answer = await ask(local, f"/{id_}/test")
        assert answer.status == 202, answer.body
        delivery = answer.json()["delivery"]
        assert (delivery["webhook_id"], delivery["event_type"]) == (id_, "webhook_test")
        job, [attempt] = await kept(local, delivery["id"])
        assert job is not None
        assert (job.state, job.max_attempts) == ("queued", 1)
        assert (attempt.status, attempt.event_id) == ("pending", delivery["event_id"])
        event = attempt.payload
        assert event.keys() == {
            "type", "id", "timestamp", "merchant_id", "source", "subject", "data",
        }  # fmt: skip
        assert (event["type"], event["data"]) == ("webhook_test", {"webhookId": id_})
        assert event["source"] == "merchant:merchant"
    events = await rest(local, "GET", "/api/events", key=local.keys["merchant"])
    assert events.json()["events"] == [], "nobody else hears of it"


async def test_a_repeated_request_tries_once(local: LocalHub) -> None:
    id_ = await made(local)
    one, two = [await ask(local, f"/{id_}/test", Idempotency_Key="t1") for _ in range(2)]
    assert one.json()["delivery"] == two.json()["delivery"]


async def test_a_delivery_is_made_again_under_its_id(local: LocalHub) -> None:
    id_ = await made(local)
    before = await delivered(local, id_)
    answer = await ask(local, f"/{id_}/replay", {"delivery_id": before.id})
    assert answer.status == 202, answer.body
    assert answer.json()["delivery"]["id"] == before.id
    job, attempts = await kept(local, before.id)
    assert job is not None
    assert (job.state, job.attempt, job.max_attempts) == ("queued", 1, 10)
    assert (job.result, job.finished_at) == (None, None)
    assert [(a.attempt, a.status) for a in attempts] == [(1, "success"), (2, "pending")]
    assert attempts[1].payload == attempts[0].payload
    again = await ask(local, f"/{id_}/replay", {"delivery_id": before.id})
    assert (again.status, "under way" in again.json()["detail"]) == (409, True)


async def test_one_that_waits_is_made_at_once(local: LocalHub) -> None:
    id_ = await made(local)
    before = await delivered(local, id_)
    waiting = structs.replace(before, state="retrying", run_at="2999-01-01T00:00:00.000Z")
    own = Scope(local.merchant_id)
    await local.database.write(lambda tx: jobs.update(tx, waiting), own)
    answer = await ask(local, f"/{id_}/replay", {"delivery_id": before.id})
    assert answer.status == 202
    job, attempts = await kept(local, before.id)
    assert job is not None
    assert (job.state, job.run_at < "2999") == ("queued", True)
    assert len(attempts) == 1, "its next attempt was noted when the last one failed"


async def test_one_whose_job_was_discarded(local: LocalHub) -> None:
    id_ = await made(local)
    before = await delivered(local, id_)
    own = Scope(local.merchant_id)
    await local.database.write(lambda tx: jobs.delete(tx, before.id), own)
    answer = await ask(local, f"/{id_}/replay", {"delivery_id": before.id})
    assert answer.status == 202
    job, attempts = await kept(local, before.id)
    assert job is not None
    assert (job.state, job.attempt, job.args) == ("queued", 1, before.args)
    assert [a.attempt for a in attempts] == [1, 2]


async def test_what_cannot_be_made_again(local: LocalHub) -> None:
    id_, other = await made(local), await made(local)
    idle = await made(local, is_active=False)
    before = await delivered(local, id_)
    for hook, delivery, status in (
        (id_, "none", 404), (other, before.id, 404), (uuid7(), before.id, 404),
        (idle, before.id, 409),
    ):  # fmt: skip
        answer = await ask(local, f"/{hook}/replay", {"delivery_id": delivery})
        assert answer.status == status, answer.body
    assert (await ask(local, f"/{id_}/replay", {})).status == 422


async def test_one_that_is_dead_is_begun_anew_as_a_job(local: LocalHub) -> None:
    """`jobs.retry_all` on the queue is for all that a receiver has missed."""
    job = await delivered(local, await made(local))

    async def dies(scope: Any) -> None:
        found = await jobs.get(scope.tx, job.id)
        await jobs.update(scope.tx, structs.replace(found, state="dead", attempt=9))
        for attempt in await webhook_logs.page(scope.tx, "", 9, delivery_id=job.id):
            await webhook_logs.update(scope.tx, structs.replace(attempt, attempt=9, status="dead"))

    await local.services.log.commit(dies, Scope(local.merchant_id))
    body = {"queue": "webhook_delivery", "state": "dead"}
    answer = await rest(local, "POST", "/api/jobs/retry", body, key=local.keys["merchant"])
    assert (answer.status, answer.json()["count"]) == (200, 1)
    again, attempts = await kept(local, job.id)
    assert again is not None
    assert (again.state, again.attempt, again.max_attempts) == ("queued", 9, 18)
    assert [(each.attempt, each.status) for each in attempts] == [(9, "dead"), (10, "pending")]
    assert attempts[1].payload == attempts[0].payload
