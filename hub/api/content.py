"""`GET /api/media/{id}/content`: a picture, to who may see it or by a signed address.

A file never changes, so its hash is its ETag. Whatever a browser is told by other means, it gets a
picture's type, sniffs nothing, and runs nothing of it.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from urllib.parse import quote

import structlog
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.commands import media as commands
from hub.commands.invoke import parse
from hub.commands.params import ById
from hub.media.folder import MediaFolder
from hub.protocol.errors import Forbidden, HubError, NotFound
from storage import errors, media
from storage.merchant_records import MediaFile
from storage.scope import HUB

from .exports import STALL_SECONDS
from .requests import principal_of, query_of, services_of

log = structlog.get_logger("hub.api")

PATH = "/api/media/{id}/content"
_PIECE = 128 * 1024
_RANGE = re.compile(r"bytes=\s*(\d{0,15})-(\d{0,15})\s*", re.ASCII)
_TAG = re.compile(r'\*|(?:W/)?("[^"]*")')


class Signature(Struct, forbid_unknown_fields=True):
    """What a signed address has in its query."""

    exp: int | None = None
    sig: str | None = None


async def serve(request: Request) -> Response:
    """The picture as it was uploaded, or a part of it.

    Raises:
        Forbidden: the signature is not good, or not any more.
        NotFound: there is no such picture, or it is another merchant's.
    """
    file, until = await _file(request)
    headers = _headers(file, until)
    if _has(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=_without_content(headers))
    asked = None if request.method == "HEAD" else _asked(request, headers["ETag"], file.size)
    folder = services_of(request).media
    content = await folder.run(_open, folder, file)
    return ContentResponse(request, folder, content, file.size, asked, headers, file.mime_type)


async def _file(request: Request) -> tuple[MediaFile, int | None]:
    """The row of the picture, and when the address stops working, seconds, where it is signed."""
    services = services_of(request)
    id_: str = parse(request.path_params, ById).id
    said = query_of(request, Signature)
    if said.exp is None and said.sig is None:
        scope = (await principal_of(request)).scope()
    else:
        good = said.exp is not None and services.media.signer.opens(
            commands.path_of(id_), commands.ORIGINAL, said.exp, said.sig or "", time.time()
        )
        if not good:
            raise Forbidden(
                "this address is not good, or not any more; ask for the picture's row again, "
                "which has a fresh one"
            )
        scope = HUB
    try:
        return await services.database.read(lambda tx: media.get(tx, id_), scope), said.exp
    except errors.NotFound as error:
        raise NotFound(str(error)) from None


def _open(folder: MediaFolder, file: MediaFile) -> IO[bytes]:
    try:
        return open(folder.file(commands.blob_of(file)), "rb", buffering=0)
    except FileNotFoundError:
        log.warning("the file of a picture is missing", media=file.id)
        raise NotFound("the file of this picture is missing in the media folder") from None


def _headers(file: MediaFile, until: int | None) -> dict[str, str]:
    if until is None:
        caching = "private, no-cache"  # whether it may be seen is asked anew
    else:
        caching = f"private, max-age={max(0, until - int(time.time()))}, immutable"
    return {
        "ETag": f'"{file.hash}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": caching,
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(file.original_name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }


def _without_content(headers: dict[str, str]) -> dict[str, str]:
    kept = ("ETag", "Cache-Control", "X-Content-Type-Options")
    return {name: headers[name] for name in kept}


def _has(field: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names what there is (RFC 9110 section 13.1.2)."""
    if field is None:
        return False
    return any(match[0] == "*" or match[1] == etag for match in _TAG.finditer(field[:8192]))


def _asked(request: Request, etag: str, size: int) -> range | None:
    """The octets that `Range` asks for, or None for all (RFC 9110 section 14.2).

    Several ranges, and what is none, are answered by the whole, as a server may.

    Raises:
        HTTPException: 416, there are no such octets.
    """
    field = request.headers.get("range")
    condition = request.headers.get("if-range")
    if field is None or (condition is not None and condition.strip() != etag):
        return None
    match = _RANGE.fullmatch(field)
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        first, last = max(0, size - int(match[2])), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
        if match[2] and int(match[2]) < first:
            return None
    if first >= size or (match[2] == "0" and match[1] == ""):
        raise HTTPException(
            416, f"the picture has {size} bytes", {"Content-Range": f"bytes */{size}"}
        )
    return range(first, last + 1)


class ContentResponse(Response):
    """A file or a part of it, read piece by piece as the client takes it.

    Args:
        content: open; it is closed at the end.
        asked: the octets to send; None for all of them.
    """

    def __init__(
        self,
        request: Request,
        folder: MediaFolder,
        content: IO[bytes],
        size: int,
        asked: range | None,
        headers: dict[str, str],
        media_type: str,
    ) -> None:
        octets = range(size) if asked is None else asked
        headers["Content-Length"] = str(len(octets))
        if asked is not None:
            headers["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{size}"
        super().__init__(None, 200 if asked is None else 206, headers, media_type)
        self._octets = octets
        self._folder = folder
        self._content = content
        self._line = request.scope["extensions"]["hub.connection"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._content:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if scope["method"] != "HEAD":
                with self._cut_when_stuck(scope["path"]):
                    await self._write(send)
            if self._line.lost:
                while (await receive())["type"] != "http.disconnect":
                    pass
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        at, end = self._octets.start, self._octets.stop
        while at < end and not self._line.lost:
            piece = await self._folder.run(self._read, at, min(_PIECE, end - at))
            at += len(piece)
            async with asyncio.timeout(STALL_SECONDS):
                # It waits until the client has taken most of what was sent before.
                await send({"type": "http.response.body", "body": piece, "more_body": True})

    def _read(self, at: int, octets: int) -> bytes:
        self._content.seek(at)
        piece = self._content.read(octets)
        if not piece:
            raise OSError(f"{self._content.name} ends at {at}")
        return piece

    @contextmanager
    def _cut_when_stuck(self, path: str) -> Iterator[None]:
        """A picture is cut, never ended, where the client or the disk fails in its middle."""
        try:
            yield
        except (TimeoutError, HubError) as error:
            log.warning("picture cut", path=path, error=str(error) or "the client is stuck")
            self._line.transport.abort()
