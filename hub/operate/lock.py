"""One process per data directory, held by a file lock that the system drops with the process.

The file says where the running hub is: `{"pid": …, "url": …}` once it listens.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

NAME = "hub.lock"
_ASKED_SECONDS = 1.0


class Running(msgspec.Struct, frozen=True):
    """A running hub: its process id and the address at which it answers on this machine."""

    pid: int
    url: str


class AlreadyRunning(Exception):
    """Another process holds the data directory; `running` says which, once it listens."""

    def __init__(self, data_dir: Path, running: Running | None) -> None:
        where = f" (process {running.pid} at {running.url})" if running else ""
        super().__init__(
            f"a hub is already running on {data_dir}{where}; stop it first, "
            "or give this one another HUB_DATA_DIR"
        )
        self.running = running


class Lock:
    """A held lock."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def announce(self, running: Running) -> None:
        """Say where the hub answers."""
        content = msgspec.json.encode(running)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)


@contextmanager
def hold(data_dir: Path, name: str = NAME) -> Iterator[Lock]:
    """Hold the data directory, or with another name something else in it.

    Raises:
        AlreadyRunning: another process holds it.
    """
    descriptor = os.open(data_dir / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locked(descriptor):
            raise AlreadyRunning(data_dir, _read(descriptor))
        os.ftruncate(descriptor, 0)
        yield Lock(descriptor)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


@contextmanager
def hold_file(file: Path) -> Iterator[Lock]:
    """Hold a database file, which may lie outside of every data directory.

    Raises:
        AlreadyRunning: another process holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with hold(file.parent, f"{file.name}.lock") as held:
        yield held


def running(data_dir: Path) -> Running | None:
    """The hub that runs on a data directory and listens, or None."""
    try:
        descriptor = os.open(data_dir / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # A shared lock asks without standing in another asker's way; a hub that starts waits.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    else:
        return None
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
