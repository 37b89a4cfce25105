"""A message and the job that sends it, written in the transaction of their cause."""

import re
from collections.abc import Mapping
from typing import Any

from hub.protocol.errors import InvalidParams, invalid
from hub.templates.content import Content
from jobs.context import SOURCE, WriteScope
from jobs.enqueue import NewJob, add_job
from jobs.tasks import Send
from storage import messages, templates
from storage.errors import NotFound
from storage.merchant_records import Job, Message, Template

from .recipients import Recipient, recipient_of
from .rendering import plain, rendered, shown

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


async def queue_message(
    scope: WriteScope,
    *,
    merchant_id: str,
    to: str,
    text: str | None = None,
    template: str | None = None,
    variables: Mapping[str, Any] | None = None,
    send_at: str | None = None,
    priority: int = 0,
    parent_id: str | None = None,
    expires_at: str | None = None,
    message_id: str | None = None,
    unique_key: str | None = None,
    now: str,
    source: str = SOURCE,
    strict: bool = False,
) -> tuple[Message, Job]:
    """Queue a message to one recipient, bound to its merchant. The job has the message's id.

    A template is filled in again when its time has come, if that is later: what is sent is the
    template as it is then.

    Args:
        to: the recipient, as any gateway writes it.
        text: what it says, as it stands; or
        template: the id or the name of an active template, with its
        variables: by name.
        send_at: not before, RFC 3339; at once where it is None.
        priority: higher first.
        parent_id: the job of which it is a part, which is told of in its place.
        expires_at: after which it is not worth while, RFC 3339.
        message_id: a UUID of the caller's; one is made where it is None.
        unique_key: no two open jobs of the queue share it.
        now: RFC 3339.
        source: who asked for it, for the event.
        strict: whether a template that cannot be filled in is refused here; else its job dies of
            it, and what causes the message goes on.

    Raises:
        InvalidParams: nobody can be reached so, there is no such active template, what is to be
            said is given twice or not at all, or, with `strict`, cannot be said.
        storage.errors.Conflict: there is a message with this id.
    """
    recipient = recipient_of(to)
    if (text is None) == (template is None):
        message = "give either a text, or a template by its id or name"
        raise invalid(InvalidParams, "/text", message)
    found = None if template is None else await active_template(scope, template)
    later = send_at is not None and send_at > now
    content: Content | None = None
    if found is None:
        content = plain(text or "")
    else:
        try:
            content = rendered(found, variables or {})
        except InvalidParams:
            if strict:
                raise
    row = _message(scope, merchant_id, recipient, found, content, message_id, now)
    await messages.insert(scope.tx, row)
    args = Send(
        message_id=row.id, to=recipient.phone, text=text,
        template_id=None if found is None else found.id,
        variables=dict(variables or {}) if found is not None else {},
        content=None if found is None or later else content,
    )  # fmt: skip
    new = NewJob(
        merchant_id=merchant_id, queue="message_sending", name="send", args=args, id=row.id,
        run_at=send_at, priority=priority, parent_id=parent_id, recipient=recipient.phone,
        expires_at=expires_at, unique_key=unique_key,
    )  # fmt: skip
    return row, await add_job(scope, new, now, source)


async def active_template(scope: WriteScope, named: str, pointer: str = "/template") -> Template:
    """The bound merchant's active template with this id or name.

    Raises:
        InvalidParams: there is none, or it is a draft or archived.
    """
    by_id = _ID.fullmatch(named) is not None
    try:
        found = await (templates.get if by_id else templates.by_name)(scope.tx, named)
    except NotFound:
        message = f"no template has the {'id' if by_id else 'name'} {named[:64]!r}"
        raise invalid(InvalidParams, pointer, message) from None
    if found.status != "active":
        message = f"the template {found.name!r} is {found.status}: activate it to send it"
        raise invalid(InvalidParams, pointer, message)
    return found


def _message(
    scope: WriteScope,
    merchant_id: str,
    recipient: Recipient,
    template: Template | None,
    content: Content | None,
    id_: str | None,
    now: str,
) -> Message:
    if id_ is not None and _ID.fullmatch(id_) is None:
        raise invalid(InvalidParams, "/id", "the id of a message is a UUID in lower case")
    return Message(
        id=id_ or scope.new_id(), merchant_id=merchant_id, direction="outbound",
        phone=recipient.phone, chat=recipient.chat,
        text=None if content is None else shown(content),
        type="text" if template is None else template.type,
        template_id=None if template is None else template.id,
        status="queued", created_at=now, updated_at=now,
    )  # fmt: skip
