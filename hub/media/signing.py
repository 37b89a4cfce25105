"""Addresses that open a picture for a time, without a key: `…?exp=<seconds>&sig=<HMAC>`."""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from storage.backup import sync_directory

KEY = "media.key"
STEP_SECONDS = 3600
"""Addresses made in one such period are the same, so that a browser finds in its cache what it
has shown already. An address is good for one period at least, and for less than two."""


class Signer:
    """Signs with one secret.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def signed(self, path: str, variant: str, now: float) -> str:
        """A path with the query that opens it.

        Args:
            variant: which form of the picture it is for.
            now: seconds since 1970.
        """
        expires = (int(now) // STEP_SECONDS + 2) * STEP_SECONDS
        return f"{path}?exp={expires}&sig={self._signature(path, variant, expires)}"

    def opens(self, path: str, variant: str, expires: int, signature: str, now: float) -> bool:
        """Whether this signature opens this path now."""
        good = self._signature(path, variant, expires)
        return hmac.compare_digest(good.encode(), signature.encode()) and now < expires

    def _signature(self, path: str, variant: str, expires: int) -> str:
        # No part can hold a line end, so no two of them join to the same text.
        text = f"{path}\n{variant}\n{expires}"
        digest = hmac.digest(self._key, text.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def media_key(data_dir: Path) -> bytes:
    """The key of a data directory, made at the first start, for this user alone.

    Raises:
        OSError: it cannot be read or made.
        ValueError: the file holds something else.
    """
    file = data_dir / KEY
    try:
        text = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        text = secrets.token_hex(32)
        _write(file, text)
    if len(text) != 64:
        raise ValueError(f"{file} is no key of 64 hexadecimal digits; delete it to have one made")
    return bytes.fromhex(text)


def _write(file: Path, text: str) -> None:
    partial = file.with_suffix(".part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, f"{text}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    partial.replace(file)
    sync_directory(file.parent)
