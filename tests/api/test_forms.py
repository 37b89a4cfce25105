"""Forms in whatever pieces they come, and names of files as clients write them."""

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.forms import Form, file_name_of
from hub.protocol.errors import BadFrame, InvalidParams
from tests.api.pictures import END, part

TYPE = 'multipart/form-data; boundary="edge"'


def taken_apart(body: bytes, cuts: list[int]) -> tuple[bytes, dict[str, str], Form]:
    """Content, fields, and the form, fed in pieces that end at these places."""
    content = bytearray()
    form = Form(TYPE, content.extend)
    places = [0, *sorted({cut % (len(body) + 1) for cut in cuts}), len(body)]
    for begin, end in pairwise(places):
        if begin < end:
            form.feed(bytearray(body[begin:end]))
    return bytes(content), form.end(), form


@given(
    content=st.binary(max_size=200)
    | st.sampled_from([b"\r\n--edge", b"--edge--\r", b"\r\n\r\n--"]),
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
    first=st.booleans(),
)
def test_a_form_is_the_same_in_whatever_pieces(
    content: bytes, cuts: list[int], first: bool
) -> None:
    if b"\r\n--edge" in b"\r\n" + content:
        content = content.replace(b"edge", b"edgy")
    file = part("file", content, file="Grüße.png", kind="image/png")
    field = part("merchant_id", b"m1")
    body = (file + field if first else field + file) + END
    found, fields, form = taken_apart(body, cuts)
    assert found == content
    assert fields == {"merchant_id": "m1"}
    assert (form.file_name, form.file_type) == ("Grüße.png", "image/png")


@given(st.binary(max_size=400), st.lists(st.integers(0, 10_000), max_size=3))
def test_anything_is_read_or_refused(body: bytes, cuts: list[int]) -> None:
    for whole in (body, b"--edge\r\n" + body, b"--edge\r\n" + body + b"\r\n" + END):
        with contextlib.suppress(BadFrame, InvalidParams):
            taken_apart(whole, cuts)


@pytest.mark.parametrize(
    ("plain", "disposition", "name"),
    [
        (None, None, None),
        ("a%20b.png", None, "a b.png"),
        ("Gr%C3%BC%C3%9Fe.png", 'attachment; filename="other.png"', "Grüße.png"),
        ("%FF.png", None, "\ufffd.png"),
        (None, 'attachment; filename="a b.png"', "a b.png"),
        (None, "inline; filename=a.png", "a.png"),
        (None, "attachment; filename*=UTF-8''Gr%C3%BC%C3%9Fe.png", "Grüße.png"),
        (None, "attachment; filename*=nothing''a", "a"),
        (None, "attachment", None),
        (None, "", None),
    ],
)
def test_names_of_files(plain: str | None, disposition: str | None, name: str | None) -> None:
    assert file_name_of(plain, disposition) == name


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=80))
def test_any_header_field_is_read(value: str) -> None:
    for disposition in (value, f"attachment; {value}", f"attachment; filename*={value}"):
        found = file_name_of(None, disposition)
        assert found is None or isinstance(found, str)
