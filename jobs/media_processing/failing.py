"""A picture whose sizes are not made, and the events that say so."""

from typing import Any

from msgspec import structs

from hub.protocol.drafts import Origin
from jobs.context import SOURCE, WriteScope
from storage import media
from storage.database import Transaction
from storage.errors import NotFound
from storage.merchant_records import Job, MediaFile


async def not_made(scope: WriteScope, job: Job) -> None:
    """Say of a picture that it has failed, when its job has ended without its sizes."""
    media_id = str(job.args.get("media_id"))
    reason = "it was cancelled" if job.state == "cancelled" else job.error or "it failed"
    await mark_failed(scope, media_id, reason, job.updated_at)


async def mark_failed(scope: WriteScope, media_id: str, reason: str, now: str) -> bool:
    """Say of a picture that its sizes cannot be made; False where it is gone, or has them.

    Args:
        reason: why, a sentence for the merchant.
        now: RFC 3339.
    """
    file = await find(scope.tx, media_id)
    if file is None or file.status == "ready":
        return False
    after = structs.replace(
        file, status="failed", metadata=file.metadata | {"error": reason}, updated_at=now
    )
    record(scope, "media_failed", await media.update(scope.tx, after), error=reason)
    return True


async def find(tx: Transaction, id_: str) -> MediaFile | None:
    """The picture with this id, if there is one."""
    try:
        return await media.get(tx, id_)
    except NotFound:
        return None


def record(scope: WriteScope, type_: str, file: MediaFile, **more: Any) -> None:
    """Record an event about a picture.

    Args:
        more: members that this type has besides.
    """
    data = {
        "mediaId": file.id, "name": file.original_name, "mimeType": file.mime_type,
        "size": file.size, "width": file.width, "height": file.height, "hash": file.hash,
        "status": file.status, **more, "version": file.version,
    }  # fmt: skip
    scope.record(Origin(file.merchant_id, SOURCE), type_, data, f"media/{file.id}")
