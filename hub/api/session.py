"""`/api/session`: a browser signs in by the banner's link or with a key, and asks who it is."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from hub.auth import SESSION_SECONDS, Principal
from hub.commands import browsers
from hub.credentials import COOKIE, SECURE_COOKIE
from hub.protocol.errors import InvalidParams

from .answers import json
from .requests import body_of, principal_of, require_own_origin, services_of


class SignIn(Struct, forbid_unknown_fields=True):
    """One of the two."""

    ticket: str | None = None
    key: str | None = None


class SessionInfo(Struct):
    role: str
    merchant_id: str | None
    name: str
    expires_at: str | None


class SignedIn(Struct):
    """`example` is a line to paste that publishes a first event."""

    success: bool
    session: SessionInfo
    example: str
    epoch: str
    offset: int


async def sign_in(request: Request) -> Response:
    """POST: exchange a sign-in ticket or a key for the session cookie."""
    require_own_origin(request)
    services = services_of(request)
    body = await body_of(request, SignIn)
    if (body.ticket is None) == (body.key is None):
        raise InvalidParams("send a ticket or a key, one of the two")
    if body.ticket is not None:
        principal = await services.authenticator.redeem(body.ticket)
    else:
        principal = await services.authenticator.by_key(body.key or "")
    value, signed_in = await browsers.sign_in(services, principal)
    response = _answer(request, signed_in)
    https = (services.settings.public_url or "").startswith("https://")
    response.set_cookie(
        SECURE_COOKIE if https else COOKIE,
        value,
        max_age=SESSION_SECONDS,
        path="/",
        secure=https,
        httponly=True,
        samesite="strict",
    )
    return response


async def show(request: Request) -> Response:
    """GET: who the caller is."""
    return _answer(request, await principal_of(request))


def _answer(request: Request, principal: Principal) -> Response:
    services = services_of(request)
    info = SessionInfo(principal.role, principal.merchant_id, principal.name, principal.expires_at)
    example: str = request.app.state.example
    return json(SignedIn(True, info, example, services.log.epoch, services.log.end))
