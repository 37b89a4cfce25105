"""Events over HTTP: publishing, and reading the log page by page."""

import asyncio
from collections.abc import Sequence

import msgspec

from hub.auth import Principal
from hub.gateway.publishing import check_may_publish, entry_of
from hub.protocol import drafts
from hub.protocol.drafts import Draft
from hub.protocol.errors import Forbidden, HubError, InvalidParams, invalid
from hub.protocol.filters import Filter, split_patterns
from hub.protocol.frames import Entry, Gap, Publish
from hub.services import Services
from hub.stream.append import Outcome
from hub.stream.log import Publication
from storage import events
from storage.database import Transaction
from storage.records import EventPage

_SCANS = 8
"""Pages of the table that one request may look through for matching events."""


async def publish(
    services: Services, actor: Principal, frames: Sequence[Publish | HubError]
) -> list[Entry | HubError]:
    """Append events in order, each on its own; one line of the answer for each.

    A `HubError` among the frames is one that was refused at the door and keeps its place.
    """
    drafts: list[Draft] = []
    lines: list[Entry | HubError | None] = []
    for frame in frames:
        try:
            if isinstance(frame, HubError):
                raise frame
            drafts.append(_draft(services, actor, frame))
            lines.append(None)
        except HubError as error:
            lines.append(error)
    outcomes = iter(zip(drafts, await _append(services, drafts), strict=True))
    return [line or _line(*next(outcomes)) for line in lines]


async def _append(services: Services, drafts: list[Draft]) -> list[Outcome]:
    future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()

    def answer(outcomes: list[Outcome]) -> None:
        if not future.done():
            future.set_result(outcomes)

    services.log.publish(Publication(drafts, answer))
    return await future


def _draft(services: Services, actor: Principal, frame: Publish) -> Draft:
    merchant_id = frame.merchant_id or actor.merchant_id
    if merchant_id is None:
        raise invalid(InvalidParams, "/merchant_id", "an admin says whose event it is")
    check_may_publish(actor, merchant_id, actor.merchant_id, services.merchants)
    return drafts.draft(frame, actor.origin(merchant_id))


def _line(draft: Draft, outcome: Outcome) -> Entry | HubError:
    return outcome if isinstance(outcome, HubError) else entry_of(draft, outcome)


class Page(msgspec.Struct):
    """A stretch of the log.

    Attributes:
        events: each a whole frame.
        epoch, offset: of the log, taken before its events were read.
        next: the `since` of the next page.
        gap: what could not be read, if anything.
    """

    success: bool
    events: list[msgspec.Raw]
    epoch: str
    offset: int
    next: int
    gap: Gap | None


async def page(
    services: Services,
    actor: Principal,
    merchant_id: str | None,
    filter_: Filter,
    since: int | None,
    epoch: str | None,
    limit: int,
) -> Page:
    """Read the matching events after `since`, or from the oldest on.

    Raises:
        Forbidden: the merchant is another's.
    """
    if actor.merchant_id is not None and merchant_id not in (None, actor.merchant_id):
        raise Forbidden("?merchant_id= must be absent or the key's own merchant")
    scope = actor.merchant_id or merchant_id
    event_log = services.log
    end = event_log.end
    types, subjects = filter_.types, filter_.subjects
    gap = None
    if since is None:
        cursor = 0
    elif since > end or epoch not in (None, event_log.epoch):
        gap, cursor = Gap(None, None, "epoch", end), end
    else:
        cursor = since

    async def read(tx: Transaction) -> tuple[EventPage, int]:
        found = await events.page(
            tx,
            scope,
            None if types is None else split_patterns(types),
            None if subjects is None else split_patterns(subjects),
            after=cursor,
            upto=end,
            limit=limit,
        )
        return found, (await events.log_state(tx)).oldest

    for _ in range(_SCANS):
        found, oldest = await services.database.read(read)
        if since is not None and gap is None and cursor < oldest - 1:
            gap = Gap(cursor + 1, oldest - 1, "retention", oldest - 1)
        cursor = max(cursor, found.upto)
        if found.events or cursor >= end:
            break
    return Page(
        True, [msgspec.Raw(frame) for _, frame in found.events], event_log.epoch, end, cursor, gap
    )
