"""One process per data directory and per SQLite file, held by file locks that the system drops with
the process.

The file says where the running hub is: `{"pid": …, "url": …}` once it listens. Workers may share a
data directory, with each other and with a hub: each has a file and an id of its own.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hub.protocol.ids import uuid7

NAME = "hub.lock"
_ASKED_SECONDS = 1.0
_MOST_WORKERS = 1000


class Running(msgspec.Struct, frozen=True):
    """A running hub: its process id and the address at which it answers on this machine."""

    pid: int
    url: str


class AlreadyRunning(Exception):
    """Another process holds the data directory or the database; `running` says which, once it
    listens."""

    def __init__(self, held: Path, running: Running | None, setting: str) -> None:
        where = f" (process {running.pid} at {running.url})" if running else ""
        super().__init__(
            f"a hub is already running on {held}{where}, or a command of it; stop it first, "
            f"or give this one another {setting}"
        )
        self.running = running


class Lock:
    """What is held: the data directory, and the database file where there is one."""

    def __init__(self, *descriptors: int) -> None:
        self._descriptors = descriptors

    def announce(self, running: Running) -> None:
        """Say where the hub answers."""
        content = msgspec.json.encode(running)
        for descriptor in self._descriptors:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, content, 0)


@contextmanager
def hold(data_dir: Path, database: Path | None) -> Iterator[Lock]:
    """Hold a data directory and a database file, which may lie outside of every data directory:
    two processes that write to one file would give the same offsets twice.

    Args:
        database: None where a server has it, which serves several hubs.

    Raises:
        AlreadyRunning: another process holds one of them.
    """
    with _held(data_dir / NAME, data_dir, "HUB_DATA_DIR") as directory:
        if database is None:
            yield Lock(directory)
            return
        database.parent.mkdir(parents=True, exist_ok=True)
        with _held(_beside(database), database, "HUB_DATABASE_URL") as file:
            yield Lock(directory, file)


@contextmanager
def hold_worker(data_dir: Path) -> Iterator[str]:
    """Be one of the workers of a data directory.

    Yields:
        The id of this worker, which the next one gets when this one has ended: it knows so that
        whatever was held under that id is lost.
    """
    for number in range(1, _MOST_WORKERS + 1):
        file = data_dir / f"worker-{number}.id"
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        try:
            known = os.pread(descriptor, 64, 0).decode("ascii").strip()
            if not known:
                known = uuid7()
                os.pwrite(descriptor, f"{known}\n".encode(), 0)
            yield known
        finally:
            os.close(descriptor)
        return
    raise AlreadyRunning(data_dir, None, "HUB_DATA_DIR")


def running(data_dir: Path) -> Running | None:
    """The hub that runs on a data directory and listens, or None."""
    return _ask(data_dir / NAME)[1]


def is_held(data_dir: Path, database: Path) -> bool:
    """Whether any process holds a data directory or a database file."""
    return _ask(data_dir / NAME)[0] or _ask(_beside(database))[0]


def _beside(database: Path) -> Path:
    return database.with_name(f"{database.name}.lock")


@contextmanager
def _held(file: Path, what: Path, setting: str) -> Iterator[int]:
    """Hold one lock file; its descriptor."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locked(descriptor):
            raise AlreadyRunning(what, _read(descriptor), setting)
        os.ftruncate(descriptor, 0)
        yield descriptor
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _ask(file: Path) -> tuple[bool, Running | None]:
    """Whether a lock file is held, and by which hub once it listens."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False, None
    try:
        # A shared lock asks without standing in another asker's way; a hub that starts waits.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True, _read(descriptor)
    else:
        return False, None
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Take the lock; one that only asks who runs (`running`) holds it for a moment."""
    until = time.monotonic() + _ASKED_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.005)
        else:
            return True


def _read(descriptor: int) -> Running | None:
    try:
        return msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Running)
    except msgspec.DecodeError:
        return None
