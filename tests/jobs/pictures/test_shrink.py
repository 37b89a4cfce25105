"""The sizes of a picture: how large, which way up, in which colours, and nothing else in them."""

import base64
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image, ImageCms

from jobs.pictures.program.check import Refused
from jobs.pictures.program.shrink import LARGEST, fitted, shrink
from tests.media.making import animated, jpeg, noise, oriented, plain, saved
from tests.media.specimens import REFUSED, TAKEN, Taken

RED, BLUE = (250, 10, 10), (10, 10, 250)


class Made(NamedTuple):
    files: dict[str, bytes]
    said: dict[str, dict[str, Any]]
    placeholder: str

    def image(self, variant: str) -> Image.Image:
        return Image.open(io.BytesIO(self.files[variant]))


def made(tmp_path: Path, content: bytes) -> Made:
    path = tmp_path / "upload"
    path.write_bytes(content)
    answer, files = shrink(str(path))
    said = {each["variant"]: each for each in answer["made"]}
    by_name = dict(zip(said, files, strict=True))
    for variant, each in said.items():
        image = Image.open(io.BytesIO(by_name[variant]))
        assert (each["width"], each["height"]) == image.size
        assert each["type"] == Image.MIME[image.format or ""]
        assert each["size"] == len(by_name[variant])
    return Made(by_name, said, answer["placeholder"])


def halves(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """A picture that is red on the left and blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image.convert(mode)


def near(pixel: Any, color: tuple[int, ...], tolerance: int = 30) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, color, strict=True))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("taken", TAKEN, ids=lambda taken: taken.name)
def test_every_picture_that_is_taken_has_its_sizes(tmp_path: Path, taken: Taken) -> None:
    found = made(tmp_path, taken.make())
    of_webp = {"jpeg"} if taken.type == "image/webp" else set()
    assert set(found.files) == {"original", "medium", "thumbnail"} | of_webp
    assert found.said["original"]["type"] == taken.type
    for variant, side in (("original", 1200), ("medium", 600), ("thumbnail", 200)):
        assert found.image(variant).size == fitted(taken.size, side)
    assert len(found.placeholder) < 500


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("refused", [r for r in REFUSED if not r.slow], ids=lambda r: r.name)
def test_what_is_refused_at_the_door_is_refused_here(tmp_path: Path, refused: Any) -> None:
    path = tmp_path / "upload"
    path.write_bytes(refused.make())
    # What only a checksum tells, or the memory of the program, is a picture to this function.
    with suppress(Refused):
        _, files = shrink(str(path))
        assert all(len(file) <= LARGEST for file in files)


@pytest.mark.parametrize(
    ("size", "side", "is_"),
    [
        ((4000, 3000), 1200, (1200, 900)),
        ((3000, 4000), 600, (450, 600)),
        ((100, 50), 200, (100, 50)),
        ((20_000, 1), 200, (200, 1)),
        ((1, 1), 16, (1, 1)),
        ((201, 200), 200, (200, 199)),
    ],
)
def test_sizes_are_in_proportion_and_never_larger(
    size: tuple[int, int], side: int, is_: tuple[int, int]
) -> None:
    assert fitted(size, side) == is_


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_it_is_upright(tmp_path: Path, format_: str, turn: int) -> None:
    """The eight orientations of Exif: where the red half, left in the file, is to be shown."""
    red_at = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom"}
    found = made(tmp_path, saved(halves((300, 100)), format_, exif=oriented(turn)))
    image = found.image("original").convert("RGB")
    assert image.size == ((100, 300) if turn > 4 else (300, 100))
    middle = (image.width // 2, image.height // 2)
    places = {
        "left": (5, middle[1]), "right": (image.width - 5, middle[1]),
        "top": (middle[0], 5), "bottom": (middle[0], image.height - 5),
    }  # fmt: skip
    at = places[red_at.get(turn, "bottom")]
    assert near(image.getpixel(at), RED)
    assert image.getexif().get(0x0112) is None


def test_of_what_the_file_said_nothing_is_left(tmp_path: Path) -> None:
    exif = oriented(1)
    exif[0x010F] = "A camera"
    exif.get_ifd(0x8825)[2] = (17.0, 49.0, 30.0)  # where it was taken
    secret = b"taken at home"
    for content in (
        saved(noise(300, 200), "JPEG", exif=exif, comment=secret, xmp=secret),
        saved(noise(300, 200), "WEBP", exif=exif, xmp=secret),
        saved(noise(300, 200), "PNG", exif=exif),
    ):
        assert b"A camera" in content
        found = made(tmp_path, content)
        placeholder = base64.b64decode(found.placeholder.partition(",")[2])
        for file in (*found.files.values(), placeholder):
            assert b"A camera" not in file
            assert secret not in file
            image = Image.open(io.BytesIO(file))
            image.load()
            assert not image.getexif()
            assert not {"exif", "xmp", "comment", "icc_profile", "dpi"} & image.info.keys()


def test_colours_are_those_of_srgb(tmp_path: Path) -> None:
    """A profile whose red is called by the number of blue: what it means is shown."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    # Without a profile, and with one that says the same, the numbers stay.
    for options in ({}, {"icc_profile": srgb.tobytes()}):
        found = made(tmp_path, saved(plain(color=(200, 100, 50)), "PNG", **options))
        assert near(found.image("original").getpixel((5, 5)), (200, 100, 50), 1)
    # One of another kind of pixels, and one that is none, are as none.
    for profile in (lab.tobytes(), b"no profile" * 20):
        found = made(tmp_path, saved(plain(color=(200, 100, 50)), "PNG", icc_profile=profile))
        assert near(found.image("original").getpixel((5, 5)), (200, 100, 50), 1)


def test_a_wide_gamut_is_brought_into_srgb(tmp_path: Path) -> None:
    wide = swapped_profile()
    found = made(tmp_path, saved(plain(color=(200, 100, 50)), "JPEG", icc_profile=wide, quality=95))
    assert near(found.image("original").getpixel((5, 5)), (50, 100, 200), 12)


def swapped_profile() -> bytes:
    """A profile of sRGB whose colorants for red and blue are exchanged."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = {}
    for number in range(int.from_bytes(content[128:132], "big")):
        place = 132 + 12 * number
        at[bytes(content[place : place + 4])] = place
    red, blue = at[b"rXYZ"], at[b"bXYZ"]
    content[red : red + 4], content[blue : blue + 4] = b"bXYZ", b"rXYZ"
    # Its description says that it is sRGB, which is taken at its word.
    return bytes(content).replace("sRGB".encode("utf-16-be"), "Xrgb".encode("utf-16-be"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
@pytest.mark.parametrize("side", [100, 3000])
def test_transparency_is_kept_where_it_is_used(tmp_path: Path, mode: str, side: int) -> None:
    image = Image.new("RGBA", (side, side), (*RED, 255))
    image.paste((0, 0, 0, 0), (0, 0, side // 2, side))
    content = saved(image.convert("LA" if mode == "LA" else "RGBA"), "PNG")
    if mode.startswith("P"):
        content = saved(image.quantize(8), "PNG")
    found = made(tmp_path, content)
    for variant in ("original", "medium", "thumbnail"):
        small = found.image(variant).convert("RGBA")
        assert found.said[variant]["type"] == "image/png"
        assert small.getpixel((2, 2))[3] == 0  # type: ignore[index]
        assert small.getpixel((small.width - 2, 2))[3] == 255  # type: ignore[index]


def test_transparency_that_is_not_used_is_none(tmp_path: Path) -> None:
    found = made(tmp_path, saved(halves((300, 300), "RGBA"), "PNG"))
    assert found.said["original"]["type"] == "image/png"
    assert found.image("original").mode == "RGB"
    assert found.said["thumbnail"]["type"] == "image/jpeg"


def test_a_webp_has_a_jpeg_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (100, 60), (*RED, 255))
    image.paste((0, 0, 0, 0), (0, 0, 50, 60))
    found = made(tmp_path, saved(image, "WEBP", lossless=True))
    shown = found.image("jpeg")
    assert (shown.format, shown.mode) == ("JPEG", "RGB")
    assert near(shown.getpixel((10, 30)), (255, 255, 255), 8)
    assert near(shown.getpixel((90, 30)), RED)


def test_sixteen_bits_of_grey_keep_their_brightness(tmp_path: Path) -> None:
    found = made(tmp_path, saved(Image.new("I;16", (100, 60), 40_000), "PNG"))
    assert found.image("original").getpixel((5, 5)) == 40_000 // 256


def test_no_size_is_larger_than_an_upload_may_be(tmp_path: Path) -> None:
    # A palette of 256 colours, each with its transparency, in noise: one byte a pixel comes in,
    # four would go out.
    image = noise(2200, 2200, "L").convert("P")
    content = saved(image, "PNG", transparency=bytes(range(256)))
    assert len(content) < LARGEST
    found = made(tmp_path, content)
    assert found.said["original"]["size"] <= LARGEST


@pytest.mark.parametrize("make", [lambda: animated("WEBP"), lambda: b"", lambda: jpeg()[:400]])
def test_what_is_none_is_refused(tmp_path: Path, make: Callable[[], bytes]) -> None:
    path = tmp_path / "upload"
    path.write_bytes(make())
    with pytest.raises(Refused):
        shrink(str(path))
