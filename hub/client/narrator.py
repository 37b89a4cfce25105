"""What the command `hub` tells of its connection."""

from hub.client.status import State, Status
from hub.client.terminal import notice


class Narrator:
    """Tells of connections that are lost and found; says nothing while all is well.

    Args:
        greeting: said once, when it first stands.
    """

    def __init__(self, greeting: str = "") -> None:
        self._greeting = greeting
        self._away = False

    def __call__(self, status: Status) -> None:
        if status.state is State.WAITING:
            self._away = True
            notice(f"{status.reason}; trying again in {status.delay:.1f} s")
        elif status.state is State.LIVE:
            if self._greeting:
                notice(self._greeting)
            elif self._away:
                notice("connected again")
            self._greeting, self._away = "", False
