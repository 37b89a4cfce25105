"""Media: pictures that a merchant uploads, shows on its products and sends.

A picture is stored once for each merchant: who uploads the same content again gets the row that is
there. Its file is placed before the commit and looked after behind it; see `storage.blobs`. The row
and the job that makes its sizes are written together; until they are made, the upload is served.
"""

from typing import Any, Literal

from msgspec import Struct, structs

from hub.media.base64_text import decode, split_data_url
from hub.media.pictures import Picture, check_declared, file_name
from hub.protocol.errors import Conflict, InvalidParams, invalid
from hub.protocol.ids import uuid7
from hub.protocol.times import normalize
from hub.stream.waiting import WriteScope
from jobs.media_processing.begin import queue_sizes
from jobs.pictures.processes import NotTaken
from jobs.pictures.variants import ENDINGS, MimeType, Variant, blobs_of, variants_of
from storage import media
from storage.blobs import Blob, Incoming
from storage.database import Transaction
from storage.errors import Conflict as StoredConflict
from storage.errors import NotFound
from storage.merchant_records import MediaFile, MediaStatus

from .command import EVERYBODY, SELLERS, Command, Invocation, Result
from .params import PAGE, After, ById, Limit, RowId, Time, Word, next_of

_NAMED = 3
"""How many products, and templates, a refusal names."""
_PLACES = 100
"""How many of each the row of one picture names."""


class ListMedia(Struct, forbid_unknown_fields=True):
    """A page of pictures; `merchant_id` narrows that of an admin.

    Attributes:
        name: any part of the name under which it came; capitals of a-z do not count.
        order: by the time of their upload; `next` goes on in it.
    """

    merchant_id: Word | None = None
    status: MediaStatus | None = None
    name: Word | None = None
    order: Literal["oldest", "newest"] = "oldest"
    after: After = ""
    limit: Limit = 100


class UploadMedia(Struct, forbid_unknown_fields=True):
    """A picture in JSON.

    Attributes:
        file_data: base64, or a `data:` address with it.
        file_name: of the file where it comes from; a path is cut to its last part.
        mime_type: what its sender takes it for; the content decides.
        id: of the new row.
        expires_at: when it may be removed, if nothing shows it then.
    """

    file_data: str
    file_name: str | None = None
    mime_type: str | None = None
    merchant_id: Word | None = None
    id: RowId | None = None
    expires_at: Time | None = None


class ReceivedMedia(Struct):
    """A picture that a door has put on the disk, with what came with it.

    Attributes:
        incoming: the file.
        part: where the picture stands in the request, for who is told that it is not taken.
    """

    incoming: Incoming
    file_name: str | None
    mime_type: str | None
    merchant_id: str | None
    id: str | None
    part: str
    expires_at: str | None = None


class SaidOfMedia(Struct, omit_defaults=True):
    """What tells one upload from another; `hash` is the SHA-256 of its content."""

    hash: str
    file_name: str | None
    mime_type: str | None
    id: str | None
    expires_at: str | None = None


class MediaView(Struct):
    """An uploaded picture.

    Attributes:
        hash: SHA-256 of its content, hexadecimal.
        original_name: the name under which it came; file_name: that in the store.
        size: bytes of what is served: the upload, and once its sizes are made, the largest of
            them. width, height: pixels, as it is shown.
        placeholder: a tiny picture to show while it loads, a `data:` address.
        url: opens it without a key for an hour at least; medium_url and thumbnail_url its smaller
            sizes, once they are made.
        metadata: `declared_type`, where it was said to be of another type than it is; `variants`,
            the sizes that were made; `error`, why there are none.
        used_by: how many products and templates show it.
    """

    id: str
    merchant_id: str
    owner_id: str | None
    hash: str
    original_name: str
    file_name: str
    mime_type: MimeType
    size: int
    width: int | None
    height: int | None
    placeholder: str | None
    url: str | None
    medium_url: str | None
    thumbnail_url: str | None
    status: MediaStatus
    metadata: dict[str, Any]
    used_by: int
    version: int
    created_at: str
    updated_at: str
    expires_at: str | None


async def list_(call: Invocation, params: ListMedia) -> Result:
    """A page of pictures, by id, which is the order in which they came."""
    limit = min(params.limit, PAGE)

    async def read(tx: Transaction) -> list[MediaView]:
        found = await media.page(
            tx, params.after, limit, status=params.status, name=params.name,
            newest_first=params.order == "newest",
        )  # fmt: skip
        return await _views(tx, found)

    views = await call.read(read)
    shown = [_signed(call, view) for view in views]
    return {"media": shown, "count": len(shown), "next": next_of(shown, limit)}


async def get(call: Invocation, params: ById) -> Result:
    """One picture, and what shows it."""

    async def read(tx: Transaction) -> tuple[MediaView, list[media.MediaPlace]]:
        file = await media.get(tx, params.id)
        return (await _views(tx, [file]))[0], await media.places(tx, file, _PLACES)

    view, places = await call.read(read)
    return {"media": _signed(call, view), "places": places}


async def upload(call: Invocation, params: UploadMedia | ReceivedMedia) -> Result:
    """Store a picture.

    Raises:
        InvalidParams: it is none of those that are taken.
        TooLarge: it has more than 5 MB.
        Unavailable: the disk is full, or there is no time to look at it.
    """
    if isinstance(params, ReceivedMedia):
        return await _store(call, params)
    folder = call.services.media
    with folder.receiving(call.merchant_id), folder.begin() as incoming:
        return await _store(call, await folder.run(decoded, params, incoming))


def decoded(params: UploadMedia, incoming: Incoming) -> ReceivedMedia:
    """Decode the picture in a JSON body; for a thread.

    Raises:
        InvalidParams: it is not base64.
        TooLarge: it has more than 5 MB.
        OSError: the disk is full.
    """
    of_address, begin = split_data_url(params.file_data)
    decode(params.file_data, begin, incoming.write)
    return ReceivedMedia(
        incoming, params.file_name, params.mime_type or of_address, params.merchant_id, params.id,
        "/file_data", params.expires_at,
    )  # fmt: skip


async def _store(call: Invocation, params: ReceivedMedia) -> Result:
    folder, merchant_id, incoming = call.services.media, call.merchant_id, params.incoming
    declared = check_declared(params.mime_type)
    expires_at = _future(call, params.expires_at)
    await folder.run(incoming.finish)
    try:
        picture = await folder.checker.check(incoming.path)
    except NotTaken as refusal:
        raise invalid(InvalidParams, params.part, str(refusal)) from None
    row = structs.replace(_row(call, params, picture, declared), expires_at=expires_at)
    mark = await folder.place(incoming, Blob(merchant_id, row.file_name))

    async def work(scope: WriteScope) -> Result:
        known = await _known(scope.tx, row.hash)
        if known is not None:
            if _goes_before(known, expires_at):
                later = structs.replace(known, expires_at=expires_at, updated_at=call.now)
                known = await media.update(scope.tx, later)
            if known.status == "failed":
                known = await _anew(call, scope, known)
            return {"media": (await _views(scope.tx, [known]))[0], "duplicate": True}
        stored = await media.insert(scope.tx, row)
        await _begin(call, scope, stored)
        return {"media": _view(stored, 0), "duplicate": False}

    try:
        try:
            result = await call.commit(work)
        except StoredConflict:
            # By another hub, after this one had looked. Where it is the id that is taken, it is so
            # again.
            result = await call.commit(work)
    finally:
        await folder.tidy([mark])
    return {**result, "media": _signed(call, result["media"])}


async def _begin(call: Invocation, scope: WriteScope, file: MediaFile) -> None:
    """Say that a picture was uploaded, and have its sizes made."""
    data = {
        "mediaId": file.id, "name": file.original_name, "mimeType": file.mime_type,
        "size": file.size, "width": file.width, "height": file.height,
        "hash": file.hash, "status": file.status, "version": file.version,
    }  # fmt: skip
    call.record(scope, "media_uploaded", data, f"media/{file.id}")
    await queue_sizes(scope, file, call.now, call.actor.source)


async def _anew(call: Invocation, scope: WriteScope, failed: MediaFile) -> MediaFile:
    """Try the sizes of a picture again that had failed: what hindered them may be over."""
    metadata = {name: value for name, value in failed.metadata.items() if name != "error"}
    after = structs.replace(failed, status="processing", metadata=metadata, updated_at=call.now)
    file = await media.update(scope.tx, after)
    await _begin(call, scope, file)
    return file


def _future(call: Invocation, time: str | None) -> str | None:
    """When a picture may be removed, as it is kept.

    Raises:
        InvalidParams: it is no time, or past.
    """
    if time is None:
        return None
    try:
        expires_at = normalize(time)
    except ValueError as error:
        raise invalid(InvalidParams, "/expires_at", str(error)) from None
    if expires_at <= call.now:
        raise invalid(InvalidParams, "/expires_at", "this time is past")
    return expires_at


def _goes_before(known: MediaFile, expires_at: str | None) -> bool:
    """Whether a picture is to be removed before somebody who sends it again wants."""
    if known.expires_at is None:
        return False
    return expires_at is None or known.expires_at < expires_at


async def _known(tx: Transaction, hash_: str) -> MediaFile | None:
    try:
        return await media.by_hash(tx, hash_)
    except NotFound:
        return None


def _row(
    call: Invocation, params: ReceivedMedia, picture: Picture, declared: str | None
) -> MediaFile:
    id_ = params.id or uuid7()
    blob = Blob(call.merchant_id, f"{params.incoming.hash}.{ENDINGS[picture.type]}")
    lie = {} if declared in (None, picture.type) else {"declared_type": declared}
    return MediaFile(
        id=id_, merchant_id=call.merchant_id, owner_id=call.actor.key_id, hash=blob.hash,
        original_name=file_name(params.file_name, picture.type), file_name=blob.name,
        mime_type=picture.type, size=params.incoming.size, width=picture.width,
        height=picture.height, url=path_of(id_), storage_path=blob.path, status="processing",
        metadata=lie, created_at=call.now, updated_at=call.now,
    )  # fmt: skip


async def delete(call: Invocation, params: ById) -> Result:
    """Remove a picture that nothing shows any more, and all its files with it.

    Raises:
        Conflict: a product or a template shows it.
        PreconditionFailed: it has another version.
    """
    folder = call.services.media

    async def read(tx: Transaction) -> MediaFile | None:
        try:
            return await media.get(tx, params.id)
        except NotFound:
            return None

    async def work(scope: WriteScope) -> Result:
        file = await media.get(scope.tx, params.id)
        call.check_version(file.version)
        places = await media.places(scope.tx, file, _NAMED)
        if places:
            shown = ", ".join(f"the {place.type} {place.name!r}" for place in places)
            raise Conflict(f"this picture is shown by {shown}; take it away there first")
        await media.delete(scope.tx, file.id, file.version)
        data = {
            "mediaId": file.id, "name": file.original_name, "hash": file.hash,
            "version": file.version,
        }  # fmt: skip
        call.record(scope, "media_deleted", data, f"media/{file.id}")
        return {"id": file.id}

    file = await call.read(read)
    if file is None:
        return await call.commit(work)  # which knows whether this was asked before
    marks = await folder.mark(blobs_of(file))
    try:
        return await call.commit(work)
    finally:
        await folder.tidy(marks)


def path_of(id_: str, variant: Variant = "original") -> str:
    """Where a picture is served, unsigned and without a query."""
    return f"/api/media/{id_}/{'thumbnail' if variant == 'thumbnail' else 'content'}"


async def _views(tx: Transaction, files: list[MediaFile]) -> list[MediaView]:
    counts = await media.uses(tx, files)
    return [_view(file, counts[file.id]) for file in files]


def _view(file: MediaFile, used_by: int) -> MediaView:
    members = structs.asdict(file)
    del members["storage_path"]
    medium = path_of(file.id, "medium") if "medium" in variants_of(file) else None
    return MediaView(**members, medium_url=medium, used_by=used_by)


def _signed(call: Invocation, view: MediaView) -> MediaView:
    """The view with addresses that open it; they are made for each answer and never stored."""

    def signed(url: str | None, variant: Variant) -> str | None:
        return None if url is None else signed_url(call, view.id, variant)

    return structs.replace(
        view, url=signed(view.url, "original"), medium_url=signed(view.medium_url, "medium"),
        thumbnail_url=signed(view.thumbnail_url, "thumbnail"),
    )  # fmt: skip


def signed_url(call: Invocation, id_: str, variant: Variant = "original") -> str:
    """An address that opens a picture without a key, for an hour at least."""
    path = path_of(id_, variant)
    url = call.services.media.signer.signed(path, variant, call.now_ms / 1000)
    return f"{url}&variant={variant}" if variant in ("medium", "jpeg") else url


COMMANDS = (
    Command(
        name="media.list", http="GET /api/media", roles=EVERYBODY,
        summary="The pictures that a merchant has uploaded",
        params=ListMedia, run=list_,
        answer={"media": list[MediaView], "count": int, "next": str | None},
    ),
    Command(
        name="media.get", http="GET /api/media/{id}", roles=EVERYBODY,
        summary="One picture, with an address that opens it, and the products and templates that "
        "show it", params=ById, run=get,
        answer={"media": MediaView, "places": list[media.MediaPlace]},
    ),
    Command(
        name="media.upload", http="POST /api/media/upload", roles=SELLERS,
        summary="Store a picture: JPEG, PNG or WebP of 5 MB and 40 megapixels at most. REST also "
        "takes multipart/form-data and the bare file; the same content again is the same picture",
        params=UploadMedia, run=upload, answer={"media": MediaView, "duplicate": bool}, status=201,
        events=("media_uploaded", "job_queued"), message="The picture is stored.",
    ),
    Command(
        name="media.delete", http="DELETE /api/media/{id}", roles=SELLERS,
        summary="Remove a picture that no product and no template shows",
        params=ById, run=delete, answer={"id": str}, message="The picture is removed.",
        events=("media_deleted",), versioned=True, table="media_files",
    ),
)  # fmt: skip
