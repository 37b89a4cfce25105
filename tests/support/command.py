"""`run.py` from outside: its commands, with nothing of the tests' own HUB_* settings."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.hub_process import REPOSITORY


class Finished(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def environment(data_dir: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a hub in this data directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    own = {"PYTHONUNBUFFERED": "1", "HUB_DATA_DIR": str(data_dir), "HUB_PORT": "0"}
    return kept | own | dict(settings or {})


async def run_py(
    data_dir: Path,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    deadline: float = 20.0,
) -> Finished:
    """Run `run.py` with these arguments to its end; it is killed at the deadline.

    Raises:
        TimeoutError: it did not end in time.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(REPOSITORY / "run.py"),
        *arguments,
        cwd=data_dir.parent,
        env=environment(data_dir, settings),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(deadline):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())
