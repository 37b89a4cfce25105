"""The media folder of one hub: files and their rows, and the threads that touch a disk."""

import errno
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread

from hub.protocol.errors import RateLimited, Unavailable
from storage import media
from storage.blobs import Blob, Blobs, Incoming, Mark
from storage.database import Database, Transaction
from storage.errors import NotFound, StorageError
from storage.scope import Scope

from .checker import Checker
from .signing import Signer, media_key

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger("hub.media")

THREADS = 4
"""Files that are written, decoded or read at the same time. Each thread wants the interpreter,
which the database's thread then waits for."""
UPLOADS = 64
UPLOADS_OF_A_MERCHANT = 16
"""Uploads that are received at the same time; each may hold 7 MiB of the disk."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class MediaFolder:
    """See the module.

    Args:
        root: the folder.
        data_dir: where the key is that signs addresses.
        hub: the id of this hub.
    """

    def __init__(self, root: Path, data_dir: Path, hub: str, database: Database) -> None:
        self.checker = Checker()
        self._data_dir = data_dir
        self._signer: Signer | None = None
        self._blobs = Blobs(root, hub)
        self._database = database
        self._threads = CapacityLimiter(THREADS)
        self._uploads: Counter[str] = Counter()

    async def open(self) -> None:
        """Make the folder and the key of its addresses, and finish what a crash has left.

        Raises:
            OSError: the folder cannot be used.
            ValueError: the key is none.
            StorageError: the database does not answer.
        """
        self._signer = Signer(media_key(self._data_dir))
        for mark in await to_thread.run_sync(self._blobs.prepare, limiter=self._threads):
            await self._tidy(mark)

    async def close(self) -> None:
        """End what runs beside the hub."""
        await self.checker.close()

    @property
    def signer(self) -> Signer:
        assert self._signer is not None, "the media folder was not opened"
        return self._signer

    @property
    def root(self) -> Path:
        return self._blobs.root

    def begin(self) -> Incoming:
        """A file to write; its context removes it unless it was placed."""
        return self._blobs.begin()

    def file(self, blob: Blob) -> Path:
        return self._blobs.file(blob)

    @contextmanager
    def receiving(self, who: str) -> Iterator[None]:
        """One upload on its way in.

        Args:
            who: the merchant, or the key of an admin.

        Raises:
            RateLimited: there are too many of this merchant.
            Unavailable: there are too many of all merchants.
        """
        if self._uploads[who] >= UPLOADS_OF_A_MERCHANT:
            raise RateLimited(
                f"{UPLOADS_OF_A_MERCHANT} uploads at the same time are the most; "
                "begin the next when one has ended",
                retry_after=1.0,
            )
        if self._uploads.total() >= UPLOADS:
            message = "the hub receives as many uploads as it can; try again in a moment"
            raise Unavailable(message, retry_after=2.0)
        self._uploads[who] += 1
        try:
            yield
        finally:
            self._uploads[who] -= 1
            if not self._uploads[who]:
                del self._uploads[who]

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what touches the disk in a thread, at most four at a time.

        Raises:
            Unavailable: the disk is full, or fails.
        """

        def guarded() -> T:
            with disk_errors():
                return work(*args, **kwargs)

        return await to_thread.run_sync(guarded, limiter=self._threads)

    # ── a file and its row ───────────────────────────────────────────────────────────────────

    async def place(self, incoming: Incoming, blob: Blob) -> Mark:
        """Give an upload its name, before its row is committed.

        Raises:
            Unavailable: the disk is full, or fails.
        """
        return await self.run(self._blobs.place, incoming, blob)

    async def mark(self, blob: Blob) -> Mark:
        """Mark a file, before its row is removed.

        Raises:
            Unavailable: the disk is full, or fails.
        """
        return await self.run(self._blobs.mark, blob)

    async def tidy(self, mark: Mark) -> None:
        """Keep a marked file or remove it, as the database has its row.

        What cannot be done now is left to the next start: the mark stays.
        """
        try:
            await self._tidy(mark)
        except (Unavailable, StorageError) as error:
            log.warning("a file waits for the next start to be looked after", error=str(error))

    async def _tidy(self, mark: Mark) -> None:
        # Somebody may remove or upload the same picture meanwhile. Whoever has put a file back or
        # taken it away looks for its row again, so the last one to look leaves what is right.
        while True:
            if await self._wanted(mark.blob):
                if await self.run(self._blobs.settle, mark):
                    return
            else:
                await self.run(self._blobs.remove, mark)
                if not await self._wanted(mark.blob):
                    await self.run(self._blobs.forget, mark)
                    return

    async def _wanted(self, blob: Blob) -> bool:
        async def read(tx: Transaction) -> bool:
            try:
                await media.by_hash(tx, blob.hash)
            except NotFound:
                return False
            return True

        return await self._database.read(read, Scope(blob.merchant_id))


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
