"""Whom a message goes to, as callers write it and as it is stored (pure)."""

import re
from typing import NamedTuple

from hub.protocol.errors import InvalidParams, invalid
from hub.protocol.messages import CHAT_CHARS, PHONE_CHARS, address_of

_WRITTEN = re.compile(r"[\s().\-/]")
_NUMBER = re.compile(r"[0-9]{5,20}", re.ASCII)
_GROUP = re.compile(r"[0-9]{5,20}(-[0-9]{5,12})?", re.ASCII)
_HIDDEN = re.compile(r"[0-9]{5,20}@lid", re.ASCII)
_SHOWN_CHARACTERS = 40


class Recipient(NamedTuple):
    """A person or a group.

    Attributes:
        phone: the number alone, or the gateway's name of a group before its `@`: as the messages
            that come from there are stored.
        chat: the gateway's whole name of a group; None for a person.
    """

    phone: str
    chat: str | None


def recipient_of(given: str, pointer: str = "/to") -> Recipient:
    """Read a recipient: `+263 77 123 4567`, `263771234567@s.whatsapp.net`, `1203…@g.us`.

    Args:
        pointer: where it stands, for the error.

    Raises:
        InvalidParams: nobody can be reached so.
    """
    phone, chat = address_of(given)
    if chat is not None:
        fits = _GROUP.fullmatch(phone) is not None and len(chat) <= CHAT_CHARS
    elif "@" in phone:
        fits = _HIDDEN.fullmatch(phone) is not None
    else:
        phone = _WRITTEN.sub("", phone)
        fits = _NUMBER.fullmatch(phone) is not None
    if not fits or len(phone) > PHONE_CHARS:
        raise invalid(
            InvalidParams,
            pointer,
            f"{given[:_SHOWN_CHARACTERS]!r} is no recipient: give a number with its country code,"
            " 5 to 20 digits, or a group's name that ends in @g.us",
        )
    return Recipient(phone, chat)
