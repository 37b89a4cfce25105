"""What a picture is: its kind, its size, and whether all of it can be decoded.

`width` and `height` are as it is shown, with the orientation of its EXIF applied.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from PIL import (
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

# Named, so that opening a first picture does not import the plugins of thirty formats.
PLUGINS = (JpegImagePlugin, PngImagePlugin, WebPImagePlugin)
FORMATS = ("JPEG", "PNG", "WEBP")
Type = Literal["image/jpeg", "image/png", "image/webp"]
TYPES: dict[str, Type] = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
}

PIXELS = 40_000_000
WEBP_PIXELS = 15_000_000
"""libwebp's decoder and Pillow hold 16 bytes a pixel together: 240 MB, and the file twice."""
PROGRESSIVE_BYTES = PIXELS * 3 * 2
"""Three components of 40 megapixels, without subsampling."""
SIDE = 30_000
"""Most pixels of one side."""
ORIENTATION = 0x0112
QUARTER_TURNS = (5, 6, 7, 8)


class Refused(Exception):
    """A picture that is not taken, and why."""


def look(path: str) -> dict[str, Any]:
    """What a picture is.

    Raises:
        Refused: it is none that is taken.
    """
    check_head(path)
    with refusing():
        return _decode(path)


def check_head(path: str) -> None:
    """Check what can be told before Pillow opens a file.

    Raises:
        Refused: it is no picture that is taken.
    """
    if os.path.getsize(path) == 0:
        raise Refused("the file is empty")
    with open(path, "rb") as file:
        head = file.read(64)
    _check_kind(head)
    if head[8:12] == b"WEBP":
        # Pillow makes the whole canvas when it opens one, before it tells how large that is.
        _check_webp(head, os.path.getsize(path))


@contextmanager
def refusing() -> Iterator[None]:
    """Whatever Pillow says of a picture, as its refusal.

    Raises:
        Refused: something went wrong inside.
    """
    try:
        yield
    except Refused:
        raise
    except MemoryError:
        raise Refused("decoding it takes more memory than a picture may have") from None
    except Exception as error:
        # Pillow's plugins raise whatever the structure of a broken file makes happen.
        raise Refused(f"the picture is damaged or not whole: {_reason(error)}") from None


def _check_kind(head: bytes) -> None:
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return
    found = next((name for magic, at, name in _OTHERS if head[at:].startswith(magic)), None)
    what = f"this is {found}" if found else "this is no picture of these"
    raise Refused(f"JPEG, PNG and WebP are taken; {what}")


_OTHERS = (
    (b"GIF8", 0, "a GIF"), (b"BM", 0, "a BMP"), (b"II*\0", 0, "a TIFF"), (b"MM\0*", 0, "a TIFF"),
    (b"ftypavif", 4, "an AVIF"), (b"ftypheic", 4, "a HEIC"), (b"ftypmif1", 4, "a HEIF"),
    (b"ftyp", 4, "a video"), (b"\0\0\1\0", 0, "an icon"), (b"%PDF", 0, "a PDF"),
    (b"<svg", 0, "an SVG"), (b"<?xml", 0, "XML"), (b"<!DOCTYPE", 0, "a page of HTML"),
    (b"<html", 0, "a page of HTML"), (b"PK\3\4", 0, "a ZIP"), (b"8BPS", 0, "a Photoshop file"),
    (b"\xff\x4f\xff\x51", 0, "a JPEG 2000"), (b"jP  ", 4, "a JPEG 2000"),
    (b"\xff\x0a", 0, "a JPEG XL"), (b"JXL ", 4, "a JPEG XL"), (b"MZ", 0, "a program"),
    (b"\x7fELF", 0, "a program"), (b"#!", 0, "a program"),
)  # fmt: skip
"""What is told by name: bytes, where they stand, and what they are the beginning of."""


def _check_webp(head: bytes, size: int) -> None:
    """Check the canvas of a WebP (RFC 9649 sections 2.5 to 2.7), and that the file is whole."""
    if int.from_bytes(head[4:8], "little") + 8 > size:
        raise Refused("the picture is damaged or not whole: its end is missing")
    kind, body = head[12:16], head[20:]
    if kind == b"VP8X":
        if body[0] & 0b10:
            raise _animated()
        width = int.from_bytes(body[4:7], "little") + 1
        height = int.from_bytes(body[7:10], "little") + 1
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width = int.from_bytes(body[6:8], "little") & 0x3FFF
        height = int.from_bytes(body[8:10], "little") & 0x3FFF
    _check_size(width, height, WEBP_PIXELS)


def _check_size(width: int, height: int, pixels: int = PIXELS) -> None:
    if width < 1 or height < 1:
        raise Refused(f"{width} x {height} pixels are none")
    if width * height > pixels:
        kind = " for a WebP" if pixels == WEBP_PIXELS else ""
        most = f"{pixels // 1_000_000} megapixels"
        raise Refused(f"{width} x {height} pixels are more than the {most} allowed{kind}")
    if max(width, height) > SIDE:
        raise Refused(f"{width} x {height} pixels: a side has {SIDE:,} at most")


def _animated() -> Refused:
    return Refused("an animated picture is not taken; send one picture of it")


def _decode(path: str) -> dict[str, Any]:
    with Image.open(path, formats=FORMATS) as image:
        type_ = check_opened(image)
        width, height = image.size
        if type_ == "image/png":
            image.verify()  # the checksum of every chunk; after it, the picture is opened anew
    with Image.open(path, formats=FORMATS) as image:
        # An eighth of each side is enough to see that all of it is there, in a 64th of the memory.
        image.draft(image.mode, (max(1, width // 8), max(1, height // 8)))
        image.load()
        if orientation(image) in QUARTER_TURNS:
            width, height = height, width
    return {"type": type_, "width": width, "height": height}


def check_opened(image: Image.Image) -> Type:
    """Check what a picture says of itself before it is decoded; its media type.

    Raises:
        Refused: it would take too much.
    """
    type_ = TYPES[image.format or ""]
    _check_size(*image.size)
    # Several pictures in a JPEG (MPO) are one and its previews; only the first is looked at.
    if type_ != "image/jpeg" and getattr(image, "n_frames", 1) > 1:
        raise _animated()
    _check_scans(image)
    return type_


def _check_scans(image: Image.Image) -> None:
    """Check what libjpeg holds of a progressive JPEG, which is all of it, two bytes a sample."""
    if not image.info.get("progressive"):
        return
    # Of each component: its number, samples across and down in a unit, and a table.
    layers = [(across, down) for _, across, down, _ in getattr(image, "layer", ())]
    most = max(across for across, _ in layers) * max(down for _, down in layers)
    samples = sum(across * down for across, down in layers) * image.width * image.height // most
    if samples * 2 > PROGRESSIVE_BYTES:
        raise Refused("a progressive JPEG of this size takes too much memory; send a baseline one")


def orientation(image: Image.Image) -> Any:
    """What the EXIF of a picture says of how it is to be turned; 1 to 8, None, or nonsense."""
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:
        return None  # its EXIF is broken; the picture need not be


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "its head cannot be read"
    return (str(error) or type(error).__name__)[:200].replace("\n", " ")
