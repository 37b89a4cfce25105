"""One reader of a hundred stops reading while 5,000 events/s pass, then reads on."""

from __future__ import annotations

import time
from contextlib import closing

from tests.bench.load import Load, Rate
from tests.bench.peers import holes, read_events
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, number, percent
from tests.bench.result import Result, quantile_ms
from tests.bench.scenarios.ingest import ACK, PUBLISHERS
from tests.bench.wire import MARK, Events

READERS, PER_SECOND = 100, 5000
EVERY = 7  # reads per sample


def run(plan: Plan) -> Outcome:
    stopped_s, all_read_s = plan.seconds(20, 4), plan.seconds(8, 2)
    outcome = Outcome(
        f"Slow reader: 1 stops for {stopped_s:g} s among {READERS} while "
        f"{stopped_s * PER_SECOND:,.0f} events pass at {PER_SECOND:,}/s",
        ("", "others' p50", "others' p99", "hub CPU", "hub's memory grew by", "it caught up in"),
    )
    with plan.hub() as hub:
        readers, publishers = hub.subscribers(READERS), hub.publishers(PUBLISHERS)
        with closing(Load(readers, publishers, Events(), ACK, hub.process)) as load:
            before = load.run(Rate(PER_SECOND), all_read_s, sample_every=EVERY)
            (stopped,) = hub.subscribers(1)
            sent = load.sent
            hub.process.forget_peak()
            memory = hub.process.rss()
            beside = load.run(Rate(PER_SECOND), stopped_s, warm=0, sample_every=EVERY)
            grown = (hub.process.peak_rss() - memory) / 1024
            missed = load.sent - sent
            began = time.monotonic()
            stream = read_events(stopped, missed, within=30)
            caught_up = time.monotonic() - began
            stopped.cut()
            # The database has grown meanwhile: without a stretch behind it, too, that would count
            # against the reader.
            after = load.run(Rate(PER_SECOND), all_read_s, sample_every=EVERY)
    outcome.faults += after.faults
    if stream.count(MARK) != missed or holes(stream):
        outcome.faults.append(
            f"the slow reader got {stream.count(MARK)} of {missed}, with {holes(stream)} holes"
        )
    all_read = _row(outcome, "all read (before and after)", [before, after], "", "")
    one_stops = _row(outcome, "one has stopped", [beside], f"{grown:.1f} MiB", f"{caught_up:.2f} s")
    outcome.notes.append(
        f"It then received all {missed:,} events, in order, at {number(missed / caught_up)}/s."
    )
    outcome.below("a stopped reader: the hub grows by", [grown], 10, "{:.1f} MiB".format)
    outcome.below("a stopped reader: others' p99, times", [one_stops / all_read], 2, _factor)
    outcome.data = {
        "grown_mib": grown,
        "p99_ms_all_read": all_read,
        "p99_ms_one_stopped": one_stops,
        "caught_up_s": caught_up,
    }
    return outcome


def _row(outcome: Outcome, name: str, results: list[Result], *memory_and_time: str) -> float:
    """Adds a row of all stretches together and returns their p99."""
    latencies = sorted(latency for result in results for latency in result.latencies)
    cpu = sum(r.server_cpu for r in results) / sum(r.seconds for r in results)
    p50, p99 = quantile_ms(latencies, 0.5), quantile_ms(latencies, 0.99)
    outcome.rows.append((name, ms(p50), ms(p99), percent(cpu), *memory_and_time))
    return p99


def _factor(value: float) -> str:
    return f"{value:.1f}"
