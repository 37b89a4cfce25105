"""How much to measure, where, and on which cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.bench.machine import Cores
from tests.bench.servers import Baseline, Hub


@dataclass(frozen=True, slots=True)
class Plan:
    folder: Path
    cores: Cores
    quick: bool = False
    runs: int | None = None

    def rounds(self, full: int, quick: int = 1) -> int:
        return self.runs or (quick if self.quick else full)

    def seconds(self, full: float, quick: float) -> float:
        return quick if self.quick else full

    def hub(self, under: Sequence[str] = (), settings: Mapping[str, str] | None = None) -> Hub:
        """A hub that knows nothing yet."""
        folder = Path(mkdtemp(prefix="hub-", dir=self.folder))
        return Hub(self.cores.server, folder, under, settings)

    def baseline(self, module: str) -> Baseline:
        return Baseline(self.cores.server, self.folder / f"{module}.log", f"tests.bench.{module}")
