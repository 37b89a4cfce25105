"""A bot's journal for a loop that must not wait for the disk."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from hub.client.errors import JournalError, JournalMismatch
from hub.client.journal_file import JournalFile, Record, apply


class Journal:
    """What a bot remembers of its messages: on disk, or in memory alone.

    What comes while the disk is busy goes into one commit: many messages at once cost little more
    than one. Whoever opens one closes it.

    Args:
        file: where it is kept; None: in memory, and gone with the process.
    """

    def __init__(self, file: JournalFile | None) -> None:
        self._file = file
        self._entries = {} if file is None else dict(file.entries)
        self._merchant_id = None if file is None else file.merchant_id
        self._waiting: list[tuple[tuple[Record, ...], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def open(cls, path: Path | None) -> "Journal":
        """Open the journal at `path`; raises as `JournalFile`."""
        return cls(None if path is None else await asyncio.to_thread(JournalFile, path))

    @property
    def entries(self) -> Mapping[str, Record]:
        """By key, what is neither settled nor known to be unsent."""
        return self._entries

    def belong_to(self, merchant_id: str | None) -> None:
        """Say whose messages these are; it is written with the next records.

        Raises:
            JournalMismatch: those in it are another merchant's.
        """
        if merchant_id is None or merchant_id == self._merchant_id:
            return
        if self._merchant_id is not None:
            raise JournalMismatch(
                f"the journal belongs to merchant {self._merchant_id}, and this key to "
                f"{merchant_id}; each bot needs a journal of its own"
            )
        self._merchant_id = merchant_id

    def append(self, *records: Record) -> "asyncio.Future[None]":
        """Write these behind all earlier ones; the future is done when they are on disk.

        It gets a JournalError where they could not be written. Nobody has to wait for it, and who
        does must shield it.
        """
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        durable.add_done_callback(_seen)
        if self._closed:
            durable.set_exception(JournalError("the journal is closed: its bot has left"))
            return durable
        apply(self._entries, records)
        if self._file is None:
            durable.set_result(None)
            return durable
        self._waiting.append((records, durable))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(self._file), name="journal")
        return durable

    async def close(self) -> None:
        """Write what waits, and give the file free."""
        if self._closed:
            return
        self._closed = True
        if self._writing is not None:
            await asyncio.shield(self._writing)
        if self._file is not None:
            self._file.close()

    async def _write(self, file: JournalFile) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            records = [record for some, _ in waiting for record in some]
            live = list(self._entries.values())
            try:
                await asyncio.to_thread(file.write, self._merchant_id, records, live)
            except JournalError as error:
                for _, durable in waiting:
                    durable.set_exception(error)
            else:
                for _, durable in waiting:
                    durable.set_result(None)


def _seen(durable: "asyncio.Future[None]") -> None:
    """Nobody has to look at what a write has come to."""
    if not durable.cancelled():
        durable.exception()
