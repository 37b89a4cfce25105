"""What a picture may be, and what it is called. Pure."""

import re
import unicodedata
from typing import cast

from msgspec import Struct

from hub.protocol.errors import InvalidParams, TooLarge, invalid
from jobs.pictures.variants import ENDINGS, MimeType

MEDIA_BYTES = 5 * 1024 * 1024
"""Largest picture, bytes."""
NAME_CHARS = 255

_ALIASES = {
    "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/jfif": "image/jpeg",
    "image/x-png": "image/png", "image/apng": "image/png",
}  # fmt: skip
_UNKNOWN = ("", "application/octet-stream", "binary/octet-stream")
"""What is declared by who does not know."""


class Picture(Struct, frozen=True):
    """What a picture is by its content; `width` and `height` in pixels, as it is shown."""

    type: MimeType
    width: int
    height: int


def check_declared(mime_type: str | None, pointer: str = "/mime_type") -> str | None:
    """What a caller says that a file is, or None where it does not know.

    Browsers tell the type of a file by its ending, so a wrong type of picture is an honest mistake:
    the content decides. Who sends a picture as something else is mistaken, or tries something.

    Raises:
        InvalidParams: it is said to be no picture.
    """
    declared = (mime_type or "").partition(";")[0].strip().lower()
    if declared in _UNKNOWN:
        return None
    if not declared.startswith("image/"):
        message = f"{declared[:80]!r} is no picture; JPEG, PNG and WebP are taken"
        raise invalid(InvalidParams, pointer, message)
    return _ALIASES.get(declared, declared)


def file_name(given: str | None, type_: MimeType) -> str:
    """The name of an upload: the last part of a path, on one line, 255 characters at most."""
    name = re.split(r"[/\\]", given or "")[-1]
    # Controls, line ends, and what turns the direction of a line and so hides an ending.
    name = "".join(sign for sign in name if unicodedata.category(sign)[0] != "C").strip(" .")
    if len(name) > NAME_CHARS:
        stem, dot, ending = name.rpartition(".")
        ending = dot + ending if 0 < len(ending) <= 16 else ""
        name = (stem if ending else name)[: NAME_CHARS - len(ending)] + ending
    return name or f"picture.{ENDINGS[type_]}"


def picture_of(answer: dict[str, object]) -> Picture:
    """The decoder's answer to a picture that is taken."""
    return Picture(
        cast(MimeType, answer["type"]), cast(int, answer["width"]), cast(int, answer["height"])
    )


def too_large(pointer: str) -> TooLarge:
    """The refusal of a picture of more than 5 MB."""
    error = invalid(TooLarge, pointer, f"a picture has {MEDIA_BYTES} bytes (5 MB) at most")
    assert isinstance(error, TooLarge)
    return error
