"""1,000 subscribers, 2 publishers, 64 events in flight until every subscriber has them."""

from __future__ import annotations

from contextlib import closing

from tests.bench.load import Load, Window
from tests.bench.plan import Plan
from tests.bench.report import Outcome, micro, ms, percent, spread
from tests.bench.result import Result
from tests.bench.servers import Server
from tests.bench.wire import Events

SUBSCRIBERS, PUBLISHERS, IN_FLIGHT = 1000, 2, 64


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"Fan-out: {SUBSCRIBERS:,} subscribers, {PUBLISHERS} publishers, "
        f"{IN_FLIGHT} events of 200 bytes in flight",
        (
            *("server", "deliveries/s", "events/s", "CPU", "µs/delivery", "p50", "p99"),
            *("bytes/frame", "frames/read"),
        ),
    )
    seconds = plan.seconds(3, 1)
    hub: list[Result] = []
    starlette: list[Result] = []
    bare: list[Result] = []
    # In turns, so that whatever else the machine does disturbs all three alike.
    for _ in range(plan.rounds(5, 2)):
        hub.append(_measure(plan.hub(), seconds, 1.0, outcome))
        # A full window takes it half a second or more to pass: let it find its pace first.
        starlette.append(_measure(plan.baseline("baseline_starlette"), seconds, 2.0, outcome))
        bare.append(_measure(plan.baseline("baseline_bare"), seconds, 1.0, outcome))
    _row(outcome, "this hub, durable (SQLite FULL)", hub)
    _row(outcome, "Starlette, `send_text` per socket, nothing stored", starlette)
    _row(outcome, "bare uvloop: no JSON, no checks, nothing stored", bare)

    to_slow, to_bare = _times(hub, starlette), _times(hub, bare)
    by_cpu = [
        theirs.us_per_delivery / ours.us_per_delivery
        for ours, theirs in zip(hub, starlette, strict=True)
    ]
    outcome.notes.append(
        f"The hub delivers {spread(to_slow, _factor)} times what Starlette does "
        f"({spread(by_cpu, _factor)} times by processor time per delivery), and "
        f"{spread(to_bare, percent)} of what a server delivers that does nothing else. "
        f"The generator was busy for {_generator(hub)} of its core. Latency is from before the "
        "publisher's send until after the subscriber's read, with the window full."
    )
    outcome.at_least("fan-out, times Starlette's", to_slow, 40, _factor)
    outcome.at_least("fan-out, share of the bare server's", to_bare, 0.5, percent)
    outcome.data = {
        name: {
            "deliveries_per_s": [result.deliveries_per_s for result in results],
            "us_per_delivery": [result.us_per_delivery for result in results],
            "p50_ms": [result.latency_ms(0.5) for result in results],
            "p99_ms": [result.latency_ms(0.99) for result in results],
        }
        for name, results in (("hub", hub), ("starlette", starlette), ("bare", bare))
    }
    return outcome


def _measure(server: Server, seconds: float, warm: float, outcome: Outcome) -> Result:
    with server:
        subscribers = server.subscribers(SUBSCRIBERS)
        publishers = server.publishers(PUBLISHERS)
        with closing(Load(subscribers, publishers, Events(), process=server.process)) as load:
            result = load.run(Window(IN_FLIGHT), seconds, warm=warm, sample_every=127)
    outcome.faults += result.faults
    return result


def _times(ours: list[Result], theirs: list[Result]) -> list[float]:
    """How many times their deliveries ours are, round by round."""
    pairs = zip(ours, theirs, strict=True)
    return [a.deliveries_per_s / b.deliveries_per_s for a, b in pairs]


def _factor(value: float) -> str:
    return f"{value:.1f}"


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
            spread([r.deliveries_per_read for r in results], "{:.0f}".format),
        )
    )
