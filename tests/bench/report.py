"""Markdown tables: a median with the runs' extremes, and targets met or missed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Show = Callable[[float], str]


def number(value: float) -> str:
    """Three figures, in millions or thousands where that is shorter."""
    if value >= 999_500:
        return f"{value / 1e6:.3g} M"
    if value >= 10_000:
        return f"{value / 1e3:.3g} k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms"


def percent(value: float) -> str:
    return f"{value * 100:.0f}%"


def micro(value: float) -> str:
    return f"{value:.2f} µs" if value < 10 else f"{value:.0f} µs"


def spread(values: Sequence[float], show: Show = number) -> str:
    """The median, and between brackets the least and the most, where they differ as shown."""
    middle, low, high = show(statistics.median(values)), show(min(values)), show(max(values))
    return middle if low == high else f"{middle} ({low} - {high})"


@dataclass(frozen=True, slots=True)
class Check:
    """A target, and what was measured. Missing it fails nothing: machines are noisy."""

    what: str
    target: str
    measured: str
    met: bool


@dataclass(slots=True)
class Outcome:
    """What a scenario found. `faults` are losses, duplicates and failures: they fail the run."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    data: dict[str, object] = field(default_factory=dict)

    def at_least(self, what: str, values: Sequence[float], target: float, show: Show) -> None:
        value = statistics.median(values)
        self.checks.append(Check(what, f"≥ {show(target)}", spread(values, show), value >= target))

    def below(self, what: str, values: Sequence[float], target: float, show: Show) -> None:
        value = statistics.median(values)
        self.checks.append(Check(what, f"< {show(target)}", spread(values, show), value < target))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def section(outcome: Outcome) -> str:
    parts = [f"### {outcome.title}"]
    if outcome.rows:
        parts.append(table(outcome.head, outcome.rows))
    parts += [*outcome.notes, *(f"**FAULT: {fault}**" for fault in outcome.faults)]
    return "\n\n".join(parts) + "\n"


def summary(checks: Sequence[Check]) -> str:
    rows = [(c.what, c.measured, c.target, "ok" if c.met else "**miss**") for c in checks]
    return table(("target", "measured", "wanted", ""), rows)
