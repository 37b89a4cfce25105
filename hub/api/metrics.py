"""`/metrics`, for Prometheus."""

import contextlib
import hmac

from starlette.requests import Request
from starlette.responses import Response

from hub.addresses import is_loopback
from hub.credentials import bearer_token
from hub.protocol.errors import Forbidden, Unauthenticated
from storage.errors import StorageError

from .requests import services_of

# Whoever sits behind a proxy on this machine comes from loopback too.
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")


async def show(request: Request) -> Response:
    """GET: all measures, as Prometheus text or OpenMetrics.

    Raises:
        Forbidden: `HUB_METRICS_TOKEN` is not set and the request is not from this machine.
        Unauthenticated: it is set and the request does not bring it.
    """
    _check_may_read(request)
    services = services_of(request)
    # Where the database does not answer, jobs are left out: /readyz says why, and the rest is
    # asked for just then.
    with contextlib.suppress(StorageError):
        await services.workload.of_all()
    body, media_type = services.metrics.text(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})


def _check_may_read(request: Request) -> None:
    expected = services_of(request).settings.metrics_token
    if expected is None:
        if not _is_local(request):
            raise Forbidden(
                "/metrics answers this machine alone, and only without forwarding header fields; "
                "set HUB_METRICS_TOKEN, and send it as Authorization: Bearer …"
            )
        return
    token = bearer_token(request.headers.get("authorization"), None) or ""
    if not hmac.compare_digest(token.encode(), expected.encode()):
        raise Unauthenticated("send HUB_METRICS_TOKEN as Authorization: Bearer …")


def _is_local(request: Request) -> bool:
    # The other end of the connection itself, whatever proxies are trusted to say.
    peer = request.client
    return (
        peer is not None
        and is_loopback(peer.host)
        and is_loopback(request.url.hostname or "")  # a foreign name that was bound to loopback
        and not any(name in request.headers for name in _FORWARDED)
        and not any(name.startswith("x-forwarded-") for name in request.headers)
    )
