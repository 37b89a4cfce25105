"""Frames as Structs: what a client may say, and what the hub says.

A type with an underscore is an event, a type without one is a control frame. Receivers ignore
fields and control types that they do not know.
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from .codes import ErrorCode
from .errors import FieldError
from .limits import BATCH_EVENTS, LAST_EVENTS, REF_CHARS

Ref = Annotated[str, Meta(max_length=REF_CHARS)]
Offset = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""An offset of the log; within what a JavaScript number holds exactly."""
Last = Annotated[int, Meta(ge=1, le=LAST_EVENTS)]


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


ClientFrame = Auth | Subscribe | Unsubscribe | Batch | Call | ClientPing | ClientPong
CLIENT_CONTROL = frozenset({"auth", "subscribe", "unsubscribe", "batch", "call", "ping", "pong"})


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
    Connected | Subscribed | Gap | Live | Ack | Reply | Error | ServerPing | ServerPong | Bye
)


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
