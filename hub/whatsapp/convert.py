"""One filled content, in the form of any gateway."""

from hub.protocol.errors import InvalidParams
from hub.templates import limits
from hub.templates.content import Content
from hub.templates.filling import Filled

from . import baileys, cloud
from .files import File, lacking, resolved
from .layout import Layout, layout
from .messages import Converted, Format, MediaSource, Message
from .numbered import numbered

_NAMED = 5
"""Faults in the sentence of a refusal; all are in its `errors`."""


def convert(
    filled: Filled, format_: Format, to: str = "", media: MediaSource | None = None
) -> Converted:
    """Turn a filled content into a gateway's message.

    What a gateway does not have is expressed otherwise, and said in `warnings`.

    Args:
        filled: by `hub.templates.filling.fill`.
        to: the recipient; only the Cloud API has it in the message.
        media: the file of a media template; may be left out where the template has its url and
            the gateway takes one.

    Raises:
        InvalidParams: `filled` has errors, or the file is not there in the form that the gateway
            needs, or it is too large.
    """
    if filled.errors:
        faults = [f"{error.pointer}: {error.message}" for error in filled.errors]
        if len(faults) > _NAMED:
            faults[_NAMED:] = [f"and {len(faults) - _NAMED} more"]
        reason = f"the template cannot be sent: {'; '.join(faults)}"
        raise InvalidParams(reason, tuple(filled.errors))
    content = filled.content
    plan = layout(content)
    warnings = plan.warnings if format_ in ("cloud", "baileys", "baileys_native") else []
    if content.type == "text":
        message = _text(content, format_, to, warnings)
    elif content.media is not None:
        file = resolved(content.media, media)
        message = _media(content, content.media.type, file, format_, to, warnings)
    else:
        message = _interactive(content, plan, format_, to, warnings)
    return Converted(message=message, choices=plan.choices, warnings=warnings)


def _interactive(
    content: Content, plan: Layout, format_: Format, to: str, warnings: list[str]
) -> Message:
    """Buttons, or a list."""
    if format_ == "cloud":
        return cloud.choices(to, content, plan) if plan.sections else cloud.buttons(to, content)
    if format_ == "baileys":
        if plan.sections:
            return baileys.choices(content, plan)
        return baileys.buttons(content, _with_header(content, warnings))
    if format_ == "baileys_native":
        if plan.sections:
            return baileys.native_choices(content, plan)
        return baileys.native_buttons(content)
    if format_ == "whatsapp-web.js":
        warnings.append("whatsapp-web.js has no buttons: the choices are numbered.")
    return numbered(content, plan)


def _text(content: Content, format_: Format, to: str, warnings: list[str]) -> Message:
    body = content.joined()
    if content.header is not None or content.footer is not None:
        warnings.append("A text message has no header or footer: they stand in the text.")
    if format_ == "cloud":
        return cloud.text(to, body)
    if format_ in ("baileys", "baileys_native"):
        return baileys.text(body)
    return body


def _media(
    content: Content, kind: str, file: File, format_: Format, to: str, warnings: list[str]
) -> Message:
    caption = content.joined()
    if format_ != "text" and (content.header is not None or content.footer is not None):
        warnings.append("A message with media has no header or footer: they are in its caption.")
    if format_ == "cloud":
        file = file.without_webp
        if kind == "image" and file.mime_type == "image/webp":
            warnings.append("The Cloud API takes no WebP picture: make it JPEG or PNG.")
        return cloud.media(to, kind, file, caption)
    if format_ in ("baileys", "baileys_native"):
        return baileys.media(kind, file, caption)
    if format_ == "whatsapp-web.js":
        if file.data_base64 is None:
            raise lacking("whatsapp-web.js needs the file itself, in base64")
        message = {"mimetype": file.mime_type, "data": file.data_base64, "filename": file.name}
        return message | {"caption": caption} if caption else message
    if file.url is None:
        raise lacking("plain text needs an address of the file")
    warnings.append(f"Plain text has no {kind}: its address stands in the text.")
    return f"{caption}\n\n{file.url}" if caption else file.url


def _with_header(content: Content, warnings: list[str]) -> str:
    """Header and body of a message that has no place for a header."""
    body = content.body or ""
    if content.header is None:
        return body
    joined = f"{content.header}\n\n{body}"
    if len(joined) <= limits.BODY:
        warnings.append("Baileys' buttons have no header: it stands in the text.")
        return joined
    warnings.append("Baileys' buttons have no header, and with it the text is too long: left out.")
    return body
