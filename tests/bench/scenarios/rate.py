"""100 events a second to 1,000 subscribers: how long from publishing to reading."""

from __future__ import annotations

from contextlib import closing

from tests.bench.load import Load, Rate
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, percent, spread
from tests.bench.wire import Events

SUBSCRIBERS, PUBLISHERS, PER_SECOND = 1000, 2, 100


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"Moderate load: {PER_SECOND} events/s to {SUBSCRIBERS:,} subscribers",
        ("deliveries/s", "p50", "p99", "longest", "hub CPU", "events per read"),
    )
    with plan.hub() as hub:
        subscribers = hub.subscribers(SUBSCRIBERS)
        publishers = hub.publishers(PUBLISHERS)
        with closing(Load(subscribers, publishers, Events(), process=hub.process)) as load:
            results = [
                load.run(Rate(PER_SECOND), plan.seconds(4, 2)) for _ in range(plan.rounds(3))
            ]
    outcome.faults += results[-1].faults
    p50 = [r.latency_ms(0.5) for r in results]
    p99 = [r.latency_ms(0.99) for r in results]
    outcome.rows.append(
        (
            spread([r.deliveries_per_s for r in results]),
            spread(p50, ms),
            spread(p99, ms),
            spread([r.latency_ms(1) for r in results], ms),
            spread([r.server_cpu / r.seconds for r in results], percent),
            spread([r.deliveries_per_read for r in results], "{:.2f}".format),
        )
    )
    what = f"publish to delivery, {PER_SECOND} events/s x {SUBSCRIBERS:,}"
    outcome.below(f"{what}, p50", p50, 25, ms)
    outcome.below(f"{what}, p99", p99, 75, ms)
    outcome.data = {"p50_ms": p50, "p99_ms": p99}
    return outcome
