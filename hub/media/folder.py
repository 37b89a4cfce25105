"""The media folder of one hub: its files, and what stands at its doors."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.protocol.errors import RateLimited, Unavailable
from jobs.pictures.store import PictureStore
from storage.database import Database

from .checker import Checker
from .signing import Signer, media_key

UPLOADS = 64
UPLOADS_OF_A_MERCHANT = 16
"""Uploads that are received at the same time; each may hold 7 MiB of the disk."""


class MediaFolder(PictureStore):
    """See the module.

    Args:
        root: the folder.
        data_dir: where the key is that signs addresses.
        hub: the id of this hub.
    """

    def __init__(self, root: Path, data_dir: Path, hub: str, database: Database) -> None:
        super().__init__(root, hub, database)
        self.checker = Checker()
        self._data_dir = data_dir
        self._signer: Signer | None = None
        self._uploads: Counter[str] = Counter()

    async def open(self) -> None:
        """Make the folder and the key of its addresses, and finish what a crash has left.

        Raises:
            OSError: the folder cannot be used.
            ValueError: the key is none.
            StorageError: the database does not answer.
        """
        self._signer = Signer(media_key(self._data_dir))
        await self.prepare()

    async def close(self) -> None:
        """End what runs beside the hub."""
        await self.checker.close()

    @property
    def signer(self) -> Signer:
        assert self._signer is not None, "the media folder was not opened"
        return self._signer

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
