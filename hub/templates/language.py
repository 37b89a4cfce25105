"""The language of templates: `{{name}}`, and nothing else.

A name has 1 to 64 letters, digits and `_` of ASCII; spaces inside the braces are allowed. There is
no logic and no nesting, and a text is read once: braces in a value are text like any other.
"""

import re
from collections.abc import Iterator

from .limits import NAME

# Neither `\s*` nor the name can match what the other matches, and no match crosses a brace: the
# time is linear in the text, whatever stands in it.
PLACEHOLDER = re.compile(rf"\{{\{{\s*([A-Za-z0-9_]{{1,{NAME}}})\s*\}}\}}")

_EXCERPT = 40


def split(text: str) -> list[str]:
    """Cut a text at its placeholders: literals at even places, names at odd ones."""
    return PLACEHOLDER.split(text)


def shown(name: str) -> str:
    """A placeholder as it stands in a text that lacks its value."""
    return "{{" + name + "}}"


def malformed(parts: list[str]) -> Iterator[str]:
    """Excerpts of the literals that open a placeholder which is none, such as `{{first name}}`."""
    for literal in parts[::2]:
        if (at := literal.find("{{")) >= 0:
            end = literal.find("}}", at)
            excerpt = literal[at : end + 2 if end >= 0 else None]
            yield excerpt if len(excerpt) <= _EXCERPT else excerpt[:_EXCERPT] + "…"


def as_text(value: object) -> str | None:
    """A value as a customer reads it, or None if it is of a kind that has no text.

    Text stays as it is, whole numbers lose an empty fraction (`3.0` is `3`), truth is `true` or
    `false`. What is infinite, not a number, or no valid Unicode has no text, nor has what a
    database cannot keep (U+0000).
    """
    # The commonest kind first; `bool` is a kind of `int`.
    if isinstance(value, str):
        if "\0" in value or not (value.isascii() or _is_unicode(value)):
            return None
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        try:
            return str(value)
        except ValueError:  # more digits than Python writes in linear time
            return None
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e16:
            return str(int(value))
        return repr(value) if abs(value) != float("inf") and value == value else None
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
