"""The fixture that attacks, and the table of what came of it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.attacks.harness import ATTACK_SECONDS, Report, besiege, survived
from tests.attacks.lines import Seen

Siege = Callable[..., Awaitable[Seen]]

_REPORTS = pytest.StashKey[list[Report]]()


@pytest.fixture
def siege(tmp_path: Path, request: pytest.FixtureRequest) -> Siege:
    """Attack a fresh hub by an attack's name; what must always hold is checked here.

    The test gets what the attacker saw, and checks that it was refused rightly.
    """

    async def attack(name: str, seconds: float = ATTACK_SECONDS) -> Seen:
        report = await besiege(tmp_path, name, seconds)
        request.config.stash.setdefault(_REPORTS, []).append(report)
        survived(report)
        return report.seen

    return attack


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Print a line for every attack that ran."""
    reports = config.stash.get(_REPORTS, [])
    if not reports:
        return
    write = terminalreporter.write_line
    terminalreporter.section("attacks: a healthy bot and dashboard beside them")
    write(
        f"{'attack':25} {'p99 ms':>7} {'during':>7} {'after':>7} {'normal':>7} {'memory':>8} "
        f"{'lag':>5}  what the attacker was told"
    )
    for report in reports:
        recovery = "never" if report.recovery is None else f"{report.recovery:.1f} s"
        again = " (second run)" if report.runs > 1 else ""
        again += " (disturbed)" if report.disturbed else ""
        write(
            f"{report.attack.replace('_', ' '):25} {_ms(report.before.p99)} "
            f"{_ms(report.during.p99)} {_ms(report.after.p99)} {recovery:>7} "
            f"{report.growth / 1e6:5.0f} MB {report.lag * 1000:5.0f}  {report.refusals}{again}"
        )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:7.1f}"
