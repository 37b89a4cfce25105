"""Whether what the hub stands on works, and how late its event loop is.

A check runs only when its last result is too old, and never more than once at a time: whoever
asks meanwhile waits for the same run. One that hangs has failed after 2 s; it is not started again
before it has ended, so that a disk that stands still is not asked by ever more.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from msgspec import Struct

from hub.limits import Clock
from hub.protocol.errors import HubError
from hub.settings import Settings
from hub.stream.log import EventLog
from hub.stream.waiting import WriteScope
from jobs.broker import Broker
from storage import events
from storage.connect import sqlite_path
from storage.errors import StorageError
from storage.migrate import pending
from storage.scope import HUB

log = structlog.get_logger("hub.probes")

PATIENCE_SECONDS = 2.0
"""How long a check may take."""
LOW_BYTES = 64 * 1024 * 1024
"""Free bytes below which a disk is as good as full."""

_REMEMBERED_SECONDS = 5.0
_FAILURE_REMEMBERED_SECONDS = 1.0  # so that its end is seen soon
_SCHEMA_REMEMBERED_SECONDS = 60.0  # it changes only by another program's doing
_TICK_SECONDS = 0.1
_TICKS = 50


class Broken(Exception):
    """A check has found something wrong: what, and what to do."""


class Check(Struct, frozen=True):
    """What a check found.

    Attributes:
        detail: what it saw, or what is wrong.
        ms: how long it took, milliseconds.
    """

    name: str
    ok: bool
    detail: str
    ms: float


class Probe:
    """One check and what it found last.

    Args:
        work: the check: what it saw, for people. It raises `Broken`, or what storage and the
            system raise, where something is wrong.
        seconds: how long a success is remembered.
        tasks: owns the check while it runs.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[str]],
        tasks: asyncio.TaskGroup,
        seconds: float = _REMEMBERED_SECONDS,
        clock: Clock = time.monotonic,
    ) -> None:
        self.name = name
        self._work = work
        self._seconds = seconds
        self._tasks = tasks
        self._clock = clock
        self._found: Check | None = None
        self._found_at = 0.0
        self._running: asyncio.Task[None] | None = None
        self._begun = 0.0

    async def check(self) -> Check:
        """What the check finds, or has found a moment ago; within 2 s, whatever happens."""
        running = self._running
        if running is None:
            found, age = self._found, self._clock() - self._found_at
            if found is not None:
                if age < (self._seconds if found.ok else _FAILURE_REMEMBERED_SECONDS):
                    return found
                self._found = None
            self._begun = self._clock()
            running = self._running = self._tasks.create_task(self._run())
        left = self._begun + PATIENCE_SECONDS - self._clock()
        await asyncio.wait((running,), timeout=max(0.0, left))
        if self._found is not None:
            return self._found
        waited = self._clock() - self._begun
        return Check(self.name, False, f"no answer for {waited:.1f} s", round(waited * 1000, 3))

    def cancel(self) -> None:
        """End a check that runs; its result is not wanted any more."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        try:
            detail, ok = await self._work(), True
        except (Broken, StorageError, OSError) as error:
            detail, ok = str(error), False
        except Exception:  # a bug in a check must not end the hub that it looks at
            log.exception("a check failed", check=self.name)
            detail, ok = "the check itself failed; it was logged", False
        finally:
            self._running = None
        self._found_at = self._clock()
        took = (self._found_at - self._begun) * 1000
        self._found = Check(self.name, ok, detail, round(took, 3))


class Probes:
    """The checks of one hub.

    Args:
        tasks: owns the checks while they run.

    Attributes:
        disk_free: free bytes where the hub writes, as last seen; None before it was looked at.
    """

    def __init__(
        self, settings: Settings, event_log: EventLog, broker: Broker, tasks: asyncio.TaskGroup
    ) -> None:
        self.disk_free: int | None = None
        self._log = event_log
        self._broker = broker
        self._places = {settings.data_dir.absolute(), settings.media_folder.absolute()}
        file = sqlite_path(settings.effective_database_url)
        if file is not None:  # a server's disk is not seen from here
            self._places.add(file.parent.absolute())
        self._all = (
            Probe("database", self._database, tasks),
            Probe("migrations", self._migrations, tasks, _SCHEMA_REMEMBERED_SECONDS),
            Probe("disk", self._disk, tasks),
            Probe("broker", self._is_broker_up, tasks, seconds=0.0),  # it looks by itself
        )

    async def check(self) -> list[Check]:
        """Every check, in the same order each time."""
        return list(await asyncio.gather(*(probe.check() for probe in self._all)))

    def close(self) -> None:
        """End the checks that run."""
        for probe in self._all:
            probe.cancel()

    async def _database(self) -> str:
        """Read, and write: a full disk is seen by writing alone.

        A group without events moves the log's commit time, which is one page and one fsync.
        """

        async def nothing(scope: WriteScope) -> None:
            return None

        await self._log.database.read(events.log_state, HUB)
        begun = time.perf_counter()
        try:
            await self._log.commit(nothing, HUB)
        except HubError:
            raise Broken(
                "it answers, but cannot be written; the line `commit failed` of the log says why"
            ) from None
        return f"reads and writes; a commit takes {(time.perf_counter() - begun) * 1000:.1f} ms"

    async def _migrations(self) -> str:
        missing = await pending(self._log.database)
        if missing:
            raise Broken(
                f"not applied: {', '.join(missing)}; stop the hub and run `run.py migrate`"
            )
        return "all are applied"

    async def _disk(self) -> str:
        free = self.disk_free = await asyncio.to_thread(_least_free, self._places)
        if free < LOW_BYTES:
            raise Broken(f"{free >> 20} MiB are free; make room: a full disk stops every write")
        return f"{free >> 20} MiB are free"

    async def _is_broker_up(self) -> str:
        if self._broker.state == "down":
            raise Broken(f"{self._broker.reason}; jobs wait in the database until it answers")
        return f"{self._broker.kind}; it answers" if self._broker.state == "up" else "none is used"


def _least_free(places: set[Path]) -> int:
    return min(map(_free, places))


def _free(place: Path) -> int:
    """Free bytes of the disk that a directory is on, or would be on once it is made."""
    while not place.exists() and place != place.parent:
        place = place.parent
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


class LoopLag:
    """How much later than asked the event loop does what it is to do.

    A stall is seen when it is longer than a tick of 0.1 s, a shorter one in part or by chance.
    """

    def __init__(self) -> None:
        self._lags: deque[float] = deque((0.0,), _TICKS)

    @property
    def worst(self) -> float:
        """The largest lag of the last 5 s, seconds."""
        return max(self._lags)

    async def run(self) -> None:
        """Look at it ten times a second. Never ends."""
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(_TICK_SECONDS)
            self._lags.append(max(0.0, time.perf_counter() - begun - _TICK_SECONDS))
