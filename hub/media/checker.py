"""Has pictures looked at before they are taken; see `jobs.pictures`."""

from pathlib import Path

from jobs.pictures.processes import Died, NotTaken, Processes

from .pictures import Picture, picture_of

PROCESSES = 2


class Checker:
    """What looks at the uploads of one hub, on the running loop: two at a time."""

    def __init__(self) -> None:
        self._processes = Processes(PROCESSES)

    async def check(self, path: Path) -> Picture:
        """Decode the picture in a file.

        Raises:
            NotTaken: it is none, or one that is not taken.
            Unavailable: there was no processor time, or no process.
        """
        try:
            answer = await self._processes.ask("look", path)
        except Died as death:
            # Nobody should decode it again: whoever sends it may try to break the next process.
            raise NotTaken(str(death)) from None
        return picture_of(answer.said)

    async def close(self) -> None:
        """End what looks at pictures, and wait for that."""
        await self._processes.close()
