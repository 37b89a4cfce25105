"""A template filled in and converted, per gateway; and what twice the work takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, get_args

from hub.templates.content import Content
from hub.templates.filling import fill
from hub.whatsapp.convert import convert
from hub.whatsapp.messages import Format
from storage.merchant_records import Button
from tests.bench.plan import Plan
from tests.bench.report import Outcome, micro, ms, spread

BATCH = 20
"""Messages of one measurement: so few that the system hardly ever takes the core away meanwhile."""
MEGABYTE = 1 << 20
VARIABLES = 10_000

CONTENT = Content(
    type="buttons",
    header="Order {{order_id}}",
    body="Hello {{name}}, thank you for order {{order_id}} of {{amount}}. It comes at {{eta}}.",
    footer="{{shop}}",
    buttons=[Button("track", "Track {{order_id}}"), Button("help", "Help")],
)
VALUES = {"order_id": "A-1042", "name": "Zoë", "amount": 23.5, "eta": "18:30", "shop": "The shop"}


def run(plan: Plan) -> Outcome:
    outcome = Outcome(
        "Templates: a buttons template of 5 variables filled in and converted",
        ("format", "time of one"),
    )
    batches = 500 if plan.quick else 2000
    for format_ in get_args(Format):
        took = [_one(format_, batches) for _ in range(plan.rounds(3))]
        outcome.rows.append((format_, spread(took, micro)))
        outcome.below(f"a buttons template as {format_}", took, 20, micro)
        outcome.data[f"{format_}_us"] = took
    for what, work in (("a value of 1 MiB", _value), ("10,000 variables", _variables)):
        once = [_seconds(work(1)) for _ in range(plan.rounds(7, 3))]
        twice = [_seconds(work(2)) for _ in range(plan.rounds(7, 3))]
        ratio = min(twice) / min(once)
        outcome.notes.append(
            f"{what}: {ms(min(once) * 1e3)}; twice as much: {ms(min(twice) * 1e3)}"
            f" ({ratio:.1f} times as long)."
        )
        outcome.below(f"{what}, doubled", [ratio], 3, "{:.1f} times".format)
        outcome.data[what] = {"once_s": once, "twice_s": twice}
    return outcome


def _one(format_: Format, batches: int) -> float:
    """Microseconds of one message: the median of its batches."""
    took = []
    for _ in range(batches):
        began = time.perf_counter_ns()
        for _ in range(BATCH):
            convert(fill(CONTENT, VALUES), format_, "34600111222")
        took.append((time.perf_counter_ns() - began) / BATCH / 1e3)
    return statistics.median(took)


def _value(times: int) -> Callable[[], Any]:
    content = Content(type="text", body="<{{value}}>")
    values = {"value": "ab{{value}}é\n" * (MEGABYTE * times // 14)}
    return lambda: fill(content, values)


def _variables(times: int) -> Callable[[], Any]:
    names = [f"name_{number}" for number in range(VARIABLES * times)]
    content = Content(type="text", body=", ".join("{{" + name + "}}" for name in names))
    values = dict.fromkeys(names, "value")
    return lambda: fill(content, values)


def _seconds(work: Callable[[], Any]) -> float:
    """Of the processor: this takes so long that a busy system interrupts it."""
    began = time.thread_time()
    work()
    return time.thread_time() - began
