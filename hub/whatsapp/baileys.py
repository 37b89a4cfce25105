"""Messages of Baileys: the content of `sendMessage`, and native-flow messages for `relayMessage`.

Baileys has buttons and lists in `sendMessage` up to 6.7.0; later releases take them as native-flow
messages only, which are complete protocol messages.
"""

from typing import Any

import msgspec

from hub.templates.content import Content

from .files import File, lacking
from .layout import Layout

Json = dict[str, Any]

_encode = msgspec.json.Encoder().encode


def text(body: str) -> Json:
    return {"text": body}


def buttons(content: Content, body: str) -> Json:
    """Reply buttons; they have no header, so `body` is what stands for both."""
    message: Json = {"text": body}
    if content.footer is not None:
        message["footer"] = content.footer
    message["buttons"] = [
        {"buttonId": button.id, "buttonText": {"displayText": button.label}, "type": 1}
        for button in content.buttons
    ]
    message["headerType"] = 1
    return message


def choices(content: Content, layout: Layout) -> Json:
    """A list."""
    message: Json = {"text": content.body}
    if content.footer is not None:
        message["footer"] = content.footer
    if content.header is not None:
        message["title"] = content.header
    message["buttonText"] = layout.opener
    message["sections"] = _sections(layout, "rowId")
    return message


def media(kind: str, file: File, caption: str) -> Json:
    """A picture or document.

    Raises:
        InvalidParams: the file has no address.
    """
    if file.url is None:
        raise lacking("Baileys needs an address of the file")
    message: Json = {kind: {"url": file.url}}
    if kind == "document":
        message["mimetype"] = file.mime_type
        message["fileName"] = file.name
    if caption:
        message["caption"] = caption
    return message


def native_buttons(content: Content) -> Json:
    return _native(
        content,
        [
            _flow("quick_reply", {"display_text": button.label, "id": button.id})
            for button in content.buttons
        ],
    )


def native_choices(content: Content, layout: Layout) -> Json:
    """A list."""
    listed = {"title": layout.opener, "sections": _sections(layout, "id")}
    return _native(content, [_flow("single_select", listed)])


def _sections(layout: Layout, id_: str) -> list[Json]:
    sections: list[Json] = []
    for section in layout.sections:
        rows: list[Json] = []
        for row in section.rows:
            listed = {id_: row.id, "title": row.title}
            if row.description is not None:
                listed["description"] = row.description
            rows.append(listed)
        sections.append(
            {"rows": rows} if section.title is None else {"title": section.title, "rows": rows}
        )
    return sections


def _flow(name: str, parameters: Json) -> Json:
    return {"name": name, "buttonParamsJson": _encode(parameters).decode()}


def _native(content: Content, flows: list[Json]) -> Json:
    interactive: Json = {"body": {"text": content.body}}
    if content.footer is not None:
        interactive["footer"] = {"text": content.footer}
    if content.header is not None:
        interactive["header"] = {"title": content.header, "hasMediaAttachment": False}
    interactive["nativeFlowMessage"] = {"buttons": flows, "messageVersion": 1}
    # The apps show a native flow only inside of this envelope, with the sender's device list.
    return {
        "viewOnceMessage": {
            "message": {
                "messageContextInfo": {"deviceListMetadata": {}, "deviceListMetadataVersion": 2},
                "interactiveMessage": interactive,
            }
        }
    }
