"""Media files on disk: whole or not there, named by their content, in a folder of each merchant.

    <media>/<merchant>/<two digits>/<SHA-256>.<ending>    a file, mode 0600, in folders of 0700
    <media>/<merchant>/<two digits>/<SHA-256>.<variant>.<ending>    what was made of it
    <media>/.incoming/<hub>/<id>.part                     what is being written
    <media>/.incoming/<hub>/<merchant>~<file>~<id>        a mark

A row of `media_files` and its file come and go together, though no transaction holds both. A mark
is a second name (a hard link) of a file whose row is being made or removed. It is set before the
commit and goes after it, so a crash leaves it behind, and who starts again asks the database for
its row and keeps or removes the file. Nobody waits for a lock: who removes a file looks for its row
once more afterwards and puts the file back where somebody has uploaded the same picture meanwhile,
and who uploads looks for the file after the commit. So hubs on one database may share a folder.

Everything here blocks, and is for a thread.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from msgspec import Struct

from .backup import sync_directory

_INCOMING = ".incoming"
_PART = ".part"
_MERCHANT = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_NAME = re.compile(r"[0-9a-f]{64}(?:\.[a-z]{3,10})?\.[a-z]{3,4}")


class Blob(Struct, frozen=True):
    """Which file: whose, and its name: the SHA-256 of an upload, what was made of it if it is not
    that itself, and an ending."""

    merchant_id: str
    name: str

    def __post_init__(self) -> None:
        if _MERCHANT.fullmatch(self.merchant_id) is None or _NAME.fullmatch(self.name) is None:
            raise ValueError(f"no file may have this name: {self.merchant_id!r}, {self.name!r}")

    @property
    def hash(self) -> str:
        """The SHA-256 of the upload that it is, or was made of."""
        return self.name.partition(".")[0]

    @property
    def path(self) -> str:
        """Where it lies below the merchant's folder."""
        return f"{self.name[:2]}/{self.name}"


class Mark(Struct, frozen=True):
    """The second name of a file whose row is being made or removed."""

    blob: Blob
    path: Path


class Incoming:
    """A file that is being written, under a name that nobody looks for.

    It is removed when its context ends, unless it was placed.

    Attributes:
        size: bytes so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()

    @property
    def hash(self) -> str:
        """The SHA-256 of what was written, hexadecimal."""
        return self._hash.hexdigest()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append.

        Raises:
            OSError: the disk is full, or fails.
        """
        if self._file is None:
            self._file = open(self.path, "xb", buffering=0, opener=_private)  # noqa: SIM115
        left = memoryview(data)
        self._hash.update(left)
        while left:
            left = left[self._file.write(left) :]
        self.size += len(data)

    def finish(self) -> None:
        """Make it durable, whole as it is.

        Raises:
            OSError: the disk is full, or fails.
        """
        if self._file is None:
            self.write(b"")
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Remove it; after it was placed, nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self.path.unlink(missing_ok=True)


class Blobs:
    """The media folder as one hub uses it.

    Args:
        root: the folder.
        hub: the id of this hub, whose leftovers it sweeps and nobody else's.
    """

    def __init__(self, root: Path, hub: str) -> None:
        self.root = root
        self._incoming = root / _INCOMING / hub

    def prepare(self) -> list[Mark]:
        """Make the folders and remove what a crash has left half written.

        Returns:
            The marks that it has left: each file is to be kept or removed, as its row is there.

        Raises:
            OSError: the folder cannot be made or written, or knows no hard links.
        """
        self.root.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.root, self._incoming.parent, self._incoming):
            folder.mkdir(mode=0o700, exist_ok=True)
        left = []
        for path in sorted(self._incoming.iterdir()):
            blob = None if path.suffix == _PART else _marked(path.name)
            if blob is None:
                path.unlink()
            else:
                left.append(Mark(blob, path))
        with self.begin() as trial:
            trial.write(b"")
            other = self._incoming / f"{secrets.token_hex(8)}{_PART}"
            os.link(trial.path, other)
            other.unlink()
        return left

    @property
    def is_known(self) -> bool:
        """Whether this hub has prepared this folder."""
        return self._incoming.is_dir()

    def begin(self) -> Incoming:
        """A file to write."""
        return Incoming(self._incoming / f"{secrets.token_hex(16)}{_PART}")

    def file(self, blob: Blob) -> Path:
        return self.root / blob.merchant_id / blob.path

    def place(self, incoming: Incoming, blob: Blob) -> Mark:
        """Give a finished file its name; it takes the place of one that is there, whose content is
        the same unless the disk has forgotten it.

        Raises:
            OSError: the disk is full, or fails.
        """
        mark = Mark(blob, self._mark_of(blob))
        incoming.path.rename(mark.path)
        self._link(mark, replacing=True)
        return mark

    def mark(self, blob: Blob) -> Mark:
        """Mark a file before its row is removed; one that is gone has a mark without a file.

        Raises:
            OSError: the disk is full, or fails.
        """
        mark = Mark(blob, self._mark_of(blob))
        with suppress(FileNotFoundError):
            os.link(self.file(blob), mark.path)
        return mark

    def remove(self, mark: Mark) -> None:
        """Take a file away that has no row; the mark keeps its content.

        Raises:
            OSError: the disk fails.
        """
        self.file(mark.blob).unlink(missing_ok=True)

    def settle(self, mark: Mark) -> bool:
        """Take the mark of a file away that has a row.

        Returns:
            False where somebody had taken the file away: it is back, its mark is still there, and
            its row has to be looked for again.

        Raises:
            OSError: the disk is full, or fails.
        """
        if not self.file(mark.blob).exists():
            with suppress(FileNotFoundError):  # it was gone before it was marked
                self._link(mark)
                return False
        self.forget(mark)
        return True

    def forget(self, mark: Mark) -> None:
        """Take a mark away.

        Raises:
            OSError: the disk fails.
        """
        mark.path.unlink(missing_ok=True)

    # ── what nobody looks for any more ───────────────────────────────────────────────────────

    def settled(self, before: float) -> Iterator[Blob]:
        """Every file that has had its name since before a moment.

        Args:
            before: seconds since 1970.

        Raises:
            OSError: the disk fails.
        """
        for merchant in _folders(self.root):
            for part in _folders(merchant):
                with suppress(FileNotFoundError):
                    for entry in os.scandir(part):
                        blob = _blob(merchant.name, entry.name)
                        if blob is not None and _since(entry) < before:
                            yield blob

    def abandoned(self, before: float) -> list[Mark]:
        """The marks that a hub or worker has left that does not come again; what it has left half
        written is removed.

        Args:
            before: when it has touched them last, seconds since 1970.

        Raises:
            OSError: the disk fails.
        """
        left = []
        for folder in _folders(self._incoming.parent):
            if folder == self._incoming:
                continue
            for entry in os.scandir(folder):
                with suppress(FileNotFoundError):
                    if _since(entry) >= before:
                        continue
                    blob = None if entry.name.endswith(_PART) else _marked(entry.name)
                    if blob is None:
                        os.unlink(entry)
                    else:
                        left.append(Mark(blob, Path(entry)))
        return left

    def _mark_of(self, blob: Blob) -> Path:
        return self._incoming / f"{blob.merchant_id}~{blob.name}~{secrets.token_hex(8)}"

    def _link(self, mark: Mark, *, replacing: bool = False) -> None:
        file = self.file(mark.blob)
        made = not file.parent.exists()
        file.parent.parent.mkdir(mode=0o700, exist_ok=True)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            os.link(mark.path, file)
        except FileExistsError:
            if replacing:
                second = self._incoming / f"{secrets.token_hex(16)}{_PART}"
                os.link(mark.path, second)
                second.replace(file)
                second.unlink(missing_ok=True)  # both were one file, and still are
        sync_directory(file.parent)
        if made:
            sync_directory(file.parent.parent)
            sync_directory(self.root)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _marked(name: str) -> Blob | None:
    """The file that a mark is of; None for what is no mark."""
    merchant_id, _, rest = name.partition("~")
    return _blob(merchant_id, rest.partition("~")[0])


def _blob(merchant_id: str, name: str) -> Blob | None:
    try:
        return Blob(merchant_id, name)
    except ValueError:
        return None


def _folders(parent: Path) -> list[Path]:
    """The folders of a folder but the hidden ones, by name."""
    found = [Path(entry) for entry in os.scandir(parent) if entry.is_dir(follow_symlinks=False)]
    return sorted(path for path in found if not path.name.startswith("."))


def _since(entry: os.DirEntry[str]) -> float:
    """Since when a file has had its names, seconds since 1970: each link is a change of it."""
    return entry.stat(follow_symlinks=False).st_ctime
