"""1,000 readers of server-sent events beside 1,000 sockets: the same log, another framing."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from tests.bench.load import Load, Rate, Window
from tests.bench.peers import HOST, Broken, Peer
from tests.bench.plan import Plan
from tests.bench.report import Outcome, micro, ms, percent, spread
from tests.bench.result import Result
from tests.bench.servers import Hub
from tests.bench.wire import Events

READERS, PUBLISHERS, IN_FLIGHT, PER_SECOND = 1000, 2, 64, 100
LIVE = b"event: live\n"
SETTLE = 0.5
WITHIN = 20.0


@dataclass(slots=True)
class _Found:
    """What one hub's readers of one kind came to."""

    kib: float
    opened_per_s: float
    full: Result
    moderate: Result


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        f"HTTP streams: {READERS:,} readers, {PUBLISHERS} publishers",
        (
            *("readers", "deliveries/s", "µs/delivery", "bytes/event"),
            *(f"p50 at {PER_SECOND}/s", f"p99 at {PER_SECOND}/s", "KiB idle", "opened/s"),
        ),
    )
    found: dict[str, list[_Found]] = {"sockets": [], "server-sent events": []}
    # In turns, so that whatever else the machine does disturbs both alike.
    for _ in range(plan.rounds(1)):
        found["sockets"].append(_measure(plan, outcome, lambda hub: hub.subscribers(READERS)))
        found["server-sent events"].append(_measure(plan, outcome, _open))
    for name, results in found.items():
        _row(outcome, name, results)
    pairs = list(zip(found["server-sent events"], found["sockets"], strict=True))
    share = [sse.full.deliveries_per_s / ws.full.deliveries_per_s for sse, ws in pairs]
    p99 = [sse.moderate.latency_ms(0.99) for sse, _ in pairs]
    kib = [sse.kib for sse, _ in pairs]
    outcome.notes.append(
        f"{IN_FLIGHT} events of 200 bytes in flight, then {PER_SECOND} events a second. "
        f"Server-sent events reach {spread(share, percent)} of what sockets reach."
    )
    outcome.at_least("server-sent events, share of sockets' deliveries", share, 0.8, percent)
    outcome.below(f"server-sent events, p99 at {PER_SECOND} events/s", p99, 75, ms)
    outcome.below("KiB per idle stream", kib, 32, "{:.1f}".format)
    outcome.data = {"share": share, "p99_ms": p99, "kib_per_stream": kib}
    return outcome


def _measure(plan: Plan, outcome: Outcome, open_readers: Callable[[Hub], list[Peer]]) -> _Found:
    with plan.hub() as hub:
        publishers = hub.publishers(PUBLISHERS)
        hub.token("viewer")
        time.sleep(SETTLE)
        before, began = hub.process.rss(), time.monotonic()
        readers = open_readers(hub)
        took = time.monotonic() - began
        time.sleep(SETTLE)
        kib = (hub.process.rss() - before) / READERS
        with closing(Load(readers, publishers, Events(), process=hub.process)) as load:
            full = load.run(Window(IN_FLIGHT), plan.seconds(3, 1), warm=1.0, sample_every=127)
            moderate = load.run(Rate(PER_SECOND), plan.seconds(3, 1))
    outcome.faults += moderate.faults
    return _Found(kib, READERS / took, full, moderate)


def _open(hub: Hub) -> list[Peer]:
    """Streams that are live."""
    request = (
        f"GET /api/events HTTP/1.1\r\nHost: {HOST}:{hub.port}\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {hub.token('viewer')}\r\n\r\n"
    ).encode()
    deadline = time.monotonic() + WITHIN
    socks: list[socket.socket] = []
    try:
        for _ in range(READERS):
            sock = socket.create_connection((HOST, hub.port), WITHIN)
            socks.append(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(request)
        return [_ready(sock, deadline) for sock in socks]
    except BaseException:
        for sock in socks:
            sock.close()
        raise


def _ready(sock: socket.socket, deadline: float) -> Peer:
    got = b""
    while LIVE not in got or not got.endswith(b"\n\n\r\n"):
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        piece = sock.recv(1 << 16)
        got += piece
        if not piece or not got.startswith(b"HTTP/1.1 200 "):
            raise Broken(f"refused: {got[:400]!r}")
    sock.setblocking(False)
    return Peer(sock, got.partition(b"\r\n\r\n")[2], time.monotonic_ns())


def _row(outcome: Outcome, name: str, found: Sequence[_Found]) -> None:
    outcome.rows.append(
        (
            name,
            spread([f.full.deliveries_per_s for f in found]),
            spread([f.full.us_per_delivery for f in found], micro),
            spread([f.full.bytes_per_delivery for f in found], "{:.0f}".format),
            spread([f.moderate.latency_ms(0.5) for f in found], ms),
            spread([f.moderate.latency_ms(0.99) for f in found], ms),
            spread([f.kib for f in found], "{:.1f}".format),
            spread([f.opened_per_s for f in found]),
        )
    )
