"""The table `product_media`: the pictures of products, in their order."""

from collections.abc import Sequence

from msgspec import Struct, structs

from .database import Transaction
from .errors import NotFound
from .merchant_records import ProductMedia
from .table import Table, of_one


class ShownPicture(Struct, frozen=True):
    """A picture of a product with what is known of its file; sizes in pixels."""

    id: str
    media_id: str
    sequence: int
    is_primary: bool
    width: int | None
    height: int | None
    placeholder: str | None


_PICTURES = Table("product_media", ProductMedia, "picture of a product")


async def get(tx: Transaction, id_: str) -> ProductMedia:
    """Raises: NotFound."""
    return await _PICTURES.get(tx, id_)


async def insert(tx: Transaction, picture: ProductMedia) -> ProductMedia:
    """Add a picture of a product; raises Conflict."""
    return await _PICTURES.insert(tx, picture)


async def update(tx: Transaction, picture: ProductMedia) -> ProductMedia:
    """Write a changed picture, see `Table.update`; raises NotFound, Stale, Conflict."""
    return await _PICTURES.update(tx, picture)


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a picture of a product; raises NotFound, Stale, Conflict."""
    await _PICTURES.delete(tx, id_, version)


async def of_product(tx: Transaction, product_id: str) -> list[ProductMedia]:
    """All pictures of a product of the bound merchant, in their order."""
    where, params = of_one(tx)
    return await _PICTURES.select(
        tx, f"{where} AND product_id = ? ORDER BY sequence", (*params, product_id)
    )


async def media_ids(tx: Transaction, product_ids: Sequence[str]) -> dict[str, list[str]]:
    """The files that the bound merchant's products show, in their order, by product."""
    _, (merchant_id,) = of_one(tx)
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id"),
        [(merchant_id, id_) for id_ in product_ids],
        "SELECT product_id, sequence, media_id FROM wanted JOIN product_media"
        " ON merchant_id = wanted_merchant AND product_id = wanted_id",
    )
    found: dict[str, list[str]] = {id_: [] for id_ in product_ids}
    for product_id, _, media_id in sorted(rows):
        found[product_id].append(media_id)
    return found


async def shown(tx: Transaction, product_id: str) -> list[ShownPicture]:
    """The pictures of a product of the bound merchant as they are shown, in their order."""
    where, params = of_one(tx, "p.")
    rows = await tx.fetch(
        "SELECT p.id, p.media_id, p.sequence, p.is_primary, m.width, m.height, m.placeholder"  # noqa: S608
        " FROM product_media p JOIN media_files m"
        " ON m.merchant_id = p.merchant_id AND m.id = p.media_id"
        f" WHERE {where} AND p.product_id = ? ORDER BY p.sequence",
        (*params, product_id),
    )
    return [
        ShownPicture(id_, media_id, sequence, bool(primary), width, height, placeholder)
        for id_, media_id, sequence, primary, width, height, placeholder in rows
    ]


async def of_media(tx: Transaction, media_id: str, after: str, limit: int) -> list[ProductMedia]:
    """Up to `limit` places where a file is shown, by id."""
    return await _PICTURES.page(tx, after, limit, {"media_id": media_id})


async def arrange(
    tx: Transaction, product_id: str, order: Sequence[str], primary: str | None, now: str
) -> list[ProductMedia]:
    """Put the pictures of a product in an order.

    Args:
        order: the ids of all its rows here, as they are to be shown.
        primary: the one shown first where there is room for one; None for none.

    Returns:
        The pictures in their new order.

    Raises:
        NotFound: `order` is not of this product's pictures, each once, or `primary` is not in it.
    """
    known = {picture.id: picture for picture in await of_product(tx, product_id)}
    if sorted(order) != sorted(known) or (primary is not None and primary not in known):
        raise NotFound("these are not the pictures of the product, each once")
    # Two may not have one place or be primary even for a moment: those that move go to places that
    # are free, and the new primary is written last.
    places = [picture.sequence for picture in known.values()]
    if list(known) != list(order):
        first = 0 if min(places) >= len(places) else max(places) + 1
        places = list(range(first, first + len(places)))
    arranged = [
        structs.replace(known[id_], sequence=place, is_primary=id_ == primary, updated_at=now)
        for id_, place in zip(order, places, strict=True)
    ]
    written: dict[str, ProductMedia] = {}
    for picture in sorted(arranged, key=lambda picture: picture.is_primary):
        before = known[picture.id]
        same = (picture.sequence, picture.is_primary) == (before.sequence, before.is_primary)
        written[picture.id] = before if same else await _PICTURES.update(tx, picture)
    return [written[id_] for id_ in order]
