"""1,000 clients are cut off at once, come back at once, and want what they missed."""

from __future__ import annotations

import time
from contextlib import closing

from tests.bench.load import Load, Window
from tests.bench.peers import connect, event_offsets, holes
from tests.bench.plan import Plan
from tests.bench.report import Outcome, spread
from tests.bench.scenarios.ingest import ACK
from tests.bench.servers import Hub
from tests.bench.wire import Events

CLIENTS, MISSED, STORED = 1000, 5, 2000
LIVE = b'"type":"live"'


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"Herd: {CLIENTS:,} clients reconnect at once, {MISSED} events behind",
        ("after", "all live again within", "half of them within"),
    )
    cut: list[tuple[float, float]] = []
    killed: list[tuple[float, float]] = []
    restarts: list[float] = []
    for _ in range(plan.rounds(3)):
        with plan.hub() as hub:
            with closing(Load([], hub.publishers(1), Events(), ACK)) as load:
                stored = load.run(Window(256, acked=True), 20, warm=0, at_most=STORED)
                outcome.faults += stored.faults
                epoch, end = hub.cursor()
                peers = hub.subscribers(CLIENTS)
                for peer in peers:
                    peer.cut()
                cut.append(_return(hub, epoch, end, outcome))
            # Once more, now that no one publishes, with the hub gone in between.
            epoch, end = hub.cursor()
            hub.kill()
            began = time.monotonic()
            hub.start()
            restarts.append(time.monotonic() - began)
            killed.append(_return(hub, epoch, end, outcome))
    for name, times in (("the network was cut", cut), ("SIGKILL and a restart", killed)):
        outcome.rows.append(
            (
                name,
                spread([last for last, _ in times], "{:.2f} s".format),
                spread([half for _, half in times], "{:.2f} s".format),
            )
        )
        outcome.below(
            f"1,000 clients live again after {name}", [last for last, _ in times], 2, _seconds
        )
    outcome.notes.append(
        f"After SIGKILL the hub listened again within {spread(restarts, _seconds)}; the clients' "
        "time begins there."
    )
    outcome.data = {"cut_s": cut, "killed_s": killed, "restart_s": restarts}
    return outcome


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _return(hub: Hub, epoch: str, end: int, outcome: Outcome) -> tuple[float, float]:
    """Seconds until the last client is live, and the median one."""
    request = hub.request(query=f"?since={end - MISSED}&epoch={epoch}")
    began = time.monotonic_ns()
    peers = connect(hub.port, [request] * CLIENTS, LIVE, at_once=CLIENTS)
    ready = sorted(peer.ready_ns - began for peer in peers)
    # What a restarted hub may have to say itself comes behind them.
    missed = list(range(end - MISSED + 1, end + 1))
    wrong = sum(
        event_offsets(peer.greeting)[:MISSED] != missed or holes(peer.greeting) > 0
        for peer in peers
    )
    if wrong:
        outcome.faults.append(f"{wrong} clients did not get exactly the {MISSED} they had missed")
    for peer in peers:
        peer.cut()
    return ready[-1] / 1e9, ready[len(ready) // 2] / 1e9
