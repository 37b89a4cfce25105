"""One reader of a hundred stops reading while 5,000 events/s pass, then reads on."""

from __future__ import annotations

import time
from contextlib import closing

from tests.bench.load import Load, Rate, holes, read_events
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, number, percent
from tests.bench.scenarios.ingest import ACK, PUBLISHERS
from tests.bench.wire import MARK, Events

READERS, PER_SECOND = 100, 5000


def run(plan: Plan) -> Outcome:
    without_s, with_s = plan.seconds(10, 3), plan.seconds(20, 4)
    outcome = Outcome(
        f"Slow reader: 1 stops for {with_s:g} s among {READERS} while "
        f"{with_s * PER_SECOND:,.0f} events pass at {PER_SECOND:,}/s",
        ("", "others' p50", "others' p99", "hub CPU", "hub's memory grew by", "it caught up in"),
    )
    with plan.hub() as hub:
        readers, publishers = hub.subscribers(READERS), hub.publishers(PUBLISHERS)
        with closing(Load(readers, publishers, Events(), ACK, hub.process)) as load:
            every = 7
            alone = load.run(Rate(PER_SECOND), without_s, sample_every=every)
            (stopped,) = hub.subscribers(1)
            began_with = load.sent
            hub.process.forget_peak()
            before = hub.process.rss()
            beside = load.run(Rate(PER_SECOND), with_s, warm=0, sample_every=every)
            grown = (hub.process.peak_rss() - before) / 1024
            missed = load.sent - began_with
            began = time.monotonic()
            stream = read_events(stopped, missed, within=30)
            caught_up = time.monotonic() - began
            stopped.cut()
    outcome.faults += beside.faults
    if stream.count(MARK) != missed or holes(stream):
        outcome.faults.append(
            f"the slow reader got {stream.count(MARK)} of {missed}, with {holes(stream)} holes"
        )
    for name, result, memory, time_ in (
        ("all read", alone, "", ""),
        ("one has stopped", beside, f"{grown:.1f} MiB", f"{caught_up:.2f} s"),
    ):
        cpu = percent(result.server_cpu / result.seconds)
        p50, p99 = result.latency_ms(0.5), result.latency_ms(0.99)
        outcome.rows.append((name, ms(p50), ms(p99), cpu, memory, time_))
    outcome.notes.append(
        f"It then received all {missed:,} events, in order, at {number(missed / caught_up)}/s."
    )
    outcome.below("a stopped reader: the hub grows by", [grown], 10, "{:.1f} MiB".format)
    factor = beside.latency_ms(0.99) / alone.latency_ms(0.99)
    outcome.below("a stopped reader: others' p99 times", [factor], 2, "{:.2f}".format)
    outcome.data = {
        "grown_mib": grown,
        "p99_ms_without": alone.latency_ms(0.99),
        "p99_ms_with": beside.latency_ms(0.99),
        "caught_up_s": caught_up,
    }
    return outcome
