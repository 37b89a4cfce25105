"""The picture in a JSON body: base64 (RFC 4648), as browsers and bots write it."""

import binascii
import re
from collections.abc import Callable

from hub.protocol.errors import InvalidParams, invalid

from .pictures import MEDIA_BYTES, too_large

_PREFIX = re.compile(r"data:([^,;]{0,100})((?:;[^,;]{0,100}){0,4}),")
_PIECE = 64 * 1024
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n"
_TEXT_CHARS = MEDIA_BYTES * 2
"""Beyond it, a text is too large whatever its line ends."""


def split_data_url(text: str) -> tuple[str | None, int]:
    """The type that a `data:` address names (RFC 2397), and where its base64 begins.

    Raises:
        InvalidParams: it is such an address, but not in base64.
    """
    if text[:5].lower() != "data:":
        return None, 0
    match = _PREFIX.match("data:" + text[5:600])
    if match is None or ";base64" not in match[2].lower():
        raise invalid(InvalidParams, "/file_data", "a data: address is taken in base64 alone")
    return match[1] or None, match.end()


def decode(text: str, begin: int, write: Callable[[bytes], None]) -> None:
    """Decode piece by piece, so that the whole picture is never held beside its text.

    Spaces and line ends between are allowed, the alphabet for addresses too, and no padding.

    Args:
        begin: where the base64 begins.
        write: takes each piece.

    Raises:
        InvalidParams: it is not base64.
        TooLarge: it has more than 5 MB.
    """
    rest = b""
    size = 0
    if len(text) - begin > _TEXT_CHARS:
        raise too_large("/file_data")
    for at in range(begin, len(text), _PIECE):
        try:
            piece = text[at : at + _PIECE].encode("ascii")
        except UnicodeEncodeError as error:
            raise _wrong(at + error.start - begin) from None
        rest += piece.translate(_URL_SAFE, _SPACE)
        whole = len(rest) - len(rest) % 4
        if at + _PIECE < len(text):
            # The end of the text alone may have padding; it is kept until it is known.
            whole = max(0, whole - 4)
        elif whole < len(rest):
            rest += b"=" * (-len(rest) % 4)
            whole = len(rest)
        data, rest = _decoded(rest[:whole], at - begin), rest[whole:]
        size += len(data)
        if size > MEDIA_BYTES:
            raise too_large("/file_data")
        write(data)


def _decoded(piece: bytes, at: int) -> bytes:
    try:
        return binascii.a2b_base64(piece, strict_mode=True)
    except binascii.Error:
        raise _wrong(at) from None


def _wrong(at: int) -> Exception:
    return invalid(InvalidParams, "/file_data", f"this is not base64, near character {at}")
