"""The table `media_files`."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from .database import Transaction, Value
from .merchant_records import MediaFile, MediaStatus, TemplateMedia
from .scope import scoped
from .table import Table, of_one


class MediaPlace(Struct, frozen=True):
    """What shows a file.

    Attributes:
        type: `product` or `template`.
        id: of the product or the template.
    """

    type: Literal["product", "template"]
    id: str
    name: str


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


async def by_hashes(
    tx: Transaction, wanted: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], MediaFile]:
    """The files that there are of these, each a merchant's id and a SHA-256, by both."""
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_hash"),
        wanted,
        f"SELECT {_MEDIA.columns} FROM wanted JOIN media_files"  # noqa: S608
        " ON merchant_id = wanted_merchant AND hash = wanted_hash",
    )
    return {(file.merchant_id, file.hash): file for file in _MEDIA.parse(rows)}


async def page(
    tx: Transaction,
    after: str,
    limit: int,
    *,
    status: MediaStatus | None = None,
    name: str | None = None,
    newest_first: bool = False,
) -> list[MediaFile]:
    """Up to `limit` files behind `after`, by id.

    Args:
        name: any part of the name under which it came; capitals of a-z do not count.
        newest_first: with ids that descend.
    """
    return await _MEDIA.page(
        tx, after, limit, {"status": status}, containing={"original_name": name},
        newest_first=newest_first,
    )  # fmt: skip


async def expired(
    tx: Transaction, now: str, limit: int, after: MediaFile | None = None
) -> list[MediaFile]:
    """Up to `limit` files that may be removed since a moment, the longest first.

    Args:
        after: the last file of the page before.
    """
    where, bound = scoped(tx)
    where += " AND expires_at IS NOT NULL AND expires_at <= ?"
    params: list[Value] = [*bound, now]
    if after is not None:
        where += " AND (expires_at, id) > (?, ?)"
        params += (after.expires_at, after.id)
    return await _MEDIA.select(tx, f"{where} ORDER BY expires_at, id LIMIT ?", (*params, limit))


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


async def places(tx: Transaction, file: MediaFile, limit: int) -> list[MediaPlace]:
    """Where a file is shown, up to `limit` of each kind."""
    rows = await tx.fetch(
        "SELECT products.id, products.name FROM product_media p"
        " JOIN products ON products.merchant_id = p.merchant_id AND products.id = p.product_id"
        " WHERE p.merchant_id = ? AND p.media_id = ? ORDER BY p.id LIMIT ?",
        (file.merchant_id, file.id, limit),
    )
    named = await _in_templates(tx, {file.merchant_id})
    shown = [place for media_id, place in named if media_id == file.id]
    return [*(MediaPlace("product", id_, name) for id_, name in rows), *shown[:limit]]


async def _in_templates(tx: Transaction, merchant_ids: set[str]) -> list[tuple[str, MediaPlace]]:
    """The media that templates name: the id of a file, and the template, by its name."""
    rows = await tx.fetch_wanted(
        ("m",),
        [(id_,) for id_ in sorted(merchant_ids)],
        "SELECT t.name, t.id, t.media FROM wanted"
        " JOIN message_templates t ON t.merchant_id = m AND t.media IS NOT NULL",
    )
    named = [
        (msgspec.json.decode(media, type=TemplateMedia).media_id, MediaPlace("template", id_, name))
        for name, id_, media in sorted(rows)
    ]
    return [(media_id, place) for media_id, place in named if media_id is not None]
