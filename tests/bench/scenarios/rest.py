"""300 requests a second to a shop with 100,000 orders, and the same commands over the socket."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, get_args
from urllib.parse import urlencode

from hub.protocol.ids import Uuid7Source
from storage import orders, products
from storage.database import Transaction
from storage.merchant_records import Order, OrderItem, OrderStatus, Product
from storage.scope import Scope
from storage.sqlite import open_sqlite
from tests.bench.asking import Answers, Asking, HttpLine, Line, Live, Question, SocketLine
from tests.bench.peers import connect
from tests.bench.plan import Plan
from tests.bench.report import Outcome, micro, ms, percent, spread
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
        asked = _over_http(hub, token, shop)
        opened = [_open_loop(plan, hub, asked) for _ in range(plan.rounds(3))]
        rest, calls = [], []
        # In turns, so that whatever else the machine does disturbs both alike.
        for _ in range(plan.rounds(3)):
            rest.append(_closed_loop(plan, hub, asked, _http_lines(hub)))
            calls.append(_closed_loop(plan, hub, _over_socket(shop), _socket_lines(hub)))
    for one in (*opened, *rest, *calls):
        if one.answers.refused:
            first = one.answers.first_refusal[-300:]
            outcome.faults.append(f"{one.answers.refused} requests were refused, as {first!r}")
    _report(outcome, opened, rest, calls)
    return outcome


def _report(
    outcome: Outcome, opened: list[_Stretch], rest: list[_Stretch], calls: list[_Stretch]
) -> None:
    found = [one.answers for one in opened]
    cells = [f"{PER_SECOND}/s, 80% reads"]
    for kind in ("read", "create"):
        cells += [spread([a.ms(kind, q) for a in found], ms) for q in (0.5, 0.95, 0.99)]
    cells.append(spread([a.live_ms(0.99) for a in found], ms))
    cells.append(spread([one.cpu_share for one in opened], percent))
    outcome.rows.append(tuple(cells))
    rates = [[one.answers.per_second for one in found] for found in (rest, calls)]
    costs = [[one.us_per_request for one in found] for found in (rest, calls)]
    outcome.notes.append(
        "A request's time begins when it is due. As fast as it goes, one under way on each of "
        f"{LINES} connections: REST {spread(rates[0])} requests/s with {spread(costs[0], micro)} "
        f"of the hub's processor time for each; the same commands over the socket "
        f"{spread(rates[1])}/s with {spread(costs[1], micro)}."
    )
    reads, creates = ([a.ms(kind, 0.95) for a in found] for kind in ("read", "create"))
    share = [call / request for request, call in zip(*rates, strict=True)]
    outcome.below(f"REST, {PER_SECOND} requests/s, reads p95", reads, 10, ms)
    outcome.below(f"REST, {PER_SECOND} requests/s, creates p95", creates, 25, ms)
    outcome.at_least("commands over the socket, times REST's", share, 2, "{:.2f}".format)
    outcome.data = {
        "reads_p95_ms": reads, "creates_p95_ms": creates,
        "rest_per_s": rates[0], "calls_per_s": rates[1],
        "rest_us": costs[0], "calls_us": costs[1],
    }  # fmt: skip


# ── load ─────────────────────────────────────────────────────────────────────────────────────────


class _Stretch(NamedTuple):
    """What was answered, in so many seconds of the hub's processor."""

    answers: Answers
    cpu: float

    @property
    def cpu_share(self) -> float:
        return self.cpu / self.answers.seconds

    @property
    def us_per_request(self) -> float:
        return self.cpu / sum(map(len, self.answers.latencies.values())) * 1e6


def _open_loop(plan: Plan, hub: Hub, questions: Iterator[Question]) -> _Stretch:
    [publisher] = hub.publishers(1)
    live = Live(publisher, hub.subscribers(READERS), LIVE_PER_SECOND)
    with closing(Asking(_http_lines(hub), questions, live)) as asking:
        asking.run(PER_SECOND, 0, warm=1.0)
        before = hub.process.cpu()
        answers = asking.run(PER_SECOND, plan.seconds(10, 3), warm=0)
        return _Stretch(answers, hub.process.cpu() - before)


def _closed_loop(
    plan: Plan, hub: Hub, questions: Iterator[Question], lines: Sequence[Line]
) -> _Stretch:
    with closing(Asking(lines, questions)) as asking:
        asking.run(None, 0, warm=0.5)
        before = hub.process.cpu()
        answers = asking.run(None, plan.seconds(5, 2), warm=0)
        return _Stretch(answers, hub.process.cpu() - before)


def _http_lines(hub: Hub) -> list[HttpLine]:
    return [HttpLine(hub.port) for _ in range(LINES)]


def _socket_lines(hub: Hub) -> list[SocketLine]:
    return [SocketLine(peer) for peer in connect(hub.port, [hub.request("bot")] * LINES, READY)]


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
