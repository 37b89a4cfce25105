"""Hostile and odd pictures with the answer that each must get.

`TAKEN` are pictures that somebody honest may send; `REFUSED` are no pictures, broken ones, or ones
made to break whoever decodes them.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

from .making import (
    LIMIT,
    MEGABYTE,
    animated,
    damaged,
    empty_png,
    endless_chunk,
    exif_loop,
    flat_png,
    full_size,
    full_webp,
    half,
    huge_exif,
    huge_profile,
    interlaced_png,
    jpeg,
    jpeg_of_size,
    large_progressive,
    many_chunks,
    many_scans,
    motion_photo,
    noise,
    oriented,
    padded,
    plain,
    png,
    profile_bomb,
    saved,
    scrambled_webp,
    segment,
    text_bomb,
    text_chunks,
    webp_canvas,
    with_segments,
)

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"


class Taken(NamedTuple):
    """A picture that is stored, and what the hub says of it."""

    name: str
    make: Callable[[], bytes]
    type: str
    size: tuple[int, int]


class Refused(NamedTuple):
    """A file that is not; `says` is in the refusal, and `slow` ones wait for a limit of time."""

    name: str
    make: Callable[[], bytes]
    says: str
    status: int = 422
    slow: bool = False


TAKEN = (
    Taken("a JPEG", jpeg, JPEG, (64, 48)),
    Taken("a progressive JPEG", lambda: jpeg(progressive=True), JPEG, (64, 48)),
    Taken("a grey JPEG", lambda: saved(plain("L"), "JPEG"), JPEG, (60, 40)),
    Taken("a CMYK JPEG", lambda: saved(plain("CMYK"), "JPEG"), JPEG, (60, 40)),
    Taken(
        "a JPEG of 36 megapixels",
        lambda: saved(plain("L", (6000, 6000)), "JPEG"),
        JPEG,
        (6000, 6000),
    ),
    Taken(
        "a progressive JPEG of 39 megapixels without subsampling",
        lambda: large_progressive("RGB"),
        JPEG,
        (6500, 6000),
    ),
    Taken("a photo of almost 5 MB", full_size, JPEG, (1950, 1900)),
    Taken("exactly 5 MB", lambda: padded(LIMIT), JPEG, (64, 48)),
    Taken("a JPEG on its side", lambda: jpeg(exif=oriented(6)), JPEG, (48, 64)),
    Taken("a JPEG upside down", lambda: jpeg(exif=oriented(3)), JPEG, (64, 48)),
    Taken(
        "a JPEG with an orientation that there is not",
        lambda: jpeg(exif=oriented(99)),
        JPEG,
        (64, 48),
    ),
    Taken("a JPEG with EXIF of 64 KB that means nothing", huge_exif, JPEG, (64, 48)),
    Taken("a JPEG whose EXIF goes round in circles", exif_loop, JPEG, (64, 48)),
    Taken("a JPEG with a profile of 2 MB", huge_profile, JPEG, (30, 20)),
    Taken(
        "a JPEG with a comment of script",
        lambda: with_segments(jpeg(), segment(0xFE, b"<script>alert(1)</script>")),
        JPEG,
        (64, 48),
    ),
    Taken(
        "a JPEG with HTML behind it",
        lambda: jpeg() + b"<html><script>alert(1)</script>",
        JPEG,
        (64, 48),
    ),
    Taken(
        "a JPEG with a ZIP behind it", lambda: jpeg() + b"PK\x03\x04" + b"\0" * 500, JPEG, (64, 48)
    ),
    Taken("a JPEG with a film behind it", motion_photo, JPEG, (64, 48)),
    Taken(
        "a JPEG of two pictures",
        lambda: saved(noise(64, 48), "MPO", save_all=True, append_images=[noise(8, 6)]),
        JPEG,
        (64, 48),
    ),
    Taken("a JPEG of one pixel", lambda: saved(plain(size=(1, 1)), "JPEG"), JPEG, (1, 1)),
    Taken(
        "a JPEG of 20,000 by 1", lambda: saved(plain(size=(20_000, 1)), "JPEG"), JPEG, (20_000, 1)
    ),
    # Its data ends early, but with an end mark: every decoder makes the rest grey.
    Taken(
        "a JPEG that says 6,000 by 6,000 and has less",
        lambda: jpeg_of_size(6000, 6000),
        JPEG,
        (6000, 6000),
    ),
    Taken("a PNG", lambda: saved(plain(), "PNG"), PNG, (60, 40)),
    Taken("a PNG of one pixel, interlaced", interlaced_png, PNG, (1, 1)),
    Taken("a PNG with a palette", lambda: saved(noise(60, 40).quantize(16), "PNG"), PNG, (60, 40)),
    Taken(
        "a PNG with a transparent palette",
        lambda: saved(plain("P"), "PNG", transparency=b"\0\x80\xff"),
        PNG,
        (60, 40),
    ),
    Taken("a black and white PNG", lambda: saved(plain("1"), "PNG"), PNG, (60, 40)),
    Taken("a grey PNG of 16 bits", lambda: saved(plain("I;16"), "PNG"), PNG, (60, 40)),
    Taken("a PNG of 16 bits a colour", lambda: flat_png(60, 40, 16, 6), PNG, (60, 40)),
    Taken(
        "a PNG of 16 bits a colour and 39 megapixels",
        lambda: flat_png(6500, 6000, 16, 6),
        PNG,
        (6500, 6000),
    ),
    Taken("a PNG of 36 megapixels", lambda: flat_png(6000, 6000), PNG, (6000, 6000)),
    Taken("a PNG with much text", text_chunks, PNG, (60, 40)),
    Taken("a PNG of a hundred thousand chunks", many_chunks, PNG, (1, 1)),
    Taken("a PNG on its side", lambda: saved(plain(), "PNG", exif=oriented(8)), PNG, (40, 60)),
    Taken(
        "a PNG with a program behind it",
        lambda: saved(plain(), "PNG") + b"#!/bin/sh\nrm -rf /",
        PNG,
        (60, 40),
    ),
    Taken("a lossy WebP", lambda: saved(plain(), "WEBP"), WEBP, (60, 40)),
    Taken("a lossless WebP", lambda: saved(noise(60, 40), "WEBP", lossless=True), WEBP, (60, 40)),
    Taken(
        "a transparent WebP",
        lambda: saved(plain("RGBA", color=(1, 2, 3, 4)), "WEBP"),
        WEBP,
        (60, 40),
    ),
    Taken("a WebP on its side", lambda: saved(plain(), "WEBP", exif=oriented(6)), WEBP, (40, 60)),
    Taken("a lossless WebP of 15 megapixels and almost 5 MB", full_webp, WEBP, (4000, 3750)),
    Taken(
        "a WebP of 15 megapixels",
        lambda: saved(plain(size=(4000, 3750)), "WEBP", quality=1, method=0),
        WEBP,
        (4000, 3750),
    ),
)

REFUSED = (
    Refused("nothing", lambda: b"", "empty"),
    Refused("one byte", lambda: b"\xff", "JPEG, PNG and WebP"),
    Refused("noise", lambda: random.Random(9).randbytes(5000), "JPEG, PNG and WebP"),
    Refused("text", lambda: b"hello" * 100, "JPEG, PNG and WebP"),
    Refused("a GIF", lambda: saved(plain("P"), "GIF"), "a GIF"),
    Refused("a BMP", lambda: saved(plain(), "BMP"), "a BMP"),
    Refused("a TIFF", lambda: saved(plain(), "TIFF"), "a TIFF"),
    Refused("an icon", lambda: saved(plain(size=(16, 16)), "ICO"), "an icon"),
    Refused("an AVIF", lambda: b"\0\0\0\x20ftypavif" + b"\0" * 100, "an AVIF"),
    Refused("a HEIC", lambda: b"\0\0\0\x20ftypheic" + b"\0" * 100, "a HEIC"),
    Refused(
        "an SVG with a script",
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        "an SVG",
    ),
    Refused(
        "XML with entities",
        lambda: b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><svg/>",
        "XML",
    ),
    Refused("a page with a picture in it", lambda: b"<html><img src='" + jpeg(), "HTML"),
    Refused("a PDF", lambda: b"%PDF-1.7" + b"\0" * 100, "a PDF"),
    Refused(
        "PostScript",
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "JPEG, PNG and WebP",
    ),
    Refused("a program", lambda: b"\x7fELF" + b"\0" * 100, "a program"),
    Refused("a picture behind a byte", lambda: b"\0" + jpeg(), "JPEG, PNG and WebP"),
    Refused("the mark of a JPEG alone", lambda: b"\xff\xd8\xff\xe0", "damaged"),
    Refused("the mark of a PNG alone", lambda: b"\x89PNG\r\n\x1a\n", "damaged"),
    Refused("the mark of a WebP alone", lambda: b"RIFF\x04\0\0\0WEBP", ""),
    Refused("half a JPEG", lambda: half(jpeg()), "not whole"),
    Refused("a JPEG without its last third", lambda: full_size()[:3_000_000], "not whole"),
    Refused("a JPEG without a picture", lambda: jpeg()[:2] + b"\xff\xd9", "damaged"),
    Refused("half a PNG", lambda: half(saved(noise(60, 40), "PNG")), "not whole"),
    Refused("a PNG without its end", lambda: saved(plain(), "PNG")[:-12], "not whole"),
    Refused("a PNG with a wrong checksum", lambda: damaged(saved(noise(60, 40), "PNG")), "damaged"),
    Refused("a PNG with too few rows", lambda: png(60, 40, b"\0" * 500), "damaged"),
    Refused("a PNG without data", empty_png, "damaged"),
    Refused("a PNG whose chunk is 2 GB long", endless_chunk, "damaged"),
    Refused(
        "a PNG with a colour type that there is not",
        lambda: png(9, 9, b"\0" * 90, color=5),
        "damaged",
    ),
    Refused("a PNG of no width", lambda: png(0, 9, b""), "damaged"),
    Refused("half a WebP", lambda: half(saved(noise(60, 40), "WEBP")), "not whole"),
    Refused("a lossless WebP of noise behind its head", scrambled_webp, "damaged"),
    Refused("a PNG of 41 megapixels", lambda: flat_png(6400, 6420), "40 megapixels"),
    Refused("a PNG of 88 megapixels", lambda: flat_png(9400, 9400), "40 megapixels"),
    Refused(
        "a PNG of two thousand million pixels", lambda: png(46_000, 46_000, b""), "40 megapixels"
    ),
    Refused("a PNG of the largest size", lambda: png(2**31 - 1, 2**31 - 1, b""), "40 megapixels"),
    Refused("a PNG of 40 million by 1", lambda: png(40_000_000, 1, b"\0"), "a side"),
    Refused(
        "a JPEG that says 65,500 by 65,500", lambda: jpeg_of_size(65_500, 65_500), "40 megapixels"
    ),
    Refused("a JPEG of no height", lambda: jpeg_of_size(64, 0), ""),
    Refused("a JPEG of tens of thousands of scans", many_scans, "too long", slow=True),
    Refused(
        "a CMYK JPEG of 39 megapixels that takes too much memory",
        lambda: large_progressive("CMYK"),
        "memory",
    ),
    Refused("a WebP of 16,383 by 16,383", lambda: webp_canvas(16_383, 16_383), "15 megapixels"),
    Refused("a WebP of the largest canvas", lambda: webp_canvas(2**24, 2**24), "15 megapixels"),
    Refused(
        "a WebP of 16 megapixels",
        lambda: saved(plain(size=(4100, 4000)), "WEBP", quality=1, method=0),
        "15 megapixels",
    ),
    Refused("a WebP that is all canvas", lambda: webp_canvas(100, 100), "damaged"),
    Refused("an animated WebP", lambda: animated("WEBP"), "animated"),
    Refused("an animated WebP that hides it", lambda: webp_canvas(100, 100, 0b10), "animated"),
    Refused("an animated PNG", lambda: animated("PNG"), "animated"),
    Refused("a text chunk of 64 MB", text_bomb, "damaged"),
    Refused("a profile of 64 MB", profile_bomb, "damaged"),
    Refused("5 MB and a byte", lambda: padded(LIMIT + 1), "5 MB", 413),
    Refused("6 MB", lambda: padded(6 * MEGABYTE), "", 413),
)
