"""The job that processes an order, in the transaction of its cause."""

from jobs.context import SOURCE, WriteScope
from jobs.enqueue import NewJob, add_once
from jobs.tasks import Process
from storage.merchant_records import Job, Order


async def queue_processing(scope: WriteScope, order: Order, now: str, source: str = SOURCE) -> Job:
    """Queue the processing of an order: the job there is, if it was done before.

    Args:
        now: RFC 3339.
        source: who asked for it, for the event.
    """
    new = NewJob(
        merchant_id=order.merchant_id, queue="order_processing", name="process",
        args=Process(order.id), id=f"order-{order.id}",
    )  # fmt: skip
    job, _ = await add_once(scope, new, now, source)
    return job
