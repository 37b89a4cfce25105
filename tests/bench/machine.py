"""What the kernel counts: processor time, memory, reads and writes, and how slow the disk is."""

from __future__ import annotations

import os
import platform
import resource
import sqlite3
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the server gets and which the generator; the same one if there is only one."""

    server: int
    generator: int

    @classmethod
    def pick(cls) -> Cores:
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[1] if len(allowed) > 1 else allowed[0])

    @property
    def shared(self) -> bool:
        return self.server == self.generator


class Process:
    """A process as /proc shows it, with all its threads."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._proc = Path("/proc") / str(pid)

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        after_name = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) * TICK

    def rss(self) -> int:
        """Resident memory in KiB."""
        return self._field("status", "VmRSS:")

    def forget_peak(self) -> None:
        (self._proc / "clear_refs").write_text("5")

    def peak_rss(self) -> int:
        """The most resident memory since `forget_peak`, in KiB."""
        return self._field("status", "VmHWM:")

    def written(self) -> tuple[int, int]:
        """Bytes sent to the disk, and calls that write (to files; sockets use others)."""
        return self._field("io", "write_bytes:"), self._field("io", "syscw:")

    def _field(self, file: str, name: str) -> int:
        for line in (self._proc / file).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
        raise LookupError(f"{self._proc / file} has no {name}")


def busy() -> float:
    """Seconds that all cores together have worked, for whomever."""
    user, nice, system, _, _, irq, softirq = Path("/proc/stat").read_text().split()[1:8]
    return sum(map(int, (user, nice, system, irq, softirq))) * TICK


def raise_open_files() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def fsync_us(folder: Path, rounds: int = 200) -> float:
    """The median of appending 4 KiB and waiting until the disk has it."""
    block = os.urandom(4096)
    path = folder / "fsync"
    took: list[int] = []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(rounds):
            begin = time.monotonic_ns()
            os.write(fd, block)
            os.fdatasync(fd)
            took.append(time.monotonic_ns() - begin)
    finally:
        os.close(fd)
        path.unlink()
    return statistics.median(took) / 1000


def filesystem(folder: Path) -> str:
    """The type of the file system that holds `folder`."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, type_, *_ = line.split()
        inside = str(folder.resolve()).startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, type_
    return kind


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def describe(folder: Path, cores: Cores) -> str:
    where = (
        "server and generator share the only core: every rate below is too low"
        if cores.shared
        else f"server on core {cores.server}, generator on core {cores.generator}"
    )
    return (
        f"{processor()}, {os.cpu_count()} cores ({where}), load {os.getloadavg()[0]:.1f}; "
        f"Linux {platform.release()}; Python {sys.version.split()[0]}; "
        f"SQLite {sqlite3.sqlite_version}; "
        f"append 4 KiB + fdatasync on {filesystem(folder)}: {fsync_us(folder):.0f} µs (median)."
    )
