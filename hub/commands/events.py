"""Events over HTTP: publishing, and reading the log page by page."""

import asyncio
import hashlib
from collections.abc import Sequence

import msgspec

from hub.auth import Principal
from hub.gateway.publishing import check_may_publish, entry_of, lane_of
from hub.protocol import drafts
from hub.protocol.drafts import Draft
from hub.protocol.errors import HubError, InvalidParams, RateLimited, invalid
from hub.protocol.filters import Filter, split_patterns
from hub.protocol.frames import Entry, Gap, Publish
from hub.protocol.websocket import payload_of
from hub.services import Services
from hub.stream.append import Outcome
from hub.stream.waiting import Lane, Publication
from storage import events
from storage.database import Transaction
from storage.records import EventPage
from storage.scope import Scope

from .idempotency import check_key

_SCANS = 8
"""Pages of the table that one request may look through for matching events."""


async def publish(
    services: Services, actor: Principal, frames: Sequence[Publish | HubError]
) -> list[Entry | HubError]:
    """Append events in order, each on its own; one line of the answer for each.

    A `HubError` among the frames is one that was refused at the door and keeps its place.

    Raises:
        RateLimited: they are more than the actor's key may publish; none was appended.
    """
    buckets = services.quotas.publish
    if buckets is not None:
        wait = buckets.take(actor.key_id, max(1, len(frames)))
        if wait > 0:
            services.quotas.refused["publish"] += 1
            raise RateLimited(
                f"more events than this key may publish; try again in {wait:.2f} s",
                retry_after=wait,
            )
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
    outcomes = iter(zip(drafts, await _append(services, lane_of(actor), drafts), strict=True))
    return [line or _line(*next(outcomes)) for line in lines]


def identified(frames: Sequence[Publish | HubError], key: str | None) -> list[Publish | HubError]:
    """The same events with ids made of an idempotency key where their publisher chose none.

    A repeat of the request then repeats their ids, and the log tells it from another.

    Raises:
        InvalidParams: the key does not fit.
    """
    if key is None:
        return list(frames)
    check_key(key)
    digest = hashlib.sha256(key.encode()).hexdigest()
    return [
        msgspec.structs.replace(frame, id=f"key-{digest}-{n}")
        if isinstance(frame, Publish) and frame.id is None
        else frame
        for n, frame in enumerate(frames)
    ]


async def _append(services: Services, lane: Lane, drafts: list[Draft]) -> list[Outcome]:
    future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()

    def answer(outcomes: list[Outcome]) -> None:
        if not future.done():
            future.set_result(outcomes)

    services.log.publish(Publication(drafts, answer, lane=lane))
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


class Pager:
    """Reads pages of the log for one filter.

    Args:
        merchant_id: whose events; None for all.
        limit: most events on a page.
    """

    def __init__(
        self, services: Services, merchant_id: str | None, filter_: Filter, limit: int
    ) -> None:
        self._services = services
        self._merchant_id = merchant_id
        self._filter = filter_
        self._limit = limit

    async def first(self, since: int | None, epoch: str | None, last: int | None) -> Page:
        """The page after `since`, from the `last` matching events on, or from the oldest on."""
        event_log = self._services.log
        if last is not None:
            return await self.after(
                await self._services.replay.last_matching(self._merchant_id, self._filter, last)
            )
        if since is None:
            return await self._read(0, None)
        if epoch in (None, event_log.epoch):
            await event_log.reach(since)
        if since > event_log.end or epoch not in (None, event_log.epoch):
            end = event_log.end
            gap = Gap(None, None, "epoch", end)
            return Page(True, [], event_log.epoch, end, end, gap)
        return await self.after(since)

    async def after(self, cursor: int) -> Page:
        """The page after a cursor; with a gap where retention has removed what came next."""
        oldest = self._services.log.oldest
        if cursor < oldest - 1:
            return await self._read(
                oldest - 1, Gap(cursor + 1, oldest - 1, "retention", oldest - 1)
            )
        return await self._read(cursor, None)

    async def _read(self, cursor: int, gap: Gap | None) -> Page:
        event_log = self._services.log
        end = event_log.end
        # The ring may still have what retention has removed.
        stored = max(cursor, event_log.oldest - 1)
        if event_log.ring.reaches(stored):
            return self._from_ring(stored, gap)
        types, subjects = self._filter.types, self._filter.subjects

        async def read(tx: Transaction) -> tuple[EventPage, int]:
            found = await events.page(
                tx,
                None if types is None else split_patterns(types),
                None if subjects is None else split_patterns(subjects),
                after=cursor,
                upto=end,
                limit=self._limit,
            )
            return found, (await events.log_state(tx)).oldest

        for _ in range(_SCANS):
            found, oldest = await self._services.database.read(read, Scope(self._merchant_id))
            if gap is None and 0 < cursor < oldest - 1:
                gap = Gap(cursor + 1, oldest - 1, "retention", oldest - 1)
            cursor = max(cursor, found.upto)
            if found.events or cursor >= end:
                break
        frames = [msgspec.Raw(frame) for _, frame in found.events]
        return Page(True, frames, event_log.epoch, end, cursor, gap)

    def _from_ring(self, cursor: int, gap: Gap | None) -> Page:
        event_log = self._services.log
        end = event_log.end
        merchant_id, matches = self._merchant_id, self._filter.matches
        frames: list[msgspec.Raw] = []
        size = 0
        for entry in event_log.ring.between(cursor, end):
            if (merchant_id is None or entry.merchant_id == merchant_id) and matches(
                entry.type, entry.subject
            ):
                frames.append(msgspec.Raw(payload_of(entry.frame)))
                size += len(entry.frame)
                if len(frames) == self._limit or size >= events.PAGE_BYTES:
                    return Page(True, frames, event_log.epoch, end, entry.offset, gap)
        return Page(True, frames, event_log.epoch, end, end, gap)
