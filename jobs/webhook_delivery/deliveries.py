"""Deliveries as rows: a job, and the attempts to call the webhook, of which one is pending."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from hub.protocol.drafts import Origin
from jobs.context import SOURCE, WriteScope
from jobs.enqueue import NewJob, add_many
from jobs.tasks import Deliver
from storage import webhook_logs
from storage.merchant_records import Job, Queue
from storage.scope import Scope
from storage.webhook_logs import Made, PendingAttempt

QUEUE: Queue = "webhook_delivery"
TASK = "deliver"
TEST_TYPE = "webhook_test"
"""The type of an event that is made to see whether a webhook is heard. Its delivery has one
attempt, is made to an endpoint that is not active too, and says nothing of how that does."""


class Delivery(Struct, frozen=True):
    """One event for one webhook.

    Attributes:
        payload: the event's JSON as it is posted.
    """

    merchant_id: str
    webhook_id: str
    event_id: str
    event_type: str
    payload: str


async def add_deliveries(
    scope: WriteScope, deliveries: Sequence[Delivery], attempts: int, now: str
) -> list[Job]:
    """Have events delivered.

    Args:
        attempts: how many are made before a delivery is dead.

    Raises:
        storage.errors.Conflict: a webhook is gone.
    """
    new = [
        NewJob(
            merchant_id=each.merchant_id, queue=QUEUE, name=TASK, max_attempts=attempts,
            args=Deliver(each.webhook_id, each.event_id, each.event_type),
        )
        for each in deliveries
    ]  # fmt: skip
    jobs = await add_many(scope, new, now)
    pending = [
        PendingAttempt(
            id=scope.new_id(), merchant_id=each.merchant_id, webhook_id=each.webhook_id,
            delivery_id=job.id, event_id=each.event_id, attempt=1, payload=each.payload,
            created_at=now, updated_at=now,
        )
        for each, job in zip(deliveries, jobs, strict=True)
    ]  # fmt: skip
    await webhook_logs.insert_many(scope.tx, pending)
    return jobs


async def add_attempt(scope: WriteScope, job: Job, attempt: int, due_at: str, now: str) -> bool:
    """Note that an attempt of a delivery will be made.

    Returns:
        False where nothing of the delivery is kept that could be posted.
    """
    payload = await webhook_logs.payload(scope.tx, job.id)
    if payload is None:
        return False
    args = msgspec.convert(job.args, Deliver)
    pending = PendingAttempt(
        id=scope.new_id(), merchant_id=job.merchant_id, webhook_id=args.webhook_id,
        delivery_id=job.id, event_id=args.event_id, attempt=attempt, payload=payload,
        next_retry_at=due_at, created_at=now, updated_at=now,
    )  # fmt: skip
    await webhook_logs.insert_many(scope.tx, [pending])
    return True


def tell_of_failure(scope: WriteScope, job: Job, status: int | None) -> None:
    """Record that a delivery is dead."""
    args = msgspec.convert(job.args, Deliver)
    data = {
        "webhookId": args.webhook_id, "deliveryId": job.id, "eventId": args.event_id,
        "eventType": args.event_type, "attempts": job.attempt, "responseStatus": status,
        "error": job.error,
    }  # fmt: skip
    origin = Origin(job.merchant_id, SOURCE)
    scope.record(origin, "webhook_failed", data, f"webhook/{args.webhook_id}")


async def delivery_ends(scope: WriteScope, job: Job) -> None:
    """Bring the attempt to its end that was pending when a delivery was cancelled, or lost with
    its worker for the last time."""
    args = msgspec.convert(job.args, Deliver)
    why = job.error if job.state == "dead" else "cancelled"
    made = Made(status="dead", error_message=why)
    # Who ends it may be bound to every merchant.
    async with scope.tx.savepoint(Scope(job.merchant_id)):
        settled = await webhook_logs.settle(
            scope.tx, job.id, max(job.attempt, 1), made, job.updated_at
        )
    if settled and job.state == "dead" and args.event_type != TEST_TYPE:
        tell_of_failure(scope, job, None)


async def delivery_begins(scope: WriteScope, job: Job) -> None:
    """Note the next attempt of a delivery that has ended and is made anew."""
    now = job.updated_at
    async with scope.tx.savepoint(Scope(job.merchant_id)):
        await add_attempt(scope, job, job.attempt + 1, now, now)
