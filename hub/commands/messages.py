"""Messages: what customers wrote and what was written to them, as the bots' events told it."""

from msgspec import Struct

from hub.protocol.messages import Direction, address_of
from storage import messages
from storage.merchant_records import Message, MessageStatus

from .command import EVERYBODY, Command, Invocation, Result
from .params import PAGE, After, ById, Limit, Word, next_of


class MessagesOf(Struct, forbid_unknown_fields=True):
    """A page of messages, newest first; `phone` may be given as any gateway writes it."""

    phone: Word | None = None
    status: MessageStatus | None = None
    direction: Direction | None = None
    merchant_id: Word | None = None
    after: After = ""
    limit: Limit = 100


async def list_(call: Invocation, params: MessagesOf) -> Result:
    """A page of the messages that match, newest first."""
    phone = None if params.phone is None else address_of(params.phone)[0]
    limit = min(params.limit, PAGE)
    found = await call.read(
        lambda tx: messages.page(
            tx,
            params.after,
            limit,
            phone=phone,
            status=params.status,
            direction=params.direction,
        )
    )
    return {"messages": found, "count": len(found), "next": next_of(found, limit)}


async def get(call: Invocation, params: ById) -> Result:
    """One message.

    Raises:
        storage.errors.NotFound: there is no such message, or it is another merchant's.
    """
    return {"message": await call.read(lambda tx: messages.get(tx, params.id))}


COMMANDS = (
    Command(
        name="messages.list", http="GET /api/messages", roles=EVERYBODY,
        summary="Messages in and out, newest first, of one phone, status or direction",
        params=MessagesOf, run=list_,
        answer={"messages": list[Message], "count": int, "next": str | None},
    ),
    Command(
        name="messages.get", http="GET /api/messages/{id}", roles=EVERYBODY,
        summary="One message", params=ById, run=get, answer={"message": Message},
        table="messages",
    ),
)  # fmt: skip
