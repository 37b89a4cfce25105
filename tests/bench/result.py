"""What one stretch of load came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


def quantile_ms(samples: Sequence[int], q: float) -> float:
    """Of nanoseconds, already sorted."""
    return samples[min(len(samples) - 1, int(q * len(samples)))] / 1e6 if samples else 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """One measured stretch, and the balance since the load began."""

    seconds: float
    deliveries: int
    sent: int
    acked: int
    received_bytes: int
    reads: int
    server_cpu: float
    generator_cpu: float
    latencies: list[int] = field(repr=False)
    ack_latencies: list[int] = field(repr=False)
    missing: int = 0
    surplus: int = 0
    unacked: int = 0

    @property
    def deliveries_per_s(self) -> float:
        return self.deliveries / self.seconds

    @property
    def us_per_delivery(self) -> float:
        return self.server_cpu / self.deliveries * 1e6 if self.deliveries else 0.0

    @property
    def bytes_per_delivery(self) -> float:
        return self.received_bytes / self.deliveries if self.deliveries else 0.0

    @property
    def deliveries_per_read(self) -> float:
        return self.deliveries / self.reads if self.reads else 0.0

    def latency_ms(self, q: float) -> float:
        return quantile_ms(self.latencies, q)

    def ack_ms(self, q: float) -> float:
        return quantile_ms(self.ack_latencies, q)

    @property
    def faults(self) -> list[str]:
        named = {
            "deliveries missing": self.missing,
            "deliveries too many": self.surplus,
            "events without an acknowledgement": self.unacked,
        }
        return [f"{number} {what}" for what, number in named.items() if number]
