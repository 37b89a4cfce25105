"""The files of pictures and their rows, and the threads that touch a disk."""

import errno
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread

from hub.protocol.errors import Unavailable
from storage import media
from storage.blobs import Blob, Blobs, Incoming, Mark
from storage.database import Database, Transaction
from storage.errors import NotFound, StorageError
from storage.merchant_records import MediaFile
from storage.scope import HUB, Scope

from .variants import is_wanted

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger("jobs.pictures")

THREADS = 4
"""Files that are written, decoded or read at the same time. Each thread wants the interpreter,
which the database's thread then waits for."""
ORPHAN_SECONDS = 3600.0
"""A file that has had its name for so long and has no row yet gets none any more."""
ABANDONED_SECONDS = 24 * 3600.0
"""Who has not touched what it was writing for so long does not come again."""
_BATCH = 500
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class PictureStore:
    """The media folder as one hub or worker uses it.

    Args:
        root: the folder.
        holder: the id of this hub or worker.
    """

    def __init__(self, root: Path, holder: str, database: Database) -> None:
        self._blobs = Blobs(root, holder)
        self._database = database
        self._threads = CapacityLimiter(THREADS)

    async def prepare(self) -> None:
        """Make the folder, and finish what a crash has left.

        Raises:
            OSError: the folder cannot be used.
            StorageError: the database does not answer.
        """
        for mark in await to_thread.run_sync(self._blobs.prepare, limiter=self._threads):
            await self._tidy([mark])

    @property
    def root(self) -> Path:
        return self._blobs.root

    def begin(self) -> Incoming:
        """A file to write; its context removes it unless it was placed."""
        return self._blobs.begin()

    def file(self, blob: Blob) -> Path:
        return self._blobs.file(blob)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what touches the disk in a thread, at most four at a time.

        Raises:
            Unavailable: the disk is full, or fails.
        """

        def guarded() -> T:
            with disk_errors():
                return work(*args, **kwargs)

        return await to_thread.run_sync(guarded, limiter=self._threads)

    # ── files and their row ──────────────────────────────────────────────────────────────────

    async def place(self, incoming: Incoming, blob: Blob) -> Mark:
        """Give an upload its name, before its row is committed.

        Raises:
            Unavailable: the disk is full, or fails.
        """
        return await self.run(self._blobs.place, incoming, blob)

    async def put(self, files: Sequence[tuple[Blob, bytes]]) -> list[Mark]:
        """Store what was made of an upload, before its row says so.

        Raises:
            Unavailable: the disk is full, or fails.
        """
        return await self.run(self._put, files)

    def _put(self, files: Sequence[tuple[Blob, bytes]]) -> list[Mark]:
        marks = []
        for blob, content in files:
            with self._blobs.begin() as incoming:
                incoming.write(content)
                incoming.finish()
                marks.append(self._blobs.place(incoming, blob))
        return marks

    async def mark(self, blobs: Sequence[Blob]) -> list[Mark]:
        """Mark files of one picture, before its row is removed or names others.

        Raises:
            Unavailable: the disk is full, or fails.
        """
        return await self.run(lambda: [self._blobs.mark(blob) for blob in blobs])

    async def tidy(self, marks: Sequence[Mark]) -> None:
        """Keep marked files of one picture or remove them, as the database has its row.

        What cannot be done now is left to the next start: the marks stay.
        """
        try:
            await self._tidy(marks)
        except (Unavailable, StorageError) as error:
            log.warning("a file waits for the next start to be looked after", error=str(error))

    async def _tidy(self, marks: Sequence[Mark]) -> None:
        # Somebody may remove or upload the same picture meanwhile. Whoever has put a file back or
        # taken it away looks for its row again, so the last one to look leaves what is right.
        removed: set[Path] = set()
        while marks:
            row = await self._row(marks[0].blob)
            marks = await self.run(self._look_after, marks, row, removed)

    def _look_after(
        self, marks: Sequence[Mark], row: MediaFile | None, removed: set[Path]
    ) -> list[Mark]:
        """Keep or remove; the marks for which the row is to be looked at again."""
        left = []
        for mark in marks:
            if is_wanted(row, mark.blob.name):
                removed.discard(mark.path)
                if not self._blobs.settle(mark):
                    left.append(mark)
            elif mark.path in removed:
                self._blobs.forget(mark)
            else:
                self._blobs.remove(mark)
                removed.add(mark.path)
                left.append(mark)
        return left

    async def _row(self, blob: Blob) -> MediaFile | None:
        async def read(tx: Transaction) -> MediaFile | None:
            try:
                return await media.by_hash(tx, blob.hash)
            except NotFound:
                return None

        return await self._database.read(read, Scope(blob.merchant_id))

    # ── what nobody looks for any more ───────────────────────────────────────────────────────

    async def sweep(self) -> int:
        """Remove every file that has no row, and finish what hubs and workers have left that are
        gone; how many files there were.

        Raises:
            Unavailable: the disk fails.
            StorageError: the database does not answer.
        """
        now, removed = time.time(), 0
        for mark in await self.run(self._blobs.abandoned, now - ABANDONED_SECONDS):
            await self._tidy([mark])
        found = self._blobs.settled(now - ORPHAN_SECONDS)
        while batch := await self.run(lambda: list(itertools.islice(found, _BATCH))):
            for blob in await self._orphans(batch):
                await self._tidy(await self.mark([blob]))
                removed += 1
        return removed

    async def _orphans(self, blobs: Sequence[Blob]) -> list[Blob]:
        keys = sorted({(blob.merchant_id, blob.hash) for blob in blobs})
        rows = await self._database.read(lambda tx: media.by_hashes(tx, keys), HUB)
        return [b for b in blobs if not is_wanted(rows.get((b.merchant_id, b.hash)), b.name)]


@contextmanager
def disk_errors() -> Iterator[None]:
    """What the system says of a disk, as the hub says it.

    Raises:
        Unavailable: the disk is full, or fails.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        log.warning("the media folder failed", error=str(error))
        what = "the disk of the media folder is full" if full else "the media folder failed"
        raise Unavailable(
            f"{what}; nothing was stored, try again later", retry_after=30.0 if full else 5.0
        ) from None
