"""Jobs become tasks, a batch of one merchant in one commit: chosen, paced, and in a bot's format.

    its queue stands still  waits
    expired                 ends
    its recipient was sent
      something just now    waits for the recipient's next time
    cannot be put into
      the bot's format      ends
    anything else           runs, held by this hub for the bot

The time of each recipient is taken in the same commit, so that it holds for all hubs.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from hub.protocol.errors import InvalidParams
from hub.protocol.frames import Format
from hub.protocol.times import format_ms, parse_ms
from hub.whatsapp.messages import MediaSource
from jobs.context import WriteScope
from jobs.message_sending.rendering import in_format, plain
from jobs.outcome import Done, Failed, settle
from jobs.registry import ended
from jobs.tasks import Send
from storage import media, sending, work
from storage.merchant_records import Job, MediaFile
from storage.scope import HUB
from storage.sending import Sendable

from .bots import DEADLINE_SECONDS

PACE_SECONDS = 6.0
"""A recipient is sent one message in this time at the most."""
BATCH = 64
"""Tasks that are handed over in one commit."""
_SENT = ("sent", "delivered", "read")

Source = Callable[[MediaFile], MediaSource]
"""Where a gateway finds a picture."""


class Handed(NamedTuple):
    """A job that is a task now.

    Attributes:
        place: which of the places that were free takes it.
        data: of its frame.
        deadline: until when an answer counts, RFC 3339.
        picture: whose content is still to be put into the message, for a gateway that needs it.
    """

    place: int
    job: Job
    data: dict[str, Any]
    deadline: str
    picture: MediaFile | None


class Batch(NamedTuple):
    """What one commit has handed over.

    Attributes:
        ended: the jobs that ended instead.
        more: whether there may be more to be handed over at once.
        next_at: when the next job may be handed over, RFC 3339; None where none waits.
    """

    handed: list[Handed]
    ended: list[Job]
    more: bool
    next_at: str | None


async def hand_over(
    scope: WriteScope, formats: Sequence[Format], worker: str, now: str, source: Source
) -> Batch:
    """Hand jobs of the bound merchant over.

    Args:
        formats: for each free place, what its bot takes.
        worker: under which this hub holds tasks.
        now: RFC 3339.
        source: where a gateway finds a picture.
    """
    tx = scope.tx
    found = await sending.waiting(tx, now, len(formats))
    if found and await _stands_still(scope):
        return Batch([], [], more=False, next_at=None)
    going, later = await _paced(scope, [job for job in found if not _is_over(job, now)], now)
    await sending.postpone(tx, later, now)
    over = [job.id for job in found if _is_over(job, now)]
    running = {
        job.id: job
        for job in await sending.hand_over(tx, [*over, *(job.id for job in going)], worker, now)
    }
    ended_: list[Job] = []
    for id_ in over:
        if id_ in running:
            reason = f"expired: it was of use until {running[id_].expires_at}"
            ended_.append(await _fail(scope, running[id_], reason, now))
    handed: list[Handed] = []
    started = [running[job.id] for job in going if job.id in running]
    messages = await sending.messages(tx, [job.id for job in started])
    files = await _files(scope, started)
    deadline = format_ms(parse_ms(now) + int(DEADLINE_SECONDS * 1000))
    for job in started:
        message = messages.get(job.id)
        if message is not None and message.status in _SENT:
            # An attempt that was given up has sent it after all, and has said so since.
            result = {"messageId": message.provider_id}
            ended_.append(await settle(scope, job, Done(result), now))
            continue
        format_ = formats[len(handed)]
        try:
            picture = _picture(job, files)
            file = None if picture is None else source(picture)
            data = _task_data(job, message, format_, file)
        except InvalidParams as error:
            ended_.append(await _fail(scope, job, error.message, now))
        else:
            needed = picture if format_ == "whatsapp-web.js" else None
            handed.append(Handed(len(handed), job, data, deadline, needed))
    more = len(found) == len(formats) and len(handed) < len(formats)
    next_at = None if len(handed) == len(formats) else await sending.next_waiting_at(tx)
    return Batch(handed, ended_, more, next_at)


async def _stands_still(scope: WriteScope) -> bool:
    """Whether the queue stands still for everybody, which a merchant's own part of a transaction
    does not see on Postgres."""
    async with scope.tx.savepoint(HUB):
        return "message_sending" in await work.paused_for_all(scope.tx)


def _is_over(job: Job, now: str) -> bool:
    return job.expires_at is not None and job.expires_at <= now


async def _paced(
    scope: WriteScope, found: Sequence[Job], now: str
) -> tuple[list[Job], dict[str, list[str]]]:
    """Those whose recipient may be sent something now, and the ids of the others by when."""
    pace_ms = int(PACE_SECONDS * 1000)
    until = format_ms(parse_ms(now) + pace_ms)
    firsts: dict[str, Job] = {}
    for job in found:
        if job.recipient is not None:
            firsts.setdefault(job.recipient, job)
    busy = await work.take_slots(scope.tx, list(firsts), now, until) if firsts else {}
    going: list[Job] = []
    later: dict[str, list[str]] = {}
    # Each further message to the same recipient has a time of its own, so that a thousand of them
    # do not come due together again and again.
    following = {phone: parse_ms(busy.get(phone, until)) for phone in firsts}
    for job in found:
        phone = job.recipient
        if phone is None or (firsts[phone] is job and phone not in busy):
            going.append(job)
        else:
            later.setdefault(format_ms(following[phone]), []).append(job.id)
            following[phone] += pace_ms
    return going, later


async def _fail(scope: WriteScope, job: Job, error: str, now: str) -> Job:
    after = await settle(scope, job, Failed(error, final=True), now)
    await ended(scope, after)
    return after


async def _files(scope: WriteScope, found: Sequence[Job]) -> dict[str, MediaFile]:
    ids = {id_ for job in found if (id_ := _media_id(job)) is not None}
    return await media.by_ids(scope.tx, sorted(ids)) if ids else {}


def _picture(job: Job, files: dict[str, MediaFile]) -> MediaFile | None:
    """The picture of a message that the hub has itself.

    Raises:
        InvalidParams: it is gone.
    """
    media_id = _media_id(job)
    if media_id is None:
        return None
    if media_id not in files:
        raise InvalidParams("the picture of the template was removed")
    return files[media_id]


def _media_id(job: Job) -> str | None:
    return ((job.args.get("content") or {}).get("media") or {}).get("media_id")


def _task_data(
    job: Job, message: Sendable | None, format_: Format, file: MediaSource | None
) -> dict[str, Any]:
    """What a bot is given.

    Raises:
        InvalidParams: it cannot be sent by this bot.
    """
    if message is None:
        raise InvalidParams("the message was removed")
    try:
        args = msgspec.convert(job.args, Send)
    except msgspec.ValidationError as error:
        raise InvalidParams(f"its arguments do not fit the task: {error}") from None
    content = plain(args.text or "") if args.content is None else args.content
    return {
        "messageId": message.id,
        "to": message.phone,
        "chat": message.chat,
        "text": message.text,
        "templateId": message.template_id,
        "format": format_,
        "message": in_format(content, format_, message.phone, file).message,
    }
