"""`POST /api/media/upload`: a picture as JSON, as a form, or as it is.

Whatever the form, it goes to the disk while it comes, in pieces and off the loop; who may not
upload is refused before. JSON is put on the disk as it is and decoded from there when it is whole,
so that slow senders keep nobody waiting, and no more than four pictures are in memory at a time.
"""

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hub.commands.invoke import admit, invoke
from hub.commands.media import ReceivedMedia, SaidOfMedia, UploadMedia, decoded
from hub.commands.params import Nothing, RowId, Time, Word
from hub.commands.table import COMMANDS
from hub.media.pictures import MEDIA_BYTES, too_large
from hub.protocol.errors import BadFrame, InvalidParams, TooLarge, invalid
from hub.protocol.events import locate
from hub.services import Services
from storage.blobs import Incoming

from .answers import json
from .commands import idempotency_key
from .forms import Form, file_name_of
from .requests import principal_of, query_of, services_of, still_good

PATH = "/api/media/upload"
BODY_BYTES = 7 * 1024 * 1024
"""Largest body here: 5 MB as base64, in JSON that escapes every slash and breaks lines."""
BODY_SECONDS = 120.0
"""Time for a body here: 5 MB at 340 kbit/s."""
_PIECE = 256 * 1024
_COMMAND = COMMANDS["media.upload"]


class RawQuery(Struct, forbid_unknown_fields=True):
    """What the query says where the body is the picture."""

    merchant_id: Word | None = None
    id: RowId | None = None
    expires_at: Time | None = None


class FormFields(Struct, forbid_unknown_fields=True):
    """What a form says beside its file."""

    file_name: str | None = None
    mime_type: str | None = None
    merchant_id: Word | None = None
    id: RowId | None = None
    expires_at: Time | None = None


async def receive(request: Request) -> Response:
    """Store a picture: 201 with its row, which is the one there was for the same content.

    Raises:
        BadFrame, InvalidParams, TooLarge: what is sent is no picture that is taken.
    """
    principal = await principal_of(request)
    services = services_of(request)
    principal = await admit(services, principal, _COMMAND, Nothing())
    kind = request.headers.get("content-type", "")
    essence = kind.partition(";")[0].strip().lower()
    if essence == "application/json":
        read = _from_json
    elif essence == "multipart/form-data":
        read = _from_form
    elif essence.startswith("image/") or essence == "application/octet-stream":
        read = _from_body
    else:
        raise HTTPException(
            415, "send application/json, multipart/form-data, or the picture as image/…"
        )
    folder = services.media
    with folder.receiving(principal.merchant_id or principal.key_id), folder.begin() as incoming:
        params = await read(request, services, incoming)
        # A body may take its time, and the key behind it be revoked meanwhile.
        await still_good(request)
        said = SaidOfMedia(
            incoming.hash, params.file_name, params.mime_type, params.id, params.expires_at
        )
        result, offset = await invoke(
            services, principal, _COMMAND, params, idempotency_key(request), said=said
        )
    return _answer(result, services.log.epoch, offset)


def _answer(result: dict[str, Any], epoch: str, offset: int) -> Response:
    media = result["media"]
    message = "This picture is there already." if result["duplicate"] else _COMMAND.message
    declared = media.metadata.get("declared_type")
    if declared is not None:
        message = f"{message} It is {media.mime_type}, not {declared} as it was said."
    content = {"success": True, **result, "message": message, "epoch": epoch, "offset": offset}
    headers = {"Location": f"/api/media/{media.id}", "ETag": f'"{media.version}"'}
    return json(content, _COMMAND.status, headers)


async def _pieces(
    request: Request, services: Services, take: Callable[[bytearray], object], limit: int
) -> None:
    """Hand a body on in pieces, off the loop.

    Raises:
        TooLarge: it has more octets.
    """
    piece = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the body has more than the {limit} octets allowed here")
        piece += chunk
        if len(piece) >= _PIECE:
            await services.media.run(take, piece)
            piece = bytearray()
    if piece:
        await services.media.run(take, piece)


# ── the bare picture ─────────────────────────────────────────────────────────────────────────────


async def _from_body(request: Request, services: Services, incoming: Incoming) -> ReceivedMedia:
    query = query_of(request, RawQuery)
    headers = request.headers
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > MEDIA_BYTES:
        raise too_large("")
    name = file_name_of(headers.get("x-file-name"), headers.get("content-disposition"))
    await _pieces(request, services, _limited(incoming, ""), BODY_BYTES)
    return ReceivedMedia(
        incoming, name, headers["content-type"], query.merchant_id, query.id, "", query.expires_at
    )


def _limited(incoming: Incoming, part: str) -> Callable[[bytearray], None]:
    """Writes a picture as long as it has not more than 5 MB."""

    def write(data: bytearray) -> None:
        if incoming.size + len(data) > MEDIA_BYTES:
            raise too_large(part)
        incoming.write(data)

    return write


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────


async def _from_json(request: Request, services: Services, incoming: Incoming) -> ReceivedMedia:
    _check_no_query(request)
    with services.media.begin() as text:
        await _pieces(request, services, text.write, BODY_BYTES)
        if not text.size:
            raise BadFrame("the body is empty; send JSON")
        return await services.media.run(_decode, text.path, incoming)


def _decode(path: Path, incoming: Incoming) -> ReceivedMedia:
    """Read JSON from a file and decode its picture into another one; for a thread."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        try:
            params = msgspec.json.decode(text, type=UploadMedia)
        except msgspec.ValidationError as error:
            pointer, message = locate(str(error))
            raise invalid(InvalidParams, pointer, message) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadFrame(f"the body is no JSON: {error}") from None
    return decoded(params, incoming)


# ── a form ───────────────────────────────────────────────────────────────────────────────────────


async def _from_form(request: Request, services: Services, incoming: Incoming) -> ReceivedMedia:
    _check_no_query(request)
    form = Form(request.headers["content-type"], _limited(incoming, "/file"))
    await _pieces(request, services, form.feed, BODY_BYTES)
    fields = form.end()
    try:
        said = msgspec.convert(fields, FormFields)
    except msgspec.ValidationError as error:
        pointer, message = locate(str(error))
        raise invalid(InvalidParams, pointer, message) from None
    return ReceivedMedia(
        incoming, said.file_name or form.file_name, said.mime_type or form.file_type,
        said.merchant_id, said.id, "/file", said.expires_at,
    )  # fmt: skip


def _check_no_query(request: Request) -> None:
    for name in request.query_params:
        raise invalid(InvalidParams, f"/{name}", "belongs in the body")
