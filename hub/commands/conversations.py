"""Conversations: whom a merchant writes with, and what was said."""

from msgspec import Struct

from hub.protocol.messages import address_of
from storage import conversations, messages
from storage.database import Transaction
from storage.merchant_records import Conversation, Message

from .command import EVERYBODY, Command, Invocation, Result
from .params import PAGE, After, Limit, ListOf, Word, next_of


class ConversationWith(Struct, forbid_unknown_fields=True):
    """A page of one conversation; `phone` may be given as any gateway writes it."""

    phone: Word
    merchant_id: Word | None = None
    after: After = ""
    limit: Limit = 100


async def list_(call: Invocation, params: ListOf) -> Result:
    """A page of the conversations of one merchant, those with the newest message first.

    Raises:
        InvalidParams: an admin did not say whose.
    """
    call.merchant_id  # noqa: B018  # for one merchant alone
    found = await call.read(lambda tx: conversations.page(tx, params.after, params.limit))
    following = found[-1].last_message_id if len(found) == params.limit else None
    return {"conversations": found, "count": len(found), "next": following}


async def get(call: Invocation, params: ConversationWith) -> Result:
    """A page of what one merchant and one customer wrote, newest first.

    Raises:
        InvalidParams: an admin did not say whose.
        storage.errors.NotFound: nobody has written there.
    """
    call.merchant_id  # noqa: B018  # for one merchant alone
    phone, _ = address_of(params.phone)
    limit = min(params.limit, PAGE)

    async def work(tx: Transaction) -> list[Message]:
        await conversations.get(tx, phone)
        return await messages.page(tx, params.after, limit, phone=phone)

    found = await call.read(work)
    return {"messages": found, "count": len(found), "next": next_of(found, limit)}


COMMANDS = (
    Command(
        name="conversations.list", http="GET /api/conversations", roles=EVERYBODY,
        summary="Whom a merchant writes with, the newest message first",
        params=ListOf, run=list_,
        answer={"conversations": list[Conversation], "count": int, "next": str | None},
    ),
    Command(
        name="conversations.get", http="GET /api/conversations/{phone}", roles=EVERYBODY,
        summary="What a merchant and a customer wrote, newest first",
        params=ConversationWith, run=get,
        answer={"messages": list[Message], "count": int, "next": str | None},
    ),
)  # fmt: skip
