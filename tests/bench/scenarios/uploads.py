"""What a live stream feels of ten uploads of 5 MB at a time, one after the other on each line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.bench.load import Load, Rate
from tests.bench.peers import Broken
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, spread
from tests.bench.result import quantile_ms
from tests.bench.servers import ROOT, Hub
from tests.bench.wire import Events

PARALLEL, MEGABYTES = 10, 5.0
SUBSCRIBERS, PER_SECOND = 10, 100
ACK = b'"duplicate":false'


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"{PARALLEL} parallel uploads of {MEGABYTES:g} MB beside {PER_SECOND} events/s",
        (
            *("p99 before", "p99 during", "ack p99 before", "ack p99 during"),
            *("uploads/s", "upload p50", "upload p95", "hub", "decoders"),
        ),
    )
    p99: dict[str, list[float]] = {"before": [], "during": []}
    acks: dict[str, list[float]] = {"before": [], "during": []}
    per_second: list[float] = []
    took: list[int] = []
    memory = decoders = 0
    for _ in range(plan.rounds(3)):
        with plan.hub(settings={"HUB_RATE_LIMIT": "off"}) as hub:
            subscribers, publishers = hub.subscribers(SUBSCRIBERS), hub.publishers(1)
            with closing(Load(subscribers, publishers, Events(), ACK, hub.process)) as load:
                before = load.run(Rate(PER_SECOND), plan.seconds(10, 3))
                uploads = _Uploads(hub)
                during = load.run(Rate(PER_SECOND), plan.seconds(15, 5), warm=0)
                decoders = max(decoders, _largest_child(hub.process.pid))
                found, seconds, refused = uploads.end()
            memory = max(memory, hub.process.peak_rss())
        outcome.faults += [*before.faults, *during.faults, *refused]
        for name, result in (("before", before), ("during", during)):
            p99[name].append(result.latency_ms(0.99))
            acks[name].append(result.ack_ms(0.99))
        per_second.append(len(found) / seconds)
        took += [round(each * 1e9) for each in found]
    took.sort()
    outcome.rows.append(
        (
            *(spread(values[name], ms) for values in (p99, acks) for name in ("before", "during")),
            spread(per_second, "{:.1f}".format),
            *(ms(quantile_ms(took, q)) for q in (0.5, 0.95)),
            *(f"{kib / 1024:.0f} MiB" for kib in (memory, decoders)),
        )
    )
    outcome.notes.append(
        f"{SUBSCRIBERS} subscribers. The decoders run on the hub's core, below its priority."
    )
    outcome.below("publish to delivery beside uploads, p99", p99["during"], 75, ms)
    outcome.below("memory of the hub and of a decoder", [max(memory, decoders) / 976.6], 300, _mb)
    outcome.data = {"p99_ms": p99, "ack_p99_ms": acks, "per_second": per_second}
    return outcome


def _mb(value: float) -> str:
    return f"{value:.0f} MB"


class _Uploads:
    """The uploader as a program beside the generator."""

    def __init__(self, hub: Hub) -> None:
        command = [sys.executable, "-m", "tests.bench.uploader"]
        self._program = subprocess.Popen(
            [*command, str(hub.port), str(PARALLEL), str(MEGABYTES)],
            cwd=ROOT,
            env={n: v for n, v in os.environ.items() if not n.startswith("HUB_")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(hub.token("bot").encode() + b"\n")
        self._program.stdin.flush()
        if self._program.stdout.readline() != b"ready\n":
            raise Broken("the uploader did not begin")

    def end(self) -> tuple[list[float], float, list[str]]:
        """The seconds that uploads took, those that all had, and what was refused."""
        out, _ = self._program.communicate(timeout=60)
        found = json.loads(out)
        return found["took"], found["seconds"], found["refused"]


def _largest_child(pid: int) -> int:
    """The most memory that a process started by another one has had, KiB."""
    largest = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            rows = Path(f"/proc/{child}/status").read_text().splitlines()
            row = next((row for row in rows if row.startswith("VmHWM:")), "VmHWM: 0")
            largest = max(largest, int(row.split()[1]))
    return largest
