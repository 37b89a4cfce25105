"""Messages of Meta's Cloud API: bodies of POST /<phone number id>/messages."""

from typing import Any

from hub.templates.content import Content

from .files import File, lacking
from .layout import Layout

Json = dict[str, Any]


def text(to: str, body: str) -> Json:
    return _message(to, "text", {"body": body})


def buttons(to: str, content: Content) -> Json:
    replies = [
        {"type": "reply", "reply": {"id": button.id, "title": button.label}}
        for button in content.buttons
    ]
    return _interactive(to, "button", content, {"buttons": replies})


def choices(to: str, content: Content, layout: Layout) -> Json:
    """A list."""
    sections: list[Json] = []
    for section in layout.sections:
        rows: list[Json] = []
        for row in section.rows:
            listed = {"id": row.id, "title": row.title}
            if row.description is not None:
                listed["description"] = row.description
            rows.append(listed)
        sections.append(
            {"rows": rows} if section.title is None else {"title": section.title, "rows": rows}
        )
    return _interactive(to, "list", content, {"button": layout.opener, "sections": sections})


def media(to: str, kind: str, file: File, caption: str) -> Json:
    """A picture or document, by its id at Meta where it has one.

    Raises:
        InvalidParams: the file has neither an id nor an address.
    """
    shown: Json = {}
    if file.id is not None:
        shown["id"] = file.id
    elif file.url is not None:
        shown["link"] = file.url
    else:
        raise lacking("the Cloud API needs an address or the file's id at Meta")
    if caption:
        shown["caption"] = caption
    if kind == "document":
        shown["filename"] = file.name
    return _message(to, kind, shown)


def _interactive(to: str, kind: str, content: Content, action: Json) -> Json:
    interactive: Json = {"type": kind}
    if content.header is not None:
        interactive["header"] = {"type": "text", "text": content.header}
    interactive["body"] = {"text": content.body}
    if content.footer is not None:
        interactive["footer"] = {"text": content.footer}
    interactive["action"] = action
    return _message(to, "interactive", interactive)


def _message(to: str, kind: str, value: Json) -> Json:
    return {"messaging_product": "whatsapp", "to": to, "type": kind, kind: value}
