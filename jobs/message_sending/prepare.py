"""The task `send`: a message is rendered, and its job waits for a bot that sends it."""

import msgspec
from msgspec import structs

from hub.protocol.errors import InvalidParams
from hub.templates.content import Content
from jobs.context import WriteScope
from jobs.errors import Refused
from jobs.outcome import Outcome, Parked
from jobs.run import Run
from jobs.tasks import Send
from storage import messages, sending, templates
from storage.database import Transaction
from storage.errors import NotFound
from storage.merchant_records import Template

from .rendering import rendered, shown

WAITS = "waits for a bot"


async def prepare(run: Run, args: Send) -> Outcome:
    """Render a message and let its job wait for a bot.

    Raises:
        Refused: the template is gone or not active, or cannot be filled in.
        storage.errors.Unavailable: the database did not answer.
    """
    if args.template_id is None or args.content is not None:
        return Parked("bot", WAITS)
    content = await _content(run, args, args.template_id)
    args = structs.replace(args, content=content)

    async def write(scope: WriteScope) -> None:
        await sending.put_args(scope.tx, run.job.id, msgspec.to_builtins(args), run.context.now)
        message = await messages.get(scope.tx, args.message_id)
        said = shown(content)
        if message.text != said:
            changed = structs.replace(message, text=said, updated_at=run.context.now)
            await messages.update(scope.tx, changed)

    return Parked("bot", WAITS, write)


async def _content(run: Run, args: Send, template_id: str) -> Content:
    async def read(tx: Transaction) -> Template:
        return await templates.get(tx, template_id)

    try:
        template = await run.context.database.read(read, run.scope)
    except NotFound:
        raise Refused("the template is gone: send the message with another one") from None
    if template.status != "active":
        raise Refused(f"the template {template.name!r} is {template.status}: activate it")
    try:
        return rendered(template, args.variables)
    except InvalidParams as error:
        raise Refused(error.message) from None
