"""The task `bulk`: one template to many, a job for each recipient.

The jobs are made in parts of a hundred, prepared as they are: they wait for a bot from the start
and never need a worker. Whom nobody can reach, and whose variables do not fit, is a job that is
dead from the start, so that the summary names them. Cut off in the middle, it goes on behind the
last part that was written.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hub.protocol.errors import HubError, InvalidParams, invalid
from hub.protocol.ids import uuid7
from hub.templates.content import Content
from jobs.context import SOURCE, WriteScope
from jobs.enqueue import NewJob, add_job
from jobs.errors import Refused
from jobs.outcome import Cancelled, Outcome, Parked
from jobs.run import Run
from jobs.tasks import Bulk, Send, To
from storage import jobs, messages, sending, templates, work
from storage.database import Transaction
from storage.errors import NotFound, Stale
from storage.merchant_records import Job, Template
from storage.messages import NewMessage

from .prepare import WAITS
from .recipients import recipient_of
from .rendering import rendered, shown
from .send import active_template

MOST_RECIPIENTS = 10_000
_PART = 100
"""Jobs that are made in one commit."""
_TIMEOUT_SECONDS = 600
_ERROR_CHARACTERS = 500
_SHOWN_CHARACTERS = 64


async def queue_bulk(
    scope: WriteScope,
    *,
    merchant_id: str,
    template: str,
    recipients: Sequence[To],
    variables: Mapping[str, Any] | None = None,
    send_at: str | None = None,
    priority: int = 0,
    expires_at: str | None = None,
    job_id: str | None = None,
    unique_key: str | None = None,
    now: str,
    source: str = SOURCE,
) -> Job:
    """Queue a template to many recipients of the bound merchant, as one job.

    Args:
        template: the id or the name of an active one.
        recipients: up to `MOST_RECIPIENTS`; the same one more than once is sent as many messages.
        variables: by name, for every recipient that does not give its own.
        send_at, expires_at: RFC 3339.
        unique_key: no two open jobs of the queue share it.

    Raises:
        InvalidParams: there is no such active template, or nobody to send to, or too many.
        storage.errors.Conflict: there is a job with this id.
    """
    if not 1 <= len(recipients) <= MOST_RECIPIENTS:
        message = f"{len(recipients)} recipients: 1 to {MOST_RECIPIENTS} are sent to at once"
        raise invalid(InvalidParams, "/recipients", message)
    found = await active_template(scope, template)
    args = Bulk(template_id=found.id, total=len(recipients), variables=dict(variables or {}))
    new = NewJob(
        merchant_id=merchant_id, queue="message_sending", name="bulk", args=args, id=job_id,
        run_at=send_at, priority=priority, expires_at=expires_at, timeout=_TIMEOUT_SECONDS,
        unique_key=unique_key,
    )  # fmt: skip
    job = await add_job(scope, new, now, source)
    await work.put_input(scope.tx, job.id, msgspec.to_builtins(recipients))
    return job


class _Part(Struct):
    """Jobs that are made together, and the messages of those that can be sent."""

    jobs: list[Job]
    messages: list[NewMessage]


async def expand(run: Run, args: Bulk) -> Outcome:
    """Make the jobs of a bulk send, and let it wait for their end.

    Raises:
        Refused: the template is gone or not active.
        storage.errors.StorageError: the database did not do it.
    """
    context, parent_id = run.context, run.job.id

    async def begin(tx: Transaction) -> tuple[Template, list[Any] | None, int]:
        template = await templates.get(tx, args.template_id)
        recipients = await work.get_input(tx, parent_id)
        return template, recipients, await sending.count_parts(tx, parent_id)

    try:
        template, given, made = await context.database.read(begin, run.scope)
    except NotFound:
        raise Refused("the template is gone: send another one") from None
    if template.status != "active":
        raise Refused(f"the template {template.name!r} is {template.status}: activate it")
    recipients = msgspec.convert(given or [], list[To])
    for at in range(made, len(recipients), _PART):
        part = await _part(run, args, template, recipients[at : at + _PART])

        async def write(scope: WriteScope, at: int = at, part: _Part = part) -> bool:
            if not await _goes_on(scope, run.job, at):
                return False
            await jobs.insert_many(scope.tx, part.jobs)
            if part.messages:
                await messages.insert_many(scope.tx, part.messages)
            scope.jobs += part.jobs
            return True

        if not (await context.log.commit(write, run.scope)).result:
            return Cancelled()
        await run.progress(0, f"{at + len(part.jobs)} of {args.total} prepared")

    async def over(scope: WriteScope) -> None:
        await work.drop_input(scope.tx, parent_id)

    return Parked("children", f"0 of {args.total} sent", over)


async def _part(run: Run, args: Bulk, template: Template, recipients: Sequence[To]) -> _Part:
    part = _Part([], [])
    for each in recipients:
        try:
            to = recipient_of(each.to)
            content = rendered(template, args.variables | each.variables)
        except InvalidParams as error:
            part.jobs.append(_dead(run, args, each, error))
        else:
            said = shown(content)
            job = _waiting(run, args, each, to.phone, content)
            part.jobs.append(job)
            part.messages.append(
                NewMessage(
                    job.id, job.merchant_id, "outbound", to.phone, to.chat, said, template.type,
                    template.id, None, "queued", None, None, job.created_at, job.created_at,
                )
            )  # fmt: skip
    await asyncio.sleep(0)  # rendering a part takes milliseconds: the others have a turn
    return part


def _waiting(run: Run, args: Bulk, each: To, phone: str, content: Content) -> Job:
    id_, now, parent = uuid7(), run.context.now, run.job
    send = Send(
        message_id=id_, to=phone, template_id=args.template_id,
        variables=each.variables, content=content,
    )  # fmt: skip
    return Job(
        id=id_, merchant_id=parent.merchant_id, queue="message_sending", name="send",
        args=msgspec.to_builtins(send), state="queued", awaits="bot", note=WAITS,
        priority=parent.priority, run_at=now, parent_id=parent.id, recipient=phone,
        expires_at=parent.expires_at, created_at=now, updated_at=now,
    )  # fmt: skip


def _dead(run: Run, args: Bulk, each: To, error: HubError) -> Job:
    """What cannot be sent, as a part that has ended."""
    id_, now, parent = uuid7(), run.context.now, run.job
    given = each.to.replace("\0", "")[:_SHOWN_CHARACTERS] or None
    send = Send(
        message_id=id_, to=given or "", template_id=args.template_id, variables=each.variables
    )
    return Job(
        id=id_, merchant_id=parent.merchant_id, queue="message_sending", name="send",
        args=msgspec.to_builtins(send), state="dead", run_at=now, parent_id=parent.id,
        recipient=given, error=error.message[:_ERROR_CHARACTERS], created_at=now, updated_at=now,
        finished_at=now,
    )  # fmt: skip


async def _goes_on(scope: WriteScope, job: Job, made: int) -> bool:
    """Whether a bulk send is still to be prepared here, from this place on; False where it is to
    end.

    Raises:
        Stale: another worker prepares it.
    """
    row = await jobs.find(scope.tx, job.id)
    if row is None or (row.state, row.attempt) != ("running", job.attempt):
        raise Stale("the bulk send is not prepared here any more")
    if await sending.count_parts(scope.tx, job.id) != made:
        raise Stale("another worker has prepared more of the bulk send")
    return not row.cancelling
