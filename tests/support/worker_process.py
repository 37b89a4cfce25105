"""`run.py worker` as a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.command import environment
from tests.support.hub_process import LOGS, REPOSITORY, search_for_secrets


class WorkerFailedError(Exception):
    """The worker did not start, or did not stop; the message ends with its log."""


class WorkerProcess:
    """A worker under test; an async context manager that always ends its process.

    Args:
        directory: where its data directory (`data`) and its log go; it must exist.
        settings: environment variables by their full names; nothing else named HUB_* is inherited.
        queues: named on its command line.

    Attributes:
        log: what it has written, appended to when it is started again.
    """

    def __init__(self, directory: Path, settings: Mapping[str, str], *queues: str) -> None:
        self.log = directory / "worker.err"
        self._directory = directory
        self._settings = settings
        self._queues = queues
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        search_for_secrets(self.log)

    @property
    def pid(self) -> int:
        assert self._process is not None, "the worker has not been started"
        return self._process.pid

    async def start(self, *, within: float = 30.0) -> None:
        """Start it and wait until it works.

        Raises:
            WorkerFailedError: it ended, or did not work in time.
        """
        LOGS.add(self.log)
        before = self._said("working")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(REPOSITORY / "run.py"), "worker", *self._queues],
                cwd=self._directory,
                env=environment(self._directory / "data", self._settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + within
        while self._said("working") == before:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise self._failed("the worker does not work")
            await asyncio.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    async def ended(self, *, within: float = 15.0) -> int:
        """Wait for its end; its exit code.

        Raises:
            WorkerFailedError: it was still running.
        """
        assert self._process is not None
        deadline = time.monotonic() + within
        while (code := self._process.poll()) is None:
            if time.monotonic() > deadline:
                raise self._failed(f"the worker did not end within {within} s")
            await asyncio.sleep(0.01)
        return code

    def _said(self, event: str) -> int:
        if not self.log.exists():
            return 0
        return self.log.read_text(errors="replace").count(f'"event": "{event}"')

    def _failed(self, what: str) -> WorkerFailedError:
        return WorkerFailedError(
            f"{what}; its log ends with:\n{self.log.read_text(errors='replace')[-4000:]}"
        )
