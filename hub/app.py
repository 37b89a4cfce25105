"""The ASGI application: routes, and what becomes of errors."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from hub.api import answers
from hub.api.entrance import Entrance
from hub.api.routes import ROUTES
from hub.commands.invoke import calls
from hub.protocol.errors import HubError
from hub.services import Services
from storage.errors import Unavailable

_CORS_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_CORS_HEADERS = (
    "Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID",
    "X-File-Name", "X-Request-ID",
)  # fmt: skip
_CORS_EXPOSED = (
    "RateLimit", "RateLimit-Policy", "Retry-After", "Location", "ETag", "Link", "X-Request-ID",
)  # fmt: skip


def make_app(services: Services, example: str) -> Starlette:
    """Build the application.

    Args:
        example: the line that publishes a first event, shown to who signs in.
    """
    app = Starlette(
        routes=ROUTES,
        exception_handlers={
            HubError: answers.on_hub_error,
            HTTPException: answers.on_http_error,
            Unavailable: answers.on_storage_error,
            ClientDisconnect: answers.on_disconnect,
        },
        middleware=[
            Middleware(Entrance, services=services, observe=services.metrics.request),
            Middleware(
                CORSMiddleware,
                allow_origins=services.settings.allowed_origins,
                allow_methods=_CORS_METHODS,
                allow_headers=_CORS_HEADERS,
                expose_headers=_CORS_EXPOSED,
                max_age=600,
            ),
        ],
    )
    services.gateway.commands = calls(services)
    app.state.services = services
    app.state.example = example
    # A trailing slash is another path, not a redirect that drops a POST's body.
    app.router.redirect_slashes = False
    return app
