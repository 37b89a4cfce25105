"""Choices in plain text, for gateways without buttons: each has a number to answer with."""

from collections.abc import Iterator

from hub.templates.content import Content
from storage.merchant_records import Section, SectionRow

from .layout import Layout


def numbered(content: Content, layout: Layout) -> str:
    """Header, body, the choices on a line each, and footer, with empty lines between."""
    return "\n\n".join(_paragraphs(content, layout))


def _paragraphs(content: Content, layout: Layout) -> Iterator[str]:
    if content.header is not None:
        yield content.header
    if content.body is not None:
        yield content.body
    sections = layout.sections or [
        Section([SectionRow(button.id, button.label) for button in content.buttons])
    ]
    number = 0
    for section in sections:
        lines = [] if section.title is None else [_one_line(section.title)]
        for row in section.rows:
            number += 1
            line = f"{number}. {_one_line(row.title)}"
            if row.description is not None:
                line += f" - {_one_line(row.description)}"
            lines.append(line)
        yield "\n".join(lines)
    if content.footer is not None:
        yield content.footer


def _one_line(text: str) -> str:
    """Without line breaks, so that no value can look like one more choice."""
    return " ".join(text.split())
