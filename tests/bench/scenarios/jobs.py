"""One worker process: stock arq, the hub's layer over it, and jobs from row to final row."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import msgspec

from tests.bench import arq_worker, row_worker
from tests.bench.peers import Broken
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, number, spread
from tests.bench.scenarios.ingest_postgres import on_any_core
from tests.bench.servers import ROOT
from tests.support.postgres import PostgresMissingError, PostgresServer
from tests.support.redis_server import RedisServer

M = TypeVar("M")
KINDS = {
    "stock arq": "arq",
    "stock arq, poll_delay=0.01": "arq 0.01",
    "our layer over arq": "ours",
}
OURS = "our layer over arq"
QUICK = 0.3


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        "Jobs: one worker process; a job that does nothing, and one of 100 ms at full concurrency",
        ("worker", "jobs/s", "100 ms jobs/s (at most)", "queued to begun p50", "p99", "idle"),
    )
    share = str(QUICK if plan.quick else 1)
    arq: dict[str, list[arq_worker.Measured]] = {name: [] for name in KINDS}
    rows: dict[str, list[row_worker.Measured]] = {}
    with ExitStack() as stack:
        with on_any_core():
            redis = stack.enter_context(RedisServer())
            databases = {"SQLite": None, "Postgres": _postgres(stack, outcome)}
        for _ in range(plan.rounds(3)):
            for name, kind in KINDS.items():
                redis.flush()
                found = _measured(plan, "arq_worker", [kind, redis.url, share])
                arq[name].append(msgspec.json.decode(found, type=arq_worker.Measured))
            for name, server in databases.items():
                if name == "Postgres" and server is None:
                    continue
                redis.flush()
                url = _database(plan, server)
                found = _measured(plan, "row_worker", [url, redis.url, share])
                rows.setdefault(name, []).append(
                    msgspec.json.decode(found, type=row_worker.Measured)
                )
    for name, all_found in arq.items():
        if unfinished := sum(each.unfinished for each in all_found):
            outcome.notes.append(f"{name}: {unfinished:,} jobs were not done in time.")
        outcome.rows.append(_row(name, all_found, "trivial", arq_worker.SLOTS))
    for name, of_rows in rows.items():
        outcome.rows.append(_row(f"row to final row, {name}", of_rows, "drained", row_worker.SLOTS))
        queued = spread([each.queued for each in of_rows], number)
        outcome.notes.append(f"{name}: {queued} jobs/s where each is queued by its own commit.")
    _check(outcome, arq[OURS], rows["SQLite"])
    outcome.data = {
        name: msgspec.to_builtins(found) for name, found in [*arq.items(), *rows.items()]
    }
    return outcome


def _row(name: str, found: Sequence[Any], rate: str, slots: int) -> tuple[str, ...]:
    def values(of: str) -> list[float]:
        return [float(getattr(each, of)) for each in found]

    return (
        name,
        spread(values(rate), number),
        f"{spread(values('slow'), number)} ({slots * 10})",
        spread(values("p50_ms"), ms),
        spread(values("p99_ms"), ms),
        spread(values("idle"), _fine),
    )


def _check(
    outcome: Outcome, ours: Sequence[arq_worker.Measured], rows: Sequence[row_worker.Measured]
) -> None:
    trivial = [each.trivial for each in ours]
    outcome.at_least("trivial jobs/s through arq", trivial, 2000, number)
    drained = [each.drained for each in rows]
    outcome.at_least("jobs/s from row to final row", drained, 500, number)
    outcome.below("job queued to begun, p50", [each.p50_ms for each in rows], 5, ms)
    outcome.below("job queued to begun, p99", [each.p99_ms for each in rows], 20, ms)
    busy = [each.slow / (row_worker.SLOTS * 10) for each in rows]
    outcome.at_least("slots used by 100 ms jobs", busy, 0.9, _fine)
    outcome.below("idle cost of four queues", [each.idle for each in rows], 0.01, _fine)


def _fine(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.2%}"


def _postgres(stack: ExitStack, outcome: Outcome) -> PostgresServer | None:
    try:
        return stack.enter_context(PostgresServer(fsync=True))
    except PostgresMissingError as error:
        outcome.notes.append(f"Postgres was not measured: {error}.")
        return None


def _database(plan: Plan, server: PostgresServer | None) -> str:
    if server is not None:
        return server.create_database()
    return f"sqlite:///{Path(mkdtemp(prefix='jobs-', dir=plan.folder)) / 'hub.db'}"


def _measured(plan: Plan, module: str, arguments: Sequence[str]) -> bytes:
    """What a module of this package says of itself, on the server's core."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {plan.cores.server}),
        timeout=300,
    )
    if done.returncode:
        raise Broken(f"{module} {arguments[0]}: {done.stderr.decode(errors='replace')[-1500:]}")
    return done.stdout.splitlines()[-1]
