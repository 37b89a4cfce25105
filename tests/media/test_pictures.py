"""Names and declared types of uploads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.media.pictures import NAME_CHARS, check_declared, file_name
from hub.protocol.errors import InvalidParams


@pytest.mark.parametrize(
    ("given_", "name"),
    [
        ("photo.jpg", "photo.jpg"),
        ("C:\\fakepath\\photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("a\r\nSet-Cookie: x.jpg", "aSet-Cookie: x.jpg"),
        ("a\0b.jpg", "ab.jpg"),
        ("gpj.\u202eevil.exe", "gpj.evil.exe"),
        ("Grüße 🌷.png", "Grüße 🌷.png"),
        ("", "picture.png"),
        (None, "picture.png"),
        ("...", "picture.png"),
        ("a" * 300 + ".jpeg", "a" * 250 + ".jpeg"),
        ("a" * 300, "a" * 255),
    ],
)
def test_a_name_is_the_last_part_of_a_path_on_one_line(given_: str | None, name: str) -> None:
    assert file_name(given_, "image/png") == name


@given(st.text(max_size=600))
def test_every_name_can_be_stored_and_sent(given_: str) -> None:
    name = file_name(given_, "image/jpeg")
    assert 1 <= len(name) <= NAME_CHARS
    assert name.isprintable() or all(not sign.isspace() or sign != "\n" for sign in name)
    assert not set(name) & set("/\\\r\n\0")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("image/jpeg", "image/jpeg"),
        ("image/jpg", "image/jpeg"),
        ("IMAGE/PNG; charset=binary", "image/png"),
        ("image/x-png", "image/png"),
        ("image/heic", "image/heic"),
        ("application/octet-stream", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_declared(declared: str | None, said: str | None) -> None:
    assert check_declared(declared) == said


@pytest.mark.parametrize("declared", ["text/html", "application/pdf", "video/mp4", "jpeg", "*/*"])
def test_what_is_declared_as_no_picture_is_refused(declared: str) -> None:
    with pytest.raises(InvalidParams, match="is no picture"):
        check_declared(declared)
