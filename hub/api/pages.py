"""The dashboard: `GET /` and the files under `/static`."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import hub

STATIC = Path(hub.__file__).parent.parent / "static"

# The pages run their own modules alone, connect to the hub alone, and stand in nobody's frame.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Revalidate each time: a new version of the hub must not meet an old page.
    "Cache-Control": "no-cache",
}


async def dashboard(request: Request) -> Response:
    """GET /: the dashboard."""
    return FileResponse(STATIC / "index.html", headers=HEADERS)


class StaticPages(StaticFiles):
    """`/static`, with the dashboard's headers."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response
