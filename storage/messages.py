"""The table `messages`: every message in and out. Each is counted in its conversation."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from . import conversations
from .database import Transaction, Value
from .merchant_records import Message, MessageStatus
from .scope import scoped
from .table import Table, of_one

_MESSAGES = Table("messages", Message, "message")


# ── one message ──────────────────────────────────────────────────────────────────────────────


async def get(tx: Transaction, id_: str) -> Message:
    """Raises: NotFound."""
    return await _MESSAGES.get(tx, id_)


async def insert(tx: Transaction, message: Message) -> Message:
    """Add a message; raises Conflict."""
    added = await _MESSAGES.insert(tx, message)
    await conversations.grow(tx, [(message.merchant_id, message.phone, message.id, 1)])
    return added


async def update(tx: Transaction, message: Message) -> Message:
    """Write a changed message, see `Table.update`; raises NotFound, Stale, Conflict.

    Its phone stays what it is.
    """
    return await _MESSAGES.update(tx, message)


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a message; raises NotFound, Stale, Conflict."""
    message = await _MESSAGES.get(tx, id_)
    await _MESSAGES.delete(tx, id_, version)
    await conversations.shrink(tx, message.merchant_id, message.phone)


async def by_provider_id(tx: Transaction, provider_id: str) -> Message:
    """The bound merchant's message that its gateway calls so; raises NotFound."""
    where, params = of_one(tx)
    return await _MESSAGES.one(
        tx,
        f"{where} AND provider_id = ?",
        (*params, provider_id),
        f"provider's id {provider_id!r}",
    )


async def page(
    tx: Transaction,
    after: str,
    limit: int,
    *,
    phone: str | None = None,
    status: MessageStatus | None = None,
    direction: Literal["inbound", "outbound"] | None = None,
) -> list[Message]:
    """Up to `limit` messages, newest first; those of one `phone` are a conversation.

    Args:
        after: the last id of the page before; empty for the newest.
    """
    filters = {"phone": phone, "status": status, "direction": direction}
    return await _MESSAGES.page(tx, after, limit, filters, newest_first=True)


# ── those of a commit group ──────────────────────────────────────────────────────────────────


class NewMessage(Struct, gc=False):
    """A message that an event brings, or that is to be sent, in the order of `COLUMNS`; everything
    fits its column.

    A Struct of its own because it goes to the database as it is, as an event does.
    """

    id: str
    merchant_id: str
    direction: Literal["inbound", "outbound"]
    phone: str
    chat: str | None
    text: str | None
    type: str
    template_id: str | None
    provider_id: str | None
    status: MessageStatus
    error: str | None
    event_id: str | None
    created_at: str
    updated_at: str


COLUMNS = dict.fromkeys(NewMessage.__struct_fields__, "text") | {
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
}


class Step(Struct, frozen=True):
    """A message that has come further."""

    merchant_id: str
    id: str
    status: MessageStatus
    error: str | None


async def states(
    tx: Transaction, wanted: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, MessageStatus]]:
    """Look up (merchant_id, provider_id) pairs: the ids and statuses of the messages; those that
    are not known are left out."""
    rows = await tx.fetch_wanted(
        ("m", "p"),
        list(wanted),
        "SELECT m, p, x.id, x.status"
        " FROM wanted JOIN messages x ON x.merchant_id = m AND x.provider_id = p",
    )
    return {(merchant_id, provider_id): (id_, s) for merchant_id, provider_id, id_, s in rows}


async def insert_many(tx: Transaction, messages: Sequence[NewMessage]) -> None:
    """Add messages whose providers' ids are known to be new; raises Conflict."""
    await tx.insert("messages", COLUMNS, [msgspec.structs.astuple(each) for each in messages])
    grown: dict[tuple[str, str], tuple[str, int]] = {}
    for each in messages:
        key = (each.merchant_id, each.phone)
        last, count = grown.get(key, ("", 0))
        grown[key] = (max(last, each.id), count + 1)
    await conversations.grow(tx, [(*key, *value) for key, value in grown.items()])


async def advance(tx: Transaction, steps: Sequence[Step], now: str) -> None:
    """Write how far messages have come, each once; raises Conflict.

    Args:
        now: RFC 3339.
    """
    await tx.fetch_wanted(
        ("m", "i", "s", "e"),
        [msgspec.structs.astuple(step) for step in steps],
        "UPDATE messages SET status = s, error = COALESCE(e, error), version = version + 1,"
        " updated_at = ? FROM wanted WHERE merchant_id = m AND id = i",
        (now,),
    )


# ── those whose jobs people change ───────────────────────────────────────────────────────────


async def give_up(
    tx: Transaction, keys: Sequence[tuple[str, str]], error: str, now: str
) -> list[Message]:
    """Note of those of these messages that wait to be sent that they will not be.

    Args:
        keys: merchant_id and id.
        error: why, a sentence.
    """
    return await _step(tx, keys, "status = 'failed', error = ?", (error,), "status = 'queued'", now)


async def wait_again(tx: Transaction, keys: Sequence[tuple[str, str]], now: str) -> list[Message]:
    """Let those of these messages that were not sent wait to be sent again."""
    return await _step(tx, keys, "status = 'queued', error = NULL", (), "status = 'failed'", now)


async def _step(
    tx: Transaction,
    keys: Sequence[tuple[str, str]],
    setting: str,
    new: Sequence[Value],
    condition: str,
    now: str,
) -> list[Message]:
    if not keys:
        return []
    where, bound = scoped(tx)
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id"),
        keys,
        f"UPDATE messages SET {setting}, updated_at = ?, version = version + 1"  # noqa: S608
        f" FROM wanted WHERE {where} AND merchant_id = wanted_merchant AND id = wanted_id"
        f" AND {condition} RETURNING {_MESSAGES.columns}",
        (*new, now, *bound),
    )
    return _MESSAGES.parse(rows)
