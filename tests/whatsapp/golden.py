"""The golden files: every example in every format, as `convert` makes it.

    python -m tests.whatsapp.golden

writes them anew; read the difference before it is committed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .examples import EXAMPLES, FORMATS

FOLDER = Path(__file__).parent / "golden"


def golden() -> Iterator[tuple[Path, str]]:
    """Each file with what it should say."""
    for format_ in FORMATS:
        for name, example in EXAMPLES.items():
            converted = msgspec.to_builtins(example.converted(format_))
            text = json.dumps(converted, indent=2, ensure_ascii=False)
            yield FOLDER / format_ / f"{name}.json", text + "\n"


if __name__ == "__main__":
    for path, text in golden():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
