"""The audit: who changed what, when, and what differs.

Rows are written by the database itself; nothing here changes one.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from hub.auth import Principal
from hub.protocol.errors import InvalidParams, invalid
from hub.protocol.times import parse_ms
from hub.services import Services
from storage import audit
from storage.audit import AuditFilter
from storage.database import Transaction
from storage.records import AuditRow

from .command import OPERATORS, Command, Invocation, Result
from .params import ListOf, Time, Word

PAGE_CHARACTERS = 64 * 1024
"""A page ends behind so many characters of states: a template alone may have 20,000."""


class ListAudit(ListOf, forbid_unknown_fields=True):
    """`from` is the first time, `to` the one before which rows end; `after` goes on with older
    ones."""

    actor_id: Word | None = None
    action: Literal["CREATE", "UPDATE", "DELETE"] | None = None
    target_type: Word | None = None
    target_id: Word | None = None
    from_: Time | None = field(default=None, name="from")
    to: Time | None = None


class Actor(Struct):
    """Who made a change: a key, or the hub itself.

    Attributes:
        id: of the key; None for the hub itself.
        name: None where it is not known, as an admin's is not to a merchant.
    """

    id: str | None
    role: str
    name: str | None


class Change(Struct):
    """One field that differs; None where it is missing."""

    field: str
    before: Any
    after: Any


class AuditRecord(Struct):
    """One change of one row, as operators see it.

    Attributes:
        before, after: the whole row; None before it was made, and after it was deleted.
        changes: the fields that differ between the two.
    """

    id: str
    merchant_id: str | None
    actor: Actor
    action: str
    target_type: str
    target_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    changes: list[Change]
    address: str | None
    agent: str | None
    created_at: str


class AuditQuestion(Struct, frozen=True):
    """A list that somebody may see: whose rows, and which of them.

    Attributes:
        merchant_id: None for all, admins' own included.
    """

    merchant_id: str | None
    wanted: AuditFilter


def question(actor: Principal, params: ListAudit) -> AuditQuestion:
    """Check what is asked.

    Raises:
        InvalidParams: a time is none.
    """
    wanted = AuditFilter(
        actor_id=params.actor_id,
        action=params.action,
        target_type=params.target_type,
        target_id=params.target_id,
        since_ms=_time("/from", params.from_),
        until_ms=_time("/to", params.to),
    )
    return AuditQuestion(actor.merchant_id or params.merchant_id, wanted)


async def list_(call: Invocation, params: ListAudit) -> Result:
    """A page of what was changed, newest first."""
    asked = question(call.actor, params)
    found, next_ = await page(call.services, call.actor, asked, params.after, params.limit)
    return {"audit": found, "count": len(found), "next": next_}


async def page(
    services: Services, actor: Principal, asked: AuditQuestion, after: str, limit: int
) -> tuple[list[AuditRecord], str | None]:
    """A page, newest first, and the `after` of the next one, which goes on with older rows."""

    async def read(tx: Transaction) -> list[AuditRow]:
        # One more than asked tells whether there is a next page at all.
        return await audit.page(tx, asked.wanted, after, limit + 1, characters=PAGE_CHARACTERS)

    rows = await services.database.read(read, actor.scope(asked.merchant_id))
    more = len(rows) > limit or _size(rows) >= PAGE_CHARACTERS
    rows = rows[:limit]
    return [_record(row) for row in rows], rows[-1].id if more else None


def difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[Change]:
    """The fields that differ between two states of a row, by name.

    A field that is missing on one side counts as null there.
    """
    before, after = before or {}, after or {}
    return [
        Change(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if not _same(before.get(name), after.get(name))
    ]


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; to Python, 1 and true are."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _record(row: AuditRow) -> AuditRecord:
    before, after = _state(row.before_state), _state(row.after_state)
    return AuditRecord(
        id=row.id,
        merchant_id=row.merchant_id,
        actor=Actor(row.actor_id, row.actor_role, row.actor_name),
        action=row.action,
        target_type=row.target_type,
        target_id=row.target_id,
        before=before,
        after=after,
        changes=difference(before, after),
        address=row.ip_address,
        agent=row.user_agent,
        created_at=row.created_at,
    )


def _state(text: str | None) -> dict[str, Any] | None:
    """A state with its fields by name: of the engines, one keeps their order and one does not."""
    if text is None:
        return None
    return dict(sorted(msgspec.json.decode(text, type=dict[str, Any]).items()))


def _size(rows: list[AuditRow]) -> int:
    return sum(len(row.before_state or "") + len(row.after_state or "") for row in rows)


def _time(pointer: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_ms(text)
    except ValueError as error:
        raise invalid(InvalidParams, pointer, str(error)) from None


COMMANDS = (
    Command(
        name="audit.list", http="GET /api/audit", roles=OPERATORS,
        summary="Who changed what, newest first; as a file too (text/csv, application/x-ndjson)",
        params=ListAudit, run=list_,
        answer={"audit": list[AuditRecord], "count": int, "next": str | None},
    ),
)  # fmt: skip
