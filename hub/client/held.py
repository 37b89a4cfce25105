"""One task in a bot's hands, and the answers to it."""

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct

from hub.client.journal_file import Record
from hub.protocol import frames
from hub.protocol.limits import TASK_ERROR_CHARS
from hub.protocol.times import format_ms

Answer = frames.Done | frames.Failed


class Stage(enum.Enum):
    WAITING = "waiting"
    """Nobody has begun it."""
    RUNNING = "running"
    """The bot has it."""
    ENTERING = "entering"
    """`sending` is on its way to the journal; the gateway has not been called."""
    CALLING = "calling"
    """Its message is on its way to the gateway; whether it was sent is not known just now."""
    DOUBT = "doubt"
    """The gateway's call ended without an answer, maybe in an earlier process."""
    ANSWERED = "answered"
    """What came of it is to be told to the hub, or was told and is not settled."""
    STALE = "stale"
    """The hub did not count that answer, because it has a later attempt; it is kept for that."""


class Outgoing(Struct, rename="camel"):
    """The data of a task `send`: one message.

    Attributes:
        message_id: the same in every attempt.
        to: the recipient's phone, digits alone.
        text: the message as plain text.
        message: it in the form that the bot has asked for.
    """

    message_id: str
    to: str
    text: str = ""
    message: Any = None
    chat: str | None = None
    template_id: str | None = None
    format: str | None = None


@dataclass(eq=False, slots=True)
class Held:
    """One task in a bot's hands.

    Attributes:
        number: names it to the hub, in `ref`; another one for each attempt.
        key: the message's id, or the job's for what is no message.
        job, attempt: as the hub knows it now.
        work: the task; None where only the journal knows of it.
        message: what is to be sent, where it is a message.
        expires: on the loop's clock, when the hub gives it up; None where that is not known.
        over: why the hub wants it no more; empty while it does.
        cancel: ends who works on it, outside the gateway's call.
    """

    number: int
    key: str
    job: str
    attempt: int
    stage: Stage
    work: frames.Task | None = None
    message: Outgoing | None = None
    expires: float | None = None
    answer: Answer | None = None
    over: str = ""
    cancel: Callable[[], object] | None = None

    @property
    def failed(self) -> bool:
        """Whether it was answered as failed, and certainly not sent."""
        return isinstance(self.answer, frames.Failed) and not self.answer.uncertain


def record(
    held: Held,
    state: Literal["sending", "sent", "unsent", "settled"],
    result: dict[str, Any] | None = None,
    note: dict[str, Any] | None = None,
) -> Record:
    """A line of the journal about this task."""
    at = format_ms(time.time_ns() // 1_000_000)
    return Record(held.key, held.job, held.attempt, state, at, result, note)


def done(result: dict[str, Any] | None) -> frames.Done:
    """The answer to what was done; whose it is, is filled in when it is sent."""
    return frames.Done(job="", attempt=0, result=result or {})


def failed(error: str, *, retry: bool = True, uncertain: bool = False) -> frames.Failed:
    """The answer to what was not, or may have been; likewise."""
    shown = error if len(error) <= TASK_ERROR_CHARS else error[: TASK_ERROR_CHARS - 1] + "…"
    return frames.Failed(job="", attempt=0, error=shown, retry=retry, uncertain=uncertain)
