"""The table `media_files`."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from .database import Transaction
from .merchant_records import MediaFile, MediaStatus, TemplateMedia
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


async def uses(tx: Transaction, files: Sequence[MediaFile]) -> dict[str, int]:
    """How many products and templates show each file, by its id."""
    ids = [(file.merchant_id, file.id) for file in files]
    shown = await tx.fetch_wanted(
        ("m", "i"),
        ids,
        "SELECT i, (SELECT COUNT(*) FROM product_media p WHERE p.merchant_id = m"
        " AND p.media_id = i) FROM wanted",
    )
    found = Counter(dict.fromkeys((file.id for file in files), 0))
    for id_, count in shown:
        found[id_] += count
    for id_, _ in await _in_templates(tx, {file.merchant_id for file in files}):
        if id_ in found:
            found[id_] += 1
    return dict(found)


async def places(tx: Transaction, file: MediaFile, limit: int) -> list[str]:
    """Where a file is shown, in words for people, up to `limit` of each kind."""
    rows = await tx.fetch(
        "SELECT products.name FROM product_media p"
        " JOIN products ON products.merchant_id = p.merchant_id AND products.id = p.product_id"
        " WHERE p.merchant_id = ? AND p.media_id = ? ORDER BY p.id LIMIT ?",
        (file.merchant_id, file.id, limit),
    )
    names = [name for id_, name in await _in_templates(tx, {file.merchant_id}) if id_ == file.id]
    return [
        *(f"the product {name!r}" for (name,) in rows),
        *(f"the template {name!r}" for name in names[:limit]),
    ]


async def _in_templates(tx: Transaction, merchant_ids: set[str]) -> list[tuple[str, str]]:
    """The media that templates name: the id of a file, and the template's name."""
    rows = await tx.fetch_wanted(
        ("m",),
        [(id_,) for id_ in sorted(merchant_ids)],
        "SELECT t.name, t.media FROM wanted"
        " JOIN message_templates t ON t.merchant_id = m AND t.media IS NOT NULL",
    )
    named = [(name, msgspec.json.decode(media, type=TemplateMedia)) for name, media in sorted(rows)]
    return [(media.media_id, name) for name, media in named if media.media_id is not None]
