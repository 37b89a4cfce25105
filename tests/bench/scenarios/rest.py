"""300 requests a second to a shop with 100,000 orders, and the same commands over the socket."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlencode

from hub.protocol.ids import Uuid7Source
from storage import orders, products
from storage.database import Transaction
from storage.merchant_records import Order, OrderItem, OrderStatus, Product
from storage.scope import Scope
from storage.sqlite import open_sqlite
from tests.bench.asking import Answers, Asking, HttpLine, Live, Question, SocketLine
from tests.bench.peers import connect
from tests.bench.plan import Plan
from tests.bench.report import Outcome, ms, percent, spread
from tests.bench.servers import READY, Hub
from tests.bench.wire import masked

STORED, PRODUCTS, CUSTOMERS = 100_000, 200, 5_000
LINES, PER_SECOND, LIVE_PER_SECOND, READERS = 50, 300, 100, 20
NOW = "2026-11-22T10:00:00.000Z"
_BATCH = 5_000
_ENDLESS = 10**9


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"REST: {STORED:,} orders, {LINES} connections, {LIVE_PER_SECOND} live events/s beside",
        (
            *("requests", "reads p50", "reads p95", "reads p99"),
            *("creates p50", "creates p95", "creates p99", "live p99", "hub CPU"),
        ),
    )
    hub = plan.hub(settings={"HUB_RATE_LIMIT": "off", "HUB_CALL_RATE": "off"})
    with hub:
        merchant = hub.api("GET", "/api/merchants")["merchants"][0]["id"]
        token = hub.token("bot")
        hub.kill()
        shop = asyncio.run(_fill(hub.folder / "hub.db", merchant))
        hub.start()
        opened = [
            _open_loop(plan, hub, _over_http(hub, token, shop)) for _ in range(plan.rounds(3))
        ]
        rest, calls = [], []
        # In turns, so that whatever else the machine does disturbs both alike.
        for _ in range(plan.rounds(3)):
            rest.append(_closed_loop(plan, hub, token, shop, sockets=False))
            calls.append(_closed_loop(plan, hub, token, shop, sockets=True))
    for answers, _ in opened:
        _check(outcome, answers)
    for answers in (*rest, *calls):
        _check(outcome, answers)
    _report(outcome, opened, rest, calls)
    return outcome


def _report(
    outcome: Outcome,
    opened: list[tuple[Answers, float]],
    rest: list[Answers],
    calls: list[Answers],
) -> None:
    found = [answers for answers, _ in opened]
    cells = [f"{PER_SECOND}/s, 80% reads"]
    for kind in ("read", "create"):
        cells += [spread([a.ms(kind, q) for a in found], ms) for q in (0.5, 0.95, 0.99)]
    cells.append(spread([a.live_ms(0.99) for a in found], ms))
    cells.append(spread([cpu for _, cpu in opened], percent))
    outcome.rows.append(tuple(cells))
    share = [c.per_second / r.per_second for c, r in zip(calls, rest, strict=True)]
    outcome.notes.append(
        f"A request's time begins when it is due. As fast as it goes, one under way on each of "
        f"{LINES} connections: REST {spread([a.per_second for a in rest])} requests/s, "
        f"the socket {spread([a.per_second for a in calls])} calls/s of the same commands."
    )
    reads, creates = ([a.ms(kind, 0.95) for a in found] for kind in ("read", "create"))
    outcome.below(f"REST, {PER_SECOND} requests/s, reads p95", reads, 10, ms)
    outcome.below(f"REST, {PER_SECOND} requests/s, creates p95", creates, 25, ms)
    outcome.at_least("commands over the socket, times REST's", share, 2, "{:.2f}".format)
    outcome.data = {
        "reads_p95_ms": reads, "creates_p95_ms": creates,
        "rest_per_s": [a.per_second for a in rest], "calls_per_s": [a.per_second for a in calls],
    }  # fmt: skip


def _check(outcome: Outcome, answers: Answers) -> None:
    if answers.refused:
        first = answers.first_refusal[-300:]
        outcome.faults.append(f"{answers.refused} requests were refused, the first: {first!r}")


# ── load ─────────────────────────────────────────────────────────────────────────────────────────


def _open_loop(plan: Plan, hub: Hub, questions: Iterator[Question]) -> tuple[Answers, float]:
    [publisher] = hub.publishers(1)
    live = Live(publisher, hub.subscribers(READERS), LIVE_PER_SECOND)
    lines = [HttpLine(hub.port) for _ in range(LINES)]
    with closing(Asking(lines, questions, live)) as asking:
        before = hub.process.cpu()
        seconds = plan.seconds(10, 3)
        answers = asking.run(PER_SECOND, seconds, warm=1.0)
        share = (hub.process.cpu() - before) / (seconds + 1.0)
    for peer in (publisher.sock, *live.readers.values()):
        peer.close()
    return answers, share


def _closed_loop(plan: Plan, hub: Hub, token: str, shop: Shop, *, sockets: bool) -> Answers:
    if sockets:
        request = hub.request("bot")
        lines = [SocketLine(peer) for peer in connect(hub.port, [request] * LINES, READY)]
        asking = Asking(lines, _over_socket(shop))
    else:
        asking = Asking([HttpLine(hub.port) for _ in range(LINES)], _over_http(hub, token, shop))
    with closing(asking):
        return asking.run(None, plan.seconds(5, 2))


# ── a shop ───────────────────────────────────────────────────────────────────────────────────────


class Shop:
    """What is stored, by id."""

    def __init__(self, order_ids: list[str], product_ids: list[str]) -> None:
        self.order_ids = order_ids
        self.product_ids = product_ids


async def _fill(file: Path, merchant: str) -> Shop:
    """Store a shop's products and orders while no hub runs."""
    new_id = Uuid7Source()
    common: dict[str, Any] = {"merchant_id": merchant, "created_at": NOW, "updated_at": NOW}
    sold = [
        Product(id=new_id(), name=f"product {n}", price=100 + n, currency="USD", stock=_ENDLESS,
                category=f"shelf {n % 10}", **common)
        for n in range(PRODUCTS)
    ]  # fmt: skip
    states: tuple[OrderStatus, ...] = get_args(OrderStatus)
    ids: list[str] = []

    async def stock(tx: Transaction) -> None:
        for product in sold:
            await products.insert(tx, product)

    async def some(tx: Transaction) -> None:
        for _ in range(_BATCH):
            number = len(ids)
            product = sold[number % PRODUCTS]
            item = OrderItem(product.id, product.name, 2, product.price)
            order = Order(
                id=new_id(), customer_phone=_phone(number % CUSTOMERS), items=[item],
                total=2 * product.price, currency="USD",
                status=states[number % len(states)], **common,
            )  # fmt: skip
            ids.append(order.id)
            await orders.insert(tx, order)

    database = await open_sqlite(file, "normal")
    try:
        await database.write(stock, Scope(merchant))
        while len(ids) < STORED:
            await database.write(some, Scope(merchant))
    finally:
        await database.close()
    return Shop(ids, [product.id for product in sold])


def _phone(number: int) -> str:
    return f"+26377{number:07}"


def _wishes(shop: Shop) -> Iterator[tuple[str, dict[str, object]]]:
    """Commands of a shop's day, with their params: four reads for each order that is taken."""
    rng = random.Random(5)
    while True:
        for place in rng.sample(range(5), 5):
            match place:
                case 0:
                    yield "orders.get", {"id": rng.choice(shop.order_ids)}
                case 1:
                    yield "orders.list", {"status": "pending", "order": "newest", "limit": 20}
                case 2:
                    phone = _phone(rng.randrange(CUSTOMERS))
                    yield "orders.list", {"customer_phone": phone, "order": "newest", "limit": 20}
                case 3:
                    yield "products.get", {"id": rng.choice(shop.product_ids)}
                case _:
                    wanted = rng.sample(shop.product_ids, 2)
                    items = [{"product_id": id_, "quantity": 1} for id_ in wanted]
                    phone = _phone(rng.randrange(CUSTOMERS))
                    yield "orders.create", {"customer_phone": phone, "items": items}


def _over_http(hub: Hub, token: str, shop: Shop) -> Iterator[Question]:
    head = f"Host: 127.0.0.1:{hub.port}\r\nAuthorization: Bearer {token}\r\n"
    for method, params in _wishes(shop):
        plural, _, verb = method.partition(".")
        if verb == "create":
            body = json.dumps(params)
            more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            yield Question(
                "create", f"POST /api/{plural} HTTP/1.1\r\n{head}{more}\r\n{body}".encode()
            )
            continue
        path = f"/{params['id']}" if verb == "get" else "?" + urlencode(params)
        yield Question("read", f"GET /api/{plural}{path} HTTP/1.1\r\n{head}\r\n".encode())


def _over_socket(shop: Shop) -> Iterator[Question]:
    for method, params in _wishes(shop):
        frame = {"type": "call", "ref": "r", "method": method, "params": params}
        kind = "create" if method.endswith("create") else "read"
        yield Question(kind, masked(json.dumps(frame).encode()))
