"""A new picture and the job that makes its sizes, in one transaction."""

from jobs.context import SOURCE, WriteScope
from jobs.enqueue import NewJob, add_job
from jobs.tasks import Optimize
from storage import jobs
from storage.merchant_records import Job, MediaFile


async def queue_sizes(scope: WriteScope, file: MediaFile, now: str, source: str = SOURCE) -> Job:
    """Queue the making of a picture's sizes: the job that is open, if there is one.

    Args:
        now: RFC 3339.
        source: who uploaded it, for the event.
    """
    key = f"media/{file.id}"
    known = await jobs.open_by_key(scope.tx, "media_processing", key)
    if known is not None:
        return known
    new = NewJob(
        merchant_id=file.merchant_id, queue="media_processing", name="optimize",
        args=Optimize(file.id), unique_key=key,
    )  # fmt: skip
    return await add_job(scope, new, now, source)
