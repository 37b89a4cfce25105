"""`/healthz`, `/readyz` and `/health`: for whoever watches the process. None is rate limited."""

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from hub.commands import health
from hub.credentials import bearer_token, session_cookie
from hub.probes import Check
from hub.protocol.errors import Unavailable

from .answers import json
from .requests import principal_of, services_of


class Status(Struct):
    success: bool
    status: str


async def alive(request: Request) -> Response:
    """GET /healthz: the process lives. Touches nothing."""
    return json(Status(True, "ok"))


async def ready(request: Request) -> Response:
    """GET /readyz: the hub can be used; 503 with the reason otherwise and while it drains."""
    services = services_of(request)
    if services.gateway.draining:
        raise Unavailable("the hub is shutting down", retry_after=2.0)
    status, checks = await health.readiness(services)
    if status != "ready":
        raise Unavailable(_reason(checks), retry_after=1.0)
    return json(Status(True, status))


async def show(request: Request) -> Response:
    """GET /health and /api/health: as `ready`; all of it for who shows a good key.

    Raises:
        Unauthenticated: there is a credential, and it is not good.
    """
    headers = request.headers
    token = bearer_token(headers.get("authorization"), headers.get("x-api-key"))
    services = services_of(request)
    if token is None and session_cookie(headers.get("cookie")) is None:
        status, _ = await health.readiness(services)
        return json(Status(status == "ready", status), 200 if status == "ready" else 503)
    await principal_of(request, None)
    found = await health.show(services)
    works = found.status == "ready"
    return json({"success": works} | msgspec.structs.asdict(found), 200 if works else 503)


def _reason(checks: list[Check]) -> str:
    return "; ".join(f"{check.name}: {check.detail}" for check in checks if not check.ok)
