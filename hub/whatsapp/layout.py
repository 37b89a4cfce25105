"""How a content is laid out, whatever the gateway: its choices, and buttons that become a list."""

from msgspec import Struct

from hub.templates import limits
from hub.templates.content import Content
from storage.merchant_records import Section, SectionRow

from .messages import Choice

OPENER = "Choose"
"""What opens a list without a `button_text`."""


class Layout(Struct, frozen=True):
    """The same choices for every gateway.

    Attributes:
        opener, sections: of a list; without sections, the content's buttons are buttons.
        choices: in the order in which they are numbered.
        warnings: what differs from the template in every format that has buttons and lists.
    """

    opener: str
    sections: list[Section]
    choices: list[Choice]
    warnings: list[str]


def layout(content: Content) -> Layout:
    """Lay out the choices of a content; more than 3 buttons become a list of one section."""
    buttons = content.buttons
    sections = content.sections
    warnings = []
    if len(buttons) > limits.BUTTONS:
        sections = [Section([SectionRow(button.id, button.label) for button in buttons])]
        warnings.append(
            f"{len(buttons)} buttons are sent as a list: a message has at most {limits.BUTTONS}."
        )
    if sections and content.button_text is None:
        warnings.append(f"The list has no button_text: “{OPENER}” opens it.")
    if buttons:
        choices = [
            Choice(number, button.id, button.label, button.callback_data)
            for number, button in enumerate(buttons, 1)
        ]
    else:
        rows = [row for section in sections for row in section.rows]
        choices = [Choice(number, row.id, row.title) for number, row in enumerate(rows, 1)]
    return Layout(content.button_text or OPENER, sections, choices, warnings)
