"""The table `merchants`."""

from .database import Transaction
from .errors import NotFound
from .records import Merchant

_COLUMNS = "id, name, version, created_at, updated_at"


async def insert(tx: Transaction, id_: str, name: str, now: str) -> Merchant:
    """Add a merchant."""
    await tx.execute(
        "INSERT INTO merchants (id, name, created_at, updated_at) VALUES (?, ?, ?, ?)",
        (id_, name, now, now),
    )
    return Merchant(id_, name, 1, now, now)


async def get(tx: Transaction, id_: str) -> Merchant:
    """Raises: NotFound."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM merchants WHERE id = ?", (id_,))  # noqa: S608
    if not rows:
        raise NotFound(f"no merchant has the id {id_!r}")
    return Merchant(*rows[0])


async def page(tx: Transaction, after: str, limit: int) -> list[Merchant]:
    """Up to `limit` merchants whose id sorts after `after`, by id."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM merchants WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608
        (after, limit),
    )
    return [Merchant(*row) for row in rows]
