"""The table `conversations`: whom a merchant writes with, the last of whom comes first.

One row for each number in `messages`, so that the list needs neither all messages nor a count of
them. `storage.messages` keeps it: whoever adds or removes a message changes its conversation in the
same transaction. What was said last is read from the message itself, and so is never older.
"""

from collections.abc import Sequence

from .database import Transaction
from .errors import NotFound
from .merchant_records import Conversation
from .table import of_one

_TEXT_CHARS = 500
"""So much of the last message is shown."""
_SELECT = (
    f"SELECT c.phone, m.chat, substr(m.text, 1, {_TEXT_CHARS}), m.direction, m.status,"  # noqa: S608
    " m.created_at, c.messages, c.last_message_id FROM conversations c"
    " JOIN messages m ON m.merchant_id = c.merchant_id AND m.id = c.last_message_id"
)

Grown = tuple[str, str, str, int]
"""A conversation that has more messages: merchant_id, phone, the greatest id of them, how many."""


async def page(tx: Transaction, after: str, limit: int) -> list[Conversation]:
    """Up to `limit` conversations of the bound merchant, those with the newest message first.

    Args:
        after: the `last_message_id` of the last one of the page before; empty for the first page.

    Raises:
        Sealed: no merchant is bound.
    """
    where, params = of_one(tx, "c.")
    behind, more = ("TRUE", ()) if not after else ("c.last_message_id < ?", (after,))
    rows = await tx.fetch(
        f"{_SELECT} WHERE {where} AND {behind} ORDER BY c.last_message_id DESC LIMIT ?",
        (*params, *more, limit),
    )
    return [Conversation(**dict(zip(_FIELDS, row, strict=True))) for row in rows]


async def get(tx: Transaction, phone: str) -> Conversation:
    """The bound merchant's conversation with a number.

    Raises:
        NotFound: there is none.
        Sealed: no merchant is bound.
    """
    where, params = of_one(tx, "c.")
    rows = await tx.fetch(f"{_SELECT} WHERE {where} AND c.phone = ?", (*params, phone))
    if not rows:
        raise NotFound(f"no conversation has the phone {phone!r}")
    return Conversation(**dict(zip(_FIELDS, rows[0], strict=True)))


_FIELDS = Conversation.__struct_fields__


async def grow(tx: Transaction, grown: Sequence[Grown]) -> None:
    """Count messages that were added, each number once."""
    await tx.fetch_wanted(
        ("m", "p", "l", "n"),
        [(merchant_id, phone, last, str(count)) for merchant_id, phone, last, count in grown],
        "INSERT INTO conversations (merchant_id, phone, last_message_id, messages)"
        " SELECT m, p, l, CAST(n AS BIGINT) FROM wanted WHERE TRUE"
        " ON CONFLICT (merchant_id, phone) DO UPDATE SET"
        " messages = conversations.messages + excluded.messages, last_message_id = CASE"
        " WHEN excluded.last_message_id > conversations.last_message_id"
        " THEN excluded.last_message_id ELSE conversations.last_message_id END",
    )


async def shrink(tx: Transaction, merchant_id: str, phone: str) -> None:
    """Count a message less, that was removed; the conversation goes with its last one."""
    key = (merchant_id, phone)
    await tx.execute(
        "DELETE FROM conversations WHERE merchant_id = ? AND phone = ? AND messages = 1", key
    )
    await tx.execute(
        "UPDATE conversations SET messages = messages - 1, last_message_id = (SELECT m.id"
        " FROM messages m WHERE m.merchant_id = ? AND m.phone = ? ORDER BY m.id DESC LIMIT 1)"
        " WHERE merchant_id = ? AND phone = ?",
        (*key, *key),
    )
