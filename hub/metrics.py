"""What the hub measures, for Prometheus.

Everything that happens often is a plain number of the part that it happens in; it is read when
somebody asks. Only commits and HTTP requests are observed one by one, into histograms whose
children are kept. No label carries a merchant, a key, a name or an address.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import get_args

import prometheus_client
from prometheus_client import CollectorRegistry, GCCollector, Histogram, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from hub.gateway.connections import Door
from hub.gateway.gateway import Gateway
from hub.probes import LoopLag
from hub.tokens import ROLES
from jobs.broker import Broker

# When each series began is one more series of each, which nobody asks for.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

_COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_COMMIT_EVENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_REQUEST_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DOORS: tuple[Door, ...] = get_args(Door)


class Metrics:
    """The measures of one hub.

    Attributes:
        commits: transactions that stored events.
        commit_seconds_last, group_events_last: of the last of them, 0 before the first.
        webhook_attempts: attempts to call webhooks, by what came of them.
        webhook_backlog: tells how many events wait until their deliveries are written.
    """

    def __init__(self, gateway: Gateway, loop_lag: LoopLag, broker: Broker, version: str) -> None:
        self.webhook_attempts: Counter[str] = Counter()
        self.webhook_backlog: Callable[[], int] = lambda: 0
        self.commits = 0
        self.commit_seconds_last = 0.0
        self.group_events_last = 0
        registry = self._registry = CollectorRegistry()
        self._commit_seconds = Histogram(
            "hub_commit_seconds",
            "Time of one transaction of the log, until it is durable.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self._commit_events = Histogram(
            "hub_commit_events",
            "Events in one transaction of the log, where it stored any.",
            buckets=_COMMIT_EVENTS,
            registry=registry,
        )
        self._request_seconds = Histogram(
            "hub_request_seconds",
            "Time of one HTTP request; of a stream or a long poll, until its end.",
            ("method", "route", "status"),
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self._requests: dict[tuple[str, str, int], Histogram] = {}
        registry.register(_Parts(gateway, loop_lag, broker, version))
        registry.register(_Webhooks(self))
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def add(self, collector: Collector) -> None:
        """Show what another part counts, too."""
        self._registry.register(collector)

    def commit(self, events: int, seconds: float) -> None:
        """A transaction of the log has become durable; without events it was rows alone."""
        self._commit_seconds.observe(seconds)
        if events:
            self.commits += 1
            self.commit_seconds_last = seconds
            self.group_events_last = events
            self._commit_events.observe(events)

    def webhook_attempt(self, outcome: str) -> None:
        """A webhook was called by this process: `success` or `failed`."""
        self.webhook_attempts[outcome] += 1

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request has been answered.

        Args:
            route: the template of its path, or `other`: a label needs few values.
            status: 0 where the client left before its answer began.
        """
        name = method if method in _METHODS else "other", route, status
        child = self._requests.get(name)
        if child is None:
            child = self._requests[name] = self._request_seconds.labels(*name)
        child.observe(seconds)

    def text(self, accept: str) -> tuple[bytes, str]:
        """All measures, and their media type.

        Args:
            accept: the `Accept` of who asks: Prometheus text, or OpenMetrics where it says so.
        """
        try:
            encode, media_type = choose_encoder(accept)
        except TypeError:  # a version there that is no number; the plain form suits everyone
            encode, media_type = choose_encoder("")
        return encode(self._registry), media_type


class _Parts(Collector):
    """The numbers that the hub's parts keep, read in one pass."""

    def __init__(self, gateway: Gateway, loop_lag: LoopLag, broker: Broker, version: str) -> None:
        self._gateway = gateway
        self._loop_lag = loop_lag
        self._broker = broker
        self._version = version

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("hub_build_info", "1; which version runs.", labels=["version"])
        build.add_metric([self._version], 1)
        yield build
        yield from self._connections()
        yield from self._stream()
        refused = CounterMetricFamily(
            "hub_rate_limited", "What was refused for coming too often.", labels=["limit"]
        )
        for limit, count in self._gateway.quotas.refused.items():
            refused.add_metric([limit], count)
        yield refused
        yield _gauge(
            "hub_loop_lag_seconds",
            "The largest lag of the event loop in the last 5 s.",
            self._loop_lag.worst,
        )
        if self._broker.state != "none":
            yield _gauge(
                "hub_broker_up", "Whether the broker of the queues answers.",
                self._broker.state == "up",
            )  # fmt: skip

    def _connections(self) -> Iterator[Metric]:
        gateway = self._gateway
        counts = Counter((c.principal.role, c.door) for c in gateway.connections)
        known = GaugeMetricFamily(
            "hub_connections", "Authenticated connections.", labels=["role", "door"]
        )
        for role in ROLES:
            for door in _DOORS:
                known.add_metric([role, door], counts[role, door])
        yield known
        yield _gauge(
            "hub_connections_open",
            "Open sockets and streams, those without a credential yet included.",
            len(gateway),
        )
        yield _gauge("hub_connections_limit", "HUB_MAX_CONNECTIONS.", gateway.most)
        yield _gauge(
            "hub_connections_lagging",
            "Connections whose outgoing buffer is full.",
            gateway.lagging,
        )
        yield _gauge(
            "hub_partial_message_bytes",
            "Held of messages that are not whole yet.",
            gateway.partial_bytes,
        )
        closes = CounterMetricFamily(
            "hub_closes",
            "Sockets and streams that ended, by close code; 0 for any other reason.",
            labels=["code"],
        )
        for code, count in sorted(gateway.connections.closes.items()):
            closes.add_metric([str(int(code))], count)
        yield closes

    def _stream(self) -> Iterator[Metric]:
        gateway = self._gateway
        log, fanout, replay = gateway.log, gateway.fanout, gateway.replay
        yield _count("hub_events_in", "Events appended, volatile ones included.", log.events_in)
        yield _count("hub_events_out", "Events sent to live readers.", fanout.events_out)
        yield _count(
            "hub_events_out_bytes", "Bytes of events sent to live readers.", fanout.bytes_out
        )
        replays = CounterMetricFamily(
            "hub_replays",
            "Stretches of the log replayed to readers that were behind.",
            labels=["source"],
        )
        replays.add_metric(["ring"], replay.ring_replays)
        replays.add_metric(["database"], replay.database_replays)
        yield replays
        ring = log.ring
        yield _gauge("hub_ring_events", "Events in memory.", ring.end - ring.first + 1)
        yield _gauge("hub_backlog_events", "Committed events that wait to be sent.", fanout.backlog)
        yield _gauge("hub_log_offset", "The log's last offset.", log.end)
        yield _gauge("hub_log_oldest_offset", "The first offset still stored.", log.oldest)


class _Webhooks(Collector):
    """What becomes of webhooks in this process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        attempts = CounterMetricFamily(
            "hub_webhook_attempts", "Attempts to call webhooks by this process.", labels=["outcome"]
        )
        for outcome in ("success", "failed"):
            attempts.add_metric([outcome], self._metrics.webhook_attempts[outcome])
        yield attempts
        yield _gauge(
            "hub_webhook_backlog_events",
            "Committed events that were not looked at, or whose deliveries are not written.",
            self._metrics.webhook_backlog(),
        )


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value)


def _count(name: str, help_: str, value: float) -> Metric:
    """A counter; `_total` is added to its name."""
    return CounterMetricFamily(name, help_, value)
