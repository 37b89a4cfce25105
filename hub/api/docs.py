"""`/openapi.json`, the description of this door, and `/docs`, the page that reads it.

Both are for everybody and count against no limit: they say what is in the source.
"""

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from .openapi.document import encoded
from .pages import HEADERS, STATIC
from .requests import services_of


async def openapi(request: Request) -> Response:
    """GET /openapi.json: OpenAPI 3.1; 304 for who has it already."""
    content, tag = encoded(services_of(request).started.version)
    headers = {"Cache-Control": "no-cache", "ETag": tag, "X-Content-Type-Options": "nosniff"}
    if _has(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


async def page(request: Request) -> Response:
    """GET /docs: to read what the hub can do, and to try it."""
    return FileResponse(STATIC / "docs.html", headers=HEADERS)


def _has(request: Request, tag: str) -> bool:
    """Whether the client's copy is this one (RFC 9110 section 13.1.2)."""
    known = ",".join(request.headers.getlist("if-none-match")).split(",")
    return any(each.strip().removeprefix("W/") in (tag, "*") for each in known)
