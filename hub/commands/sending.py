"""Messages to customers, one or many: each becomes a job, and is answered before it is sent.

What cannot be sent is refused at the door, by the field that is wrong. Of a message to many, whom
nobody can reach is counted in the summary of its job: the others are sent to.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from hub.protocol.errors import FieldError, InvalidParams, invalid
from hub.protocol.times import format_ms, parse_ms
from hub.stream.waiting import WriteScope
from jobs.message_sending.bulk import MOST_RECIPIENTS, queue_bulk
from jobs.message_sending.send import queue_message
from jobs.tasks import To
from storage.merchant_records import Job

from .command import OPERATORS, SELLERS, Command, Invocation, Result
from .params import RowId, Text, Time, Word

Address = Annotated[str, Meta(min_length=1, max_length=128, examples=["+263771234567"])]
"""A telephone number, or a gateway's name of a person or a group."""
Variables = Annotated[dict[str, Any], Meta(max_length=1000)]
Priority = Annotated[int, Meta(ge=-100, le=100)]
"""Higher first."""
_YEAR_MS = 366 * 24 * 3600 * 1000
Named = Literal["/template", "/template_id"]


class Timing(Struct, forbid_unknown_fields=True, kw_only=True):
    """When a message is sent: at once, or not before `send_at`, up to a year ahead; and until when
    it is worth while."""

    send_at: Time | None = None
    expires_at: Time | None = None
    priority: Priority = 0


class NewMessage(Timing, forbid_unknown_fields=True, kw_only=True):
    """A text as it stands, or an active template by its name or id, with its variables."""

    to: Address
    text: Text | None = None
    template: Word | None = None
    template_id: RowId | None = None
    variables: Variables = {}
    id: RowId | None = None
    merchant_id: Word | None = None


class Recipient(Struct, forbid_unknown_fields=True):
    """One of many; `variables` are its own, beside those of all."""

    to: Address
    variables: Variables = {}


class NewMessages(Timing, forbid_unknown_fields=True, kw_only=True):
    """An active template to many, by its name or id. `variables` are for those that do not have
    their own; `id` is that of the job."""

    recipients: Annotated[list[Recipient], Meta(min_length=1, max_length=MOST_RECIPIENTS)]
    template: Word | None = None
    template_id: RowId | None = None
    variables: Variables = {}
    id: RowId | None = None
    merchant_id: Word | None = None


async def send(call: Invocation, params: NewMessage) -> Result:
    """Queue a message; its job has the message's id.

    Raises:
        InvalidParams: it says nothing, or two things; nobody can be reached so; the template is
            not there or not active; a variable is missing, or a text is over its limit.
    """
    said = [params.text is not None, params.template is not None, params.template_id is not None]
    if sum(said) != 1:
        raise invalid(InvalidParams, "/text", "give one of text, template and template_id")
    send_at, expires_at = _times(call, params)

    async def work(scope: WriteScope) -> Result:
        try:
            _, job = await queue_message(
                scope, merchant_id=call.merchant_id, to=params.to, text=params.text,
                template=params.template or params.template_id, variables=params.variables,
                send_at=send_at, expires_at=expires_at, priority=params.priority,
                message_id=params.id, now=call.now, source=call.actor.source, strict=True,
            )  # fmt: skip
        except InvalidParams as error:
            raise _in_callers_words(error, _named(params)) from None
        return {"job": job}

    return await call.commit(work)


async def bulk(call: Invocation, params: NewMessages) -> Result:
    """Queue a template to many, as one job whose parts are the messages.

    Raises:
        InvalidParams: the template is not there or not active, or is named twice or not at all.
    """
    if (params.template is None) == (params.template_id is None):
        raise invalid(InvalidParams, "/template", "give one of template and template_id")
    send_at, expires_at = _times(call, params)
    recipients = [To(each.to, each.variables) for each in params.recipients]

    async def work(scope: WriteScope) -> Result:
        try:
            job = await queue_bulk(
                scope, merchant_id=call.merchant_id,
                template=params.template or params.template_id or "", recipients=recipients,
                variables=params.variables, send_at=send_at, expires_at=expires_at,
                priority=params.priority, job_id=params.id, now=call.now,
                source=call.actor.source,
            )  # fmt: skip
        except InvalidParams as error:
            raise _in_callers_words(error, _named(params)) from None
        return {"job": job}

    return await call.commit(work)


def _named(params: NewMessage | NewMessages) -> Named:
    """Where the caller names the template."""
    return "/template_id" if params.template_id is not None else "/template"


def _times(call: Invocation, params: Timing) -> tuple[str | None, str | None]:
    """When it is sent and until when it is worth while, RFC 3339 in UTC.

    Raises:
        InvalidParams: they are no times, or too far ahead, or it would never be worth while.
    """
    send_ms = _time("/send_at", params.send_at)
    expires_ms = _time("/expires_at", params.expires_at)
    if send_ms is not None and send_ms > call.now_ms + _YEAR_MS:
        raise invalid(InvalidParams, "/send_at", "is more than a year ahead")
    if expires_ms is not None:
        if expires_ms <= max(call.now_ms, send_ms or 0):
            raise invalid(InvalidParams, "/expires_at", "is over before the message is sent")
        if expires_ms > call.now_ms + 2 * _YEAR_MS:
            raise invalid(InvalidParams, "/expires_at", "is more than two years ahead")
    return (
        None if send_ms is None else format_ms(send_ms),
        None if expires_ms is None else format_ms(expires_ms),
    )


def _time(pointer: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_ms(text)
    except ValueError as error:
        raise invalid(InvalidParams, pointer, str(error)) from None


def _in_callers_words(error: InvalidParams, named: Named) -> InvalidParams:
    """A refusal whose pointers go into what the caller said: what is wrong within a template is
    told of the field that names it."""
    errors = []
    for each in error.errors:
        field = each.pointer.split("/")[1] if each.pointer else ""
        if each.pointer == "/template":
            errors.append(FieldError(named, each.message))
        elif field in ("to", "text", "variables", "recipients", "id"):
            errors.append(each)
        else:
            errors.append(FieldError(named, f"{each.pointer}: {each.message}"))
    message = "; ".join(f"{each.pointer}: {each.message}" for each in errors)
    return InvalidParams(message, tuple(errors))


COMMANDS = (
    Command(
        name="messages.send", http="POST /api/messages/send", roles=SELLERS,
        summary="Send a text or a template to one customer, at once or later; the message is the "
        "one with the job's id",
        params=NewMessage, run=send, answer={"job": Job}, status=202,
        message="The message is queued.", events=("job_queued",),
    ),
    Command(
        name="messages.bulk", http="POST /api/messages/bulk", roles=OPERATORS,
        summary="Send a template to up to 10,000 customers, as one job whose result is the summary",
        params=NewMessages, run=bulk, answer={"job": Job}, status=202,
        message="The messages are queued.", events=("job_queued",),
    ),
)  # fmt: skip
