"""python -m tests.bench [scenario …] [--quick] [--json FILE] [--runs N]"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from tests.bench import machine
from tests.bench.peers import Broken
from tests.bench.plan import Plan
from tests.bench.report import Check, Outcome, section, summary
from tests.bench.scenarios import SCENARIOS
from tests.bench.servers import ROOT, scratch

NOISY = 0.2  # of a core, used by others: worth a note


class Others:
    """The processor time that neither this program uses nor what it starts and waits for."""

    def __init__(self) -> None:
        self._began, self._used = time.monotonic(), self._by_others()

    def share(self) -> float:
        return (self._by_others() - self._used) / (time.monotonic() - self._began)

    @staticmethod
    def _by_others() -> float:
        return machine.busy() - sum(os.times()[:4])


def main() -> int:
    arguments = _arguments()
    # Leave no server behind when told to go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    cores = machine.Cores.pick()
    os.sched_setaffinity(0, {cores.generator})
    machine.raise_open_files()
    began = time.monotonic()
    checks: list[Check] = []
    faults: list[str] = []
    data: dict[str, object] = {}
    with scratch(ROOT / ".bench-data") as folder:
        about = machine.describe(folder, cores)
        print(about, end="\n\n", flush=True)
        plan = Plan(folder, cores, arguments.quick, arguments.runs)
        for name in arguments.scenarios or SCENARIOS:
            others = Others()
            try:
                outcome = SCENARIOS[name](plan)
            except (Broken, OSError, LookupError) as problem:
                outcome = Outcome(name, (), faults=[f"{type(problem).__name__}: {problem}"])
            if (share := others.share()) > NOISY:
                outcome.notes.append(f"Other processes used {share:.0%} of a core meanwhile.")
            print(section(outcome), flush=True)
            checks += outcome.checks
            faults += [f"{name}: {fault}" for fault in outcome.faults]
            data[name] = outcome.data
    print(summary(checks), end="\n\n")
    print(f"Took {time.monotonic() - began:.0f} s.")
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    if arguments.json:
        found = {"machine": about, "scenarios": data, "faults": faults}
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="a minute instead of five")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the raw numbers, too")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of every scenario")
    arguments = parser.parse_args()
    unknown = set(arguments.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
