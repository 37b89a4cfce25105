"""The table `messages`: conversations with customers."""

from .database import Transaction
from .merchant_records import Message, MessageStatus
from .table import Table, of_one

_MESSAGES = Table("messages", Message, "message")


async def get(tx: Transaction, id_: str) -> Message:
    """Raises: NotFound."""
    return await _MESSAGES.get(tx, id_)


async def insert(tx: Transaction, message: Message) -> Message:
    """Add a message; raises Conflict."""
    return await _MESSAGES.insert(tx, message)


async def update(tx: Transaction, message: Message) -> Message:
    """Write a changed message, see `Table.update`; raises NotFound, Stale, Conflict."""
    return await _MESSAGES.update(tx, message)


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a message; raises NotFound, Stale, Conflict."""
    await _MESSAGES.delete(tx, id_, version)


async def by_provider_id(tx: Transaction, provider_id: str) -> Message:
    """The bound merchant's message that its gateway calls so; raises NotFound."""
    where, params = of_one(tx)
    return await _MESSAGES.one(
        tx,
        f"{where} AND provider_id = ?",
        (*params, provider_id),
        f"the provider's id {provider_id!r}",
    )


async def page(
    tx: Transaction,
    after: str,
    limit: int,
    *,
    phone: str | None = None,
    status: MessageStatus | None = None,
) -> list[Message]:
    """Up to `limit` messages, newest first; those of one `phone` are a conversation.

    Args:
        after: the last id of the page before; empty for the newest.
    """
    filters = {"phone": phone, "status": status}
    return await _MESSAGES.page(tx, after, limit, filters, newest_first=True)
