"""`/api/events`: publishing, and following the log: by pages, by waiting, or by a stream."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from hub.auth import Principal
from hub.commands import events
from hub.gateway.handshake import Wanted, check_start
from hub.gateway.polls import Poll
from hub.protocol import codec
from hub.protocol.errors import BadFrame, HubError, InvalidParams, TooLarge, Unavailable, invalid
from hub.protocol.filters import Filter
from hub.protocol.frames import Entry, EntryError, Last, Offset
from hub.protocol.limits import (
    BATCH_EVENTS,
    PAGE_EVENTS,
    PATTERNS,
    SUBJECT_CHARS,
    WAIT_SECONDS,
)

from .answers import json
from .commands import idempotency_key
from .requests import json_body, peer_of, principal_of, query_of, services_of
from .streams import StreamResponse, asked_for, last_event_id

_PAGE = 100


_PATTERN = f"(?:[^,*]{{0,{SUBJECT_CHARS - 1}}}[*]|[^,*]{{1,{SUBJECT_CHARS}}})"
# Told to readers of the document; `Filter` checks it, with better words.
_PATTERNS = f"^{_PATTERN}(?:,{_PATTERN}){{0,{PATTERNS - 1}}}(?!\\n)$"
Patterns = Annotated[str, Meta(extra_json_schema={"pattern": _PATTERNS})]
"""Patterns between commas: each exact, or a prefix that ends in its only `*`."""


class EventsQuery(Struct, forbid_unknown_fields=True):
    """Which events, and from where.

    Attributes:
        since: the offset after which to begin; the oldest stored event without it.
        epoch: of `since`; the current one without it.
        types, subjects: the events wanted, as patterns between commas: `order_*,bot_connected`.
        last: so many of the newest matching events, in the place of `since`.
        wait: seconds for which to wait for an event where there is none yet.
        merchant_id: for an admin who reads the events of one merchant.
        token: a ticket, for who can send no header.
    """

    since: Offset | None = None
    epoch: str | None = None
    types: Patterns | None = None
    subjects: Patterns | None = None
    last: Last | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_EVENTS)] | None = None
    wait: Annotated[float, Meta(ge=0, le=WAIT_SECONDS)] | None = None
    merchant_id: str | None = None
    token: str | None = None


class Published(Struct):
    """The answer to one event."""

    success: bool
    id: str | None
    offset: int | None
    duplicate: bool
    epoch: str


class PublishedList(Struct):
    """The answer to a list; `events` has its length and order."""

    success: bool
    events: list[Entry]
    epoch: str
    offset: int


async def read(request: Request) -> Response:
    """GET: the matching events after `since`, or from the oldest stored one on.

    With `wait`, an answer without events is given only after that many seconds. Where `Accept`
    asks for a stream, events follow as they happen, from the log's end without `since`.
    """
    door = asked_for(request) if request.method == "GET" else None
    stays = door is not None or _waits(request)
    if stays and not {"content-length", "transfer-encoding"}.isdisjoint(request.headers):
        raise BadFrame("a request that stays has no body: nobody would read it")
    principal = await principal_of(
        request, "streams" if stays else "rest", ticket=request.query_params.get("token")
    )
    query = query_of(request, EventsQuery)
    services = services_of(request)
    merchant_id = services.gateway.narrowed(principal, query.merchant_id)
    check_start(query.since, query.last)
    filter_ = Filter.from_query(query.types, query.subjects)
    if door is not None:
        return _stream(request, door, principal, merchant_id, query, filter_)
    page = events.Pager(services, merchant_id, filter_, query.limit or _PAGE)
    if not query.wait:
        return json(await page.first(query.since, query.epoch, query.last))
    line = request.scope["extensions"]["hub.connection"]
    with Poll(services.gateway, line, principal, merchant_id, peer_of(request)) as poll:
        found = await page.first(query.since, query.epoch, query.last)
        if not found.events and found.gap is None:
            await poll.wait(filter_, found.next, query.wait)
            found = await page.after(found.next)
    return json(found)


def _waits(request: Request) -> bool:
    """Whether it asks for a long poll; what does not fit is refused later."""
    try:
        return float(request.query_params.get("wait", 0)) > 0
    except ValueError:
        return False


def _stream(
    request: Request,
    door: Literal["sse", "ndjson"],
    principal: Principal,
    merchant_id: str | None,
    query: EventsQuery,
    filter_: Filter,
) -> Response:
    for name in ("limit", "wait"):
        if getattr(query, name) is not None:
            raise invalid(
                InvalidParams, f"/{name}", "is for pages; a stream does not end by itself"
            )
    since, epoch, last = query.since, query.epoch, query.last
    came_back = last_event_id(request)
    if came_back is not None:
        # The address of a browser that comes back still says where it began.
        (epoch, since), last = came_back, None
    wanted = Wanted(True, filter_, since, epoch, last)
    place = "" if came_back is None else f"{epoch}:{since}"
    return StreamResponse(request, door, principal, merchant_id, wanted, place)


async def publish(request: Request) -> Response:
    """POST: one event, or a list of up to 500, each on its own."""
    principal = await principal_of(request)
    services = services_of(request)
    body = await json_body(request)
    key = idempotency_key(request)
    if not isinstance(body, list):
        frames = events.identified([codec.to_publish(body)], key)
        [line] = await events.publish(services, principal, frames)
        if isinstance(line, HubError):
            raise line
        return json(
            Published(True, line.id, _offset(line), line.duplicate is True, services.log.epoch),
            201,
        )
    if len(body) > BATCH_EVENTS:
        raise invalid(TooLarge, "", f"{len(body)} events are more than the {BATCH_EVENTS} allowed")
    frames = events.identified([_frame(value) for value in body], key)
    lines = await events.publish(services, principal, frames)
    unavailable = next((line for line in lines if isinstance(line, Unavailable)), None)
    if unavailable is not None:
        raise unavailable
    answer = [_entry(line, value) for line, value in zip(lines, body, strict=True)]
    return json(PublishedList(True, answer, services.log.epoch, services.log.end), 201)


def _frame(value: Any) -> Any:
    try:
        return codec.to_publish(value)
    except HubError as error:
        return error


def _entry(line: Entry | HubError, value: Any) -> Entry:
    if isinstance(line, Entry):
        return line
    id_ = value.get("id") if isinstance(value, dict) else None
    error: EntryError = codec.entry_error(line)
    return Entry(id_ if isinstance(id_, str) else None, error=error)


def _offset(line: Entry) -> int | None:
    return line.offset if isinstance(line.offset, int) else None
