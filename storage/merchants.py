"""The table `merchants`."""

from collections.abc import Callable

from msgspec import structs

from . import seeds
from .database import Transaction
from .errors import NotFound, Stale
from .merchant_records import Template
from .records import Merchant
from .scope import scoped

_COLUMNS = "id, name, version, created_at, updated_at"


def _scoped(tx: Transaction) -> tuple[str, list[str]]:
    """As `scope.scoped`: a merchant's own row has its id where others have `merchant_id`."""
    return scoped(tx, column="id")


async def insert(
    tx: Transaction, id_: str, name: str, now: str, new_id: Callable[[], str]
) -> tuple[Merchant, list[Template]]:
    """Add a merchant with the templates that every merchant has.

    Args:
        new_id: gives the ids of the templates and of their versions.
    """
    await tx.execute(
        "INSERT INTO merchants (id, name, created_at, updated_at) VALUES (?, ?, ?, ?)",
        (id_, name, now, now),
    )
    return Merchant(id_, name, 1, now, now), await seeds.seed(tx, id_, now, new_id)


async def get(tx: Transaction, id_: str) -> Merchant:
    """Raises: NotFound."""
    where, params = _scoped(tx)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM merchants WHERE {where} AND id = ?",  # noqa: S608
        (*params, id_),
    )
    if not rows:
        raise NotFound("no merchant has this id")
    return Merchant(*rows[0])


async def update(tx: Transaction, merchant: Merchant) -> Merchant:
    """Write a merchant that was read and then changed: its name, and when.

    Args:
        merchant: with the version that was read.

    Returns:
        The merchant with its next version.

    Raises:
        NotFound: it is gone.
        Stale: it has another version by now.
        Conflict: it cannot be called so.
    """
    changed = structs.replace(merchant, version=merchant.version + 1)
    where, params = _scoped(tx)
    count = await tx.execute(
        "UPDATE merchants SET name = ?, version = ?, updated_at = ?"  # noqa: S608
        f" WHERE {where} AND id = ? AND version = ?",
        (changed.name, changed.version, changed.updated_at, *params, merchant.id, merchant.version),
    )
    if count == 0:
        found = await get(tx, merchant.id)
        raise Stale(
            f"the merchant {merchant.id!r} has version {found.version}, not {merchant.version}"
        )
    return changed


async def page(tx: Transaction, after: str, limit: int) -> list[Merchant]:
    """Up to `limit` merchants of the scope whose id sorts after `after`, by id."""
    where, params = _scoped(tx)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM merchants WHERE {where} AND id > ? ORDER BY id LIMIT ?",  # noqa: S608
        (*params, after, limit),
    )
    return [Merchant(*row) for row in rows]
