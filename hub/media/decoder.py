"""A program that decodes pictures and says what they are: `python -P decoder.py`, nothing else.

A picture may have been made to break whoever decodes it. So this is a process without secrets and
without the hub, with bounds on its memory and its time that the system holds. It reads a path a
line and answers a JSON object a line: `{"type", "width", "height"}`, or `{"refused": a sentence}`,
or `{"fault": …}` for what is no picture's doing. It ends with its input.

`width` and `height` are as it is shown, with the orientation of its EXIF applied.
"""

import json
import os
import resource
import signal
import sys
from typing import Any

from PIL import (
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

# Named, so that opening a first picture does not import the plugins of thirty formats.
PLUGINS = (JpegImagePlugin, PngImagePlugin, WebPImagePlugin)
FORMATS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}

PIXELS = 40_000_000
WEBP_PIXELS = 15_000_000
"""libwebp's decoder and Pillow hold 16 bytes a pixel together: 240 MB, and the file twice."""
PROGRESSIVE_BYTES = PIXELS * 3 * 2
"""Three components of 40 megapixels, without subsampling."""
SIDE = 30_000
"""Most pixels of one side."""
MEMORY_BYTES = 264 << 20
"""Memory of this process. What it maps of Python and the libraries, 15 MB, comes on top."""
CPU_SECONDS = 4.0
"""Processor time for a picture. 40 megapixels take half a second; a JPEG of 5 MB may be made to
take hours, with thousands of scans, of which T.81 allows any number."""
NICE = 10
"""Live events are more urgent than pictures."""
_ORIENTATION = 0x0112
_QUARTER_TURNS = (5, 6, 7, 8)


class Refused(Exception):
    """A picture that is not taken, and why."""


def look(path: str) -> dict[str, Any]:
    """What a picture is.

    Raises:
        Refused: it is none that is taken.
    """
    if os.path.getsize(path) == 0:
        raise Refused("the file is empty")
    with open(path, "rb") as file:
        head = file.read(64)
    _check_kind(head)
    if head[8:12] == b"WEBP":
        # Pillow makes the whole canvas when it opens one, before it tells how large that is.
        _check_webp(head, os.path.getsize(path))
    try:
        return _decode(path)
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
    formats = ("JPEG", "PNG", "WEBP")
    with Image.open(path, formats=formats) as image:
        type_ = FORMATS[image.format or ""]
        _check_size(*image.size)
        # Several pictures in a JPEG (MPO) are one and its previews; only the first is looked at.
        if type_ != "image/jpeg" and getattr(image, "n_frames", 1) > 1:
            raise _animated()
        width, height = image.size
        _check_scans(image)
        if type_ == "image/png":
            image.verify()  # the checksum of every chunk; after it, the picture is opened anew
    with Image.open(path, formats=formats) as image:
        # An eighth of each side is enough to see that all of it is there, in a 64th of the memory.
        image.draft(image.mode, (max(1, width // 8), max(1, height // 8)))
        image.load()
        if _orientation(image) in _QUARTER_TURNS:
            width, height = height, width
    return {"type": type_, "width": width, "height": height}


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


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:
        return None  # its EXIF is broken; the picture need not be


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "its head cannot be read"
    return (str(error) or type(error).__name__)[:200].replace("\n", " ")


def _bound() -> None:
    """Bound what this process may do."""
    os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the hub ends it, when it has finished itself
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = None  # the limit here is lower, and has words of its own


def main() -> None:
    """Answer until the input ends."""
    _bound()
    for line in sys.stdin:
        # A picture that takes longer ends the process, whatever library it is in.
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        try:
            answer = look(json.loads(line))
        except Refused as refused:
            answer = {"refused": str(refused)}
        except Exception as error:
            answer = {"fault": f"{type(error).__name__}: {error}"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
