"""A new picture and the job that makes its sizes, in one transaction."""

from jobs.context import SOURCE, WriteScope
from jobs.enqueue import NewJob, add_job
from jobs.tasks import Optimize
from storage.merchant_records import Job, MediaFile


async def queue_sizes(scope: WriteScope, file: MediaFile, now: str, source: str = SOURCE) -> Job:
    """Queue the making of a picture's sizes; no two such jobs of one picture are open.

    Args:
        now: RFC 3339.
        source: who uploaded it, for the event.

    Raises:
        storage.errors.Conflict: its sizes are being made.
    """
    new = NewJob(
        merchant_id=file.merchant_id, queue="media_processing", name="optimize",
        args=Optimize(file.id), unique_key=f"media/{file.id}",
    )  # fmt: skip
    return await add_job(scope, new, now, source)
