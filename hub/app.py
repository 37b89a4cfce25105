"""The ASGI application: routes, and what becomes of errors."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from hub.api import answers
from hub.api.routes import ROUTES
from hub.protocol.errors import HubError
from hub.services import Services
from storage.errors import Unavailable


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
            Exception: answers.on_bug,
        },
    )
    app.state.services = services
    app.state.example = example
    # A trailing slash is another path, not a redirect that drops a POST's body.
    app.router.redirect_slashes = False
    return app
