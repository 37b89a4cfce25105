"""`/healthz` and `/readyz`: for whoever watches the process."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from hub.protocol.errors import Unavailable
from storage import events
from storage.errors import StorageError

from .answers import json
from .requests import services_of


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
    try:
        await services.database.read(events.log_state)
    except StorageError as error:
        raise Unavailable(f"the database does not answer: {error}", retry_after=1.0) from None
    return json(Status(True, "ready"))
