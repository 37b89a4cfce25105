"""What a published message event says of the row in `messages`.

A bot hands on what its gateway gave, so every value may be odd. What a column cannot hold is cut or
left out; an event that names no message or nobody to whom it was written says nothing of a row. It
is an event all the same.
"""

import functools
import re
from typing import Any, Literal

from msgspec import Struct

from .times import format_ms, parse_ms

Direction = Literal["inbound", "outbound"]
Status = Literal["queued", "sent", "delivered", "read", "failed", "received"]

PHONE_CHARS, CHAT_CHARS, TYPE_CHARS = 32, 128, 32
PROVIDER_ID_CHARS, TEXT_CHARS, ERROR_CHARS = 256, 65536, 4096

STEPS: dict[Status, frozenset[Status]] = {
    "queued": frozenset({"sent", "delivered", "read", "failed"}),
    "sent": frozenset({"delivered", "read", "failed"}),
    "delivered": frozenset({"read"}),
    "read": frozenset(),
    "failed": frozenset(),
    "received": frozenset(),
}
"""Where a message may go from each status: forwards only, whatever comes late or twice."""

_STATUS_OF: dict[str, Status] = {
    "message_received": "received",
    "message_sent": "sent",
    "message_delivered": "delivered",
    "message_read": "read",
    "message_failed": "failed",
}
MESSAGE_TYPES = frozenset(_STATUS_OF)
"""The event types that are stored in `messages` too."""

_PERSON = ("s.whatsapp.net", "c.us")
_GROUP = "g.us"
_AROUND = re.compile(r"\A[\s+]+|\s+\Z")
_TEMPLATE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_DIGITS = re.compile(r"\d{1,16}", re.ASCII)
_EARLIEST_MS = 1_230_768_000_000  # 2009, when WhatsApp began
_AHEAD_MS = 300_000  # what another clock may be fast
_MILLISECONDS_FROM = 100_000_000_000  # as seconds that were the year 5138


class MessageNote(Struct, frozen=True, gc=False):
    """What one event says of a message; everything fits its column.

    Attributes:
        provider_id: what the gateway calls the message.
        status: where the event brings it.
        phone: whose it is; empty where the event only tells of a message that is known.
        made_at: when it was written, RFC 3339; None where the event does not tell it credibly.
    """

    provider_id: str
    status: Status
    phone: str = ""
    chat: str | None = None
    text: str | None = None
    type: str = "text"
    template_id: str | None = None
    error: str | None = None
    made_at: str | None = None

    @property
    def direction(self) -> Direction:
        return "inbound" if self.status == "received" else "outbound"


def note_of(
    type_: str, data: dict[str, Any], timestamp: str | None, now_ms: int
) -> MessageNote | None:
    """What an event says of a message; None where it says nothing that can be kept.

    Args:
        type_: one of `MESSAGE_TYPES`.
        timestamp: the event's own, if its publisher gave one.
        now_ms: milliseconds since 1970.
    """
    status = _STATUS_OF[type_]
    provider_id = _whole(data.get("messageId"), PROVIDER_ID_CHARS)
    if provider_id is None:
        return None
    if status not in ("received", "sent"):
        error = _error(data) if status == "failed" else None
        return MessageNote(provider_id, status, error=error)
    given = data.get("fromPhone" if status == "received" else "toPhone")
    if not isinstance(given, str):
        return None
    phone, chat = address_of(given)
    if not _fits(phone, PHONE_CHARS):
        return None  # a number that was cut would be somebody else's
    template_id = data.get("templateId")
    if not isinstance(template_id, str) or _TEMPLATE_ID.fullmatch(template_id) is None:
        template_id = None
    made_ms = _credible_ms(data.get("timestamp"), now_ms)
    if made_ms is None:
        made_ms = _credible_ms(timestamp, now_ms)
    return MessageNote(
        provider_id,
        status,
        phone,
        chat if chat is None or _fits(chat, CHAT_CHARS) else None,
        _cut(data.get("text"), TEXT_CHARS),
        _whole(data.get("type"), TYPE_CHARS) or "text",
        template_id,
        None,
        None if made_ms is None else _formatted(made_ms),
    )


def address_of(given: str) -> tuple[str, str | None]:
    """Whom a gateway means: the number as it is stored, and the chat where that is a group.

    `+263771`, `263771@s.whatsapp.net`, `263771:12@c.us` → (`263771`, None); `1203@g.us` →
    (`1203`, `1203@g.us`). What it does not know stays as it is, without spaces around it.
    """
    whole = _AROUND.sub("", given)
    local, _, domain = whole.partition("@")
    domain = domain.lower()
    if domain in _PERSON:
        return _AROUND.sub("", local.partition(":")[0]), None
    if domain == _GROUP:
        return _AROUND.sub("", local), whole
    return whole, None


@functools.lru_cache(maxsize=1024)
def _formatted(ms: int) -> str:
    """As `format_ms`, 6 µs less: gateways give whole seconds, of which many messages share one."""
    return format_ms(ms)


def _fits(text: str, most: int) -> bool:
    return 1 <= len(text) <= most and "\0" not in text


def _whole(value: Any, most: int) -> str | None:
    """A text that is kept as it is or not at all."""
    return value if isinstance(value, str) and _fits(value, most) else None


def _cut(value: Any, most: int) -> str | None:
    """A text of which the beginning is better than nothing."""
    return value.replace("\0", "")[:most] if isinstance(value, str) else None


def _error(data: dict[str, Any]) -> str | None:
    """Why it failed, where gateways say it: a sentence, or an object that has one."""
    for name in ("error", "reason"):
        value = data.get(name)
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str):
            return _cut(value, ERROR_CHARS)
    return None


def _credible_ms(value: Any, now_ms: int) -> int | None:
    """A time as text, in seconds or in milliseconds, if a message may have been written then."""
    if isinstance(value, str):
        try:
            ms = parse_ms(value)
        except (ValueError, OverflowError):
            if _DIGITS.fullmatch(value) is None:
                return None
            value = int(value)
        else:
            return ms if _EARLIEST_MS <= ms <= now_ms + _AHEAD_MS else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    ms = int(value if value >= _MILLISECONDS_FROM else value * 1000)
    return ms if _EARLIEST_MS <= ms <= now_ms + _AHEAD_MS else None
