"""No subscribers, 4 publishers of messages: a row, its conversation and its audit for each."""

from __future__ import annotations

from contextlib import closing

from tests.bench.load import Load, Window
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, number, percent, spread
from tests.bench.scenarios.ingest import ACK, IN_FLIGHT, PUBLISHERS, holes
from tests.bench.wire import Messages


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"Messages received: {PUBLISHERS} publishers, {IN_FLIGHT} in flight, each stored in its "
        "conversation and told in the audit",
        ("acks/s", "p50", "p99", "hub CPU", "written per message"),
    )
    with plan.hub() as hub:
        publishers = hub.publishers(PUBLISHERS)
        with closing(Load([], publishers, Messages(), ACK, hub.process)) as load:
            wrote, sent = hub.process.written()[0], load.sent
            results = [
                load.run(Window(IN_FLIGHT, acked=True), plan.seconds(3, 1))
                for _ in range(plan.rounds(3))
            ]
            per_message = (hub.process.written()[0] - wrote) / (load.sent - sent)
            outcome.faults += [*results[-1].faults, *holes(load)]
    rates = [result.acked / result.seconds for result in results]
    outcome.rows.append(
        (
            spread(rates),
            spread([r.ack_ms(0.5) for r in results], ms),
            spread([r.ack_ms(0.99) for r in results], ms),
            spread([r.server_cpu / r.seconds for r in results], percent),
            f"{per_message:.0f} bytes",
        )
    )
    outcome.at_least("durable messages/s", rates, 5e3, number)
    outcome.data = {"messages_per_s": rates}
    return outcome
