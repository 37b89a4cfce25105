"""One filled content, in the form of any gateway."""

from hub.protocol.errors import InvalidParams
from hub.templates import limits
from hub.templates.content import Content
from hub.templates.filling import Filled

from . import baileys, cloud
from .files import File, lacking, resolved
from .layout import layout
from .messages import Converted, Format, MediaSource, Message
from .numbered import numbered

_GATEWAYS: dict[Format, str] = {
    "cloud": "The Cloud API",
    "baileys": "Baileys",
    "baileys_native": "Baileys",
    "whatsapp-web.js": "whatsapp-web.js",
    "text": "Plain text",
}


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
        faults = "; ".join(f"{error.pointer}: {error.message}" for error in filled.errors)
        raise InvalidParams(f"The template cannot be sent. {faults}", tuple(filled.errors))
    content = filled.content
    plan = layout(content)
    warnings = plan.warnings
    if content.type == "text":
        message = _text(content, format_, to, warnings)
    elif content.media is not None:
        message = _media(content, resolved(content.media, media), format_, to, warnings)
    elif format_ == "cloud":
        message = cloud.choices(to, content, plan) if plan.sections else cloud.buttons(to, content)
    elif format_ == "baileys":
        message = (
            baileys.choices(content, plan)
            if plan.sections
            else baileys.buttons(content, _with_header(content, warnings))
        )
    elif format_ == "baileys_native":
        message = (
            baileys.native_choices(content, plan)
            if plan.sections
            else baileys.native_buttons(content)
        )
    else:
        if format_ != "text":
            warnings.append(f"{_GATEWAYS[format_]} has no buttons: the choices are numbered.")
        message = numbered(content, plan)
    return Converted(message=message, choices=plan.choices, warnings=warnings)


def _text(content: Content, format_: Format, to: str, warnings: list[str]) -> Message:
    body = content.joined()
    if content.header is not None or content.footer is not None:
        warnings.append("A text message has no header or footer: they stand in the text.")
    if format_ == "cloud":
        return cloud.text(to, body)
    if format_ in ("baileys", "baileys_native"):
        return baileys.text(body)
    return body


def _media(content: Content, file: File, format_: Format, to: str, warnings: list[str]) -> Message:
    assert content.media is not None
    kind = content.media.type
    caption = content.joined()
    if content.header is not None or content.footer is not None:
        warnings.append(
            f"A message with a {kind} has no header or footer: they are in its caption."
        )
    if format_ == "cloud":
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
