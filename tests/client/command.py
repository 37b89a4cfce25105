"""The command `hub` as a process."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}
    return kept | {"PYTHONPATH": str(ROOT), "TZ": "UTC", "TERM": "xterm"} | changes


@asynccontextmanager
async def hub(
    *arguments: str, cwd: Path | None = None, stdout: int | None = PIPE, **changes: str
) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hub.client.cli",
        *arguments,
        env=environment(**changes),
        cwd=cwd,
        stdin=PIPE,
        stdout=stdout,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(
    *arguments: str, stdin: str = "", cwd: Path | None = None, **changes: str
) -> tuple[int, str, str]:
    """Run to the end: exit code, stdout, stderr."""
    async with hub(*arguments, cwd=cwd, stdout=PIPE, **changes) as process, asyncio.timeout(20):
        out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


async def line(process: Process) -> Any:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return json.loads(await process.stdout.readline())


def lines(text: str) -> list[Any]:
    return [json.loads(one) for one in text.splitlines()]
