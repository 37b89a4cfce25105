"""How much memory a hub takes, and the programs that it starts."""

import contextlib
import threading
from pathlib import Path

MEMORY_LIMIT = 300_000_000
"""Bytes that the hub may have, or a process that decodes pictures for it."""


class Watch:
    """The largest memory that the hub, and each process that it has started, has had."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self.decoders: set[int] = set()
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._done.set()
        self._thread.join()

    def look(self) -> None:
        children = [
            int(child)
            for task in Path(f"/proc/{self._pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
        self.decoders.update(children)
        for pid in (self._pid, *children):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, StopIteration):
                rows = Path(f"/proc/{pid}/status").read_text().splitlines()
                row = next(row for row in rows if row.startswith("VmHWM:"))
                self.peak = max(self.peak, int(row.split()[1]) * 1024)

    def _run(self) -> None:
        # A high-water mark does not sink: only the moments before an end can be missed.
        while not self._done.wait(0.02):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                self.look()
