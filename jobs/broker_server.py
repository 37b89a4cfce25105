"""The server of the embedded broker: which program, how it is started, and its end.

It is reached by a Unix socket alone, which nobody but this user can open; no port, no password, no
file of configuration. It is gone when this process is gone, even by SIGKILL: it holds one file of
waiting ids, and a second server on that file would tear it. What it holds can be lost, because the
table `jobs` is the truth: a file that it cannot read is put aside, and it begins empty.
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import shutil
import signal
import socket
import stat
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

import structlog

from .broker_program import Program

log = structlog.get_logger("jobs.broker")

READY_SECONDS = 5.0
"""How long a server may take until it answers, unless it says that it loads its file."""
LOADING_SECONDS = 120.0
STOP_SECONDS = 3.0
"""How long it may take to end before it is killed."""

# What a socket's path may have: sun_path of <sys/un.h>, less the zero at its end.
_LONGEST_PATH = 107 if sys.platform == "linux" else 103
_POLL_SECONDS = 0.01
_READ_OUT_SECONDS = 0.5
_SAID_BYTES = 2000

Tie = Literal["kernel", "pipe"]
"""How the server learns of the end of its parent: by a signal of Linux, or by a process that waits
for a pipe to be closed."""

# Runs in the child before it becomes the server, under the same process id. (`preexec_fn` would do
# the same in a fork of a process that may have threads.)
_TIED = """
import os, signal, sys
parent, tie, *command = sys.argv[1:]
if tie == "kernel":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("the hub is gone")
else:
    server = os.getpid()
    if os.fork() == 0:
        os.close(1), os.close(2)
        os.read(0, 1)
        if os.getppid() == server:
            os.kill(server, signal.SIGKILL)
        os._exit(0)
os.execve(command[0], command, {})
"""


class ServerFailed(Exception):
    """The server did not start; the message has what it said last.

    Attributes:
        ended: whether it ended by itself.
    """

    def __init__(self, message: str, *, ended: bool) -> None:
        super().__init__(message)
        self.ended = ended


def socket_place(folder: Path) -> Path:
    """Where the socket goes: in the server's own folder, or where that path would be too long for
    a socket in a short one under the system's temporary folder, which is this user's alone."""
    place = folder.absolute() / "socket"
    if len(os.fsencode(place)) <= _LONGEST_PATH:
        return place
    name = hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"hub-{os.geteuid()}-{name}" / "socket"


class Server:
    """One embedded server, which can be started again and again.

    Args:
        folder: its own, in the data directory; it is made with mode 0700.

    Attributes:
        socket: where it listens.
    """

    def __init__(
        self,
        program: Program,
        folder: Path,
        tie: Tie = "kernel" if sys.platform == "linux" else "pipe",
    ) -> None:
        self.program = program
        self.socket = socket_place(folder)
        self._folder = folder.absolute()
        self._tie = tie
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said = b""

    @property
    def pid(self) -> int | None:
        """Its process; None while it does not run."""
        return self._process.pid if self.running and self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether its process is there, answering or not."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, and wait until it answers. To be called on the main thread: the system ties it
        to the thread that has started it.

        Raises:
            ServerFailed: it ended or does not answer.
            OSError: its folder or its socket's cannot be used.
        """
        await asyncio.to_thread(self._prepare)
        try:
            await self._launch()
        except ServerFailed as failure:
            if not failure.ended or not self._put_aside():
                raise
            try:
                await self._launch()
            except BaseException:  # so it was not the file
                self._put_back()
                raise
            log.warning(
                "the broker could not read its file and began empty; jobs wait in the database",
                kept=str(self._damaged),
                reason=str(failure),
            )

    async def ended(self) -> str:
        """Wait until it has ended; what it said last."""
        assert self._process is not None, "it was never started"
        code = await self._process.wait()
        await self._read_out()
        return self._last_words(code)

    async def stop(self) -> None:
        """End it: it writes what it holds. Killed after 3 s."""
        if self._process is not None:
            await self._end(signal.SIGTERM)
        await asyncio.to_thread(self._tidy)

    async def kill(self) -> None:
        """End it at once; it has written what it acknowledged."""
        if self._process is not None:
            await self._end(signal.SIGKILL)

    @property
    def _files(self) -> Path:
        return self._folder / "files"

    @property
    def _damaged(self) -> Path:
        return self._folder / "damaged"

    def _prepare(self) -> None:
        for folder in (self._folder, self._files):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        for left in self._files.glob("temp-*"):  # of a rewrite that was cut short
            left.unlink()
        if self.socket.parent != self._folder:
            _private(self.socket.parent)
        _end_listener(self.socket)

    def _arguments(self) -> list[str]:
        told = {
            "port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700",
            "dir": str(self._files), "appendonly": "yes", "appendfsync": "everysec", "save": "",
            # A full memory must refuse, never forget.
            "maxmemory-policy": "noeviction",
            "daemonize": "no", "loglevel": "warning", "databases": "1",
        }  # fmt: skip
        return [part for name, value in told.items() for part in (f"--{name}", value)]

    async def _launch(self) -> None:
        begun = time.monotonic()
        self._said = b""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), self._tie,
            self.program.path, *self._arguments(),
            stdin=asyncio.subprocess.PIPE if self._tie == "pipe" else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for the hub, which stops it in time
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read(self._process))
        try:
            while (answer := await ask(self.socket)) != "PONG":
                if self._process.returncode is not None:
                    raise ServerFailed(await self.ended(), ended=True)
                patience = LOADING_SECONDS if answer.startswith("LOADING") else READY_SECONDS
                if time.monotonic() - begun > patience:
                    raise ServerFailed(f"no answer for {patience:.0f} s: {answer}", ended=False)
                await asyncio.sleep(_POLL_SECONDS)
        except BaseException:
            await self.kill()
            raise

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Keep what it said last; a pipe that nobody reads would stop it."""
        assert process.stdout is not None
        while part := await process.stdout.read(65_536):
            self._said = (self._said + part)[-_SAID_BYTES:]

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        assert process is not None
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        await self._read_out()

    async def _read_out(self) -> None:
        """Read what it has said to its end. A child that rewrites its file may outlive it for a
        while, with the same pipe open."""
        if self._reading is not None:
            await asyncio.wait((self._reading,), timeout=_READ_OUT_SECONDS)
            self._reading.cancel()

    def _last_words(self, code: int) -> str:
        """How it ended, and the last thing that it said where it ended by itself."""
        if code < 0:
            return f"the server was killed by signal {-code}"
        # A line is `pid:role day month year time level message`.
        said = [
            re.sub(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ \S ", "", line)
            for line in self._said.decode(errors="replace").splitlines()
            if line.strip() and "WARNING" not in line  # advice on the system's settings
        ]
        return f"the server ended with {code}" + (f": {said[-1]}" if said else "")

    def _put_aside(self) -> bool:
        """Move its files away; whether there was anything to move."""
        if not any(self._files.iterdir()):
            return False
        if self._damaged.exists():  # one is kept, for whoever wants to look at it
            shutil.rmtree(self._damaged)
        self._files.rename(self._damaged)
        self._files.mkdir(mode=0o700)
        return True

    def _put_back(self) -> None:
        shutil.rmtree(self._files)
        self._damaged.rename(self._files)

    def _tidy(self) -> None:
        self.socket.unlink(missing_ok=True)
        if self.socket.parent != self._folder:
            with contextlib.suppress(OSError):
                self.socket.parent.rmdir()


async def ask(place: Path) -> str:
    """What a server at a socket says to PING: `PONG`, its error's text, or why it is not heard."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_unix_connection(str(place))
            try:
                writer.write(b"PING\r\n")
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        return "it does not answer"
    except OSError as error:
        return error.strerror or str(error)
    return line.decode(errors="replace").strip().lstrip("+-")


def _private(folder: Path) -> None:
    """Make a folder under the system's temporary one, or take the one that is there.

    Raises:
        OSError: somebody else has made one of that name, or others may look into it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    mine = found.st_uid == os.geteuid() and stat.S_ISDIR(found.st_mode)
    if not mine or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(
            errno.EPERM,
            "it is not this user's alone; remove it, or give HUB_DATA_DIR a shorter path",
            str(folder),
        )


def _end_listener(place: Path) -> None:
    """End the server of a hub that is gone, if it was left behind, and remove its socket.

    Whoever listens at a socket in this private folder is one: the hub holds the data directory.

    Raises:
        ServerFailed: it listens, and cannot be ended.
    """
    until = time.monotonic() + STOP_SECONDS
    while (pid := _listener(place)) is not None:
        if pid <= 0 or time.monotonic() > until:
            which = f"process {pid}" if pid > 0 else "a process that cannot be told"
            raise ServerFailed(f"{which} listens at {place}: end it", ended=False)
        log.warning("a broker was left behind by a hub that is gone; it is ended", pid=pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    place.unlink(missing_ok=True)


def _listener(place: Path) -> int | None:
    """The process that listens at a socket; None where nobody does."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(str(place))
        except TimeoutError:  # its queue is full: somebody has it open and takes nothing
            return 0
        except OSError:
            return None
        if sys.platform == "linux":
            told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            return int(struct.unpack("3i", told)[0])
        return asking.getsockopt(0, 2)  # SOL_LOCAL, LOCAL_PEERPID of <sys/un.h>
