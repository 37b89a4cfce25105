"""Has pictures decoded by a process of their own; see `decoder`.

Two such processes are there at the most. Each is started for the first picture that needs it, takes
one after the other, and ends when there was none for a while. One that dies took a picture that
nobody should decode: that one is refused, and the next gets another process.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import structlog

from hub.protocol.errors import HubError, Unavailable

from .pictures import Picture, picture_of

log = structlog.get_logger("hub.media")

PROCESSES = 2
IDLE_SECONDS = 30.0
PATIENCE_SECONDS = 60.0
"""How long a decoder may take that does not get the processor. Of processor time it has less."""
_DECODER = Path(__file__).with_name("decoder.py")


class NotTaken(Exception):
    """A file that is no picture of those that are taken; the message says why."""


class Checker:
    """The decoders of one hub, on the running loop."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(PROCESSES)
        self._idle: list[asyncio.subprocess.Process] = []
        self._all: set[asyncio.subprocess.Process] = set()
        self._ending: asyncio.TimerHandle | None = None
        self._closed = False

    async def check(self, path: Path) -> Picture:
        """Decode the picture in a file.

        Raises:
            NotTaken: it is none, or one that is not taken.
            Unavailable: there was no processor time, or no process.
        """
        async with self._free:
            process = self._idle.pop() if self._idle else await _start()
            self._all = {each for each in self._all if each.returncode is None} | {process}
            try:
                answer = await _ask(process, path)
            except BaseException:
                _kill(process)  # it has died, or is not done with this picture
                raise
            self._idle.append(process)
            if self._closed:
                self._end_idle()
            else:
                self._end_later()
        if "fault" in answer:
            log.error("a decoder failed", error=answer["fault"])
            raise HubError("the hub failed on this picture; it was logged")
        if "refused" in answer:
            raise NotTaken(str(answer["refused"]))
        return picture_of(answer)

    async def close(self) -> None:
        """End the decoders, and wait for that."""
        self._closed = True
        if self._ending is not None:
            self._ending.cancel()
        self._end_idle()
        await asyncio.gather(*(process.wait() for process in self._all))

    def _end_later(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
        loop = asyncio.get_running_loop()
        self._ending = loop.call_later(IDLE_SECONDS, self._end_idle)

    def _end_idle(self) -> None:
        for process in self._idle:
            _kill(process)
        self._idle.clear()


async def _start() -> asyncio.subprocess.Process:
    # Its environment has no secrets of the hub.
    environment = {name: v for name, v in os.environ.items() if not name.startswith("HUB_")}
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(_DECODER),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env=environment,
        )  # fmt: skip
    except OSError as error:
        log.warning("no process for a picture", error=str(error))
        raise Unavailable(
            "the hub cannot look at pictures at the moment; try again", retry_after=5.0
        ) from None


async def _ask(process: asyncio.subprocess.Process, path: Path) -> dict[str, object]:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(str(path)).encode() + b"\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await process.stdout.readline()
    except TimeoutError:
        raise Unavailable("the hub is too busy to look at a picture", retry_after=10.0) from None
    except ConnectionError:
        line = b""
    if not line:
        log.warning("a picture ended its decoder", code=process.returncode)
        raise NotTaken("decoding it takes too long, or fails")
    answer: dict[str, object] = json.loads(line)
    return answer


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
