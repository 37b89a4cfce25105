"""The real hub as a process of its own, in a data directory of its own, on a free port."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ClassVar, Self
from urllib.parse import urlsplit

import msgspec

from tests.support import tracing
from tests.support.forking import ForkedProcess, fork_server

REPOSITORY = Path(__file__).resolve().parents[2]

# The child asks the kernel to kill it when its parent dies, then becomes the hub under the same
# pid. (`preexec_fn` would do the same, but forks a process that may have threads.)
_TIED_TO_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


TOKEN = re.compile(rb"hub_[a-z]_[0-9A-Za-z]{43}")
"""Every secret that the hub makes has this form."""

LOGS: set[Path] = set()
"""The logs of all hubs that this process has started."""
LEAKS: set[str] = set()
"""Where a secret was found in one of them: file, line, and what may be shown of it."""


def search_for_secrets(log: Path) -> None:
    """Add the places to `LEAKS` where a log contains a secret; a log that is gone has none."""
    try:
        lines = log.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for number, line in enumerate(lines, 1):
        for found in TOKEN.findall(line):
            LEAKS.add(f"{log}:{number}: {found[:10].decode()}…")


class HubFailedError(Exception):
    """The hub did not start, or did not stop; the message ends with its log."""


class _Lock(msgspec.Struct):
    """What the hub writes into `hub.lock` once it listens."""

    pid: int
    url: str


class HubProcess:
    """`run.py serve` under test; an async context manager that always ends its process.

    Args:
        directory: where the data directory (`data`) and the logs go; it must exist.
        settings: environment variables by their full names, e.g. `{"HUB_RING_SIZE": "100"}`.
            Nothing else named HUB_* is inherited from the tests' own environment. HUB_RATE_LIMIT
            is off unless it is set here, because many tests share one key; empty, it is the
            hub's default. HUB_WORKERS is none in the same way: no broker runs then, and no job.
        start_timeout: seconds until it must listen.

    Attributes:
        usual: settings of the hubs made from here on that do not say otherwise.
        forked: whether the hubs started from here on are forked from a process that has imported
            what they need, see `tests.support.forking`. That saves them most of their start.
        watched: whether the hubs started from here on have their statements on SQLite watched, see
            `tests.support.tracing`. It costs them a little time.
        stdout: what it prints for people, the sign-in link among it.
        stderr: its log, appended to across restarts. At the end of the tests no log may contain a
            secret: see `LEAKS`.
        statements: what was found by watching it; there is such a file only if it is watched.
    """

    forked: ClassVar[bool] = False
    watched: ClassVar[bool] = False
    usual: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        *,
        start_timeout: float = 30.0,
    ) -> None:
        self.data_dir = directory / "data"
        self.stdout = directory / "hub.out"
        self.stderr = directory / "hub.err"
        self.statements = directory / "hub.statements"
        self._directory = directory
        self._settings = dict(self.usual) | dict(settings or {})
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self._url: str | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def log(self) -> Path:
        """A file with its stdout, then its stderr, as they are now."""
        joined = self._directory / "hub.log"
        parts = (path for path in (self.stdout, self.stderr) if path.exists())
        joined.write_bytes(b"".join(path.read_bytes() for path in parts))
        return joined

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`; it stays the same across restarts."""
        assert self._url is not None, "the hub has not been started"
        return self._url

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    @property
    def ws_url(self) -> str:
        """`ws://127.0.0.1:PORT/ws`."""
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def database_url(self) -> str | None:
        """Its HUB_DATABASE_URL; None: the file `hub.db` in its data directory."""
        return self._settings.get("HUB_DATABASE_URL")

    @property
    def admin_key(self) -> str:
        if key := self._settings.get("HUB_ADMIN_KEY"):
            return key
        return (self.data_dir / "admin.key").read_text().strip()

    @property
    def bot_key(self) -> str:
        return (self.data_dir / "bot.key").read_text().strip()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the hub has not been started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def rss(self) -> int:
        """Its resident memory in bytes."""
        status = Path(f"/proc/{self.pid}/status")
        if status.exists():
            line = next(row for row in status.read_text().splitlines() if row.startswith("VmRSS:"))
            return int(line.split()[1]) * 1024
        shown = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.pid)], check=True, capture_output=True, text=True
        )
        return int(shown.stdout) * 1024

    async def start(self) -> None:
        """Start it and wait until it listens: on a free port first, on the same one ever after.

        Raises:
            HubFailedError: it ended, or did not listen in time.
        """
        assert not self.running, "the hub is running already"
        LOGS.add(self.stderr)
        with self.stdout.open("ab") as stdout, self.stderr.open("ab") as stderr:
            self._process = self._spawn(self._environment(), stdout, stderr)
        try:
            self._url = await self._listening()
        except BaseException:
            self._end()
            raise

    async def restart(self) -> None:
        """Start it again on the same port and data; stop it first if it runs.

        Raises:
            HubFailedError: it did not stop, or did not start.
        """
        if self.running:
            await self.terminate()
        await self.start()

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        await self._ended(10.0)

    async def terminate(self, *, within: float = 15.0) -> int:
        """SIGTERM, and wait for its own end.

        Args:
            within: seconds it may take; the hub itself promises 10.

        Returns:
            Its exit code; negative if a signal ended it.

        Raises:
            HubFailedError: it was still running; it has been killed then.
        """
        self._signal(signal.SIGTERM)
        try:
            return await self._ended(within)
        except HubFailedError:
            self._end()
            raise

    def _spawn(
        self, environment: Mapping[str, str], stdout: BinaryIO, stderr: BinaryIO
    ) -> subprocess.Popen[bytes] | ForkedProcess:
        if self.forked and (server := fork_server(environment)):
            statements = self.statements if self.watched else None
            return server.start(
                ["serve"], self._directory, environment, (stdout, stderr), statements
            )
        command = [str(REPOSITORY / "run.py"), "serve"]
        if self.watched:
            command = tracing.command(self.statements, "serve")
        if sys.platform == "linux":
            command = ["-S", "-c", _TIED_TO_PARENT, str(os.getpid()), *command]
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self._directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        port = "0" if self._url is None else str(self.port)
        own = {"HUB_HOST": "127.0.0.1", "HUB_PORT": port, "HUB_DATA_DIR": str(self.data_dir)}
        usual = {"PYTHONUNBUFFERED": "1", "HUB_RATE_LIMIT": "off", "HUB_WORKERS": "none"}
        return kept | usual | own | self._settings

    async def _listening(self) -> str:
        deadline = time.monotonic() + self._start_timeout
        while time.monotonic() < deadline:
            lock = self._read_lock()
            if lock is not None and lock.pid == self.pid:
                return lock.url
            if not self.running:
                raise self._failed("the hub ended before it listened")
            await asyncio.sleep(0.01)
        raise self._failed(f"the hub did not listen within {self._start_timeout} s")

    def _read_lock(self) -> _Lock | None:
        # A killed hub leaves its file behind, and a new one may be writing it just now.
        try:
            return msgspec.json.decode((self.data_dir / "hub.lock").read_bytes(), type=_Lock)
        except (OSError, msgspec.DecodeError):
            return None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the hub has not been started"
        self._process.send_signal(number)

    async def _ended(self, within: float) -> int:
        assert self._process is not None
        deadline = time.monotonic() + within
        while (code := self._process.poll()) is None:
            if time.monotonic() > deadline:
                raise self._failed(f"the hub did not end within {within} s")
            await asyncio.sleep(0.005)
        self._look_back()
        return code

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._look_back()

    def _look_back(self) -> None:
        # At once: its directory may be gone when the tests end.
        search_for_secrets(self.stderr)
        tracing.collect(self.statements)

    def _failed(self, what: str) -> HubFailedError:
        tail = self.log.read_text(errors="replace")[-4000:]
        return HubFailedError(f"{what}; its log ends with:\n{tail}")
