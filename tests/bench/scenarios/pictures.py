"""Pictures through their queue, beside what Pillow alone takes for the same on the same core; and a
picture of 5 MB on its own, from the upload until it is ready."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from PIL import Image

from jobs.queues import RULES
from storage.merchant_records import Queue
from tests.bench.machine import TICK
from tests.bench.peers import HOST, Broken
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, percent, spread
from tests.bench.result import quantile_ms
from tests.bench.servers import ROOT, Hub

QUEUE: Queue = "media_processing"
PROCESSES = RULES[QUEUE].concurrency
SETTINGS = {"HUB_RATE_LIMIT": "off", "HUB_WORKERS": QUEUE}
_PROBE_SECONDS = 0.01
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 300.0


def run(plan: Plan) -> Outcome:
    count = 30 if plan.quick else 100
    outcome = Outcome(
        f"{count} pictures of 12 megapixels through their queue, and Pillow alone",
        (
            *("pictures/s", "Pillow alone", "of it", "processor time", "Pillow's"),
            *("answer p99 before", "meanwhile", "5 MB to ready p50", "p95"),
        ),
    )
    photo = _photo(85)
    rates: list[float] = []
    alone: list[float] = []
    cost: dict[str, list[float]] = {"hub": [], "Pillow": []}
    answers: dict[str, list[float]] = {"before": [], "meanwhile": []}
    took: list[int] = []
    for _ in range(plan.rounds(3)):
        with plan.hub(settings=SETTINGS) as hub:
            took += _one_by_one(hub, 5 if plan.quick else 20)
            _pause(hub, "pause")
            for mark in range(count):
                _upload(hub, photo, mark)
            with Probe(hub.port) as before:
                time.sleep(plan.seconds(10, 3))
            used = _cpu(hub.process.pid)
            with Probe(hub.port) as meanwhile:
                seconds = _drain(hub)
            cost["hub"].append((_cpu(hub.process.pid) - used) / count)
            rates.append(count / seconds)
            for name, probe in (("before", before), ("meanwhile", meanwhile)):
                answers[name].append(quantile_ms(sorted(probe.took), 0.99))
            outcome.faults += _unready(hub)
        seconds, used = _alone(plan, photo, count)
        cost["Pillow"].append(used / count)
        alone.append(count / seconds)
    took.sort()
    shares = [rate / other for rate, other in zip(rates, alone, strict=True)]
    p50, p95 = quantile_ms(took, 0.5), quantile_ms(took, 0.95)
    outcome.rows.append(
        (
            spread(rates), spread(alone), spread(shares, percent),
            *(spread([each * 1e3 for each in cost[name]], ms) for name in cost),
            *(spread(answers[name], ms) for name in answers),
            ms(p50), ms(p95),
        )
    )  # fmt: skip
    outcome.notes.append(
        f"{PROCESSES} processes each, all on the hub's core and at nice 10, {len(photo) / 1e6:.1f} "
        "MB a picture. Answers are those of /healthz, asked for 100 times a second."
    )
    outcome.at_least("pictures beside Pillow alone", shares, 0.8, percent)
    outcome.below("answers while pictures are made, p99", answers["meanwhile"], 20, ms)
    outcome.below("a picture of 5 MB from upload to ready, p95", [p95], 3000, ms)
    outcome.data = {
        "per_second": rates, "alone": alone, "cpu_s": cost, "answer_p99_ms": answers,
        "to_ready_p95_ms": p95,
    }  # fmt: skip
    return outcome


def _photo(quality: int) -> bytes:
    """A picture of 12 megapixels as a camera makes it: soft in the small, and full of colours."""
    small = Image.frombytes("RGB", (500, 375), random.Random(1).randbytes(500 * 375 * 3))
    out = io.BytesIO()
    small.resize((4000, 3000), Image.Resampling.BICUBIC).save(out, "JPEG", quality=quality)
    return out.getvalue()


# ── the hub ──────────────────────────────────────────────────────────────────────────────────────


def _upload(hub: Hub, photo: bytes, mark: int | str) -> str:
    """Upload a photo as another one, by what stands behind it; its id."""
    headers = {"X-API-Key": hub.token("bot"), "Content-Type": "image/jpeg"}
    connection = http.client.HTTPConnection(HOST, hub.port, timeout=60)
    connection.request("POST", "/api/media/upload", photo + f"{mark:>16}".encode(), headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != 201:
        raise Broken(f"an upload was answered {answer.status}: {content[:300]!r}")
    return str(json.loads(content)["media"]["id"])


def _one_by_one(hub: Hub, count: int) -> list[int]:
    """The nanoseconds from the upload of 5 MB until it is ready, one after the other."""
    photo = _photo(93)
    photo += bytes(5 * 1024 * 1024 - 16 - len(photo))
    took = []
    for number_ in range(count + 1):
        begun = time.monotonic_ns()
        id_ = _upload(hub, photo, f"alone{number_}")
        while hub.api("GET", f"/api/media/{id_}")["media"]["status"] == "processing":
            time.sleep(0.01)
        took.append(time.monotonic_ns() - begun)
    return took[1:]  # the first has waited for its process


def _pause(hub: Hub, verb: str) -> None:
    hub.api("POST", f"/api/queues/{QUEUE}/{verb}", {})


def _drain(hub: Hub) -> float:
    """Seconds until everything that waits is made."""
    begun = time.monotonic()
    _pause(hub, "resume")
    while hub.api("GET", "/api/media?status=processing&limit=1")["count"]:
        if time.monotonic() - begun > _PATIENCE_SECONDS:
            raise Broken("pictures are not ready in time")
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - begun


def _unready(hub: Hub) -> list[str]:
    failed = hub.api("GET", "/api/media?status=failed&limit=5")["media"]
    return [f"{media['original_name']}: {media['metadata']}" for media in failed]


def _cpu(group: int) -> float:
    """Seconds of processor time of a process and of what it has started."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                total += (int(fields[11]) + int(fields[12])) * TICK
    return total


class Probe:
    """Asks for /healthz all the time, on one connection.

    Attributes:
        took: nanoseconds of each answer.
    """

    def __init__(self, port: int) -> None:
        self.took: list[int] = []
        self._port = port
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=30)
        while not self._done.wait(_PROBE_SECONDS):
            begun = time.monotonic_ns()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            self.took.append(time.monotonic_ns() - begun)
        connection.close()


# ── Pillow alone ─────────────────────────────────────────────────────────────────────────────────


def _alone(plan: Plan, photo: bytes, count: int) -> tuple[float, float]:
    """The seconds that Pillow takes for as many, and those of processor time."""
    folder = Path(plan.folder) / "pillow"
    folder.mkdir(exist_ok=True)
    for mark in range(count):
        (folder / f"{mark}.upload").write_bytes(photo + f"{mark:>16}".encode())
    core = plan.cores.server
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.baseline_pillow", str(PROCESSES), str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    assert program.stdin is not None
    assert program.stdout is not None
    if program.stdout.readline() != b"ready\n":
        raise Broken("Pillow alone did not begin")
    used = _cpu(program.pid)
    program.stdin.write(b"\n")
    program.stdin.flush()
    seconds = float(program.stdout.readline())
    used = _cpu(program.pid) - used
    program.communicate(b"\n", timeout=_PATIENCE_SECONDS)
    return seconds, used
