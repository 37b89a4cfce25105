"""A bot as a process of its own, to be killed: its gateway appends to a file, and fsyncs.

    python -m tests.client.mortal_bot URL JOURNAL SENT DIES DELAY [COUNT]

DIES names where it kills itself, with the task or fsync number COUNT: `before` the call, `inside`
it before anything is sent, `sent`: inside it after that, `synced`: right after the COUNTth fsync of
its journal; `-` for never. The key is in HUB_KEY.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from hub.client import Backoff, Hub, Task


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_after_fsync(number: int) -> None:
    """Kill this process once so many fsyncs of any file have returned."""
    real, count = os.fsync, 0

    def counted(fd: Any) -> None:
        nonlocal count
        real(fd)
        count += 1
        if count == number:
            die()

    os.fsync = counted


async def main(url: str, journal: str, sent: Path, dies: str, delay: float, count: int) -> None:
    gateway = os.open(sent, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    begun = 0

    async def call(task: Task, mortal: bool) -> str:
        if dies == "inside" and mortal:
            die()
        await asyncio.sleep(delay)
        os.write(gateway, f"{task.message_id}\n".encode())
        if dies == "sent" and mortal:
            die()
        return f"wa-{task.message_id}"

    async def handle(task: Task) -> None:
        nonlocal begun
        begun += 1
        mortal = begun == count
        if dies == "before" and mortal:
            die()
        await task.send(call, task, mortal)

    if dies == "synced":
        die_after_fsync(count)
    async with (
        Hub(url, os.environ["HUB_KEY"], backoff=Backoff(0.02, 0.2)) as hub,
        hub.bot(credit=10, journal=journal) as bot,
    ):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, bot.stop)
        await bot.run(handle)


if __name__ == "__main__":
    _, url, journal, sent, dies, delay, *rest = sys.argv
    asyncio.run(main(url, journal, Path(sent), dies, float(delay), int(rest[0]) if rest else 1))
