"""The machine under the measurement: cores, memory, and who else uses them."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.hub_process import HubProcess


class Probe:
    """Looks at the measuring loop itself and at the hub's memory until it is cancelled."""

    def __init__(self, hub: HubProcess) -> None:
        self._hub = hub
        self.lag = 0.0
        self.memory = 0

    async def run(self) -> None:
        looked = 0.0
        while True:
            due = time.monotonic() + 0.01
            await asyncio.sleep(0.01)
            now = time.monotonic()
            self.lag = max(self.lag, now - due)
            if now - looked >= 0.1:
                looked = now
                self.memory = max(self.memory, self._hub.rss())


@contextmanager
def own_core(hub: HubProcess, attacker: int) -> Iterator[None]:
    """Give the hub the first core that this process may use, and the others to this process and
    the attacker's."""
    cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    if len(cores) < 2:
        yield
        return
    for task in Path(f"/proc/{hub.pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores[:1])
    for pid in (0, attacker):
        os.sched_setaffinity(pid, cores[1:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def core_ticks(hub: HubProcess) -> tuple[int, int]:
    """Clock ticks that the hub's core was busy, and those that were the hub's own."""
    core = min(os.sched_getaffinity(hub.pid))
    rows = Path("/proc/stat").read_text().splitlines()
    row = next(row.split() for row in rows if row.startswith(f"cpu{core} "))
    # The interrupts' ticks are left out: the hub's own traffic causes them.
    busy = sum(int(row[column]) for column in (1, 2, 3, 8))
    own = Path(f"/proc/{hub.pid}/stat").read_text().rpartition(")")[2].split()
    return busy, int(own[11]) + int(own[12])


def forget_peak(hub: HubProcess) -> None:
    with contextlib.suppress(OSError):  # a kernel without it; the samples have to do
        Path(f"/proc/{hub.pid}/clear_refs").write_text("5")


def peak(hub: HubProcess) -> int:
    """The largest resident memory since `forget_peak`, bytes."""
    status = Path(f"/proc/{hub.pid}/status").read_text().splitlines()
    return int(next(row.split()[1] for row in status if row.startswith("VmHWM:"))) * 1024
