"""Which files a picture has, and what they are called. Pure.

An upload is stored as it came. Once its sizes are made, they are what is served, and the upload,
which may say where it was taken, goes. All files of a picture are named by the hash of the upload.
"""

from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from storage.blobs import Blob
from storage.merchant_records import MediaFile

Variant = Literal["original", "medium", "thumbnail", "jpeg"]
"""`original` is at most 1200 pixels on a side, `medium` 600, `thumbnail` 200; `jpeg` is the
original of a WebP for who takes none."""
VARIANTS: tuple[Variant, ...] = get_args(Variant)
MimeType = Literal["image/jpeg", "image/png", "image/webp"]
ENDINGS: dict[MimeType, str] = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
METADATA = "variants"
"""The member of a row's metadata that has them."""


class StoredVariant(Struct, frozen=True):
    """One size of a picture; `size` in bytes, `width` and `height` in pixels."""

    file: str
    mime_type: MimeType
    width: int
    height: int
    size: int


def variants_of(file: MediaFile) -> dict[Variant, StoredVariant]:
    """The sizes of a picture; none before they are made."""
    said: Any = file.metadata.get(METADATA, {})
    return msgspec.convert(said, dict[Variant, StoredVariant])


def upload_of(file: MediaFile) -> Blob:
    """The upload behind a row, whether it is there still or not."""
    return Blob(file.merchant_id, f"{file.hash}.{ENDINGS[file.mime_type]}")


def served(file: MediaFile) -> Blob:
    """The file that is served as the original: the upload, until its sizes are made."""
    made = variants_of(file).get("original")
    return upload_of(file) if made is None else Blob(file.merchant_id, made.file)


def blobs_of(file: MediaFile) -> list[Blob]:
    """Every file that a row may have by now."""
    names = {upload_of(file).name, *(variant.file for variant in variants_of(file).values())}
    if file.status in ("uploading", "processing"):
        # Its sizes may have been made by a worker that died before it could say so.
        names |= {name_of(file, variant, type_) for variant in VARIANTS for type_ in ENDINGS}
    return [Blob(file.merchant_id, name) for name in sorted(names)]


def name_of(file: MediaFile, variant: Variant, type_: MimeType) -> str:
    """What a variant is called in the store."""
    return f"{file.hash}.{variant}.{ENDINGS[type_]}"


def is_wanted(file: MediaFile | None, name: str) -> bool:
    """Whether a file in the store is one of a picture's.

    Args:
        file: the row with the hash in its name; None where there is none.
    """
    if file is None:
        return False
    if file.status in ("uploading", "processing"):
        return True  # its worker may be putting it there
    made = variants_of(file)
    if "original" not in made:
        return name == upload_of(file).name
    return any(name == variant.file for variant in made.values())
