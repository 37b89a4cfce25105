"""The table `audit_logs`: who changed what. Triggers write its rows; here they are only read."""

from msgspec import Struct

from .database import Transaction, Value
from .records import AuditRow
from .scope import EVERY_MERCHANT, scoped

_COLUMNS = (
    "a.id, a.merchant_id, a.actor_id, a.actor_role, k.name, a.action, a.target_type, a.target_id,"
    " a.before_state, a.after_state, a.ip_address, a.user_agent, a.created_at"
)
_BEFORE, _AFTER = 8, 9
"""Where the states stand among the columns: nearly all of a row's size."""
_LAST_MS = 2**48 - 1


class AuditFilter(Struct, frozen=True):
    """Which rows are wanted; None asks for no condition.

    Attributes:
        since_ms: the first time, milliseconds since 1970.
        until_ms: the time before which rows end, likewise.
    """

    actor_id: str | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


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
    # An id of a key is unique within its merchant alone: that of another is not this actor.
    rows = tx.scan(
        f"SELECT {_COLUMNS} FROM audit_logs a"  # noqa: S608
        " LEFT JOIN api_keys k ON k.id = a.actor_id AND k.role = a.actor_role"
        f" AND (k.merchant_id = a.merchant_id OR k.merchant_id IS NULL) AND {names}"
        f" WHERE {' AND '.join(where)} ORDER BY a.id DESC LIMIT ?",
        (*of_whom, *params, limit),
    )
    async for row in rows:
        merchant_id = None if row[1] == EVERY_MERCHANT else row[1]  # an admin's key has none
        found.append(AuditRow(row[0], merchant_id, *row[2:]))
        size += len(row[_BEFORE] or "") + len(row[_AFTER] or "")
        if size >= characters:
            break
    return found


def _conditions(tx: Transaction, wanted: AuditFilter) -> tuple[list[str], list[Value]]:
    where, bound = scoped(tx, "a.")
    conditions: list[str] = [where]
    params: list[Value] = [*bound]
    asked = (
        ("a.actor_id = ?", wanted.actor_id),
        ("a.action = ?", wanted.action),
        ("a.target_type = ?", wanted.target_type),
        ("a.target_id = ?", wanted.target_id),
        ("a.id >= ?", _first_id(wanted.since_ms)),
        ("a.id < ?", _first_id(wanted.until_ms)),
    )
    for condition, value in asked:
        if value is not None:
            conditions.append(condition)
            params.append(value)
    return conditions, params


def _first_id(ms: int | None) -> str | None:
    """What sorts before every id of a time and of later ones: an id begins with its time, which is
    the row's `created_at` (RFC 9562 section 5.7), and ids are what the indexes end with."""
    if ms is None:
        return None
    digits = f"{min(max(ms, 0), _LAST_MS):012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"
