"""A million stored events, backed up while 100 subscribers follow 100 events a second; restored."""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

from tests.bench.load import Load, Rate, Window
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, spread
from tests.bench.scenarios.ingest import PUBLISHERS
from tests.bench.servers import HUB_COMMAND, Hub
from tests.bench.wire import Events

EVENTS, EVENTS_QUICK = 1_000_000, 100_000
SUBSCRIBERS, PER_SECOND = 100, 100
SETTLING = 5.0
ACK = b'"duplicate":false'


def run(plan: Plan) -> Outcome:
    stored = EVENTS_QUICK if plan.quick else EVENTS
    outcome = Outcome(
        f"Backup of {stored:,} events beside {PER_SECOND} events/s to {SUBSCRIBERS} subscribers",
        (
            "backup",
            "size",
            "restore",
            "p99 before",
            "p99 during",
            "ack p99 before",
            "ack p99 during",
        ),
    )
    took: list[float] = []
    restored: list[float] = []
    p99: dict[str, list[float]] = {"before": [], "during": []}
    acks: dict[str, list[float]] = {"before": [], "during": []}
    size = 0
    with plan.hub() as hub:
        with closing(Load([], hub.publishers(PUBLISHERS), Events(), ACK)) as load:
            load.run(Window(2048, acked=True), 300, warm=0, at_most=stored)
        subscribers, publishers = hub.subscribers(SUBSCRIBERS), hub.publishers(2)
        with closing(Load(subscribers, publishers, Events(), ACK, hub.process)) as load:
            for _ in range(plan.rounds(3)):
                file = Path(mkdtemp(prefix="backup-", dir=plan.folder)) / "hub.backup"
                # As long as the backup takes, so that both percentiles are of as many events.
                seconds = max(took, default=plan.seconds(5, 2))
                # What filling and restoring has written is on its way to the disk for seconds.
                os.sync()
                load.run(Rate(PER_SECOND), SETTLING, warm=0)
                before = load.run(Rate(PER_SECOND), seconds)
                begun_at = hub.cursor()[1]
                backup = _Command(hub, ["backup", str(file)])
                during = load.run(Rate(PER_SECOND), seconds, warm=0)
                while backup.running:
                    during = load.run(Rate(PER_SECOND), 1, warm=0)
                took.append(backup.end())
                outcome.faults += [*before.faults, *during.faults, *_lacking(file, begun_at)]
                for name, result in (("before", before), ("during", during)):
                    p99[name].append(result.latency_ms(0.99))
                    acks[name].append(result.ack_ms(0.99))
                size = file.stat().st_size
                empty = Path(mkdtemp(prefix="restored-", dir=plan.folder))
                begun = time.monotonic()
                _run(["restore", str(file)], {"HUB_DATA_DIR": str(empty)})
                restored.append(time.monotonic() - begun)
    outcome.rows.append(
        (
            spread(took, "{:.1f} s".format),
            f"{size / 1e6:.0f} MB",
            spread(restored, "{:.1f} s".format),
            *(spread(values[name], ms) for values in (p99, acks) for name in ("before", "during")),
        )
    )
    for what, values in (("publish to delivery", p99), ("acknowledgement", acks)):
        outcome.below(
            f"{what} beside a backup, p99",
            values["during"],
            2 * statistics.median(values["before"]),
            ms,
        )
    outcome.data = {"seconds": took, "restore_seconds": restored, "p99_ms": p99, "ack_p99_ms": acks}
    return outcome


class _Command:
    """`run.py` beside the hub, with its settings, on whichever core is free."""

    def __init__(self, hub: Hub, arguments: Sequence[str]) -> None:
        self._begun = time.monotonic()
        self._took = 0.0
        self._failed: Exception | None = None
        environment = {"HUB_DATA_DIR": str(hub.folder)}
        self._thread = threading.Thread(target=self._wait, args=(arguments, environment))
        self._thread.start()

    def _wait(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        try:
            _run(arguments, environment)
        except OSError as error:
            self._failed = error
        self._took = time.monotonic() - self._begun

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> float:
        """The seconds that it took."""
        self._thread.join()
        if self._failed is not None:
            raise self._failed
        return self._took


def _run(arguments: Sequence[str], settings: dict[str, str]) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    done = subprocess.run(
        [*HUB_COMMAND[:-1], *arguments],
        env=kept | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=_on_any_core,
    )
    if done.returncode:
        raise OSError(f"run.py {arguments[0]}: {done.stdout}{done.stderr}")


def _on_any_core() -> None:
    os.sched_setaffinity(0, range(os.cpu_count() or 1))


def _lacking(file: Path, begun_at: int) -> list[str]:
    """What was acknowledged before the backup began is in it, and nothing before its end lacks."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        query = "SELECT count(*), min(log_offset), max(log_offset) FROM events"
        [(count, first, last)] = database.execute(query).fetchall()
    if first == 1 and count == last >= begun_at:
        return []
    return [f"the backup has {count} events, {first} to {last}; {begun_at} were acknowledged"]
