"""What the SDK raises beside the refusals of `hub.protocol.errors`.

HubError                       every refusal (hub.protocol.errors)
└── Closed                     the hub is not to be asked again unchanged
    ├── ClosedUnauthenticated  … for the key's sake; also an `Unauthenticated`
    └── ClosedForbidden        … for what the key may do; also a `Forbidden`
Lost                           a connection ended that may be opened again; seen by users only
                               with `reconnect=False`
NotSent                        raised by a bot's own code: its gateway certainly sent nothing
TaskOver                       the hub wants a task no more; nothing is to be sent for it
JournalError                   a bot's journal cannot be kept
├── JournalInUse               … because another bot has it
├── JournalDamaged             … because it cannot be read, or is something else
└── JournalMismatch            … because it is another merchant's
"""

from typing import TypeVar

from hub.protocol.codes import Advice, CloseCode, ErrorCode, advice
from hub.protocol.errors import Forbidden, HubError, Unauthenticated


class Closed(HubError):
    """The hub ended the connection, or refused to open one, and said not to come back unchanged.

    Attributes:
        close_code: of the WebSocket's close frame, or None when the handshake was refused.
        status: the HTTP status of a refused handshake, or None.
        reason: the hub's own words.
    """

    code = ErrorCode.UNAVAILABLE

    def __init__(
        self, message: str, *, close_code: int | None = None, status: int | None = None, reason: str
    ) -> None:
        super().__init__(message)
        self.close_code = close_code
        self.status = status
        self.reason = reason


class ClosedUnauthenticated(Closed, Unauthenticated):
    code = ErrorCode.UNAUTHENTICATED


class ClosedForbidden(Closed, Forbidden):
    code = ErrorCode.FORBIDDEN


class Lost(ConnectionError):
    """A connection ended, or could not be opened, and may be tried again.

    Attributes:
        close_code: of the close frame; 1006 where none came.
        reason: the hub's words, or the operating system's.
        wait: the range of seconds in which to come back, where the hub named one.
    """

    def __init__(
        self, reason: str, *, close_code: int = 1006, wait: tuple[float, float] | None = None
    ) -> None:
        text = reason if close_code == CloseCode.ABNORMAL else f"{close_code} {reason}".rstrip()
        super().__init__(text)
        self.close_code = close_code
        self.reason = reason
        self.wait = wait


class NotSent(Exception):
    """The gateway certainly did not send the message; raised inside `sending` and `resolve`.

    Attributes:
        retry: whether another attempt may succeed.
    """

    def __init__(self, reason: str, *, retry: bool = True) -> None:
        super().__init__(reason)
        self.retry = retry


class TaskOver(Exception):
    """The hub has cancelled a task, or given it to somebody else, or its time is up."""


class JournalError(Exception):
    """A bot's journal cannot be kept: without it nothing may be sent."""


class JournalInUse(JournalError):
    """Another process, or another bot of this one, has the journal."""


class JournalDamaged(JournalError):
    """The file is no journal, or a line of it cannot be read."""


class JournalMismatch(JournalError):
    """The journal is about another merchant's messages."""


E = TypeVar("E", bound=Exception)


def most_telling(group: BaseExceptionGroup[E]) -> E:
    """The leaf that matters: a refusal counts more than the loss that it may have caused."""
    leaves: list[E] = []
    for error in group.exceptions:
        leaves.extend([most_telling(error)] if isinstance(error, BaseExceptionGroup) else [error])
    return next((error for error in leaves if not isinstance(error, Lost)), leaves[0])


_BY_CLOSE_CODE: dict[int, type[Closed]] = {
    CloseCode.NOT_AUTHENTICATED: ClosedUnauthenticated,
    CloseCode.AUTH_TIMEOUT: ClosedUnauthenticated,
    CloseCode.FORBIDDEN: ClosedForbidden,
}
_BY_STATUS: dict[int, type[Closed]] = {401: ClosedUnauthenticated, 403: ClosedForbidden}


def after_close(
    close_code: int, reason: str, wait: tuple[float, float] | None = None
) -> Closed | Lost:
    """What a close with this code means for who held the connection.

    Args:
        close_code: the code of the close frame, 1006 where none came.
        reason: the hub's words; may be empty.
        wait: the range of seconds that `bye` gave, if it came.
    """
    if advice(close_code) is Advice.STAY_AWAY:
        kind = _BY_CLOSE_CODE.get(close_code, Closed)
        message = f"the hub closed the connection with {close_code}: {reason or 'no reason given'}"
        return kind(message, close_code=close_code, reason=reason)
    return Lost(reason or "the connection was lost", close_code=close_code, wait=wait)


def after_handshake(status: int, reason: str, retry_after: float | None) -> Closed | Lost:
    """What an HTTP answer other than 101 means for who wanted a connection.

    Args:
        status: the HTTP status.
        reason: the answer's own words.
        retry_after: the header of that name, seconds.
    """
    if 400 <= status < 500 and status not in (408, 425, 429):
        kind = _BY_STATUS.get(status, Closed)
        return kind(
            f"the hub refused the connection with HTTP {status}: {reason}",
            status=status,
            reason=reason,
        )
    wait = None if retry_after is None else (retry_after, retry_after * 1.5)
    return Lost(f"HTTP {status}: {reason}", wait=wait)
