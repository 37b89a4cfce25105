"""The table `media_files`."""

from collections.abc import Sequence

from .database import Transaction
from .merchant_records import MediaFile, MediaStatus
from .scope import scoped
from .table import Table, of_one

_MEDIA = Table("media_files", MediaFile, "media file")


async def get(tx: Transaction, id_: str) -> MediaFile:
    """Raises: NotFound."""
    return await _MEDIA.get(tx, id_)


async def by_ids(tx: Transaction, ids: Sequence[str]) -> dict[str, MediaFile]:
    """The files of the bound merchant that there are of these, by id."""
    return await _MEDIA.by_ids(tx, ids)


async def insert(tx: Transaction, media: MediaFile) -> MediaFile:
    """Add a media file; raises Conflict."""
    return await _MEDIA.insert(tx, media)


async def update(tx: Transaction, media: MediaFile) -> MediaFile:
    """Write a changed media file, see `Table.update`; raises NotFound, Stale, Conflict."""
    return await _MEDIA.update(tx, media)


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a media file; raises NotFound, Stale, Conflict."""
    await _MEDIA.delete(tx, id_, version)


async def by_hash(tx: Transaction, hash_: str) -> MediaFile:
    """The bound merchant's file with this SHA-256, hexadecimal; raises NotFound."""
    where, params = of_one(tx)
    return await _MEDIA.one(tx, f"{where} AND hash = ?", (*params, hash_), f"the hash {hash_!r}")


async def page(
    tx: Transaction, after: str, limit: int, *, status: MediaStatus | None = None
) -> list[MediaFile]:
    """Up to `limit` files whose id sorts after `after`, by id."""
    return await _MEDIA.page(tx, after, limit, {"status": status})


async def expired(tx: Transaction, now: str, limit: int) -> list[MediaFile]:
    """Up to `limit` files that may be removed since a moment, the longest first."""
    where, params = scoped(tx)
    return await _MEDIA.select(
        tx,
        f"{where} AND expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at, id LIMIT ?",
        (*params, now, limit),
    )
