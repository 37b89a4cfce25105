"""Signed addresses: good for one path, one variant and a time."""

import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.media.signing import STEP_SECONDS, Signer, media_key

SIGNER = Signer(b"k" * 32)
PATH = "/api/media/1/content"


def parts(address: str) -> tuple[str, int, str]:
    """Path, expiry and signature."""
    split = urlsplit(address)
    query = parse_qs(split.query)
    return split.path, int(query["exp"][0]), query["sig"][0]


@given(now=st.floats(0, 4e9), later=st.floats(0, STEP_SECONDS * 3))
def test_an_address_is_good_for_one_to_two_hours(now: float, later: float) -> None:
    path, expires, signature = parts(SIGNER.signed(PATH, "content", now))
    opened = SIGNER.opens(path, "content", expires, signature, now + later)
    if later < STEP_SECONDS - 1:
        assert opened
    if later > STEP_SECONDS * 2:
        assert not opened


def test_addresses_of_one_hour_are_the_same() -> None:
    begin = 500_000 * STEP_SECONDS
    first = SIGNER.signed(PATH, "content", begin)
    assert SIGNER.signed(PATH, "content", begin + STEP_SECONDS - 1) == first
    assert SIGNER.signed(PATH, "content", begin + STEP_SECONDS) != first


@pytest.mark.parametrize(
    ("path", "variant", "more", "signature"),
    [
        ("/api/media/2/content", "content", 0, None),
        (PATH, "thumbnail", 0, None),
        (PATH, "content", 1, None),
        (PATH, "content", -1, None),
        (PATH, "content", 0, ""),
        (PATH, "content", 0, "A" * 43),
        (PATH, "content", 0, "ä" * 43),
        (PATH + "\ncontent", "", 0, None),
    ],
)
def test_it_opens_nothing_else(path: str, variant: str, more: int, signature: str | None) -> None:
    _, expires, good = parts(SIGNER.signed(PATH, "content", 1000))
    assert SIGNER.opens(PATH, "content", expires, good, 1000)
    signature = good if signature is None else signature
    assert not SIGNER.opens(path, variant, expires + more, signature, 1000)
    assert not Signer(b"j" * 32).opens(PATH, "content", expires, good, 1000)


def test_the_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    key = media_key(tmp_path)
    assert len(key) == 32
    assert media_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "media.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["media.key"]
    (tmp_path / "media.key").write_text("short")
    with pytest.raises(ValueError, match=r"media\.key is no key"):
        media_key(tmp_path)
