"""What a template says, apart from who owns it and when it changed."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from msgspec import Struct

from storage.merchant_records import (
    Button,
    Section,
    SectionRow,
    Template,
    TemplateMedia,
    TemplateType,
    TemplateVersion,
)

from . import limits


class Content(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a template that is sent, its placeholders filled in or not.

    Attributes:
        button_text: what opens a list.
        buttons: the choices of a buttons template; without places for empty ones.
    """

    type: TemplateType
    header: str | None = None
    body: str | None = None
    footer: str | None = None
    button_text: str | None = None
    buttons: list[Button] = []
    sections: list[Section] = []
    media: TemplateMedia | None = None

    @classmethod
    def of(cls, template: Template | TemplateVersion) -> Self:
        """The content of a stored template; optional texts that are empty count as absent."""
        media = template.media
        if media is not None and media.caption == "":
            media = TemplateMedia(type=media.type, url=media.url, media_id=media.media_id)
        sections = template.sections or []
        return cls(
            type=template.type,
            header=template.header or None,
            body=template.body or None,
            footer=template.footer or None,
            button_text=template.button_text or None,
            buttons=template.buttons or [],
            sections=[_without_blanks(section) for section in sections],
            media=media,
        )

    def joined(self) -> str:
        """Header, text and footer as one text with empty lines between, for messages of one text.

        The text is the body; in a media template it is the caption, or else the body.
        """
        body = self.body
        if self.media is not None and self.media.caption is not None:
            body = self.media.caption
        return "\n\n".join(part for part in (self.header, body, self.footer) if part)


def _without_blanks(section: Section) -> Section:
    rows = section.rows
    if any(row.description == "" for row in rows):
        rows = [SectionRow(row.id, row.title, row.description or None) for row in rows]
    if rows is section.rows and section.title != "":
        return section
    return Section(rows, section.title or None)


class Text(NamedTuple):
    """A text of a content that a person reads (or an address), and how long it may be.

    Attributes:
        pointer: a JSON Pointer into the template.
        what: its name in a sentence.
        limit: most characters.
        address: it is a URL: values are percent-encoded in it.
    """

    pointer: str
    what: str
    text: str
    limit: int
    address: bool = False


def texts(content: Content) -> list[Text]:
    """Every text of a content in which placeholders count, in a fixed order."""
    found = []
    if content.header is not None:
        found.append(Text("/header", "the header", content.header, limits.HEADER))
    if content.body is not None:
        limit = limits.TEXT if content.type == "text" else limits.BODY
        found.append(Text("/body", "the body", content.body, limit))
    if content.footer is not None:
        found.append(Text("/footer", "the footer", content.footer, limits.FOOTER))
    if content.button_text is not None:
        found.append(Text("/button_text", "the list's opener", content.button_text, limits.OPENER))
    if (media := content.media) is not None:
        if media.url is not None:
            found.append(Text("/media/url", "the address", media.url, limits.ADDRESS, True))
        if media.caption is not None:
            found.append(Text("/media/caption", "the caption", media.caption, limits.BODY))
    for number, button in enumerate(content.buttons):
        found.append(Text(f"/buttons/{number}/label", "the label", button.label, limits.LABEL))
    for number, section in enumerate(content.sections):
        at = f"/sections/{number}"
        if section.title is not None:
            found.append(
                Text(f"{at}/title", "the section's title", section.title, limits.SECTION_TITLE)
            )
        for place, row in enumerate(section.rows):
            row_at = f"{at}/rows/{place}"
            found.append(Text(f"{row_at}/title", "the title", row.title, limits.ROW_TITLE))
            if row.description is not None:
                found.append(
                    Text(
                        f"{row_at}/description",
                        "the description",
                        row.description,
                        limits.ROW_DESCRIPTION,
                    )
                )
    return found


def with_texts(content: Content, replaced: Iterable[str]) -> Content:
    """The same content with other texts, given in the order of `texts`."""
    following = iter(replaced)

    def after(text: str | None) -> str | None:
        return None if text is None else next(following)

    # The arguments are evaluated in the order in which they stand.
    return Content(
        type=content.type,
        header=after(content.header),
        body=after(content.body),
        footer=after(content.footer),
        button_text=after(content.button_text),
        media=content.media
        and TemplateMedia(
            content.media.type,
            after(content.media.url),
            content.media.media_id,
            after(content.media.caption),
        ),
        buttons=[
            Button(button.id, next(following), button.callback_data) for button in content.buttons
        ],
        sections=[
            # A title is read before its rows: Section's own order is the other way round.
            Section(
                title=after(section.title),
                rows=[
                    SectionRow(row.id, next(following), after(row.description))
                    for row in section.rows
                ],
            )
            for section in content.sections
        ],
    )
