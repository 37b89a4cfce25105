"""Makes the sizes of a picture from one decoding of it.

A JPEG is decoded at the least of the scales 1/8, 1/4, 1/2 and 1 that is large enough, and every
picture is averaged down to about twice its largest size in bands, so that never more than the
decoded picture and a band of it are in memory, whatever its kind of pixels. Colours become sRGB and
the picture upright once it is small. Of what the file says besides, nothing is taken over.
"""

import base64
import io
from typing import Any

from PIL import Image, ImageCms

from .check import FORMATS, QUARTER_TURNS, Type, check_head, check_opened, orientation, refusing

SIDES = {"original": 1200, "medium": 600, "thumbnail": 200}
"""The longest side of each size, in pixels; a picture is never enlarged."""
PLACEHOLDER_SIDE = 16
LARGEST = 5 * 1024 * 1024
"""Bytes: no larger file is kept."""
_SMALLER_SIDE = 1000
"""With four bytes a pixel that do not compress, a square of this side has fewer bytes."""
_BAND_PIXELS = 1 << 20
_QUALITY = 82
_WHITE = (255, 255, 255)
_BICUBIC = Image.Resampling.BICUBIC
_SRGB = ImageCms.createProfile("sRGB")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""What makes a picture upright, by the orientation of its EXIF (Exif 3.0, tag 0x0112)."""
_WRITTEN: dict[Type, str] = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


def shrink(path: str) -> tuple[dict[str, Any], list[bytes]]:
    """The sizes of a picture.

    Args:
        path: of the file.

    Returns:
        `{"placeholder": a data address, "made": [{"variant", "type", "width", "height", "size"}]}`,
        and the files in the order of `made`: `original` in its own format, `medium` and
        `thumbnail` as JPEG, or PNG where one can see through; of a WebP, `jpeg` too, on white.

    Raises:
        Refused: it is no picture that is taken.
    """
    check_head(path)
    with refusing():
        return _shrunk(path)


def _shrunk(path: str) -> tuple[dict[str, Any], list[bytes]]:
    with Image.open(path, formats=FORMATS) as image:
        type_, size = check_opened(image), image.size
        largest = fitted(size, SIDES["original"])
        image.draft(None, largest)  # a JPEG alone knows how
        image.load()
        turn, profile = orientation(image), image.info.get("icc_profile")
        pixels = _reduced(image, largest, _working_mode(image, profile))
    pixels = _upright(_opaque(_in_srgb(pixels, profile)), turn)
    if turn in QUARTER_TURNS:
        size = size[1], size[0]
    seen_through = pixels.mode == "RGBA"
    made: list[tuple[str, Type, Image.Image, bytes]] = []

    def add(variant: str, as_type: Type, shown: Image.Image) -> None:
        made.append((variant, as_type, shown, _file(shown, as_type)))

    add("original", type_, pixels)
    if len(made[0][3]) > LARGEST:
        pixels = pixels.resize(fitted(size, _SMALLER_SIDE), _BICUBIC)
        made.clear()
        add("original", type_, pixels)
    small = pixels
    for variant in ("medium", "thumbnail"):
        small = _resized(small, fitted(size, SIDES[variant]))
        add(variant, "image/png" if seen_through else "image/jpeg", small)
    if type_ == "image/webp":
        add("jpeg", "image/jpeg", _on_white(pixels))
    tiny = _resized(small, fitted(size, PLACEHOLDER_SIDE))
    placeholder = base64.b64encode(_file(tiny, "image/webp")).decode()
    answer = {
        "placeholder": f"data:image/webp;base64,{placeholder}",
        "made": [
            {
                "variant": variant, "type": as_type, "width": shown.width, "height": shown.height,
                "size": len(file),
            }
            for variant, as_type, shown, file in made
        ],
    }  # fmt: skip
    return answer, [file for _, _, _, file in made]


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """A size whose sides are in proportion and have so many pixels at most, one at least."""
    longest = max(size)
    if longest <= side:
        return size
    width, height = (max(1, round(length * side / longest)) for length in size)
    return width, height


# ── pixels ───────────────────────────────────────────────────────────────────────────────────────


def _working_mode(image: Image.Image, profile: bytes | None) -> str:
    """The kind of pixels to calculate with: brightness, colours, or colours with transparency."""
    if image.mode.startswith("I"):
        return "L"  # 16 bits of brightness; Pillow knows no transparency with them
    if image.has_transparency_data:
        return "RGBA"
    if image.mode in ("1", "L"):
        return "L"
    # Only their profile says what four inks look like; it is applied to the small picture.
    return "CMYK" if image.mode == "CMYK" and profile is not None else "RGB"


def _reduced(image: Image.Image, size: tuple[int, int], mode: str) -> Image.Image:
    """A picture in a size, in pixels of this kind."""
    width, height = image.size
    factor = max(1, min(width // (2 * size[0]), height // (2 * size[1])))
    if factor == 1 and mode == image.mode:
        return _resized(image, size)
    reduced = Image.new(mode, (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, _BAND_PIXELS // (width * factor))
    for top in range(0, height, rows):
        band = _converted(image.crop((0, top, width, min(height, top + rows))), mode)
        reduced.paste(band.reduce(factor) if factor > 1 else band, (0, top // factor))
    if reduced.size == size:
        return reduced
    # What is averaged at the right and at the lower edge may be less than a pixel.
    return reduced.resize(size, _BICUBIC, (0, 0, width / factor, height / factor))


def _converted(band: Image.Image, mode: str) -> Image.Image:
    if band.mode.startswith("I"):
        return band.point(lambda value: value / 256).convert(mode)
    return band if band.mode == mode else band.convert(mode)


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture in a size, without what its file said of it."""
    made = image.resize(size, _BICUBIC) if image.size != size else image.copy()
    made.info = {}
    return made


def _in_srgb(pixels: Image.Image, profile: bytes | None) -> Image.Image:
    """A picture in the colours that everybody takes for meant (ICC.1, IEC 61966-2-1)."""
    shown = "RGBA" if pixels.mode == "RGBA" else "RGB"
    if profile is not None:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(source):
                made = ImageCms.profileToProfile(pixels, source, _SRGB, outputMode=shown)
                pixels = pixels if made is None else made
        except (ImageCms.PyCMSError, OSError):
            pass  # it is broken, or of other pixels than these: they are shown as if without
    pixels.info = {}
    return pixels if pixels.mode in ("L", shown) else pixels.convert(shown)


def _opaque(pixels: Image.Image) -> Image.Image:
    """A picture without the transparency that it may have and does not use."""
    if pixels.mode == "RGBA" and pixels.getchannel("A").getextrema() == (255, 255):
        return pixels.convert("RGB")
    return pixels


def _upright(pixels: Image.Image, turn: Any) -> Image.Image:
    how = _TURNS.get(turn) if isinstance(turn, int) else None
    return pixels if how is None else pixels.transpose(how)


def _on_white(pixels: Image.Image) -> Image.Image:
    if pixels.mode != "RGBA":
        return pixels
    ground = Image.new("RGB", pixels.size, _WHITE)
    ground.paste(pixels, mask=pixels.getchannel("A"))
    return ground


def _file(pixels: Image.Image, type_: Type) -> bytes:
    out = io.BytesIO()
    # WebP and JPEG by quality; PNG has no such thing and does not heed it.
    pixels.save(out, _WRITTEN[type_], quality=_QUALITY)
    return out.getvalue()
