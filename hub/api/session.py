"""`/api/session`: a browser signs in by the banner's link or with a key, and asks who it is."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from hub.addresses import subject
from hub.auth import SESSION_SECONDS, Principal
from hub.commands import browsers
from hub.credentials import COOKIE, SECURE_COOKIE
from hub.protocol.errors import InvalidParams, RateLimited, Unauthenticated

from .answers import json
from .requests import (
    address_of,
    body_of,
    charge,
    principal_of,
    require_own_origin,
    services_of,
)


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


class SignedOut(Struct):
    success: bool
    message: str


async def sign_in(request: Request) -> Response:
    """POST: exchange a sign-in ticket or a key for the session cookie."""
    require_own_origin(request)
    services = services_of(request)
    address = subject(address_of(request))
    failed = services.quotas.failed_sign_ins.peek(address)
    if not failed.allowed:
        services.quotas.refused["failed_sign_ins"] += 1
        raise RateLimited(
            f"too many failed sign-ins from this address; try again in {failed.retry_after:.0f} s",
            retry_after=failed.retry_after,
        )
    charge(request, "entrance", address)
    body = await body_of(request, SignIn)
    if (body.ticket is None) == (body.key is None):
        raise InvalidParams("send a ticket or a key, one of the two")
    try:
        if body.ticket is not None:
            principal = await services.authenticator.redeem(body.ticket)
        else:
            principal = await services.authenticator.by_key(body.key or "")
    except Unauthenticated:
        services.quotas.failed_sign_ins.take(address)
        raise
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
    return _answer(request, await principal_of(request, "entrance"))


async def sign_out(request: Request) -> Response:
    """DELETE: end this browser's session, its connections and its tickets."""
    services = services_of(request)
    await browsers.sign_out(services, await principal_of(request, "entrance"))
    response = json(SignedOut(True, "You have signed out."))
    for name, secure in ((COOKIE, False), (SECURE_COOKIE, True)):
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")
    return response


def _answer(request: Request, principal: Principal) -> Response:
    services = services_of(request)
    info = SessionInfo(principal.role, principal.merchant_id, principal.name, principal.expires_at)
    example: str = request.app.state.example
    return json(SignedIn(True, info, example, services.log.epoch, services.log.end))
