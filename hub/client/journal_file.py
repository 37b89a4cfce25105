"""A bot's journal on disk: what it has sent, or was about to send, and the hub has not confirmed.

A line is one commit: JSON with the records of one write and a CRC-32 over them, appended and
fsynced before anything is done that it announces. A commit is one line, so that a crash can tear
none but the last one; a line that cannot be read with others behind it is damage, and is refused.

    {"merchant_id":"…","records":[{"key":"…","job":"…","attempt":1,"state":"sending",…}],"check":…}
"""

import os
import sys
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hub.client.errors import JournalDamaged, JournalError, JournalInUse
from hub.protocol.codec import DECODE_ERRORS

if sys.platform != "win32":
    import fcntl

COMPACT_BYTES = 256 * 1024
"""A journal is rewritten, without what is settled, once it has grown by so much."""

_BEGINNING = b'{"journal":1,'
_CHECK = b',"check":"'
_encode = msgspec.json.Encoder().encode


class Record(Struct, frozen=True, omit_defaults=True):
    """What a bot has written down about one message.

    Attributes:
        key: the message's stable id; the job's id for a task that is no message.
        job: the job that asked for it last.
        attempt: the attempt of that job.
        state: `sending` before the gateway's call, `sent` after it; `unsent` when it certainly was
            not sent and `settled` when the hub has recorded it, and it can be forgotten.
        at: when it was written, RFC 3339.
        result: of what was sent.
        note: what the bot wrote down for its own `resolve`.
    """

    key: str
    job: str
    attempt: int
    state: Literal["sending", "sent", "unsent", "settled"]
    at: str
    result: dict[str, Any] | None = None
    note: dict[str, Any] | None = None


class _Line(Struct):
    journal: Literal[1]
    merchant_id: str | None
    records: tuple[Record, ...]


_decode = msgspec.json.Decoder(_Line).decode


def apply(entries: dict[str, Record], records: Iterable[Record]) -> None:
    """Bring `entries`, by key, up to date: `sent` outlives a later `sending` until forgotten."""
    for record in records:
        known = entries.get(record.key)
        if record.state in ("unsent", "settled"):
            entries.pop(record.key, None)
        elif record.state == "sent" or known is None or known.state == "sending":
            entries[record.key] = record


def encode_line(merchant_id: str | None, records: Sequence[Record]) -> bytes:
    """One commit, its end of line included."""
    body = _encode(_Line(1, merchant_id, tuple(records)))
    return b'%b%b%08x"}\n' % (body[:-1], _CHECK, zlib.crc32(body))


def decode_line(line: bytes) -> tuple[str | None, tuple[Record, ...]] | None:
    """The merchant and the records of one line, given without its end; None for a damaged one."""
    head, mark, tail = line.rpartition(_CHECK)
    body = head + b"}"
    if not mark or tail != b'%08x"}' % zlib.crc32(body):
        return None
    try:
        decoded = _decode(body)
    except DECODE_ERRORS:
        return None
    return decoded.merchant_id, decoded.records


class JournalFile:
    """An open journal, locked against every other process. All of it blocks.

    Attributes:
        merchant_id: whose messages it is about; None until the first line.
        entries: by key, what was neither settled nor known to be unsent when it was opened.
    """

    def __init__(self, path: Path) -> None:
        """Open it, make it where there is none, and remove what a crash has torn.

        Raises:
            JournalInUse: another process has it, or another bot of this one.
            JournalDamaged: it is no journal, or cannot be read to its end.
            JournalError: the file cannot be opened, read or written.
        """
        self.merchant_id: str | None = None
        self.entries: dict[str, Record] = {}
        self._path = path
        self._broken = False
        try:
            self._descriptor = _open_locked(path)
        except OSError as error:
            raise JournalError(f"the journal {path} cannot be opened: {error.strerror}") from None
        try:
            self._size = self._grown_from = self._read()
        except OSError as error:
            os.close(self._descriptor)
            raise JournalError(f"the journal {path} cannot be read: {error.strerror}") from None
        except BaseException:
            os.close(self._descriptor)
            raise

    def write(self, merchant_id: str | None, records: Sequence[Record], live: list[Record]) -> None:
        """Write one commit; it is on disk when this returns.

        Args:
            merchant_id: whose they are.
            records: the new ones.
            live: what is left of all records with these; written instead where the file has to be
                rewritten: it has grown, or an earlier write has failed.

        Raises:
            JournalError: it may or may not be on disk.
        """
        try:
            if self._broken or self._size - self._grown_from > COMPACT_BYTES:
                self._rewrite(encode_line(merchant_id, live))
            else:
                # Whatever this leaves behind when it fails, a torn line or pages that the kernel
                # believes written, the next write puts a new file in its place.
                self._broken = True
                self._append(encode_line(merchant_id, records))
                self._broken = False
        except OSError as error:
            raise JournalError(
                f"the journal {self._path} cannot be written: {error.strerror}"
            ) from None

    def close(self) -> None:
        """Give it free for others."""
        os.close(self._descriptor)

    def _append(self, line: bytes) -> None:
        _write_all(self._descriptor, line)
        os.fsync(self._descriptor)
        self._size += len(line)

    def _rewrite(self, line: bytes) -> None:
        """Put a new file in the place of this one; at every moment one of them is whole there."""
        fresh = self._path.with_name(self._path.name + ".new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(fresh, flags, 0o600)
        try:
            # Locked before it has its name: nobody else can come between.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(descriptor, line)
            os.fsync(descriptor)
            os.replace(fresh, self._path)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._size = self._grown_from = len(line)
        self._broken = True
        _sync_directory(self._path)
        self._broken = False

    def _read(self) -> int:
        """Read all lines and cut off a torn end; the size in bytes that is left."""
        with open(self._descriptor, "rb", closefd=False) as file:
            content = file.read()
        good = 0
        for number, line in enumerate(content.splitlines(keepends=True), 1):
            decoded = decode_line(line[:-1]) if line.endswith(b"\n") else None
            if decoded is None:
                self._check_torn(content[good:], number)
                break
            self.merchant_id = decoded[0] or self.merchant_id
            apply(self.entries, decoded[1])
            good += len(line)
        if good < len(content):
            os.ftruncate(self._descriptor, good)
            os.fsync(self._descriptor)
        return good

    def _check_torn(self, rest: bytes, number: int) -> None:
        """That what cannot be read is the torn last line, and not damage or another kind of file.

        Raises:
            JournalDamaged: it is not.
        """
        if number == 1 and not _is_beginning(rest):
            raise JournalDamaged(
                f"{self._path} is not a bot's journal; name a file of its own, which need not exist"
            )
        if any(decode_line(line) for line in rest.split(b"\n")):
            raise JournalDamaged(
                f"the journal {self._path} is damaged in line {number}: messages that this line "
                "knew of might be sent twice. Look for them there and in the gateway, then move "
                "the file away"
            )


def _is_beginning(rest: bytes) -> bool:
    """Whether it may be the torn first line; a crash can also leave zeros."""
    start = rest[: len(_BEGINNING)].rstrip(b"\0")
    return _BEGINNING.startswith(start)


def _open_locked(path: Path) -> int:
    """A descriptor of the file that bears this name, locked.

    Raises:
        JournalInUse: somebody else has locked it.
        OSError: it cannot be opened.
    """
    if sys.platform == "win32":
        raise JournalError("a journal needs flock, which this system does not have")
    while True:
        made = not path.exists()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have put a new file in its place between the two calls.
            if _is_named(descriptor, path):
                # Who may write to whom is nobody else's business.
                os.fchmod(descriptor, 0o600)
                if made:
                    _sync_directory(path)
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise JournalInUse(
                f"the journal {path} is in use by another bot; each needs its own"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(path: Path) -> None:
    """Make a new name in its directory durable."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
