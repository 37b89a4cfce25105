"""The table `audit_logs`: who changed what. Triggers write its rows; here they are only read."""

from collections.abc import Sequence

from msgspec import Struct

from .database import Transaction, Value
from .records import AuditRow
from .scope import scoped

_COLUMNS = (
    "a.id, a.merchant_id, a.actor_id, a.actor_role, k.name, a.action, a.target_type, a.target_id,"
    " a.before_state, a.after_state, a.ip_address, a.user_agent, a.created_at"
)
_BEFORE, _AFTER = 8, 9
"""Where the states stand among the columns: nearly all of a row's size."""


class AuditFilter(Struct, frozen=True):
    """Which rows are wanted; None asks for no condition.

    Attributes:
        since: the first time, RFC 3339 in UTC with milliseconds.
        until: the time before which rows end, likewise.
    """

    actor_id: str | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: str | None = None
    since: str | None = None
    until: str | None = None


async def page(
    tx: Transaction, wanted: AuditFilter, before_id: str, limit: int, *, characters: int
) -> list[AuditRow]:
    """Up to `limit` rows of the bound merchant that match, newest first.

    Args:
        before_id: the id before which the page goes on; empty for the newest.
        characters: of the states, after which the page ends early; it has one row at least, unless
            there is none.
    """
    where, params = _conditions(tx, wanted)
    names, of_whom = scoped(tx, "k.")
    if before_id:
        where.append("a.id < ?")
        params.append(before_id)
    found: list[AuditRow] = []
    size = 0
    rows = tx.scan(
        f"SELECT {_COLUMNS} FROM audit_logs a"  # noqa: S608
        f" LEFT JOIN api_keys k ON k.id = a.actor_id AND {names}"
        f" WHERE {' AND '.join(where)} ORDER BY a.id DESC LIMIT ?",
        (*of_whom, *params, limit),
    )
    async for row in rows:
        found.append(AuditRow(*row))
        size += len(row[_BEFORE] or "") + len(row[_AFTER] or "")
        if size >= characters:
            break
    return found


def _conditions(tx: Transaction, wanted: AuditFilter) -> tuple[list[str], list[Value]]:
    where, bound = scoped(tx, "a.")
    conditions, params = [where], [*bound]
    asked: Sequence[tuple[str, str | None]] = (
        ("a.actor_id = ?", wanted.actor_id),
        ("a.action = ?", wanted.action),
        ("a.target_type = ?", wanted.target_type),
        ("a.target_id = ?", wanted.target_id),
        ("a.created_at >= ?", wanted.since),
        ("a.created_at < ?", wanted.until),
    )
    for condition, value in asked:
        if value is not None:
            conditions.append(condition)
            params.append(value)
    return conditions, params
