"""What comes in: who asks, the body, and paging. Parsed once here and trusted below."""

import time
from typing import Any, Literal, TypeVar

import msgspec
from starlette.requests import Request

from hub.addresses import subject
from hub.auth import Principal
from hub.commands.invoke import parse
from hub.credentials import bearer_token, session_cookie
from hub.gateway.connections import Peer
from hub.gateway.handshake import AGENT_CHARS
from hub.protocol import codec
from hub.protocol.errors import (
    BadFrame,
    Forbidden,
    InvalidParams,
    RateLimited,
    TooLarge,
    Unauthenticated,
    invalid,
)
from hub.protocol.events import locate
from hub.protocol.limits import MESSAGE_BYTES
from hub.services import Services
from hub.tokens import is_ticket

from .entrance import note_quota

T = TypeVar("T", bound=msgspec.Struct)
QuotaName = Literal["rest", "entrance", "streams"]
"""Of the limits in `hub.quotas`."""
_SAFE = ("GET", "HEAD", "OPTIONS")
# The second is what curl says of everything that it is given to send.
_JSON = ("application/json", "application/x-www-form-urlencoded")


def services_of(request: Request) -> Services:
    """The hub's parts."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


async def principal_of(
    request: Request, quota: QuotaName | None = "rest", *, ticket: str | None = None
) -> Principal:
    """Who asks: by `Authorization: Bearer`, `X-API-Key`, the browser's cookie, or a ticket.

    Args:
        quota: the limit that the request counts against, by its key; by the client's address
            where the credential is not good.
        ticket: what the query brought as `token`, where it may.

    Raises:
        Unauthenticated: no credential, or one that is not good.
        Forbidden: an unsafe method by cookie without the hub's own Origin (a forged request
            from another site carries the cookie too, but its own origin).
        RateLimited: there were too many requests.
    """
    try:
        principal = (await _principal(request, ticket)).at(address_of(request), agent_of(request))
    except (Unauthenticated, Forbidden):
        charge(request, quota, subject(address_of(request)))
        raise
    request.scope["hub.key"] = principal.key_id
    charge(request, quota, principal.key_id)
    return principal


async def _principal(request: Request, ticket: str | None) -> Principal:
    services = services_of(request)
    headers = request.headers
    token = bearer_token(headers.get("authorization"), headers.get("x-api-key"))
    if token is not None:
        return await services.authenticator.by_key(token)
    cookie = session_cookie(headers.get("cookie"))
    origin = headers.get("origin")
    # A cookie counts for the hub's own pages alone: a browser may send it from others too.
    if cookie is not None and (origin is None or services.origins.is_own(origin)):
        if request.method not in _SAFE:
            require_own_origin(request)
        return await services.authenticator.by_cookie(cookie)
    if ticket is not None:
        if is_ticket(ticket):
            return await services.authenticator.redeem(ticket)
        raise Unauthenticated(
            "?token= takes a ticket here: a key does not belong in an address; "
            "POST /api/tickets makes one"
        )
    raise Unauthenticated("send a key as Authorization: Bearer … or X-API-Key")


def charge(request: Request, name: QuotaName | None, who: str) -> None:
    """Count a request against a limit.

    Raises:
        RateLimited: there were too many.
    """
    quotas = services_of(request).quotas
    if name is None:
        return
    windows = getattr(quotas, name)
    if windows is None:
        return
    quota = windows.take(who)
    note_quota(request, name, quota)
    if not quota.allowed:
        quotas.refused[name] += 1
        raise RateLimited(
            f"more than {quota.limit} requests in {quota.window:.0f} s; "
            f"try again in {quota.retry_after:.0f} s",
            retry_after=quota.retry_after,
        )


def address_of(request: Request) -> str:
    """The client's address, behind trusted proxies too."""
    address: str = request.scope["hub.address"]
    return address


def peer_of(request: Request) -> Peer:
    """The other side of a request that stays."""
    return Peer(address_of(request), agent_of(request), time.time_ns() // 1_000_000)


def agent_of(request: Request) -> str | None:
    """What the client calls itself."""
    agent = request.headers.get("user-agent")
    return None if agent is None else agent[:AGENT_CHARS]


def require_own_origin(request: Request) -> None:
    """Refuse a request that does not come from the hub's own pages.

    Raises:
        Forbidden: the Origin is missing or foreign.
    """
    origin = request.headers.get("origin")
    if origin is None or not services_of(request).origins.is_own(origin):
        raise Forbidden(
            f"the origin {(origin or 'none')[:200]!r} is not this hub's own; if it is the address "
            "under which you reach the hub, set HUB_PUBLIC_URL to it"
        )


async def json_body(request: Request, *, optional: bool = False) -> Any:
    """The body as decoded JSON.

    Args:
        optional: whether no body stands for an empty object.

    Raises:
        BadFrame: it is not JSON, or says that it is something else.
        TooLarge: it has more than 1 MiB.
        Unauthenticated: the credential ended before the body was whole.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MESSAGE_BYTES:
            raise TooLarge(f"the body has more than the {MESSAGE_BYTES} bytes allowed")
    if "hub.key" in request.scope:
        # A body may take its time, and the key behind it be revoked meanwhile.
        await still_good(request)
    if not body:
        if optional:
            return {}
        raise BadFrame("the body is empty; send JSON")
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media and not (media in _JSON or media.endswith("+json")):
        raise BadFrame(f"the body is {media[:100]}; send application/json")
    return codec.decode_json(bytes(body))


async def still_good(request: Request) -> None:
    """Check the credential of a request again that takes its time.

    Raises:
        Unauthenticated, Forbidden: it was revoked, has expired or was signed out.
    """
    await _principal(request, None)


async def body_of(request: Request, kind: type[T]) -> T:
    """The body as a Struct; unknown fields are errors that name them.

    Raises:
        BadFrame, TooLarge: see `json_body`.
        InvalidParams: a field is missing, unknown or of the wrong kind.
    """
    try:
        return msgspec.convert(await json_body(request), kind)
    except msgspec.ValidationError as error:
        pointer, message = locate(str(error))
        raise invalid(InvalidParams, pointer, message) from None


def query_of(request: Request, kind: type[T]) -> T:
    """The query as a Struct.

    Raises:
        InvalidParams: a parameter is unknown, does not fit, or is given twice.
    """
    return parse(said_in_query(request), kind, strict=False)  # type: ignore[no-any-return]


def said_in_query(request: Request) -> dict[str, Any]:
    """The parameters of the query, as text.

    Raises:
        InvalidParams: one is given twice.
    """
    said: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in said:
            raise invalid(InvalidParams, f"/{name}", "is given twice")
        said[name] = value
    return said
