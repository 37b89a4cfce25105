"""`GET /api/media/{id}/content` and `/thumbnail`: to who may see a picture, or has its address.

Until the sizes of a picture are made, the upload stands for all of them. A file never changes, so
the hash of the upload and its size are its ETag. Whatever a browser is told by other means, it gets
a picture's type, sniffs nothing, and runs nothing of it.
"""

import asyncio
import os
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
from jobs.pictures.variants import ENDINGS, Variant, served, variants_of
from storage import errors, media
from storage.blobs import Blob
from storage.merchant_records import MediaFile
from storage.scope import HUB

from .exports import STALL_SECONDS
from .requests import principal_of, query_of, services_of

log = structlog.get_logger("hub.api")

PATH = "/api/media/{id}/content"
THUMBNAIL_PATH = "/api/media/{id}/thumbnail"
_PIECE = 128 * 1024
_RANGE = re.compile(r"bytes=\s*(\d{0,15})-(\d{0,15})\s*", re.ASCII)
_TAG = re.compile(r'\*|(?:W/)?("[^"]*")')


class Signature(Struct, forbid_unknown_fields=True):
    """What a signed address has in its query."""

    exp: int | None = None
    sig: str | None = None


class ContentQuery(Signature, forbid_unknown_fields=True):
    """`variant` is the size that is wanted; `jpeg` is that of a WebP for who takes none."""

    variant: Variant = "original"


class Shown(Struct, frozen=True):
    """The file that is served of a picture.

    Attributes:
        settled: whether this will be what its address shows for ever.
    """

    blob: Blob
    mime_type: str
    etag: str
    name: str
    settled: bool


async def serve(request: Request) -> Response:
    """A picture in one of its sizes, or a part of it.

    Raises:
        Forbidden: the signature is not good, or not any more.
        NotFound: there is no such picture, it is another merchant's, or it could not be processed.
    """
    query = query_of(request, ContentQuery)
    return await _serve(request, query.variant, query)


async def thumbnail(request: Request) -> Response:
    """A picture in its smallest size, or a part of it; raises what `serve` does."""
    return await _serve(request, "thumbnail", query_of(request, Signature))


async def _serve(request: Request, variant: Variant, said: Signature) -> Response:
    folder = services_of(request).media
    shown = _shown(await _row(request, variant, said), variant)
    content = await folder.run(_open, folder, shown)
    if content is None:
        # It was an upload, and its sizes were made since its row was read.
        shown = _shown(await _row(request, variant, said), variant)
        content = await folder.run(_open, folder, shown)
    if content is None:
        log.warning("the file of a picture is missing", file=shown.blob.name)
        raise NotFound("the file of this picture is missing in the media folder")
    size = os.fstat(content.fileno()).st_size
    headers = _headers(shown, said.exp)
    try:
        if _has(request.headers.get("if-none-match"), headers["ETag"]):
            content.close()
            return Response(status_code=304, headers=_without_content(headers))
        asked = None if request.method == "HEAD" else _asked(request, headers["ETag"], size)
    except HTTPException:
        content.close()
        raise
    return ContentResponse(request, folder, content, size, asked, headers, shown.mime_type)


async def _row(request: Request, variant: Variant, said: Signature) -> MediaFile:
    """The row of the picture, for who may see it."""
    services = services_of(request)
    id_: str = parse(request.path_params, ById).id
    if said.exp is None and said.sig is None:
        scope = (await principal_of(request)).scope()
    else:
        good = said.exp is not None and services.media.signer.opens(
            commands.path_of(id_, variant), variant, said.exp, said.sig or "", time.time()
        )
        if not good:
            raise Forbidden(
                "this address is not good, or not any more; ask for the picture's row again, "
                "which has a fresh one"
            )
        scope = HUB
    try:
        return await services.database.read(lambda tx: media.get(tx, id_), scope)
    except errors.NotFound as error:
        raise NotFound(str(error)) from None


def _shown(file: MediaFile, variant: Variant) -> Shown:
    if file.status == "failed":
        reason = file.metadata.get("error", "nobody knows why")
        raise NotFound(f"this picture could not be processed: {reason}")
    sizes = variants_of(file)
    # A picture that is a JPEG or PNG already has no further form for who takes no WebP.
    made = sizes.get(variant) or sizes.get("original")
    settled = file.status == "ready"
    if made is None:
        etag, name = file.hash, file.original_name
        return Shown(served(file), file.mime_type, f'"{etag}"', name, settled)
    name = file.original_name
    if made.mime_type != file.mime_type:
        name = f"{name.rpartition('.')[0] or name}.{ENDINGS[made.mime_type]}"
    blob = Blob(file.merchant_id, made.file)
    return Shown(blob, made.mime_type, f'"{blob.name.rpartition(".")[0]}"', name, settled)


def _open(folder: MediaFolder, shown: Shown) -> IO[bytes] | None:
    try:
        return open(folder.file(shown.blob), "rb", buffering=0)
    except FileNotFoundError:
        return None


def _headers(shown: Shown, until: int | None) -> dict[str, str]:
    if until is None or not shown.settled:
        caching = "private, no-cache"  # whether it may be seen, and what it is, is asked anew
    else:
        caching = f"private, max-age={max(0, until - int(time.time()))}, immutable"
    return {
        "ETag": shown.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": caching,
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(shown.name, safe='')}",
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
