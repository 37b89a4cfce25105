"""The JavaScript client and the page's state, under Node's own test runner."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
OLDEST = 20
"""The first Node whose test runner has what these tests use."""


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    reason = f"no Node.js on PATH (version {OLDEST} or later)"
    if found is not None:
        shown = subprocess.run([found, "--version"], check=True, capture_output=True, text=True)
        version = shown.stdout.strip()
        if int(version.lstrip("v").split(".")[0]) >= OLDEST:
            return found
        reason = f"Node.js {version} is older than version {OLDEST}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.name)
def test_javascript(node: str, file: Path) -> None:
    ran = subprocess.run(
        [node, "--test", "--test-reporter=spec", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
