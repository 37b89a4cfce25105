"""The table `products`."""

from collections.abc import Sequence

from .database import Transaction, Value
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


async def restock(tx: Transaction, product: Product) -> Product:
    """As `update`, where nothing but the stock has changed."""
    return await _PRODUCTS.update(tx, product, ("stock", "updated_at"))


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
