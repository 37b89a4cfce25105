"""Pictures made in code, by Pillow and by hand, as no camera makes them."""

import io
import random
import struct
import zlib
from typing import Any

from PIL import Image, PngImagePlugin

MEGABYTE = 1024 * 1024
LIMIT = 5 * MEGABYTE


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    """An image as a file."""
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def plain(mode: str = "RGB", size: tuple[int, int] = (60, 40), color: Any = None) -> Image.Image:
    return Image.new(mode, size, color if color is not None else 90)


def noise(width: int, height: int, mode: str = "RGB", seed: int = 1) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(
        mode, (width, height), random.Random(seed).randbytes(width * height * bands)
    )


# ── parts of files ───────────────────────────────────────────────────────────────────────────────


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    """One chunk of a PNG."""
    checksum = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(
    width: int,
    height: int,
    rows: bytes,
    *more: bytes,
    depth: int = 8,
    color: int = 2,
    interlace: int = 0,
) -> bytes:
    """A PNG by hand; `more` are chunks before its data."""
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    data = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + data + chunk(b"IEND", b"")


def flat_png(width: int, height: int, depth: int = 8, color: int = 2) -> bytes:
    """A PNG of one colour, as small as one can be made, without its pixels in memory."""
    bands = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    row = b"\0" * (1 + (width * bands * depth + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row * 64) for _ in range(height // 64))
    data += packer.compress(row * (height % 64)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def segment(marker: int, data: bytes) -> bytes:
    """One segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def with_segments(picture: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments behind its first marker."""
    return picture[:2] + b"".join(segments) + picture[2:]


def jpeg(**options: Any) -> bytes:
    return saved(noise(64, 48), "JPEG", **options)


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG whose head says another size than it has."""
    picture = bytearray(jpeg())
    at = picture.index(b"\xff\xc0") + 5
    picture[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(picture)


def webp_canvas(width: int, height: int, flags: int = 0) -> bytes:
    """A WebP that is all canvas."""
    extended = bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + extended + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body)) + body


def oriented(turn: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif


def damaged(picture: bytes, seed: int = 1) -> bytes:
    """A file with a hundred of its bytes behind the head changed."""
    changed, choose = bytearray(picture), random.Random(seed)
    for _ in range(100):
        at = choose.randrange(len(changed) // 3, len(changed))
        changed[at] ^= choose.randrange(1, 256)
    return bytes(changed)


def many_scans() -> bytes:
    """A progressive JPEG of 36 megapixels with tens of thousands of scans, each of a few bytes."""
    whole = saved(Image.new("L", (6000, 6000)), "JPEG", progressive=True, quality=1)
    scans, at = [], whole.index(b"\xff\xda")
    head = whole[:at]
    for piece in whole[at:-2].split(b"\xff\xda")[1:]:
        scans.append(b"\xff\xda" + piece)
    return head + b"".join(scans[:1]) + scans[-1] * ((4 * MEGABYTE) // len(scans[-1])) + b"\xff\xd9"


def animated(format_: str) -> bytes:
    frames = [noise(20, 20, seed=seed) for seed in range(3)]
    return saved(frames[0], format_, save_all=True, append_images=frames[1:], duration=50)


def interlaced_png() -> bytes:
    """Adam7, one pixel wide and high, so that six of the seven passes are empty."""
    return png(1, 1, b"\0\x10\x20\x30", interlace=1)


def text_bomb() -> bytes:
    """A compressed text chunk of 64 MB."""
    packed = zlib.compress(b"a" * (64 * MEGABYTE), 9)
    return png(1, 1, b"\0\1\2\3", chunk(b"zTXt", b"note\0\0" + packed))


def profile_bomb() -> bytes:
    """A compressed colour profile of 64 MB."""
    packed = zlib.compress(b"\0" * (64 * MEGABYTE), 9)
    return png(1, 1, b"\0\1\2\3", chunk(b"iCCP", b"profile\0\0" + packed))


def rows_bomb() -> bytes:
    """Image data that unfolds to 1 GB for a picture of one pixel."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(b"\0" * MEGABYTE) for _ in range(1024)) + packer.flush()
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def many_chunks() -> bytes:
    """A hundred thousand chunks of nothing."""
    return png(1, 1, b"\0\1\2\3", chunk(b"teST", b"") * 100_000)


def huge_profile() -> bytes:
    return saved(noise(30, 20), "JPEG", icc_profile=b"\0" * 2_000_000)


def huge_exif() -> bytes:
    return with_segments(jpeg(), segment(0xE1, b"Exif\0\0" + b"MM\0*" + b"\xff" * 65_000))


def exif_loop() -> bytes:
    """EXIF whose directory is its own successor."""
    directory = struct.pack(">H", 0) + struct.pack(">I", 8)
    return with_segments(jpeg(), segment(0xE1, b"Exif\0\0MM\0*" + struct.pack(">I", 8) + directory))


def text_chunks() -> bytes:
    info = PngImagePlugin.PngInfo()
    for number in range(500):
        info.add_text(f"key{number}", "words " * 200)
    return saved(plain(), "PNG", pnginfo=info)


def motion_photo() -> bytes:
    """A JPEG with a film behind it, as phones make them."""
    return jpeg() + b"\0\0\0\x18ftypmp42" + random.Random(5).randbytes(200_000)


def full_size(quality: int = 95) -> bytes:
    """A photo of just under 5 MB."""
    picture = saved(noise(1950, 1900), "JPEG", quality=quality)
    assert 4_000_000 < len(picture) <= LIMIT, len(picture)
    return picture


def full_webp() -> bytes:
    """A lossless WebP whose decoder needs all the memory that it may have."""
    width, height = 4000, 3750
    grey = Image.new("L", (width, height))
    few = bytes(value % 5 for value in range(256))
    green = random.Random(1).randbytes(width * height).translate(few)
    image = Image.merge("RGB", (grey, Image.frombytes("L", (width, height), green), grey))
    picture = saved(image, "WEBP", lossless=True, quality=0, method=0)
    assert 4_000_000 < len(picture) <= LIMIT, len(picture)
    return picture


def padded(size: int) -> bytes:
    """A good JPEG with so many bytes, its end filled up with zeros."""
    picture = jpeg()
    return picture + b"\0" * (size - len(picture))


def half(picture: bytes) -> bytes:
    return picture[: len(picture) // 2]


def empty_png() -> bytes:
    """A PNG without data."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IEND", b"")


def endless_chunk() -> bytes:
    """A PNG whose data says that it is 2 GB long."""
    return saved(plain(), "PNG")[:33] + struct.pack(">I", 0x7FFFFFFF) + b"IDAT"


def scrambled_webp() -> bytes:
    """A lossless WebP of noise behind its head."""
    picture = saved(noise(60, 40), "WEBP", lossless=True)
    return picture[:30] + random.Random(3).randbytes(len(picture) - 30)


def large_progressive(mode: str) -> bytes:
    """A progressive JPEG of 39 megapixels without subsampling."""
    options: dict[str, Any] = {"progressive": True, "subsampling": 0, "quality": 5}
    return saved(plain(mode, (6500, 6000)), "JPEG", **options)
