"""`/api/events`: publishing, and paging through the log."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from hub.commands import events
from hub.protocol import codec
from hub.protocol.errors import HubError, TooLarge, Unavailable, invalid
from hub.protocol.filters import Filter
from hub.protocol.frames import Entry, EntryError, Offset
from hub.protocol.limits import BATCH_EVENTS, PAGE_EVENTS

from .answers import json
from .requests import json_body, principal_of, query_of, services_of


class EventsQuery(Struct, forbid_unknown_fields=True):
    since: Offset | None = None
    epoch: str | None = None
    types: str | None = None
    subjects: str | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_EVENTS)] = 100
    merchant_id: str | None = None


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
    """GET: the matching events after `since`, or from the oldest stored one on."""
    principal = await principal_of(request)
    query = query_of(request, EventsQuery)
    page = await events.page(
        services_of(request),
        principal,
        query.merchant_id,
        Filter.from_query(query.types, query.subjects),
        query.since,
        query.epoch,
        query.limit,
    )
    return json(page)


async def publish(request: Request) -> Response:
    """POST: one event, or a list of up to 500, each on its own."""
    principal = await principal_of(request)
    services = services_of(request)
    body = await json_body(request)
    if not isinstance(body, list):
        [line] = await events.publish(services, principal, [codec.to_publish(body)])
        if isinstance(line, HubError):
            raise line
        return json(
            Published(True, line.id, _offset(line), line.duplicate is True, services.log.epoch),
            201,
        )
    if len(body) > BATCH_EVENTS:
        raise invalid(TooLarge, "", f"{len(body)} events are more than the {BATCH_EVENTS} allowed")
    lines = await events.publish(services, principal, [_frame(value) for value in body])
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
