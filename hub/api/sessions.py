"""`/api/sessions`: who is connected. `/api/tickets`: standing in for a key once."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from hub.commands import browsers, sessions
from hub.commands.params import ListOf
from hub.commands.sessions import SessionRecord
from hub.tickets import TICKET_SECONDS

from .answers import json
from .requests import principal_of, query_of, services_of


class Sessions(Struct):
    success: bool
    sessions: list[SessionRecord]
    count: int
    next: str | None
    epoch: str
    offset: int


class Disconnected(Struct):
    success: bool
    id: str
    message: str
    epoch: str
    offset: int


class IssuedTicket(Struct):
    success: bool
    ticket: str
    expires_in: int


async def list_(request: Request) -> Response:
    """GET: the connections that the caller may see, oldest first."""
    principal = await principal_of(request)
    services = services_of(request)
    query = query_of(request, ListOf)
    found, next_ = sessions.list_(services, principal, query.merchant_id, query.after, query.limit)
    return json(Sessions(True, found, len(found), next_, services.log.epoch, services.log.end))


async def disconnect(request: Request) -> Response:
    """DELETE: close a connection (4004)."""
    principal = await principal_of(request)
    services = services_of(request)
    id_ = request.path_params["id"]
    sessions.disconnect(services, principal, id_)
    message = "The connection is closed."
    return json(Disconnected(True, id_, message, services.log.epoch, services.log.end))


async def issue_ticket(request: Request) -> Response:
    """POST: a ticket for `/ws?token=`, for server-sent events, or for signing a browser in."""
    principal = await principal_of(request, "entrance")
    ticket = browsers.issue_ticket(services_of(request), principal)
    return json(IssuedTicket(True, ticket, TICKET_SECONDS))
