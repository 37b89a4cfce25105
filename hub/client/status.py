"""What a connection is doing, for whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    CONNECTING = "connecting"
    REPLAYING = "replaying"
    """Connected; what was missed is on its way (event streams only)."""
    LIVE = "live"
    """Connected, and up to date."""
    WAITING = "waiting"
    """Not connected; the next attempt follows after `delay`."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Status:
    """A change of state.

    Attributes:
        state: the state from now on.
        reason: why, in words; empty where there is nothing to explain.
        delay: seconds until the next attempt, in WAITING.
    """

    state: State
    reason: str = ""
    delay: float = 0.0


OnState = Callable[[Status], None]


def ignore(status: Status) -> None:
    """An `OnState` for who does not care."""
