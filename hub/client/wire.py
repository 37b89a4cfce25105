"""What the hub says, bytes to Structs, and what the SDK says, values to bytes.

Reading is lenient where the protocol may grow: unknown fields, control types and error codes pass.
Writing is strict: every event goes through the hub's own decoder first, so that no frame leaves
which the hub could answer only without naming it.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hub.protocol.codec import DECODE_ERRORS, FrameError, decode_client
from hub.protocol.errors import (
    BadFrame,
    Conflict,
    FieldError,
    Forbidden,
    HubError,
    InvalidEvent,
    InvalidParams,
    NotFound,
    StaleAttempt,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnknownType,
    invalid,
)
from hub.protocol.frames import (
    Ack,
    Bye,
    Connected,
    Event,
    Gap,
    Limits,
    Live,
    Publish,
    ServerPing,
    ServerPong,
    Settled,
    Subscribed,
    Task,
)

PONG = b'{"type":"pong"}'
UNSUBSCRIBE = b'{"type":"unsubscribe"}'


class Refused(Struct, tag_field="type", tag="error"):
    """An `error` frame; unlike `frames.Error` it takes codes that this SDK does not know yet."""

    code: str
    message: str = ""
    retry: bool = False
    ref: str | None = None
    id: str | None = None
    retry_after: float | None = None
    errors: tuple[FieldError, ...] = ()


Control = (
    Connected
    | Subscribed
    | Gap
    | Live
    | Ack
    | Refused
    | Task
    | Settled
    | ServerPing
    | ServerPong
    | Bye
)
Frame = Event | Control


class _Kind(Struct):
    type: str


_KNOWN = frozenset(
    {
        *("connected", "subscribed", "gap", "live", "ack", "error", "task", "settled"),
        *("ping", "pong", "bye"),
    }
)
_kind = msgspec.json.Decoder(_Kind)
_event = msgspec.json.Decoder(Event)
_control: msgspec.json.Decoder[Control] = msgspec.json.Decoder(Control)
_encoder = msgspec.json.Encoder()


def decode_server(payload: bytes) -> Frame | None:
    """Decode one message from the hub; None for a control type that is not known.

    Raises:
        BadFrame: it cannot be read. To go on would be to lose an event unnoticed.
    """
    try:
        type_ = _kind.decode(payload).type
        if "_" in type_:
            return _event.decode(payload)
        return _control.decode(payload) if type_ in _KNOWN else None
    except DECODE_ERRORS as error:
        shown = payload[:80].decode(errors="replace")
        raise BadFrame(f"the hub sent a frame that cannot be read ({error}): {shown}") from None


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


class OtherRefusal(HubError):
    """A refusal that has no class of its own.

    Attributes:
        name: the code as the hub wrote it; this SDK need not know it.
    """

    def __init__(self, frame: Refused) -> None:
        super().__init__(f"{frame.code}: {frame.message}", frame.errors, frame.retry_after)
        self.name = frame.code


_KINDS: dict[str, type[HubError]] = {
    kind.code: kind
    for kind in (
        BadFrame,
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        StaleAttempt,
        TooLarge,
        UnknownType,
        InvalidEvent,
        InvalidParams,
        Unavailable,
    )
}


def refusal(frame: Refused) -> HubError:
    """The exception for an `error` frame."""
    kind = _KINDS.get(frame.code)
    if kind is None:
        return OtherRefusal(frame)
    return kind(frame.message, frame.errors, frame.retry_after)


# ── publishing ───────────────────────────────────────────────────────────────────────────────


class Outgoing(Struct, frozen=True):
    """An event ready to be sent, and what the limits of a connection are compared with."""

    frame: bytes
    id: str
    data_size: int
    subject_size: int
    volatile: bool


class _EventFrame(Struct, omit_defaults=True):
    type: str
    id: str
    ref: str
    data: msgspec.Raw
    subject: str | None = None
    timestamp: str | None = None
    merchant_id: str | None = None
    volatile: bool = False


def encode_event(
    ref: str,
    type_: str,
    data: Mapping[str, Any],
    id_: str,
    *,
    subject: str | None = None,
    timestamp: str | None = None,
    merchant_id: str | None = None,
    volatile: bool = False,
) -> Outgoing:
    """Encode an event; `ref` names it on its connection.

    Raises:
        InvalidEvent: the hub could not read it as an event.
        BadFrame: likewise, where no field is to blame.
        TypeError: something in `data` has no JSON form.
    """
    try:
        encoded = _encoder.encode(data)
    except RecursionError:
        raise invalid(InvalidEvent, "/data", "nested too deep") from None
    except (OverflowError, ValueError) as error:
        raise invalid(InvalidEvent, "/data", str(error)) from None
    if b"null" in encoded:
        # The encoder writes NaN and the infinities as null: a silent loss.
        _refuse_non_finite(data, "/data")
    frame = _encoder.encode(
        _EventFrame(
            type_, id_, ref, msgspec.Raw(encoded), subject, timestamp, merchant_id, volatile
        )
    )
    try:
        understood = decode_client(frame)
    except FrameError as error:
        raise error.error from None
    if not isinstance(understood, Publish):
        raise invalid(InvalidEvent, "/type", f"{type_!r} has no underscore, so it is no event")
    return Outgoing(frame, id_, len(encoded), len(subject or ""), volatile)


def oversize(event: Outgoing, limits: Limits) -> TooLarge | None:
    """The refusal of an event that is over a limit of its connection, or None."""
    for pointer, size, limit, unit in (
        ("", len(event.frame), limits.message, "bytes"),
        ("/data", event.data_size, limits.data, "bytes"),
        ("/id", len(event.id), limits.id, "characters"),
        ("/subject", event.subject_size, limits.subject, "characters"),
    ):
        if size > limit:
            message = f"{size} {unit} are more than the {limit} allowed"
            return TooLarge(f"{pointer or '/'}: {message}", (FieldError(pointer, message),))
    return None


def _refuse_non_finite(value: object, pointer: str) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise invalid(InvalidEvent, pointer, f"{value} has no JSON form")
    elif isinstance(value, Mapping):
        for name, child in value.items():
            step = str(name).replace("~", "~0").replace("/", "~1")
            _refuse_non_finite(child, f"{pointer}/{step}")
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            _refuse_non_finite(child, f"{pointer}/{index}")
