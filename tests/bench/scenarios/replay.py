"""100,000 stored events, read by one client from the beginning."""

from __future__ import annotations

import time
from contextlib import closing

from tests.bench.load import Load, Window
from tests.bench.peers import connect, holes, read_events
from tests.bench.plan import Plan
from tests.bench.report import Outcome, number, percent, spread
from tests.bench.scenarios.ingest import ACK, PUBLISHERS
from tests.bench.servers import READY
from tests.bench.wire import MARK, Events

EVENTS = 100_000


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"Replay: {EVENTS:,} stored events to one client, `since=0`",
        ("events/s", "seconds", "MB/s", "hub CPU"),
    )
    took: list[float] = []
    cpu: list[float] = []
    size = 0
    with plan.hub() as hub:
        with closing(Load([], hub.publishers(PUBLISHERS), Events(), ACK)) as load:
            stored = load.run(Window(1024, acked=True), 60, warm=0, at_most=EVENTS)
        outcome.faults += stored.faults
        for _ in range(plan.rounds(3)):
            request = hub.request(query="?since=0")
            cpu_before, began = hub.process.cpu(), time.monotonic()
            (peer,) = connect(hub.port, [request], READY)
            stream = read_events(peer, EVENTS, within=30)
            took.append(time.monotonic() - began)
            cpu.append((hub.process.cpu() - cpu_before) / took[-1])
            peer.cut()
            size = len(stream)
            if stream.count(MARK) != EVENTS or holes(stream):
                outcome.faults.append(
                    f"{stream.count(MARK)} events were replayed, with {holes(stream)} holes"
                )
    rates = [EVENTS / seconds for seconds in took]
    outcome.rows.append(
        (
            spread(rates),
            spread(took, "{:.2f}".format),
            spread([size / seconds / 1e6 for seconds in took], "{:.0f}".format),
            spread(cpu, percent),
        )
    )
    outcome.at_least("events/s replayed to one client", rates, 2e5, number)
    outcome.data = {"events_per_s": rates}
    return outcome
