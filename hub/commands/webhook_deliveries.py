"""What is delivered to a webhook: its attempts, an event to try it, and one delivery made again."""

from typing import Any

import msgspec
from msgspec import Struct, structs

from hub.protocol.errors import Conflict, NotFound
from hub.protocol.ids import uuid7
from hub.stream.waiting import WriteScope
from jobs.tasks import Deliver
from jobs.webhook_delivery.deliveries import (
    QUEUE,
    TASK,
    TEST_TYPE,
    Delivery,
    add_attempt,
    add_deliveries,
)
from storage import jobs, webhook_logs, webhooks
from storage.database import Transaction
from storage.jobs import OPEN_STATES
from storage.merchant_records import Job, WebhookLog, WebhookLogStatus

from .command import OPERATORS, Command, Invocation, Result
from .params import After, ById, Limit, Word, next_of

LOGS = 100
"""Most attempts on a page: each has the event that was posted."""


class ListLogs(ById, forbid_unknown_fields=True):
    """Attempts of one webhook: all of them, those of one delivery, or those that went so."""

    status: WebhookLogStatus | None = None
    delivery_id: Word | None = None
    after: After = ""
    limit: Limit = 100


class Replay(ById, forbid_unknown_fields=True):
    """`delivery_id` as the attempts have it, which is the `webhook-id` of the receiver too."""

    delivery_id: Word


class DeliveryView(Struct, frozen=True):
    """A delivery that is to be made."""

    id: str
    webhook_id: str
    event_id: str
    event_type: str


async def logs(call: Invocation, params: ListLogs) -> Result:
    """A page of the attempts to call a webhook, newest first."""
    limit = min(params.limit, LOGS)

    async def read(tx: Transaction) -> list[WebhookLog]:
        await webhooks.get(tx, params.id)
        return await webhook_logs.page(
            tx, params.after, limit, webhook_id=params.id, delivery_id=params.delivery_id,
            status=params.status,
        )  # fmt: skip

    found = await call.read(read)
    return {"logs": found, "count": len(found), "next": next_of(found, limit)}


async def test(call: Invocation, params: ById) -> Result:
    """Have an event delivered that was made for it: one attempt, also where it is not active."""

    async def work(scope: WriteScope) -> Result:
        webhook = await webhooks.get(scope.tx, params.id)
        event = _test_event(call, webhook.id)
        payload = msgspec.json.encode(event).decode()
        delivery = Delivery(webhook.merchant_id, webhook.id, event["id"], TEST_TYPE, payload)
        [job] = await add_deliveries(scope, [delivery], 1, call.now)
        return {"delivery": _view(job)}

    return await call.commit(work)


async def replay(call: Invocation, params: Replay) -> Result:
    """Have a delivery made again, now and with all its attempts; its id stays.

    Raises:
        NotFound: this webhook has no such delivery.
        Conflict: the webhook is not active, or an attempt is under way.
    """

    async def work(scope: WriteScope) -> Result:
        webhook = await webhooks.get(scope.tx, params.id)
        if not webhook.is_active:
            raise Conflict("the webhook is not active: make it active first")
        last = await webhook_logs.page(
            scope.tx, "", 1, webhook_id=webhook.id, delivery_id=params.delivery_id
        )
        if not last:
            raise NotFound("no delivery of this webhook has this id")
        job = await jobs.find(scope.tx, params.delivery_id)
        if job is not None and job.state in ("queued", "running"):
            raise Conflict("the delivery is under way already")
        job = await _again(call, scope, last[0], job)
        scope.jobs.append(job)
        return {"delivery": _view(job)}

    return await call.commit(work)


async def _again(call: Invocation, scope: WriteScope, last: WebhookLog, job: Job | None) -> Job:
    """The job of a delivery, queued."""
    attempts = len(call.services.settings.webhook_schedule) + 1
    if job is None:  # it was discarded; the attempts are still there
        event_type = str(last.payload.get("type", ""))
        args = Deliver(last.webhook_id, last.event_id, event_type)
        job = Job(
            id=last.delivery_id, merchant_id=last.merchant_id, queue=QUEUE, name=TASK,
            args=msgspec.to_builtins(args), attempt=last.attempt, state="queued",
            max_attempts=last.attempt + attempts, run_at=call.now, created_at=call.now,
            updated_at=call.now,
        )  # fmt: skip
        job = await jobs.insert(scope.tx, job)
    else:
        ended = job.state not in OPEN_STATES
        job = structs.replace(
            job, state="queued", max_attempts=job.attempt + attempts, run_at=call.now, note=None,
            result=None, finished_at=None, progress=0, updated_at=call.now,
        )  # fmt: skip
        job = await jobs.update(scope.tx, job)
        if not ended:
            return job  # its next attempt is noted already
    await add_attempt(scope, job, job.attempt + 1, call.now, call.now)
    return job


def _test_event(call: Invocation, webhook_id: str) -> dict[str, Any]:
    """An event as the log has them, but for the offset: it is told to nobody else."""
    return {
        "type": TEST_TYPE, "id": uuid7(), "timestamp": call.now, "merchant_id": call.merchant_id,
        "source": call.actor.source, "subject": f"webhook/{webhook_id}",
        "data": {"webhookId": webhook_id},
    }  # fmt: skip


def _view(job: Job) -> DeliveryView:
    args = msgspec.convert(job.args, Deliver)
    return DeliveryView(job.id, args.webhook_id, args.event_id, args.event_type)


COMMANDS = (
    Command(
        name="webhooks.logs", http="GET /api/webhooks/{id}/logs", roles=OPERATORS,
        summary="The attempts to call a webhook, newest first", params=ListLogs, run=logs,
        answer={"logs": list[WebhookLog], "count": int, "next": str | None}, table="webhooks",
    ),
    Command(
        name="webhooks.test", http="POST /api/webhooks/{id}/test", roles=OPERATORS,
        summary=f"Have a `{TEST_TYPE}` event posted to a webhook: one attempt, also where it is "
        "not active; the attempts say how it went",
        params=ById, run=test, answer={"delivery": DeliveryView}, status=202,
        message="The event is on its way.", table="webhooks",
    ),
    Command(
        name="webhooks.replay", http="POST /api/webhooks/{id}/replay", roles=OPERATORS,
        summary="Have one delivery made again, now and with all its attempts, under the same id",
        params=Replay, run=replay, answer={"delivery": DeliveryView}, status=202,
        message="The delivery is on its way again.", table="webhooks",
    ),
)  # fmt: skip
