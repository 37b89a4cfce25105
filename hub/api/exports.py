"""Lists as files: CSV (RFC 4180) and a JSON object a line, written page by page.

A file is cut, never ended, when something goes wrong in its middle: a client sees that its last
chunk is missing, and nobody takes half of it for the whole.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.protocol.errors import BadFrame, HubError
from storage.errors import StorageError

log = structlog.get_logger("hub.api")

STALL_SECONDS = 30.0
"""How long a client may take nothing of a file before it is cut."""
_PIECE_BYTES = 64 * 1024
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_line(cells: Iterable[str | None]) -> str:
    """One record with its line end; None is an empty field.

    A spreadsheet takes a cell that begins like a formula for one, and runs it: an apostrophe before
    it makes it text (owasp.org/www-community/attacks/CSV_Injection).
    """
    return ",".join(_cell(cell or "") for cell in cells) + "\r\n"


def _cell(text: str) -> str:
    if text.startswith(_FORMULA):
        text = "'" + text
    if any(sign in text for sign in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


class ExportResponse(Response):
    """A file of unknown length.

    Args:
        pages: its content; the first page is to be read before this is made, so that what is
            refused is refused with a status.
        filename: of ASCII letters, digits, `.` and `-`.
    """

    def __init__(
        self, request: Request, pages: AsyncIterator[bytes], media_type: str, filename: str
    ) -> None:
        super().__init__(
            None,
            headers={
                "Cache-Control": "no-store",
                "Content-Disposition": f'attachment; filename="{filename}"',
                "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
            },
            media_type=media_type,
        )
        del self.headers["content-length"]
        self._pages = pages
        self._line = request.scope["extensions"]["hub.connection"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            if scope["method"] != "HEAD":
                await self._write(send)
        except (TimeoutError, HubError, StorageError) as error:
            log.warning("export cut", path=scope["path"], error=str(error) or "the client is stuck")
            self._line.transport.abort()
        if self._line.lost:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        async for page in self._pages:
            for at in range(0, len(page), _PIECE_BYTES):
                piece = page[at : at + _PIECE_BYTES]
                async with asyncio.timeout(STALL_SECONDS):
                    # It waits until the client has taken most of what was sent before.
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                if self._line.lost:
                    return


def check_can_be_cut(request: Request) -> None:
    """Refuse an export where its end could not be told from a cut.

    Raises:
        BadFrame: it is asked for by HTTP/1.0, which knows no chunks.
    """
    if request.scope["http_version"] == "1.0":
        raise BadFrame(
            "an export needs HTTP/1.1: by HTTP/1.0 a file that was cut would look whole; "
            "behind nginx, set proxy_http_version 1.1"
        )
