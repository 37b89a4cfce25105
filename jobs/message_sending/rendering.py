"""What a message says: a template filled in, or a plain text, within WhatsApp's limits (pure)."""

from collections.abc import Mapping
from typing import Any

from hub.protocol.errors import InvalidParams, invalid
from hub.templates import limits
from hub.templates.content import Content
from hub.templates.filling import Filled, fill
from hub.whatsapp.convert import convert
from hub.whatsapp.messages import Converted, Format, MediaSource
from storage.merchant_records import Template


def plain(text: str) -> Content:
    """A text as it stands: braces in it are no placeholders.

    Raises:
        InvalidParams: it is empty, or longer than a message may be.
    """
    if not text.strip():
        raise invalid(InvalidParams, "/text", "the text must not be empty")
    if len(text) > limits.TEXT:
        message = f"the text has {len(text)} characters; WhatsApp takes at most {limits.TEXT}"
        raise invalid(InvalidParams, "/text", message)
    if "\0" in text:
        raise invalid(InvalidParams, "/text", "the character U+0000 is not allowed")
    return Content(type="text", body=text)


def rendered(template: Template, variables: Mapping[str, Any]) -> Content:
    """A template with its variables filled in.

    Raises:
        InvalidParams: a variable is missing or of a wrong kind, or a text is over its limit;
            `errors` names each (`/variables/order_id`, `/body`).
    """
    filled = fill(Content.of(template), variables)
    if filled.errors or filled.content.media is None:
        convert(filled, "text")
    return filled.content


def shown(content: Content) -> str:
    """What a content says in one plain text, for conversations and for gateways without buttons."""
    if content.media is not None:
        text = content.joined()
        address = content.media.url
        return "\n\n".join(part for part in (text, address) if part)
    message = in_format(content, "text").message
    assert isinstance(message, str), "plain text is a text"
    return message


def in_format(
    content: Content, format_: Format, to: str = "", media: MediaSource | None = None
) -> Converted:
    """A content in the form of a gateway.

    Raises:
        InvalidParams: its file is not there in the form that the gateway needs.
    """
    return convert(Filled(content, [], []), format_, to, media)
