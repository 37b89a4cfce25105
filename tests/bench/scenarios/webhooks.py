"""Deliveries to a local receiver by one worker process, and what 5,000 endpoints cost a publish."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from hub.protocol.ids import Uuid7Source
from storage import webhooks
from storage.database import Transaction
from storage.merchant_records import Webhook
from storage.scope import HUB
from storage.sqlite import open_sqlite
from tests.bench.load import Load, Rate, Window
from tests.bench.peers import HOST, Broken
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, number, percent, spread
from tests.bench.result import Result
from tests.bench.scenarios.ingest import ACK
from tests.bench.servers import Baseline, Hub
from tests.bench.wire import Events

ENDPOINTS, MATCHING = 5_000, 5
PUBLISHERS, PER_SECOND = 4, 50
NOW = "2026-11-22T10:00:00.000Z"
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
_PATIENCE = 60.0
_ALLOWED = {"HUB_WEBHOOK_ALLOW": HOST}


class _Burst(NamedTuple):
    """Deliveries, the seconds from the first publish to the last of them, and the hub's processor
    time."""

    deliveries: int
    seconds: float
    cpu: float


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"Webhooks: {ENDPOINTS:,} endpoints of which {MATCHING} match; the hub with its one worker",
        ("deliveries/s", "hub CPU", "processor time of a delivery", "ack p50 without and with",
         "ack p95 without and with"),
    )  # fmt: skip
    log = plan.folder / "receiver.log"
    with Baseline(plan.cores.generator, log, "tests.bench.webhook_receiver") as receiver:
        bursts = _delivered(plan, receiver.port, outcome)
        without, beside = _published(plan, receiver.port)
    rates = [burst.deliveries / burst.seconds for burst in bursts]
    p50, p95 = ([[r.ack_ms(q) for r in one] for one in (without, beside)] for q in (0.5, 0.95))
    outcome.rows.append(
        (
            spread(rates),
            spread([burst.cpu / burst.seconds for burst in bursts], percent),
            spread([burst.cpu / burst.deliveries * 1000 for burst in bursts], "{:.2f} ms".format),
            *(f"{spread(q[0], ms)} / {spread(q[1], ms)}" for q in (p50, p95)),
        )
    )
    outcome.notes.append(
        f"A delivery is an event in the log, two rows, a claim, a signed POST and its end. "
        f"Acknowledgements were measured at {PER_SECOND} events a second, each of which has "
        f"{MATCHING} deliveries written beside it."
    )
    cost = [two / one - 1 for one, two in zip(*p50, strict=True)]
    outcome.at_least("deliveries/s to a local receiver", rates, 300, number)
    outcome.below("what the endpoints cost a publish, p50", cost, 0.1, percent)
    outcome.data = {"deliveries_per_s": rates, "cost_p50": cost}
    return outcome


def _delivered(plan: Plan, port: int, outcome: Outcome) -> list[_Burst]:
    """Bursts of events, delivered by the hub's own worker."""
    bursts = []
    with _hub(plan, port, {"HUB_WORKERS": "webhook_delivery"}) as hub:
        events = 200 if plan.quick else 600
        for _ in range(plan.rounds(3)):
            before, cpu = _received(port), hub.process.cpu()
            begun = time.monotonic()
            with closing(Load([], hub.publishers(1), Events(), ACK, hub.process)) as load:
                load.run(Window(64, acked=True), events / 20_000)
                wanted = load.sent * MATCHING
            deadline = begun + _PATIENCE
            while (found := _received(port))["count"] - before["count"] < wanted:
                if time.monotonic() > deadline:
                    missing = wanted - (found["count"] - before["count"])
                    raise Broken(f"{missing} of {wanted} deliveries did not come")
                time.sleep(0.02)
            bursts.append(_Burst(wanted, found["last"] - begun, hub.process.cpu() - cpu))
        if (found := _received(port))["ids"] != found["count"]:
            outcome.faults.append(f"{found['count']} deliveries had {found['ids']} ids")
    return bursts


def _published(plan: Plan, port: int) -> tuple[list[Result], list[Result]]:
    """The same publishers at a hub without webhooks and at one with all of them, in turns."""
    found: tuple[list[Result], list[Result]] = ([], [])
    none = {"HUB_WORKERS": "none"}
    with plan.hub(settings=none) as bare, _hub(plan, port, none) as full:
        for _ in range(plan.rounds(5, 2)):
            for hub, results in zip((bare, full), found, strict=True):
                peers = hub.publishers(PUBLISHERS)
                with closing(Load([], peers, Events(), ACK, hub.process)) as load:
                    results.append(load.run(Rate(PER_SECOND), plan.seconds(4, 2)))
    return found


def _hub(plan: Plan, port: int, settings: dict[str, str]) -> Hub:
    """A hub whose merchant has all endpoints, to be entered."""
    hub = plan.hub(settings=_ALLOWED | settings)
    with hub:
        merchant = hub.api("GET", "/api/merchants")["merchants"][0]["id"]
        hub.token("bot")
    asyncio.run(_fill(hub.folder / "hub.db", merchant, port))
    return hub


async def _fill(file: Path, merchant: str, port: int) -> None:
    """Store the endpoints while no hub runs."""
    new_id = Uuid7Source()
    rows = [
        Webhook(
            id=new_id(), merchant_id=merchant, url=f"http://{HOST}:{port}/{n}", secret=SECRET,
            event_types=["custom_bench"] if n % (ENDPOINTS // MATCHING) == 0 else _others(n),
            created_at=NOW, updated_at=NOW,
        )
        for n in range(ENDPOINTS)
    ]  # fmt: skip

    async def work(tx: Transaction) -> None:
        for row in rows:
            await webhooks.insert(tx, row)

    database = await open_sqlite(file, "normal")
    try:
        await database.write(work, HUB)
    finally:
        await database.close()


def _others(n: int) -> list[str]:
    return [("order_*", "payment_received", "custom_else_*", "product_updated")[n % 4]]


def _received(port: int) -> dict[str, float]:
    with closing(http.client.HTTPConnection(HOST, port, timeout=10)) as connection:
        connection.request("GET", "/")
        return dict(json.loads(connection.getresponse().read()))
