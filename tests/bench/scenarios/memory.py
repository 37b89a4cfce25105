"""5,000 connections that say nothing: what one costs."""

from __future__ import annotations

import time

from tests.bench.machine import raise_open_files
from tests.bench.peers import connect
from tests.bench.plan import Plan
from tests.bench.report import Outcome, number, spread
from tests.bench.servers import READY

KEYS = 2  # a key may hold a limited number of connections
SETTLE = 1.0


def run(plan: Plan) -> Outcome:
    connections = min(5000, raise_open_files() - 200)
    outcome = Outcome(
        f"Memory: {connections:,} idle connections",
        ("KiB per connection", "hub before", "hub after", "connections/s"),
    )
    per_connection: list[float] = []
    pace: list[float] = []
    before: list[float] = []
    after: list[float] = []
    for _ in range(plan.rounds(2)):
        with plan.hub() as hub:
            requests = [hub.request(f"viewer-{n % KEYS}") for n in range(connections)]
            time.sleep(SETTLE)
            before.append(hub.process.rss() / 1024)
            began = time.monotonic()
            peers = connect(hub.port, requests, READY)
            pace.append(connections / (time.monotonic() - began))
            time.sleep(SETTLE)
            after.append(hub.process.rss() / 1024)
            for peer in peers:
                peer.cut()
        per_connection.append((after[-1] - before[-1]) * 1024 / connections)
    outcome.rows.append(
        (
            spread(per_connection, "{:.1f}".format),
            spread(before, "{:.0f} MiB".format),
            spread(after, "{:.0f} MiB".format),
            spread(pace, number),
        )
    )
    outcome.below("KiB per idle connection", per_connection, 8, "{:.1f}".format)
    outcome.data = {"kib_per_connection": per_connection, "connections_per_s": pace}
    return outcome
