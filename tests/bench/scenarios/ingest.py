"""No subscribers, 4 publishers: one acknowledgement for every event that is on disk."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import closing
from pathlib import Path

from tests.bench.load import Load, Rate, Window
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, number, percent, spread
from tests.bench.result import Result
from tests.bench.wire import HUB_EVENT, HUB_EVENT_WITH_ID, Events

PUBLISHERS, IN_FLIGHT = 4, 256
ACK = b'"duplicate":false'
SYNC = re.compile(r"^\d+ (\d+\.\d+) (?:fsync|fdatasync)\(", re.MULTILINE)


def saturated(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"Ingest: {PUBLISHERS} publishers, {IN_FLIGHT} events in flight, durable acknowledgement",
        ("ids", "acks/s", "p50", "p99", "hub CPU", "written per event", "events per fsync"),
    )
    rates: dict[str, list[float]] = {}
    for name, around in (("the hub's", HUB_EVENT), ("the publisher's", HUB_EVENT_WITH_ID)):
        events = Events(around, ids=around is HUB_EVENT_WITH_ID)
        results: list[Result] = []
        with plan.hub() as hub, closing(Load([], hub.publishers(PUBLISHERS), events, ACK)) as load:
            load.process = hub.process
            wrote, sent = hub.process.written()[0], load.sent
            for _ in range(plan.rounds(3)):
                results.append(load.run(Window(IN_FLIGHT, acked=True), plan.seconds(3, 1)))
            per_event = (hub.process.written()[0] - wrote) / (load.sent - sent)
            outcome.faults += [*results[-1].faults, *holes(load)]
        rates[name] = [result.acked / result.seconds for result in results]
        outcome.rows.append(
            (
                name,
                spread(rates[name]),
                spread([r.ack_ms(0.5) for r in results], ms),
                spread([r.ack_ms(0.99) for r in results], ms),
                spread([r.server_cpu / r.seconds for r in results], percent),
                f"{per_event:.0f} bytes",
                _events_per_sync(plan, events, outcome),
            )
        )
    outcome.notes.append(
        "The fsyncs were counted by strace in a short run of its own, the bytes written by the "
        "kernel (/proc/PID/io)."
        if shutil.which("strace")
        else "strace is not installed: the fsyncs were not counted. The bytes written were counted "
        "by the kernel (/proc/PID/io)."
    )
    for name, values in rates.items():
        outcome.at_least(f"durable acks/s, {name} ids", values, 4e4, number)
    outcome.data = {f"acks_per_s {name}": values for name, values in rates.items()}
    return outcome


def at_a_rate(plan: Plan, per_second: int = 5000) -> Outcome:
    outcome = Outcome(
        f"Ingest at {per_second:,} events/s over {PUBLISHERS} publishers",
        ("acks/s", "p50", "p99", "hub CPU"),
    )
    with plan.hub() as hub:
        publishers = hub.publishers(PUBLISHERS)
        with closing(Load([], publishers, Events(), ACK, hub.process)) as load:
            results = [
                load.run(Rate(per_second), plan.seconds(3, 1.5)) for _ in range(plan.rounds(3))
            ]
            outcome.faults += [*results[-1].faults, *holes(load)]
    outcome.rows.append(
        (
            spread([r.acked / r.seconds for r in results]),
            spread([r.ack_ms(0.5) for r in results], ms),
            spread([r.ack_ms(0.99) for r in results], ms),
            spread([r.server_cpu / r.seconds for r in results], percent),
        )
    )
    p50 = [r.ack_ms(0.5) for r in results]
    outcome.below(f"durable ack at {per_second:,}/s, p50", p50, 3, ms)
    outcome.data = {"ack_p50_ms": p50, "ack_p99_ms": [r.ack_ms(0.99) for r in results]}
    return outcome


def holes(load: Load) -> list[str]:
    """Between the first acknowledged offset and the last there is nothing but what was sent."""
    offsets = load.acked_offsets()
    if offsets == load.acked:
        return []
    return [f"{load.acked} events were acknowledged with {offsets} offsets"]


def _events_per_sync(plan: Plan, events: Events, outcome: Outcome) -> str:
    strace = shutil.which("strace")
    if strace is None:
        return "not counted"
    log = plan.folder / "fsyncs"
    log.unlink(missing_ok=True)
    trace = [strace, "-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-ttt", "-o", str(log)]
    with plan.hub(trace) as hub:
        with closing(Load([], hub.publishers(PUBLISHERS), events, ACK)) as load:
            begin = time.time()
            result = load.run(Window(IN_FLIGHT, acked=True), 1.0, warm=0.0)
            end = time.time()
            total = load.acked
        outcome.faults += result.faults
    syncs = _syncs_between(log, begin, end)
    return f"{total / syncs:.0f} ({syncs:,} fsyncs)" if syncs else "**no fsync at all**"


def _syncs_between(log: Path, begin: float, end: float) -> int:
    return sum(begin <= float(at) <= end for at in SYNC.findall(log.read_text()))
