"""What the gateway needs of who hands tasks to bots; who that is, it does not know."""

from typing import TYPE_CHECKING, Protocol

from hub.protocol.errors import NotFound
from hub.protocol.frames import Answer, Progress, Ready

if TYPE_CHECKING:
    from .session import Session


class Tasks(Protocol):
    """What bots say of tasks, by the session that says it. Each is told at once, on the loop."""

    def ready(self, session: "Session", frame: Ready) -> None:
        """A bot takes tasks from now on, so many and of this kind.

        Raises:
            NotFound: no tasks are handed out here.
        """

    def progress(self, session: "Session", frame: Progress) -> None:
        """How far a bot is."""

    def answer(self, session: "Session", frame: Answer) -> None:
        """A task has been done, or has failed; the answer goes to the session by itself.

        Raises:
            InvalidParams: the result cannot be kept.
        """

    def drained(self, session: "Session") -> None:
        """A session that was ready, and did not read for a while, reads again."""

    def left(self, session: "Session") -> None:
        """A session that was ready is gone."""


class NoTasks:
    """A hub without tasks."""

    def ready(self, session: "Session", frame: Ready) -> None:
        raise NotFound("this hub hands out no tasks")

    def progress(self, session: "Session", frame: Progress) -> None:
        raise NotFound("this hub hands out no tasks")

    def answer(self, session: "Session", frame: Answer) -> None:
        raise NotFound("this hub hands out no tasks")

    def drained(self, session: "Session") -> None:
        """Nothing was handed to it."""

    def left(self, session: "Session") -> None:
        """Nothing was handed to it."""
