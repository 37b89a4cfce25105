"""Cutting a text between two characters as people see them."""

import unicodedata

ELLIPSIS = "…"

_JOINER = "\u200d"
_LONGEST = 32
"""Code points of one visible character that are kept together; a longer pile of accents is cut."""


def shortened(text: str, limit: int) -> str:
    """A text of at most `limit` code points (1 or more), its end replaced by an ellipsis.

    An accent, an emoji with its skin colour, a family of joined emojis and a flag are kept whole
    or left out whole.
    """
    if len(text) <= limit:
        return text
    end = limit - len(ELLIPSIS)
    for at in range(end, max(end - _LONGEST, -1), -1):
        if at == 0 or not _inside(text, at):
            end = at
            break
    return text[:end].rstrip() + ELLIPSIS


def _inside(text: str, at: int) -> bool:
    """Whether a visible character goes on at this place."""
    before, after = text[at - 1], text[at]
    if before == "\r" and after == "\n":
        return True
    if before == _JOINER or after == _JOINER or unicodedata.category(after)[0] == "M":
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff":  # skin colours
        return True
    if _is_flag_letter(before) and _is_flag_letter(after):
        start = at
        while start > 0 and at - start < _LONGEST and _is_flag_letter(text[start - 1]):
            start -= 1
        return (at - start) % 2 == 1  # a flag is two letters
    return False


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
