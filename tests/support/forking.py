"""Hubs forked from a warm process, with the interface of `subprocess.Popen`.

A forked hub differs from one that `python run.py` starts in what the kernel shows of it: its
command line and its parent are the fork server's, and so is its memory until it writes to it. The
seed of `hash` is the fork server's, too. All else is its own: environment, directory, files,
signals, random numbers, its exit code and the way its interpreter ends.
"""

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

import msgspec

_REPOSITORY = Path(__file__).resolve().parents[2]
_LARGEST = 1 << 12
"""Bytes of an answer."""
_PATIENCE = 60.0
"""Seconds the fork server may take: its first answer comes after all its imports."""
_INTERPRETER = ("PYTHON", "LANG", "LC_", "TZ", "LD_", "MALLOC_", "GLIBC_")
"""The names of what is read before a program's first line begin so."""


class Fork(msgspec.Struct, frozen=True, tag=True):
    """Asks for a hub; two open files come with it, its stdout and its stderr.

    Attributes:
        arguments: those of the hub's command line.
        directory: where it runs.
        environment: all of it.
        umask: the mode bits that its files do not get.
        statements: where what `tests.support.tracing` finds is written; None: it is not watched.
    """

    arguments: list[str]
    directory: str
    environment: dict[str, str]
    umask: int
    statements: str | None


class Reap(msgspec.Struct, frozen=True, tag=True):
    """Asks for the exit code of a hub that has ended: from then on its pid may be another's."""

    pid: int


class Forked(msgspec.Struct, frozen=True, tag=True):
    """The answer to `Fork`."""

    pid: int


class Reaped(msgspec.Struct, frozen=True, tag=True):
    """The answer to `Reap`: as `Popen.returncode`, and None for one that runs."""

    code: int | None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The answer when there is no hub."""

    reason: str


Request = Fork | Reap
Answer = Forked | Reaped | Failed


class ForkServerError(Exception):
    """There is no fork server any more, or it could not fork; the message ends with its stderr."""


class ForkedProcess:
    """A hub, as `subprocess.Popen` shows one."""

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server
        # Nobody reaps it before it is asked for, so this pid is surely its own.
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Its exit code, negative if a signal ended it; None while it runs.

        Raises:
            ForkServerError: it ended because the fork server did.
        """
        if self.returncode is None and self._ended(0):
            self._reap()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; its exit code.

        Args:
            timeout: seconds.

        Raises:
            subprocess.TimeoutExpired: it runs still.
            ForkServerError: it ended because the fork server did.
        """
        if self.returncode is None:
            if not self._ended(timeout):
                raise subprocess.TimeoutExpired(f"hub {self.pid}", timeout or 0.0)
            self._reap()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> bool:
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        return bool(waiting.poll(None if timeout is None else timeout * 1000))

    def _reap(self) -> None:
        os.close(self._handle)
        try:
            self.returncode = self._server.reap(self.pid)
        except ForkServerError:
            self.returncode = -signal.SIGKILL  # the kernel has done that
            raise


class ForkServer:
    """A process that has imported all that a hub needs, and forks; see `tests.support.fork_server`.

    Args:
        environment: what an interpreter reads from it when it starts is the same for every hub.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._interpreter = _for_interpreter(environment)
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.settimeout(_PATIENCE)
        self._exchange = threading.Lock()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())],
                cwd=_REPOSITORY,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                pass_fds=[theirs.fileno()],
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Whether an interpreter with this environment would have started as this process has."""
        return _for_interpreter(environment) == self._interpreter

    def start(
        self,
        arguments: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        output: tuple[BinaryIO, BinaryIO],
        statements: Path | None,
    ) -> ForkedProcess:
        """Fork a hub; see `Fork` for what it takes.

        Args:
            output: its stdout and its stderr.

        Raises:
            ForkServerError: it could not be forked.
        """
        order = Fork(
            list(arguments),
            str(directory),
            dict(environment),
            _umask(),
            None if statements is None else str(statements),
        )
        answer = self._ask(order, [file.fileno() for file in output])
        if not isinstance(answer, Forked):
            raise ForkServerError(f"no hub was forked: {answer}")
        return ForkedProcess(self, answer.pid)

    def reap(self, pid: int) -> int:
        """The exit code of a hub that has ended.

        Raises:
            ForkServerError: the fork server has ended, and its hubs with it.
        """
        answer = self._ask(Reap(pid))
        if not isinstance(answer, Reaped) or answer.code is None:
            raise ForkServerError(f"no exit code of hub {pid}: {answer}")
        return answer.code

    def close(self) -> None:
        """End it, and every hub of it that runs still."""
        self._connection.close()
        self._process.wait()
        self._output.close()

    def _ask(self, request: Request, files: Sequence[int] = ()) -> Answer:
        with self._exchange:
            try:
                socket.send_fds(self._connection, [msgspec.msgpack.encode(request)], list(files))
                answer = self._connection.recv(_LARGEST)
            except ConnectionError:
                answer = b""
            except TimeoutError:  # an answer that is late would be taken for the next one
                self._process.kill()
                raise self._failed(f"the fork server did not answer for {_PATIENCE} s") from None
        if not answer:
            raise self._failed("the fork server has ended, and its hubs with it")
        decoded: Answer = _answers.decode(answer)
        return decoded

    def _failed(self, what: str) -> ForkServerError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # it may be ending just now
        code = self._process.returncode
        self._output.seek(0)
        said = self._output.read().decode(errors="replace")[-4000:]
        return ForkServerError(f"{what} (exit code {code}); its output ends with:\n{said}")


_answers = msgspec.msgpack.Decoder(Answer)
_current: ForkServer | None = None


def fork_server(environment: Mapping[str, str]) -> ForkServer | None:
    """The fork server of this process; one is started if none runs.

    Args:
        environment: the hub's that is to be forked.

    Returns:
        None: only an interpreter of its own would do justice to this environment, or this system
        cannot watch over a process that is not its child.
    """
    global _current
    if not _possible():
        return None
    if _current is not None and not _current.running:
        atexit.unregister(_current.close)
        _current.close()
        _current = None
    if _current is None:
        usual = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        _current = ForkServer(usual | {"PYTHONUNBUFFERED": "1"})
        atexit.register(_current.close)
    return _current if _current.suits(environment) else None


@cache
def _possible() -> bool:
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def _for_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: v for name, v in environment.items() if name.startswith(_INTERPRETER)}


def _umask() -> int:
    # Asked for with `os.umask`, it would be another for a moment.
    rows = Path("/proc/self/status").read_text().splitlines()
    return int(next(row for row in rows if row.startswith("Umask:")).split()[1], 8)
