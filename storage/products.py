"""The table `products`."""

from collections.abc import Sequence

from msgspec import structs

from .database import Transaction, Value
from .errors import Stale
from .merchant_records import Product
from .table import Table, has_part, of_one, part_pattern

_PRODUCTS = Table("products", Product, "product")


async def get(tx: Transaction, id_: str) -> Product:
    """Raises: NotFound."""
    return await _PRODUCTS.get(tx, id_)


async def by_ids(tx: Transaction, ids: Sequence[str]) -> dict[str, Product]:
    """The products of the bound merchant that there are of these, by id."""
    return await _PRODUCTS.by_ids(tx, ids)


async def insert(tx: Transaction, product: Product) -> Product:
    """Add a product; raises Conflict."""
    return await _PRODUCTS.insert(tx, product)


async def update(tx: Transaction, product: Product) -> Product:
    """Write a changed product, see `Table.update`; raises NotFound, Stale, Conflict."""
    return await _PRODUCTS.update(tx, product)


async def restock(tx: Transaction, changed: Sequence[Product], now: str) -> list[Product]:
    """Write products that were read and then changed in their stock alone, by one statement: an
    order may have a hundred, and a round trip for each would take longer than a group may.

    Args:
        changed: each once, with the version that was read.
        now: RFC 3339.

    Returns:
        The products with their next versions.

    Raises:
        Stale: one of them is gone or has another version by now.
        Conflict: a constraint refuses one.
    """
    rows = [(p.merchant_id, p.id, str(p.version), str(p.stock)) for p in changed]
    written = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id", "wanted_version", "wanted_stock"),
        rows,
        "UPDATE products SET stock = CAST(wanted_stock AS BIGINT), version = version + 1,"
        " updated_at = ? FROM wanted WHERE merchant_id = wanted_merchant AND id = wanted_id"
        " AND version = CAST(wanted_version AS BIGINT) RETURNING id",
        (now,),
    )
    if len(written) != len(rows):
        raise Stale("a product was changed since it was read")
    return [structs.replace(p, version=p.version + 1, updated_at=now) for p in changed]


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a product; raises NotFound, Stale, Conflict."""
    await _PRODUCTS.delete(tx, id_, version)


async def page(
    tx: Transaction,
    after: str,
    limit: int,
    *,
    category: str | None = None,
    is_active: bool | None = None,
) -> list[Product]:
    """Up to `limit` products whose id sorts after `after`, by id."""
    filters = {"category": category, "is_active": is_active}
    return await _PRODUCTS.page(tx, after, limit, filters)


async def search(tx: Transaction, q: str, after: str, limit: int) -> list[Product]:
    """Up to `limit` products of the bound merchant with `q` in their name, by id.

    Args:
        q: any text; capitals of a-z do not count.
    """
    # A merchant's products are read in the order of their ids until the page is full.
    where, bound = of_one(tx)
    params: list[Value] = [*bound, part_pattern(q)]
    where += f" AND {has_part('name')}"
    if after:
        where += " AND id > ?"
        params.append(after)
    return await _PRODUCTS.select(tx, f"{where} ORDER BY id LIMIT ?", (*params, limit))
