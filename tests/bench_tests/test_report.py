"""The tables say what was measured, in figures that can be pasted."""

from __future__ import annotations

import pytest

from tests.bench.report import Outcome, ms, number, section, spread, summary


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5, "0.5"),
        (7, "7"),
        (940, "940"),
        (9_400, "9,400"),
        (95_200, "95.2 k"),
        (999_960, "1 M"),
        (2_310_000, "2.31 M"),
    ],
)
def test_number(value: float, shown: str) -> None:
    assert number(value) == shown


def test_spread_is_the_median_and_the_extremes() -> None:
    assert spread([3.0, 1.0, 2.0], ms) == "2.0 ms (1.0 ms - 3.0 ms)"
    assert spread([2.0], ms) == "2.0 ms"


def test_a_section_and_a_summary_are_markdown() -> None:
    outcome = Outcome("Title", ("a", "b"), rows=[("1", "2")], faults=["lost 1"])
    outcome.at_least("pace", [1, 9, 5], 4, number)
    outcome.below("delay", [9.0], 3, ms)
    assert section(outcome) == (
        "### Title\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n**FAULT: lost 1**\n"
    )
    assert summary(outcome.checks).splitlines()[2:] == [
        "| pace | 5 (1 - 9) | ≥ 4 | ok |",
        "| delay | 9.0 ms | < 3.0 ms | **miss** |",
    ]
