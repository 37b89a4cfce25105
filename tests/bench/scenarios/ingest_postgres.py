"""The same ingest on Postgres with `fsync=on` and on SQLite, by turns, in one run."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from tests.bench.load import Load, Window
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, number, percent, spread
from tests.bench.result import Result
from tests.bench.scenarios.ingest import ACK, IN_FLIGHT, PUBLISHERS, holes
from tests.bench.wire import HUB_EVENT, HUB_EVENT_WITH_ID, Events
from tests.support.postgres import PostgresMissingError, PostgresServer

KINDS = (("the hub's", HUB_EVENT), ("the publisher's", HUB_EVENT_WITH_ID))
ENGINES = ("sqlite", "postgres")


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"Ingest on Postgres (fsync on) beside SQLite: {PUBLISHERS} publishers, {IN_FLIGHT} events"
        " in flight",
        ("ids", "engine", "acks/s", "p50", "p99", "hub CPU"),
    )
    try:
        with ExitStack() as stack:
            with on_any_core():
                server = stack.enter_context(PostgresServer(fsync=True))
            _measure(plan, server, outcome)
    except PostgresMissingError as error:
        outcome.notes.append(f"Not measured: {error}.")
    return outcome


@contextmanager
def on_any_core() -> Iterator[None]:
    """What is started here runs where there is room, and not on the generator's core alone."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def _measure(plan: Plan, server: PostgresServer, outcome: Outcome) -> None:
    ratios: list[float] = []
    for name, around in KINDS:
        found: dict[str, list[Result]] = {engine: [] for engine in ENGINES}
        for _ in range(plan.rounds(3)):
            for engine in ENGINES:
                settings = (
                    {"HUB_DATABASE_URL": server.create_database()} if engine == "postgres" else {}
                )
                events = Events(around, ids=around is HUB_EVENT_WITH_ID)
                with (
                    plan.hub(settings=settings) as hub,
                    closing(Load([], hub.publishers(PUBLISHERS), events, ACK)) as load,
                ):
                    load.process = hub.process
                    result = load.run(Window(IN_FLIGHT, acked=True), plan.seconds(3, 1))
                    outcome.faults += [*result.faults, *holes(load)]
                found[engine].append(result)
        for engine, results in found.items():
            outcome.rows.append(
                (
                    name,
                    engine,
                    spread([r.acked / r.seconds for r in results]),
                    spread([r.ack_ms(0.5) for r in results], ms),
                    spread([r.ack_ms(0.99) for r in results], ms),
                    spread([r.server_cpu / r.seconds for r in results], percent),
                )
            )
        rates = {
            engine: [r.acked / r.seconds for r in results] for engine, results in found.items()
        }
        # Each beside its neighbour in time: other work on the machine comes and goes.
        beside = [p / s for s, p in zip(rates["sqlite"], rates["postgres"], strict=True)]
        outcome.at_least(f"Postgres beside SQLite, durable acks/s, {name} ids", beside, 0.5, ratio)
        outcome.data |= {f"{engine} {name}": values for engine, values in rates.items()}
        ratios.append(statistics.median(beside))
    outcome.notes.append(
        f"Postgres at {min(ratios):.2f} of SQLite or better; the server runs on either core, the "
        f"hub on one. {number(len(ratios))} kinds of ids, by turns."
    )


def ratio(value: float) -> str:
    return f"{value:.2f}"
