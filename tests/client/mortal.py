"""Lives and deaths of `mortal_bot`."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.client.command import ROOT, environment


class Lives:
    """The lives of one bot: they share a journal, and what they have sent.

    Args:
        directory: where both are kept.
        url, key: of the hub.
        delay: seconds that the gateway takes with one message.
    """

    def __init__(self, directory: Path, url: str, key: str, delay: float = 0.0) -> None:
        self.journal = directory / "bot.journal"
        self._sent = directory / "sent"
        self._url = url
        self._key = key
        self._delay = delay

    @property
    def sent(self) -> Counter[str]:
        """How often each message was sent, by its id."""
        return Counter(self._sent.read_text().split()) if self._sent.exists() else Counter()

    @asynccontextmanager
    async def life(self, dies: str = "-", count: int = 1) -> AsyncIterator[Process]:
        """One life, which ends with the block unless it has ended before."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.client.mortal_bot", self._url, str(self.journal), str(self._sent)),
            *(dies, str(self._delay), str(count)),
            env=environment(HUB_KEY=self._key),
            cwd=ROOT,
            stderr=PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
                async with asyncio.timeout(20):
                    _, err = await process.communicate()
                # It may have been starting still, and had nothing to come to an end with.
                assert process.returncode in (0, -signal.SIGTERM), err.decode()

    async def die(self, dies: str, count: int = 1) -> None:
        """One life to its own end."""
        async with self.life(dies, count) as process, asyncio.timeout(20):
            _, err = await process.communicate()
        assert process.returncode == -9, err.decode()
