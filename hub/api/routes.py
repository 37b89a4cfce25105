"""Every route of the HTTP door: those of the commands, and those with a door of their own."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from hub.commands.table import COMMANDS

from . import (
    audit,
    commands,
    content,
    docs,
    events,
    health,
    metrics,
    pages,
    session,
    uploads,
)
from .commands import Handler

OWN: dict[str, dict[str, Handler]] = {
    "/": {"GET": pages.dashboard},
    "/docs": {"GET": docs.page},
    "/openapi.json": {"GET": docs.openapi},
    "/healthz": {"GET": health.alive},
    "/readyz": {"GET": health.ready},
    "/health": {"GET": health.show},
    "/api/health": {"GET": health.show},
    "/metrics": {"GET": metrics.show},
    "/api/session": {"GET": session.show, "POST": session.sign_in, "DELETE": session.sign_out},
    "/api/events": {"GET": events.read, "POST": events.publish},
    "/api/audit": {"GET": audit.read},
    uploads.PATH: {"POST": uploads.receive},
    content.PATH: {"GET": content.serve},
    content.THUMBNAIL_PATH: {"GET": content.thumbnail},
}
"""Routes that say or are told more than a command; they come before it."""

BODY_BOUNDS = {uploads.PATH: (uploads.BODY_BYTES, uploads.BODY_SECONDS)}
"""Where a body may be larger, in octets, and take longer, in seconds, than elsewhere."""


def _paths() -> dict[str, dict[str, Handler]]:
    """Every path with what answers each of its methods."""
    paths = {path: dict(handlers) for path, handlers in OWN.items()}
    for command in COMMANDS.values():
        if command.http is not None:
            method, _, path = command.http.partition(" ")
            paths.setdefault(path, {}).setdefault(method, commands.handler(command))
    return paths


def _resource(path: str, handlers: dict[str, Handler]) -> Route:
    """One path with a handler for each method, so that a 405 names all of them in `Allow`."""

    async def dispatch(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, dispatch, methods=list(handlers))


ROUTES: list[BaseRoute] = [
    # A path without a variable comes before one that would take its last word for an id.
    *(
        _resource(path, handlers)
        for path, handlers in sorted(_paths().items(), key=lambda item: item[0].count("{"))
    ),
    Mount("/static", pages.StaticPages()),
]
