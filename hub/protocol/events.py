"""The event types: the ten core events with their data, the hub's own, and `custom_*`.

Field names are camelCase because existing dashboards read them so. Fields that are not named
here are kept. Who may publish what:

    published by admin, merchant, bot   the ten core events, message_delivered/read/failed, custom_*
    written by the hub alone            everything else in HUB_TYPES
"""

import functools
import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from .errors import (
    FieldError,
    Forbidden,
    HubError,
    InvalidEvent,
    TooLarge,
    UnknownType,
    invalid,
)
from .limits import DATA_BYTES, TYPE_CHARS

Id = Annotated[str, Meta(min_length=1, max_length=256)]
Text = Annotated[str, Meta(max_length=65536)]
Amount = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0)]
# Bots hand on what their gateway gave: a text time, or seconds or milliseconds as a number.
Moment = Annotated[str, Meta(min_length=1, max_length=64)] | Amount


class MessageReceived(Struct):
    messageId: Id
    fromPhone: Id
    text: Text
    timestamp: Moment


class MessageSent(Struct):
    messageId: Id
    toPhone: Id
    text: Text
    templateId: Id | None = None


class OrderCreated(Struct):
    orderId: Id
    customerId: Id
    items: list[Any]
    totalAmount: Amount


class OrderStatusChanged(Struct):
    orderId: Id
    oldStatus: Id
    newStatus: Id
    updatedAt: Moment


class ProductUpdated(Struct):
    productId: Id
    name: Id
    price: Amount
    stock: int
    mediaIds: list[Id]


class PaymentReceived(Struct):
    orderId: Id
    amount: Amount
    paymentMethod: Id
    transactionId: Id


class DeliveryStarted(Struct):
    deliveryTaskId: Id
    orderId: Id
    driverId: Id
    location: str | dict[str, Any] | None


class DeliveryCompleted(Struct):
    deliveryTaskId: Id
    orderId: Id
    completedAt: Moment
    signature: str | dict[str, Any] | None


class BotConnected(Struct):
    botStatus: Id
    timestamp: Moment


class BotDisconnected(Struct):
    reason: str
    timestamp: Moment


CORE_TYPES: dict[str, type[Struct]] = {
    "message_received": MessageReceived,
    "message_sent": MessageSent,
    "order_created": OrderCreated,
    "order_status_changed": OrderStatusChanged,
    "product_updated": ProductUpdated,
    "payment_received": PaymentReceived,
    "delivery_started": DeliveryStarted,
    "delivery_completed": DeliveryCompleted,
    "bot_connected": BotConnected,
    "bot_disconnected": BotDisconnected,
}
"""The ten core events and the Struct that their data must fit."""

PUBLISHED_TYPES = frozenset({"message_delivered", "message_read", "message_failed"})
"""Types beside the core that a bot may publish; their data is free."""

HUB_TYPES = frozenset(
    """
    template_created template_updated template_deleted
    media_uploaded media_processed media_failed media_deleted
    job_queued job_started job_progressed job_completed job_failed job_dead job_cancelled
    webhook_failed webhook_disabled product_created product_deleted order_updated order_cancelled
    order_deleted delivery_updated delivery_deleted key_created key_revoked presence_changed
    typing_started typing_stopped
    """.split()  # noqa: SIM905  # reads better than a list of thirty lines
)
"""Types that the hub alone writes."""

VOLATILE_TYPES = frozenset(
    {"job_started", "job_progressed", "presence_changed", "typing_started", "typing_stopped"}
)
"""Types of the hub that have no place in the log: whoever is not there misses them."""

_CUSTOM = re.compile(rf"custom_[A-Za-z0-9_.-]{{1,{TYPE_CHARS - 7}}}", re.ASCII)
_FREE = dict.fromkeys(PUBLISHED_TYPES)
_SCHEMAS: dict[str, type[Struct] | None] = {**CORE_TYPES, **_FREE}


def check_publishable(type_: str, data: dict[str, Any]) -> None:
    """Check that a client may publish an event of this type with this data.

    Raises:
        UnknownType: the hub does not know the type; the message names what is known.
        Forbidden: the hub alone writes events of this type.
        InvalidEvent: the data does not fit; `errors` names every field that is wrong.
    """
    if type_.startswith("custom_"):
        if not is_custom(type_):
            message = f"custom_ and 1 to {TYPE_CHARS - 7} of A-Z a-z 0-9 _ . - make a type"
            raise InvalidEvent(f"/type: {message}", (FieldError("/type", message),))
        return
    try:
        schema = _SCHEMAS[type_]
    except KeyError:
        raise _unpublishable(type_) from None
    if schema is not None:
        check_data(schema, data)


@functools.lru_cache(maxsize=1024)
def is_custom(type_: str) -> bool:
    """Whether this is a type of the publishers' own."""
    return _CUSTOM.fullmatch(type_) is not None


def check_data(schema: type[Struct], data: dict[str, Any]) -> None:
    """Check `data` against a core event's Struct; fields that it does not name are allowed.

    Raises:
        InvalidEvent: `errors` names every field that is missing or of the wrong kind.
    """
    try:
        msgspec.convert(data, schema)
    except msgspec.ValidationError:
        errors = tuple(_field_errors(schema, data))
        raise InvalidEvent("; ".join(f"{e.pointer}: {e.message}" for e in errors), errors) from None


def _field_errors(schema: type[Struct], data: dict[str, Any]) -> list[FieldError]:
    errors = []
    for field in msgspec.structs.fields(schema):
        pointer = f"/data/{field.name}"
        if field.name in data:
            try:
                msgspec.convert(data[field.name], field.type)
            except msgspec.ValidationError as error:
                at, message = locate(str(error))
                errors.append(FieldError(pointer + at, message))
        elif field.required:
            errors.append(FieldError(pointer, "required"))
    return errors


def _unpublishable(type_: str) -> HubError:
    if type_ in HUB_TYPES:
        message = f"the hub alone writes {type_} events"
        return Forbidden(f"/type: {message}", (FieldError("/type", message),))
    known = ", ".join((*CORE_TYPES, *sorted(PUBLISHED_TYPES), "custom_*"))
    message = f"{type_[:TYPE_CHARS]!r} is not known; known are {known}"
    return UnknownType(f"/type: {message}", (FieldError("/type", message),))


_NAME_CHARS = 100
_PATH = re.compile(r"(?P<text>.*?)(?: - at `(?P<path>(?:key in )?\$.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)


def locate(validation_error: str) -> tuple[str, str]:
    """Split msgspec's words into an RFC 6901 pointer and a message.

    `Expected `str`, got `int` - at `$.data.items[0]`` → (`/data/items/0`, `expected str, got int`).
    The pointer ends where msgspec does not name the key of an object.
    """
    match = _PATH.fullmatch(validation_error)
    text, path = (match["text"], match["path"] or "$") if match else (validation_error, "$")
    pointer = ""
    for step in _STEP.finditer(path):
        name = step[1] or step[2]
        if name == "...":
            break
        pointer += "/" + name.replace("~", "~0").replace("/", "~1")
    missing = _MISSING.fullmatch(text)
    if missing:
        return f"{pointer}/{missing['name']}", "required"
    unknown = _UNKNOWN.fullmatch(text)
    if unknown:
        name = unknown["name"][:_NAME_CHARS].replace("~", "~0").replace("/", "~1")
        return f"{pointer}/{name}", "unknown field"
    return pointer, (text[:1].lower() + text[1:]).replace("`", "")


def too_large(size: int) -> HubError:
    """The refusal of data that has so many bytes."""
    return invalid(TooLarge, "/data", f"{size} bytes are more than the {DATA_BYTES} allowed")
