"""From an event to a receiver: one id in all attempts, or visibly dead."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs
from standardwebhooks import Webhook as Verifier

from hub.protocol.times import format_ms, parse_ms
from jobs.webhook_delivery import places, signing
from jobs.webhook_delivery.deliveries import TEST_TYPE, Delivery, add_deliveries, delivery_ends
from storage import job_changes, jobs, webhooks
from storage.database import Database
from storage.scope import HUB, Scope
from tests.jobs.webhook_delivery.delivering import GIVE_UP, SECRET, WAITS, Delivering, delivering
from tests.storage import samples
from tests.support import receiver as behaviours
from tests.support.receiver import Behaviour, Receiver, answering, in_turn, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
async def made(database: Database) -> AsyncIterator[Delivering]:
    await samples.add_merchants(database)
    async with delivering(database) as found:
        yield found


async def test_an_event_reaches_who_wants_it(made: Delivering, receiver: Receiver) -> None:
    hook = await made.add_webhook(receiver.url())
    id_ = await made.publish("order_created", orderId="o1")
    [job] = await made.fed(1)
    assert (job.state, job.max_attempts) == ("queued", len(WAITS) + 1)
    [after] = await made.deliver()
    assert (after.state, after.attempt, after.result) == ("succeeded", 1, {"status": 200})

    [request] = receiver.received
    event = json.loads(request.body)
    assert (event["type"], event["id"], event["data"]) == ("order_created", id_, {"orderId": "o1"})
    assert event["offset"] == made.log.end
    assert request.headers["webhook-id"] == job.id
    assert request.headers["x-event-type"] == "order_created"

    [attempt] = await made.attempts()
    assert (attempt.delivery_id, attempt.event_id, attempt.attempt) == (job.id, id_, 1)
    assert (attempt.status, attempt.response_status, attempt.response_body) == (
        "success",
        200,
        "ok",
    )
    assert attempt.payload == event
    found = await made.webhook(hook.id)
    assert (found.last_success_at, found.last_triggered_at) == (made.now, made.now)
    assert (found.failing_since, found.retry_count, found.version) == (None, 0, 1)
    assert await made.events("webhook_failed", "job_completed", "job_queued") == []


async def test_it_is_signed_freshly_with_every_good_secret(
    made: Delivering, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, until = "whsec_" + "QUJD" * 8, format_ms(made.now_ms + 15_000)
    await made.add_webhook(receiver.url(), previous_secret=before, previous_until=until)
    receiver.behave = answering(500)
    await made.publish()
    await made.fed(1)
    monkeypatch.setattr("standardwebhooks.webhooks.Webhook._Webhook__verify_timestamp", _any_time)
    await made.deliver()
    await made.deliver(WAITS[0] * 1.2)  # 12 s
    await made.deliver(WAITS[1] * 1.2)
    requests = receiver.received
    assert len(requests) == 3
    assert len({request.headers["webhook-id"] for request in requests}) == 1
    stamps = [int(request.headers["webhook-timestamp"]) for request in requests]
    assert [stamp - stamps[0] for stamp in stamps] == [0, 12, 84]
    for request, both in zip(requests, (True, True, False), strict=True):
        Verifier(SECRET).verify(request.body, request.headers)
        assert len(request.headers["webhook-signature"].split(" ")) == (2 if both else 1)
        if both:
            Verifier(before).verify(request.body, request.headers)


def _any_time(self: Verifier, text: str) -> Any:
    return datetime.fromtimestamp(int(text), tz=UTC)


async def test_a_receiver_that_recovers(made: Delivering, receiver: Receiver) -> None:
    hook = await made.add_webhook(receiver.url())
    receiver.behave = in_turn(answering(500, b"oops"), answering(404), answering())
    await made.publish()
    await made.fed(1)
    [job] = await made.deliver()
    assert (job.state, job.error) == ("retrying", "answered 500")
    assert WAITS[0] * 1000 <= parse_ms(job.run_at) - made.now_ms <= WAITS[0] * 1200
    pending = (await made.attempts())[1]
    assert (pending.status, pending.attempt, pending.next_retry_at) == ("pending", 2, job.run_at)
    found = await made.webhook(hook.id)
    assert (found.failing_since, found.retry_count, found.last_error) == (
        made.now, 1, "answered 500",
    )  # fmt: skip
    [job] = await made.deliver(WAITS[0] * 1.2)
    [job] = await made.deliver(WAITS[1] * 1.2)
    assert job.state == "succeeded"
    kept = [(a.attempt, a.status, a.response_status) for a in await made.attempts()]
    assert kept == [(1, "failed", 500), (2, "failed", 404), (3, "success", 200)]
    assert all(attempt.next_retry_at is None for attempt in await made.attempts())
    found = await made.webhook(hook.id)
    assert (found.failing_since, found.retry_count, found.last_success_at) == (None, 0, made.now)
    assert await made.events("webhook_failed", "webhook_disabled") == []


@pytest.mark.parametrize(
    ("behave", "status", "error"),
    [
        (answering(500), 500, "answered 500"),
        (answering(302, Location="/x"), 302, "no redirect is followed"),
        (behaviours.silent, None, "no answer within 1 s"),
        (behaviours.dripping_headers, None, "no answer within 1 s"),
        (behaviours.dripping_body, 200, "the body did not end"),
        (behaviours.slamming, None, "closed|reset"),
    ],
)
async def test_one_that_never_takes_it_is_visibly_dead(
    made: Delivering, receiver: Receiver, behave: Behaviour, status: int | None, error: str
) -> None:
    hook = await made.add_webhook(receiver.url())
    receiver.behave = behave
    event_id = await made.publish()
    await made.fed(1)
    for seconds in (0.0, *WAITS):
        [job] = await made.deliver(seconds * 1.2)
    assert (job.state, job.attempt) == ("dead", 3)
    attempts = await made.attempts()
    assert [a.status for a in attempts] == ["failed", "failed", "dead"]
    assert {a.delivery_id for a in attempts} == {job.id}
    assert {a.response_status for a in attempts} == {status}
    assert len({r.headers["webhook-id"] for r in receiver.received}) == 1
    [(_, data)] = await made.events("webhook_failed")
    assert (data["webhookId"], data["deliveryId"], data["eventId"], data["attempts"]) == (
        hook.id, job.id, event_id, 3,
    )  # fmt: skip
    assert data["responseStatus"] == status
    assert re.search(error, data["error"])
    assert await made.deliver(10_000) == [job], "nothing comes after"


async def test_an_address_that_is_refused_is_a_failed_attempt(made: Delivering) -> None:
    async with receiving(host="") as inside:
        await made.add_webhook(inside.url("[::1]"))
        await made.add_webhook(inside.url("127.0.0.2"))
        await made.publish()
        await made.fed(2)
        for job in await made.deliver():
            assert job.state == "retrying"
            assert "HUB_WEBHOOK_ALLOW" in str(job.error)
        assert inside.connections == 0


async def test_gone_means_never_again(made: Delivering, receiver: Receiver) -> None:
    hook = await made.add_webhook(receiver.url())
    receiver.behave = answering(410)
    for _ in range(2):
        await made.publish()
    await made.fed(2)
    done = await made.deliver()
    assert [(job.state, job.attempt) for job in done] == [("dead", 1), ("dead", 1)]
    assert len(receiver.received) == 1
    assert done[1].error == "the webhook is not active: it answered 410 Gone"
    found = await made.webhook(hook.id)
    assert (found.is_active, found.disabled_reason) == (False, "it answered 410 Gone")
    told = await made.events("webhook_failed", "webhook_disabled")
    assert [type_ for type_, _ in told] == ["webhook_disabled", "webhook_failed"]
    assert told[0][1] == {"webhookId": hook.id, "reason": "it answered 410 Gone", "version": 2}
    await made.publish()
    await asyncio.sleep(0.1)
    assert len(await made.jobs()) == 2, "it hears of nothing any more"


async def test_one_that_fails_for_long_is_disabled(made: Delivering, receiver: Receiver) -> None:
    hook = await made.add_webhook(receiver.url())
    receiver.behave = answering(500)
    for number in range(3):
        await made.publish()
        await made.fed(number + 1)
        await made.deliver(GIVE_UP / 2 - 1)
    assert (await made.webhook(hook.id)).is_active
    await made.publish()
    await made.fed(4)
    await made.deliver(5)
    found = await made.webhook(hook.id)
    assert not found.is_active
    assert "attempts have failed since" in str(found.disabled_reason)
    assert [type_ for type_, _ in await made.events("webhook_disabled")] == ["webhook_disabled"]


async def test_a_success_between_keeps_it_active(made: Delivering, receiver: Receiver) -> None:
    hook = await made.add_webhook(receiver.url())
    for number, status in enumerate((500, 200, 500, 500)):
        receiver.behave = answering(status)
        await made.publish()
        await made.fed(number + 1)
        await made.deliver(GIVE_UP * 0.6)
    found = await made.webhook(hook.id)
    assert found.is_active
    assert found.failing_since is not None


async def test_a_receiver_may_ask_for_time(made: Delivering, receiver: Receiver) -> None:
    await made.add_webhook(receiver.url())
    receiver.behave = in_turn(answering(429, Retry_After="45"), answering(503, Retry_After="9999"))
    await made.publish()
    await made.fed(1)
    [job] = await made.deliver()
    assert 45_000 <= parse_ms(job.run_at) - made.now_ms <= 46_000
    [job] = await made.deliver(46)
    assert parse_ms(job.run_at) - made.now_ms <= WAITS[1] * 1200, "within the schedule"


async def test_what_is_lost_with_its_worker_is_made_again(
    made: Delivering, receiver: Receiver
) -> None:
    await made.add_webhook(receiver.url())
    await made.publish()
    [job] = await made.fed(1)

    async def lose(scope: Any) -> None:
        await jobs.claim(scope.tx, [("m1", job.id)], made.context.worker, made.now)
        [held] = await jobs.held_by(scope.tx, made.context.worker)
        await jobs.settle(scope.tx, held, {"state": "queued", "updated_at": made.now})

    await made.log.commit(lose, HUB)
    [after] = await made.deliver()
    assert (after.state, after.attempt) == ("succeeded", 2)
    assert [(a.attempt, a.status) for a in await made.attempts()] == [(2, "success")]


async def test_cancelled_before_and_between_attempts(made: Delivering, receiver: Receiver) -> None:
    await made.add_webhook(receiver.url())
    receiver.behave = answering(500)
    await made.publish()
    await made.fed(1)
    await made.deliver()
    await made.publish()
    first, second = await made.fed(2)

    async def cancel(scope: Any) -> None:
        keys = [("m1", first.id), ("m1", second.id)]
        for job in await job_changes.cancel(scope.tx, keys, made.now):
            await delivery_ends(scope, job)

    await made.log.commit(cancel, HUB)
    kept = [(a.delivery_id, a.attempt, a.status) for a in await made.attempts()]
    assert sorted(kept) == sorted(
        [(first.id, 1, "failed"), (first.id, 2, "dead"), (second.id, 1, "dead")]
    )
    assert await made.events("webhook_failed") == []


async def test_a_webhook_that_is_deleted(made: Delivering, receiver: Receiver) -> None:
    hook = await made.add_webhook(receiver.url())
    await made.publish()
    await made.fed(1)
    await made.database.write(lambda tx: webhooks.delete(tx, hook.id), Scope("m1"))
    [job] = await made.deliver()
    assert (job.state, job.error) == ("dead", "the webhook is deleted")
    assert receiver.connections == 0


async def test_a_secret_that_is_none_is_said(made: Delivering, receiver: Receiver) -> None:
    await made.add_webhook(receiver.url(), secret="no secret")
    await made.publish()
    await made.fed(1)
    [job] = await made.deliver()
    assert (job.state, "rotate" in str(job.error)) == ("retrying", True)
    assert receiver.connections == 0


async def test_silent_endpoints_leave_places_to_the_others(
    made: Delivering, receiver: Receiver
) -> None:
    async with receiving(behaviours.silent) as silent:
        failing = [await made.add_webhook(silent.url(path=f"/{n}")) for n in range(4)]
        await made.add_webhook(receiver.url(), "payment_received")
        for hook in failing:
            await made.database.write(
                lambda tx, id_=hook.id: webhooks.note_failure(tx, id_, made.now, "x"),  # type: ignore[misc]
                HUB,
            )
        for _ in range(3):
            await made.publish()
        await made.publish("payment_received")
        await made.fed(13)
        after = await made.deliver(together=True)
        assert silent.connections == 2, "two places, for two of the four"
        assert len(receiver.received) == 1
        waiting = [job for job in after if job.state == "scheduled"]
        assert len(waiting) == 10
        for job in waiting:
            assert job.max_attempts - job.attempt == len(WAITS) + 1, "no attempt is used up"
            assert 5_000 <= parse_ms(job.run_at) - made.now_ms <= 30_000


async def test_a_slow_endpoint_has_one_place(
    made: Delivering, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "SLOW_SECONDS", 0.2)

    async def slow(writer: behaviours.Writer, request: behaviours.Received) -> None:
        await asyncio.sleep(0.3)
        await answering()(writer, request)

    await made.add_webhook(receiver.url())
    receiver.behave = slow
    await made.publish()
    await made.fed(1)
    await made.deliver()
    for _ in range(3):
        await made.publish()
    await made.fed(4)
    after = await made.deliver(together=True)
    assert sorted(job.state for job in after) == ["scheduled"] * 2 + ["succeeded"] * 2
    receiver.behave = answering()
    for _ in range(2):
        after = await made.deliver(31, together=True)
    assert {job.state for job in after} == {"succeeded"}
    for _ in range(3):
        await made.publish()
    await made.fed(7)
    after = await made.deliver(together=True)
    assert {job.state for job in after} == {"succeeded"}, "it is fast again"


async def test_an_event_to_try_it(made: Delivering, receiver: Receiver) -> None:
    hook = await made.add_webhook(receiver.url(), is_active=False, disabled_reason="why")
    delivery = Delivery("m1", hook.id, "e1", TEST_TYPE, '{"type":"webhook_test"}')

    async def work(scope: Any) -> None:
        await add_deliveries(scope, [delivery], 1, made.now)

    for status, state in ((200, "succeeded"), (410, "dead")):
        receiver.behave = answering(status)
        await made.log.commit(work, Scope("m1"))
        job = (await made.deliver())[-1]
        assert (job.state, job.attempt) == (state, 1)
    assert receiver.received[0].headers["x-event-type"] == TEST_TYPE
    found = await made.webhook(hook.id)
    assert structs.replace(found, created_at=hook.created_at) == hook, (
        "it says nothing of its health"
    )
    assert await made.events("webhook_failed", "webhook_disabled") == []
    assert signing.key_of(hook.secret)
