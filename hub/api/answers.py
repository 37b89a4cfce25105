"""What goes back: JSON, and RFC 9457 problems for everything that went wrong."""

import math
from typing import Any

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hub import problems
from hub.protocol.codes import ErrorCode
from hub.protocol.errors import BadFrame, HubError, NotFound, Unavailable
from storage import errors

log = structlog.get_logger("hub.api")

_encoder = msgspec.json.Encoder()


def json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON; nothing of the API may be kept by a cache."""
    return Response(
        _encoder.encode(content),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        "application/json",
    )


async def on_hub_error(request: Request, error: Exception) -> Response:
    """A refusal of ours."""
    assert isinstance(error, HubError)
    headers = {"Cache-Control": "no-store"}
    if error.code is ErrorCode.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="hub"'
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return Response(problems.problem(error), error.code.status, headers, problems.MEDIA_TYPE)


async def on_http_error(request: Request, error: Exception) -> Response:
    """A refusal of the router's: no such path, or not by this method."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    if error.status_code == 404:
        return await on_hub_error(request, NotFound(f"there is nothing at {path}"))
    message = f"{request.method} {path}: {error.detail}"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{path} does not answer {request.method}; it answers {allowed}"
    body = problems.problem(BadFrame(message), error.status_code)
    return Response(body, error.status_code, error.headers, problems.MEDIA_TYPE)


async def on_storage_error(request: Request, error: Exception) -> Response:
    """The database did not answer, or could not write."""
    assert isinstance(error, errors.Unavailable)
    log.warning(
        "database unavailable", method=request.method, path=request.url.path, error=str(error)
    )
    return await on_hub_error(
        request, Unavailable("the database did not answer; try again in a moment", retry_after=1.0)
    )


async def on_disconnect(request: Request, error: Exception) -> Response:
    """The client left before its request was whole: nobody reads this, and nothing is wrong."""
    return Response(status_code=400)
