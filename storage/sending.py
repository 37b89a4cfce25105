"""What sending messages asks of `jobs` and `messages`, many rows at a time."""

from typing import Any

from .database import Transaction
from .table import encode_json, of_one


async def put_args(tx: Transaction, job_id: str, args: dict[str, Any], now: str) -> None:
    """Change what a job of the bound merchant is given.

    Args:
        now: RFC 3339.
    """
    where, params = of_one(tx)
    await tx.execute(
        f"UPDATE jobs SET args = ?, updated_at = ?, version = version + 1"  # noqa: S608
        f" WHERE {where} AND id = ?",
        (encode_json(args), now, *params, job_id),
    )
