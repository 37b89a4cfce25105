"""Frames as Structs: what a client may say, and what the hub says.

A type with an underscore is an event, a type without one is a control frame. Receivers ignore
fields and control types that they do not know.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from .codes import ErrorCode
from .errors import FieldError
from .limits import (
    BATCH_EVENTS,
    CREDIT,
    JOB_CHARS,
    LAST_EVENTS,
    REF_CHARS,
    TASK_ERROR_CHARS,
    TASK_NOTE_CHARS,
)

Ref = Annotated[str, Meta(max_length=REF_CHARS)]
Offset = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""An offset of the log; within what a JavaScript number holds exactly."""
Last = Annotated[int, Meta(ge=1, le=LAST_EVENTS)]
JobId = Annotated[str, Meta(min_length=1, max_length=JOB_CHARS)]
Attempt = Annotated[int, Meta(ge=1, le=2**31 - 1)]
"""Which try a job is in; an answer counts only with the current one."""
Credit = Annotated[int, Meta(ge=0, le=CREDIT)]
TaskQueue = Literal["message_sending"]
"""The queues whose tasks bots take."""
Format = Literal["cloud", "baileys", "baileys_native", "whatsapp-web.js", "text"]
"""`cloud` is Meta's Cloud API, `baileys_native` Baileys with native-flow messages instead of its
older buttons and lists, `text` plain text with numbered choices."""


class Publish(Struct):
    """An event on its way to the hub. `offset` and `source` are the hub's and ignored here."""

    type: str
    data: dict[str, Any]
    id: str | None = None
    ref: Ref | None = None
    timestamp: str | None = None
    subject: str | None = None
    merchant_id: str | None = None
    volatile: bool = False


# ── control frames from the client ───────────────────────────────────────────────────────────


class ClientControl(Struct, tag_field="type"):
    ref: Ref | None = None


class Auth(ClientControl, tag="auth"):
    token: str = ""


class Subscribe(ClientControl, tag="subscribe"):
    types: list[str] | None = None
    subjects: list[str] | None = None
    since: Offset | None = None
    epoch: str | None = None
    last: Last | None = None


class Unsubscribe(ClientControl, tag="unsubscribe"):
    pass


class Batch(ClientControl, tag="batch"):
    # The events are converted one by one, so that a bad one is refused alone.
    events: Annotated[list[Any], Meta(max_length=BATCH_EVENTS)] = []
    atomic: bool = False


class Call(ClientControl, tag="call"):
    """`params` is checked against what the method takes; `key` and `if_match` are strings."""

    method: str = ""
    params: dict[str, Any] = {}
    key: str | None = None
    if_match: str | None = None


class ClientPing(ClientControl, tag="ping"):
    pass


class ClientPong(ClientControl, tag="pong"):
    pass


class Held(Struct, frozen=True):
    """A task that a bot has in its hands."""

    job: JobId
    attempt: Attempt


class Ready(ClientControl, tag="ready"):
    """A bot takes tasks.

    Attributes:
        credit: how many at once, those that it holds included; 0 for none.
        resume: those that it still holds after a reconnect.
        format: in which form it wants messages.
    """

    queues: tuple[TaskQueue, ...] = ("message_sending",)
    credit: Credit = 1
    resume: Annotated[list[Held], Meta(max_length=CREDIT)] = []
    format: Format = "baileys"


class Progress(ClientControl, tag="progress", kw_only=True):
    job: JobId
    attempt: Attempt
    percent: Annotated[int, Meta(ge=0, le=100)] | Annotated[float, Meta(ge=0, le=100)] = 0
    note: Annotated[str, Meta(max_length=TASK_NOTE_CHARS)] | None = None


class Done(ClientControl, tag="done", kw_only=True):
    """A task has been done; `result` of a message has the gateway's id of it as `messageId`."""

    job: JobId
    attempt: Attempt
    result: dict[str, Any] | None = None


class Failed(ClientControl, tag="failed", kw_only=True):
    """A task has failed.

    Attributes:
        retry: whether another attempt may succeed.
        uncertain: whether it may have been done all the same; it is never tried again then.
    """

    job: JobId
    attempt: Attempt
    error: Annotated[str, Meta(max_length=TASK_ERROR_CHARS)] = ""
    retry: bool = True
    uncertain: bool = False


Answer = Done | Failed
ClientFrame = (
    Auth | Subscribe | Unsubscribe | Batch | Call | Ready | Progress | Done | Failed | ClientPing
    | ClientPong
)  # fmt: skip
CLIENT_CONTROL = frozenset(
    {
        "auth", "subscribe", "unsubscribe", "batch", "call", "ready", "progress", "done", "failed",
        "ping", "pong",
    }
)  # fmt: skip


# ── control frames from the hub ──────────────────────────────────────────────────────────────


class Limits(Struct):
    """What a client has to respect; sizes in bytes and characters, counts in events."""

    message: int
    data: int
    batch: int
    in_flight: int
    id: int
    ref: int
    subject: int


class ServerControl(Struct, tag_field="type"):
    pass


class Connected(ServerControl, tag="connected"):
    protocol: int
    session: str
    role: str
    merchant_id: str | None
    epoch: str
    offset: int
    oldest: int
    heartbeat: int
    expires_at: str | None
    limits: Limits
    message: str


class Subscribed(ServerControl, tag="subscribed"):
    ref: str | None
    epoch: str
    offset: int
    recovered: bool
    types: tuple[str, ...] | None
    subjects: tuple[str, ...] | None


class Gap(ServerControl, tag="gap", rename={"from_": "from"}):
    """`from` and `to` are inclusive, null when another epoch makes them meaningless."""

    from_: int | None
    to: int | None
    reason: str
    resume: int


class Live(ServerControl, tag="live"):
    offset: int


class Entry(Struct, omit_defaults=True):
    """One event's line in the acknowledgement of a batch or a POST."""

    id: str | None
    offset: int | UnsetType | None = UNSET
    duplicate: bool | UnsetType = UNSET
    error: "EntryError | UnsetType" = UNSET


class EntryError(Struct):
    code: ErrorCode
    message: str
    retry: bool
    errors: tuple[FieldError, ...] = ()


class Ack(ServerControl, tag="ack", omit_defaults=True):
    """Of one event: `id`, `offset`, `duplicate`; of a batch: `events`; of `auth`: `expires_at`."""

    ref: str | None = None
    id: str | UnsetType = UNSET
    offset: int | UnsetType | None = UNSET
    duplicate: bool | UnsetType = UNSET
    events: list[Entry] | UnsetType = UNSET
    expires_at: str | UnsetType | None = UNSET


class Reply(ServerControl, tag="reply"):
    """The answer to a `call`; `epoch` and `offset` are the place from which to follow it."""

    ref: str | None
    result: Any
    epoch: str
    offset: int


class Error(ServerControl, tag="error", omit_defaults=True):
    code: ErrorCode
    message: str
    retry: bool
    ref: str | None = None
    id: str | None = None
    retry_after: float | None = None
    errors: tuple[FieldError, ...] = ()


class Task(ServerControl, tag="task"):
    """Work for this bot.

    Attributes:
        name: what is to be done; `send` is a message.
        deadline: until when an answer counts, RFC 3339.
    """

    job: str
    attempt: int
    name: str
    data: dict[str, Any]
    deadline: str


class Settled(ServerControl, tag="settled", omit_defaults=True):
    """The hub has recorded an answer, or needs none any more; the bot may forget this attempt."""

    job: str
    attempt: int
    state: str
    ref: str | None = None


class ServerPing(ServerControl, tag="ping"):
    timestamp: str
    offset: int


class ServerPong(ServerControl, tag="pong", omit_defaults=True):
    ref: str | None = None


class Bye(ServerControl, tag="bye"):
    code: int
    reason: str
    reconnect: tuple[int, int]


ServerFrame = (
    Connected | Subscribed | Gap | Live | Ack | Reply | Error | Task | Settled | ServerPing
    | ServerPong | Bye
)  # fmt: skip


class Event(Struct, kw_only=True):
    """An event as a reader receives it; `offset` is None on a volatile one."""

    type: str
    id: str
    timestamp: str
    merchant_id: str
    source: str
    data: dict[str, Any]
    offset: int | None = None
    subject: str | None = None
    volatile: bool = False
