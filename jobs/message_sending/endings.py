"""What becomes of a message whose job has ended without it being sent."""

from msgspec import structs

from hub.protocol.drafts import Origin
from jobs.context import SOURCE, WriteScope
from storage import messages
from storage.errors import NotFound
from storage.merchant_records import Job


async def not_sent(scope: WriteScope, job: Job) -> None:
    """Note in a message that it will not be sent, in the transaction that ends its job.

    Args:
        job: as it is afterwards, `dead` or `cancelled`.
    """
    try:
        message = await messages.get(scope.tx, job.id)
    except NotFound:
        return  # it was removed
    if message.status != "queued":
        return
    error = job.error if job.state == "dead" else "cancelled before it was sent"
    message = await messages.update(
        scope.tx,
        structs.replace(message, status="failed", error=error, updated_at=job.updated_at),
    )
    # A part of a bulk send is told of by what came of all of it.
    if job.parent_id is None:
        scope.record(
            Origin(job.merchant_id, SOURCE),
            "message_failed",
            {
                "messageId": message.id, "toPhone": message.phone, "error": message.error,
                "jobId": job.id, "version": message.version,
            },
            f"chat/{message.phone}",
        )  # fmt: skip


async def parts_end(scope: WriteScope, job: Job) -> None:
    """Have the messages of a bulk send that has ended be cancelled that were not sent: no bot is
    given them from here on, and who hears of the job behind the commit ends them.

    Args:
        job: as it is afterwards, `dead` or `cancelled`.
    """
    scope.jobs.append(job)
