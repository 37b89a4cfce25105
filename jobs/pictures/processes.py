"""Has pictures decoded by processes of their own; see `program`.

Each is started for the first picture that needs it, takes one after the other, and ends when there
was none for a while. One that dies took a picture that nobody should decode, and the next picture
gets another process.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Literal

import structlog
from msgspec import Struct

from hub.protocol.errors import HubError, Unavailable

log = structlog.get_logger("jobs.pictures")

IDLE_SECONDS = 30.0
PATIENCE_SECONDS = 60.0
"""How long a process may take that does not get the processor. Of processor time it has less."""
_ROOT = Path(__file__).parents[2]
"""Where the package of the program is."""
_READ_BYTES = 1 << 20
"""What is read ahead of a process's answer: most files of a picture are smaller together."""


class NotTaken(Exception):
    """A file that is no picture of those that are taken; the message says why."""


class Died(Exception):
    """A process ended with a picture in its hands.

    Attributes:
        status: how it ended, as in `subprocess`: minus the number of the signal.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__("decoding it takes too long, or fails")
        self.status = status


class Answer(Struct, frozen=True):
    """What the program says of a picture, and the files that it has made."""

    said: dict[str, Any]
    files: list[bytes]


class Processes:
    """The processes of one hub or worker, on the running loop.

    Args:
        most: how many there are at the same time.
    """

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)
        self._idle: list[asyncio.subprocess.Process] = []
        self._all: set[asyncio.subprocess.Process] = set()
        self._ending: asyncio.TimerHandle | None = None
        self._closed = False

    async def ask(self, do: Literal["look", "shrink"], path: Path) -> Answer:
        """Have something done with the picture in a file.

        Raises:
            NotTaken: it is none, or one that is not taken.
            FileNotFoundError: the file is gone.
            Died: its process did not survive it.
            Unavailable: there was no processor time, or no process.
            HubError: the program has a fault; it was logged.
        """
        async with self._free:
            process = self._idle.pop() if self._idle else await _start()
            self._all = {each for each in self._all if each.returncode is None} | {process}
            try:
                answer = await _ask(process, do, path)
            except BaseException:
                _kill(process)  # it has died, or is not done with this picture
                raise
            self._idle.append(process)
            if self._closed:
                self._end_idle()
            else:
                self._end_later()
        if "fault" in answer.said:
            log.error("the program that decodes pictures failed", error=answer.said["fault"])
            raise HubError("the hub failed on this picture; it was logged")
        if "missing" in answer.said:
            raise FileNotFoundError(f"{path} is gone")
        if "refused" in answer.said:
            raise NotTaken(str(answer.said["refused"]))
        return answer

    async def close(self) -> None:
        """End the processes, and wait for that."""
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
    environment["PYTHONPATH"] = str(_ROOT)
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "jobs.pictures.program",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env=environment, limit=_READ_BYTES,
        )  # fmt: skip
    except OSError as error:
        log.warning("no process for a picture", error=str(error))
        raise Unavailable(
            "the hub cannot look at pictures at the moment; try again", retry_after=5.0
        ) from None


async def _ask(process: asyncio.subprocess.Process, do: str, path: Path) -> Answer:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps({do: str(path)}).encode() + b"\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await process.stdout.readline()
            if line:
                said: dict[str, Any] = json.loads(line)
                made = [await process.stdout.readexactly(m["size"]) for m in said.get("made", ())]
                return Answer(said, made)
    except TimeoutError:
        raise Unavailable("the hub is too busy to look at a picture", retry_after=10.0) from None
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # it has ended
    status = await process.wait()
    log.warning("a picture ended its process", code=status)
    raise Died(status)


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
