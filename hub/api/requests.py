"""What comes in: who asks, the body, and paging. Parsed once here and trusted below."""

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from hub.auth import Principal
from hub.credentials import bearer_token, session_cookie
from hub.protocol import codec
from hub.protocol.errors import (
    BadFrame,
    Forbidden,
    InvalidParams,
    TooLarge,
    Unauthenticated,
    invalid,
)
from hub.protocol.events import locate
from hub.protocol.limits import MESSAGE_BYTES
from hub.services import Services

T = TypeVar("T")
_SAFE = ("GET", "HEAD", "OPTIONS")


def services_of(request: Request) -> Services:
    """The hub's parts."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


async def principal_of(request: Request) -> Principal:
    """Who asks: by `Authorization: Bearer`, `X-API-Key` or the browser's cookie.

    Raises:
        Unauthenticated: no credential, or one that is not good.
        Forbidden: an unsafe method by cookie without the hub's own Origin (a forged request
            from another site carries the cookie too, but its own origin).
    """
    services = services_of(request)
    headers = request.headers
    token = bearer_token(headers.get("authorization"), headers.get("x-api-key"))
    if token is not None:
        return await services.authenticator.by_key(token)
    cookie = session_cookie(headers.get("cookie"))
    if cookie is None:
        raise Unauthenticated("send a key as Authorization: Bearer … or X-API-Key")
    if request.method not in _SAFE:
        require_own_origin(request)
    return await services.authenticator.by_cookie(cookie)


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


async def json_body(request: Request) -> Any:
    """The body as decoded JSON.

    Raises:
        BadFrame: it is not JSON.
        TooLarge: it has more than 1 MiB.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MESSAGE_BYTES:
            raise TooLarge(f"the body has more than the {MESSAGE_BYTES} bytes allowed")
    if not body:
        raise BadFrame("the body is empty; send JSON")
    return codec.decode_json(bytes(body))


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
        InvalidParams: a parameter is unknown or does not fit.
    """
    try:
        return msgspec.convert(dict(request.query_params), kind, strict=False)
    except msgspec.ValidationError as error:
        pointer, message = locate(str(error))
        raise invalid(InvalidParams, pointer, message) from None
