"""The SDK stands alone: msgspec, websockets and `hub.protocol` are all that it needs."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import websockets

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "hub" / "client"


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A folder with the SDK's own packages and its two dependencies, and nothing else."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "__init__.py").touch()
    for name in ("client", "protocol"):
        (tmp_path / "hub" / name).symlink_to(ROOT / "hub" / name)
    for package in (msgspec, websockets):
        assert package.__file__ is not None
        found = Path(package.__file__).parent
        (tmp_path / found.name).symlink_to(found)
    return tmp_path


def run(alone: Path, code: str) -> subprocess.CompletedProcess[str]:
    # -S leaves out site-packages, so that PYTHONPATH and the standard library are all there is.
    return subprocess.run(
        [sys.executable, "-S", "-B", "-W", "error", "-c", code],
        cwd=alone,
        env={"PYTHONPATH": str(alone), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_is_imported_where_nothing_else_is_installed(alone: Path) -> None:
    code = """
import importlib, pkgutil, sys
for absent in ("uvicorn", "starlette", "structlog", "aiosqlite"):
    try:
        importlib.import_module(absent)
    except ImportError:
        continue
    raise SystemExit(f"{absent} is there: the test proves nothing")
import hub.client
for module in pkgutil.iter_modules(hub.client.__path__, "hub.client."):
    importlib.import_module(module.name)
ours = sorted({name.split(".")[1] for name in sys.modules if name.startswith("hub.")})
print(ours, hub.client.Hub.__name__)
"""
    done = run(alone, code)
    assert done.stderr == ""
    assert done.stdout.split("\n")[0] == "['client', 'protocol'] Hub"


def test_the_command_starts_there_too(alone: Path) -> None:
    done = run(alone, "import sys; from hub.client.cli import main; sys.exit(main(['tail', '-h']))")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: hub tail")


def test_it_imports_nothing_else_of_ours() -> None:
    allowed = {"hub.client", "hub.protocol", "msgspec", "websockets"} | sys.stdlib_module_names
    for path in CLIENT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                parts = name.split(".")
                top = ".".join(parts[:2]) if parts[0] == "hub" else parts[0]
                assert top in allowed, f"{path.name} imports {name}"
