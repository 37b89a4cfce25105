"""Pictures in JSON: whatever way base64 is written, the same bytes; everything else is refused."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.media import base64_text
from hub.media.base64_text import decode, split_data_url
from hub.media.pictures import MEDIA_BYTES
from hub.protocol.errors import InvalidParams, TooLarge


def decoded(text: str, begin: int = 0) -> bytes:
    pieces: list[bytes] = []
    decode(text, begin, pieces.append)
    return b"".join(pieces)


def broken(text: str, every: int, end: str) -> str:
    """Text with line ends."""
    return end.join(text[at : at + every] for at in range(0, len(text), every))


@given(
    data=st.binary(max_size=300),
    url_safe=st.booleans(),
    padded=st.booleans(),
    every=st.integers(1, 80),
    end=st.sampled_from(["", "\n", "\r\n", " "]),
    piece=st.integers(1, 40),
)
def test_every_way_to_write_it(
    data: bytes, url_safe: bool, padded: bool, every: int, end: str, piece: int
) -> None:
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode()
    text = broken(text if padded else text.rstrip("="), every, end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base64_text, "_PIECE", piece)
        assert decoded(text) == data


@given(text=st.text(max_size=60))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidParams):
        decoded(text)


@pytest.mark.parametrize("text", ["ä", "AAA*", "A", "AA=A", "====", "=AAA", "A\0AA"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(InvalidParams, match="base64"):
        decoded(text)


def test_more_than_5_mb_is_refused_and_no_more_is_decoded() -> None:
    pieces: list[bytes] = []
    assert len(decoded("A" * (MEDIA_BYTES // 3 * 4))) == MEDIA_BYTES // 3 * 3
    with pytest.raises(TooLarge):
        decode("A" * (MEDIA_BYTES // 3 * 4 + 8), 0, pieces.append)
    assert sum(map(len, pieces)) <= MEDIA_BYTES
    with pytest.raises(TooLarge):
        decode("A" + " " * MEDIA_BYTES * 2, 0, pieces.append)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("data:image/png;base64,", "image/png"),
        ("DATA:image/png;charset=utf-8;BASE64,", "image/png"),
        ("data:;base64,", None),
        ("", None),
    ],
)
def test_a_data_address_names_a_type(text: str, type_: str | None) -> None:
    found, begin = split_data_url(text + "AAAA")
    assert found == type_
    assert decoded(text + "AAAA", begin) == b"\0\0\0"


@pytest.mark.parametrize("text", ["data:image/png,AAAA", "data:AAAA", "data:" + "a" * 2000])
def test_a_data_address_without_base64_is_refused(text: str) -> None:
    with pytest.raises(InvalidParams, match="base64"):
        split_data_url(text)
