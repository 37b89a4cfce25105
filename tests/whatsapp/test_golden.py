"""Every type in every format, byte by byte."""

import json
import re
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


def test_the_page_shows_golden_messages() -> None:
    """Every message in docs/templates.md, in its order of keys."""
    page = (Path(__file__).parents[2] / "docs" / "templates.md").read_text(encoding="utf-8")
    messages = [json.loads(text)["message"] for text in GOLDEN.values()]
    texts = [message for message in messages if isinstance(message, str)]
    objects = [json.dumps(message) for message in messages if not isinstance(message, str)]
    shown = re.findall(r"^```(json|text)\n(.+?)\n```$", page, re.MULTILINE | re.DOTALL)
    assert len(shown) >= 6
    for kind, block in shown:
        assert block in texts if kind == "text" else json.dumps(json.loads(block)) in objects
