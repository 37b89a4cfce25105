"""What a customer chose, in the form of any gateway.

A reply is what a gateway hands over for one incoming message: the Cloud API a member of `messages`
of its webhook, Baileys a WAMessage or the `message` in it, whatsapp-web.js its Message as JSON.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from .messages import Choice

_PARAMS_CHARS = 64 * 1024
_ENVELOPES = 5
_NUMBER_CHARS = 8


class Reply(Struct, frozen=True):
    """A choice that was made.

    Attributes:
        id: of the button or row.
        title: as the customer saw it, where the gateway or `choices` tell it.
        by: how it was chosen; `number` is an answer to a numbered text.
        callback_data: of the choice, where `choices` has it.
    """

    id: str
    by: Literal["button", "row", "number"]
    title: str | None = None
    callback_data: str | None = None


def parse(payload: Any, choices: Sequence[Choice] | None = None) -> Reply | None:
    """Find the choice in an incoming message.

    Args:
        payload: decoded JSON as it came from the gateway, or the bare text of a message.
        choices: what the last message to this customer offered; without it a number says nothing.

    Returns:
        None for a message that chooses nothing, whatever it is.
    """
    for find in (_in_cloud, _in_baileys, _in_web):
        try:
            reply = find(payload)
        except (msgspec.ValidationError, RecursionError):
            continue  # it has not this form
        if reply is not None and reply.id:
            return _with_choice(reply, choices or ())
    return _by_number(_text(payload), choices or ())


class _Title(Struct):
    id: str
    title: str | None = None


class _Interactive(Struct):
    button_reply: _Title | None = None
    list_reply: _Title | None = None


class _Quick(Struct):
    """The button of one of Meta's own templates."""

    payload: str
    text: str | None = None


class _Cloud(Struct):
    interactive: _Interactive | None = None
    button: _Quick | None = None


def _in_cloud(payload: Any) -> Reply | None:
    message = msgspec.convert(payload, _Cloud)
    if (interactive := message.interactive) is not None:
        if (button := interactive.button_reply) is not None:
            return Reply(button.id, "button", button.title)
        if (row := interactive.list_reply) is not None:
            return Reply(row.id, "row", row.title)
    if (quick := message.button) is not None:
        return Reply(quick.payload, "button", quick.text)
    return None


class _ButtonsResponse(Struct, rename="camel"):
    selected_button_id: str
    selected_display_text: str | None = None


class _SingleSelect(Struct, rename="camel"):
    selected_row_id: str


class _ListResponse(Struct, rename="camel"):
    single_select_reply: _SingleSelect
    title: str | None = None


class _NativeFlow(Struct, rename="camel"):
    params_json: str


class _Body(Struct):
    text: str | None = None


class _InteractiveResponse(Struct, rename="camel"):
    native_flow_response_message: _NativeFlow
    body: _Body | None = None


class _Baileys(Struct, rename="camel"):
    buttons_response_message: _ButtonsResponse | None = None
    list_response_message: _ListResponse | None = None
    interactive_response_message: _InteractiveResponse | None = None


class _Parameters(Struct):
    id: str


_decode_parameters = msgspec.json.Decoder(_Parameters).decode


def _in_baileys(payload: Any) -> Reply | None:
    message = msgspec.convert(_unwrapped(payload), _Baileys)
    if (buttons := message.buttons_response_message) is not None:
        return Reply(buttons.selected_button_id, "button", buttons.selected_display_text)
    if (rows := message.list_response_message) is not None:
        return Reply(rows.single_select_reply.selected_row_id, "row", rows.title)
    if (response := message.interactive_response_message) is not None:
        id_ = _id_in(response.native_flow_response_message.params_json)
        title = response.body.text if response.body is not None else None
        # Which of the two it was is not told; a list's title stands in no reply.
        return None if id_ is None else Reply(id_, "button", title)
    return None


def _unwrapped(payload: Any) -> Any:
    """The innermost `message`: of a WAMessage, and of chats whose messages disappear."""
    for _ in range(_ENVELOPES):
        if not isinstance(payload, dict):
            return payload
        for name in ("message", "ephemeralMessage", "viewOnceMessage", "deviceSentMessage"):
            if isinstance(inner := payload.get(name), dict):
                payload = inner
                break
        else:
            return payload
    return payload


def _id_in(params_json: str) -> str | None:
    """The id in the parameters of a native flow, which come from the customer's app unread."""
    if len(params_json) > _PARAMS_CHARS:
        return None
    try:
        return _decode_parameters(params_json).id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


class _Web(Struct, rename="camel"):
    selected_button_id: str | None = None
    selected_row_id: str | None = None
    body: str | None = None


def _in_web(payload: Any) -> Reply | None:
    message = msgspec.convert(payload, _Web)
    if message.selected_button_id:
        return Reply(message.selected_button_id, "button", message.body)
    if message.selected_row_id:
        return Reply(message.selected_row_id, "row", message.body)
    return None


def _text(payload: Any) -> str | None:
    """The text of a message in any gateway's form."""
    if isinstance(payload, str):
        return payload
    message = _unwrapped(payload)
    if not isinstance(message, dict):
        return None
    for holder, name in (("text", "body"), ("extendedTextMessage", "text")):
        if isinstance(inner := message.get(holder), dict) and isinstance(inner.get(name), str):
            return str(inner[name])
    for name in ("conversation", "body", "text"):
        if isinstance(found := message.get(name), str):
            return found
    return None


def _by_number(text: str | None, choices: Sequence[Choice]) -> Reply | None:
    """`2`, also with spaces, a dot or a bracket, in the digits of any script."""
    if text is None:
        return None
    bare = text.strip().removesuffix(".").removesuffix(")").strip()
    if not bare.isdecimal() or len(bare) > _NUMBER_CHARS:
        return None
    number = int(bare)
    for choice in choices:
        if choice.number == number:
            return Reply(choice.id, "number", choice.title, choice.callback_data)
    return None


def _with_choice(reply: Reply, choices: Sequence[Choice]) -> Reply:
    """The reply with what the choice knows; an id of an older message has no choice."""
    for choice in choices:
        if choice.id == reply.id:
            return Reply(reply.id, reply.by, reply.title or choice.title, choice.callback_data)
    return reply
