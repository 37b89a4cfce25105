"""1,000 subscribers, 2 publishers, 64 events in flight until every subscriber has them."""

from __future__ import annotations

import statistics
from contextlib import closing

from tests.bench.load import Load, Result, Window
from tests.bench.plan import Plan
from tests.bench.report import Outcome, micro, ms, percent, spread
from tests.bench.servers import Server
from tests.bench.wire import Events

SUBSCRIBERS, PUBLISHERS, IN_FLIGHT = 1000, 2, 64


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"Fan-out: {SUBSCRIBERS:,} subscribers, {PUBLISHERS} publishers, "
        f"{IN_FLIGHT} events of 200 bytes in flight",
        ("server", "deliveries/s", "events/s", "CPU", "µs/delivery", "p50", "p99", "bytes/frame"),
    )
    seconds = plan.seconds(3, 1)
    hub = _measure(plan.hub(), plan.rounds(5, 2), seconds, 1.0, outcome.faults)
    _row(outcome, "this hub, durable (SQLite FULL)", hub)
    # Its window takes 1.5 s to pass; longer to warm up, so that what is counted is its pace.
    starlette = _measure(
        plan.baseline("baseline_starlette"), plan.rounds(3), seconds + 1, 2.0, outcome.faults
    )
    _row(outcome, "Starlette, `send_text` per socket, nothing stored", starlette)
    bare = _measure(plan.baseline("baseline_bare"), plan.rounds(3), seconds, 1.0, outcome.faults)
    _row(outcome, "bare uvloop: no JSON, no checks, nothing stored", bare)

    slow = statistics.median(result.deliveries_per_s for result in starlette)
    ceiling = statistics.median(result.deliveries_per_s for result in bare)
    rates = [result.deliveries_per_s for result in hub]
    ratio = statistics.median(rates) / slow
    outcome.notes.append(
        f"This hub delivers {ratio:.0f} times what Starlette does, and "
        f"{statistics.median(rates) / ceiling:.0%} of what a server delivers that does nothing "
        f"else. The generator itself was busy for {_generator(hub)} of its core. Latency is "
        "from before the publisher's send until after the subscriber's read, with the window full."
    )
    to_slow, to_bare = [rate / slow for rate in rates], [rate / ceiling for rate in rates]
    outcome.at_least("fan-out, compared with Starlette", to_slow, 40, "{:.0f} ×".format)
    outcome.at_least("fan-out, compared with the bare server", to_bare, 0.5, percent)
    outcome.data = {
        "hub_deliveries_per_s": rates,
        "starlette_deliveries_per_s": [result.deliveries_per_s for result in starlette],
        "bare_deliveries_per_s": [result.deliveries_per_s for result in bare],
        "hub_p50_ms": [result.latency_ms(0.5) for result in hub],
        "hub_p99_ms": [result.latency_ms(0.99) for result in hub],
    }
    return outcome


def _measure(
    server: Server, rounds: int, seconds: float, warm: float, faults: list[str]
) -> list[Result]:
    results: list[Result] = []
    with server:
        subscribers = server.subscribers(SUBSCRIBERS)
        publishers = server.publishers(PUBLISHERS)
        load = Load(subscribers, publishers, Events(), process=server.process)
        with closing(load):
            for _ in range(rounds):
                results.append(load.run(Window(IN_FLIGHT), seconds, warm=warm, sample_every=127))
                warm = min(warm, 0.5) if warm < 2 else warm
    faults += results[-1].faults
    return results


def _generator(results: list[Result]) -> str:
    return spread([result.generator_cpu / result.seconds for result in results], percent)


def _row(outcome: Outcome, name: str, results: list[Result]) -> None:
    outcome.rows.append(
        (
            name,
            spread([r.deliveries_per_s for r in results]),
            spread([r.deliveries_per_s / SUBSCRIBERS for r in results]),
            spread([r.server_cpu / r.seconds for r in results], percent),
            spread([r.us_per_delivery for r in results], micro),
            spread([r.latency_ms(0.5) for r in results], ms),
            spread([r.latency_ms(0.99) for r in results], ms),
            spread([r.bytes_per_delivery for r in results], "{:.0f}".format),
        )
    )
