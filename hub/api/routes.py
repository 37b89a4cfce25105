"""Every route of the HTTP door, in one table."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from . import audit, events, health, keys, merchants, metrics, pages, session, sessions

Handler = Callable[[Request], Awaitable[Response]]


def _resource(path: str, **handlers: Handler) -> Route:
    """One path with a handler for each method, so that a 405 names all of them in `Allow`."""

    async def dispatch(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, dispatch, methods=list(handlers))


ROUTES: list[BaseRoute] = [
    _resource("/", GET=pages.dashboard),
    _resource("/healthz", GET=health.alive),
    _resource("/readyz", GET=health.ready),
    _resource("/health", GET=health.show),
    _resource("/api/health", GET=health.show),
    _resource("/metrics", GET=metrics.show),
    _resource("/api/session", GET=session.show, POST=session.sign_in, DELETE=session.sign_out),
    _resource("/api/events", GET=events.read, POST=events.publish),
    _resource("/api/merchants", GET=merchants.list_, POST=merchants.create),
    _resource("/api/merchants/{id}", GET=merchants.get),
    _resource("/api/keys", GET=keys.list_, POST=keys.create),
    _resource("/api/keys/{id}", DELETE=keys.revoke),
    _resource("/api/audit", GET=audit.read),
    _resource("/api/sessions", GET=sessions.list_),
    _resource("/api/sessions/{id}", DELETE=sessions.disconnect),
    _resource("/api/tickets", POST=sessions.issue_ticket),
    Mount("/static", pages.StaticPages()),
]
