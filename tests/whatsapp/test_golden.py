"""Every type in every format, byte by byte."""

from pathlib import Path

import pytest

from .golden import FOLDER, golden

GOLDEN = dict(golden())


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_conversion_is_what_its_golden_file_says(path: Path) -> None:
    """After a change that is meant: `python -m tests.whatsapp.golden`, and read the difference."""
    assert path.read_text(encoding="utf-8") == GOLDEN[path]


def test_every_golden_file_belongs_to_an_example() -> None:
    assert sorted(FOLDER.rglob("*.json")) == sorted(GOLDEN)
