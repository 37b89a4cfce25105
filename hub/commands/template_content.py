"""What is said of a template, and whether it may be said: one Struct at the door, one rule below.

The Structs bound what is kept; what WhatsApp takes is the rule of `hub.templates`, which counts a
placeholder by the value that stands in it.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, structs

from hub.protocol.errors import FieldError, InvalidParams
from hub.templates.content import Content
from hub.templates.filling import check, variables
from storage.merchant_records import Button, Section, Template, TemplateMedia, TemplateType
from storage.table import encode_json

from .params import Word

TemplateName = Annotated[str, Meta(pattern=r"^[a-z0-9_]{3,50}(?!\n)$", examples=["order_ready"])]
Line = Annotated[str, Meta(max_length=512, pattern=r"^[^\x00]*$")]
"""A short text. The limits of WhatsApp are lower, but count placeholders by what stands in them."""
Paragraph = Annotated[str, Meta(max_length=8192, pattern=r"^[^\x00]*$")]
Description = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")]
Language = Annotated[
    str, Meta(max_length=16, pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*(?!\n)$")
]
"""As WhatsApp names languages: `en`, `pt_BR`."""
ENTRIES = 10
"""Most buttons, sections, and rows of a section."""
FEWEST, MOST = 1e-15, 1e15
"""Numbers of an example beyond these, Postgres would write out with hundreds of digits (1e300)."""
PAYLOAD_CHARACTERS = 8192
"""Most characters of `example_payload` as JSON."""


class ButtonContent(Struct, forbid_unknown_fields=True):
    """A reply button; `id` comes back when it is tapped."""

    id: Line
    label: Line
    callback_data: Line | None = None


class RowContent(Struct, forbid_unknown_fields=True):
    """A choice of a list; `id` comes back when it is chosen."""

    id: Line
    title: Line
    description: Line | None = None


class SectionContent(Struct, forbid_unknown_fields=True):
    """Choices of a list under one title."""

    rows: Annotated[list[RowContent], Meta(max_length=ENTRIES)]
    title: Line | None = None


class MediaContent(Struct, forbid_unknown_fields=True):
    """A picture or a document, by its address or by the id of an uploaded one."""

    type: Literal["image", "document"]
    url: Paragraph | None = None
    media_id: Word | None = None
    caption: Paragraph | None = None


Buttons = Annotated[list[ButtonContent], Meta(max_length=ENTRIES)]
Sections = Annotated[list[SectionContent], Meta(max_length=ENTRIES)]


class TemplateContent(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a template says; `{{name}}` stands for a value that comes when it is sent."""

    type: TemplateType
    header: Line | None = None
    body: Paragraph | None = None
    footer: Line | None = None
    button_text: Line | None = None
    buttons: Buttons | None = None
    sections: Sections | None = None
    media: MediaContent | None = None


_PARTS: dict[str, Any] = {
    "buttons": list[Button], "sections": list[Section], "media": TemplateMedia,
}  # fmt: skip
_OPTIONAL = frozenset({"header", "body", "footer", "button_text", *_PARTS})
_NOT_SAID = frozenset({"id", "merchant_id", "variables"})


def columns(said: Struct) -> dict[str, Any]:
    """What is said of a template, as it is stored: texts and lists that are empty are none."""
    found = {}
    for name, value in structs.asdict(said).items():
        if value is UNSET or name in _NOT_SAID:
            continue
        if name in _OPTIONAL:
            value = value or None
        if value is not None and name in _PARTS:
            value = msgspec.convert(msgspec.to_builtins(value), _PARTS[name])
        found[name] = "" if name == "description" and value is None else value
    return found


def content_of(said: TemplateContent) -> Content:
    """What is said, as the rules and the gateways take it."""
    template = Template(
        id="", merchant_id="", name="", variables=[], created_at="", updated_at="",
        **columns(said),
    )  # fmt: skip
    return Content.of(template)


def checked(template: Template) -> Template:
    """A template with its variables.

    Raises:
        InvalidParams: it breaks a rule; `errors` names every fault.
    """
    content = Content.of(template)
    faults = [*check(content), *_payload_faults(template.example_payload)]
    if faults:
        message = "; ".join(f"{fault.pointer}: {fault.message}" for fault in faults)
        raise InvalidParams(message, tuple(faults))
    return structs.replace(template, variables=variables(content))


def _has_long_number(value: Any) -> bool:
    """Whether a number is in it, at any depth, that is written out long."""
    if isinstance(value, dict):
        return any(map(_has_long_number, value.values()))
    if isinstance(value, list):
        return any(map(_has_long_number, value))
    return isinstance(value, int | float) and value != 0 and not FEWEST <= abs(value) <= MOST


def _payload_faults(payload: dict[str, Any] | None) -> list[FieldError]:
    if payload is None:
        return []
    if _has_long_number(payload):
        message = f"a number beyond {FEWEST:.0e} to {MOST:.0e} stands here as text"
        return [FieldError("/example_payload", message)]
    try:
        size = len(encode_json(payload))
    except ValueError as error:
        return [FieldError("/example_payload", str(error))]
    if size > PAYLOAD_CHARACTERS:
        message = f"{size} characters of JSON are more than the {PAYLOAD_CHARACTERS} allowed"
        return [FieldError("/example_payload", message)]
    return []
