"""Values into placeholders, with every fault found: before they are filled in, and after."""

from collections.abc import Iterator, Mapping, Set
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from hub.protocol.errors import FieldError

from . import limits
from .content import Content, Text, texts, with_texts
from .language import as_text, malformed, shown, split
from .rules import climbing, structure, too_long
from .shortening import shortened

FILLED_CHARACTERS = 4 * 1024 * 1024
"""Most characters that are put together for all texts of a content. What is longer is refused by
its length alone: a value of a megabyte in a thousand places would take a gigabyte."""


_ENCODED = 12
"""Most characters that percent-encoding makes of one: three for each of four bytes."""


class Filled(Struct, frozen=True):
    """A content with its values filled in.

    Attributes:
        content: its texts as customers read them; a placeholder without a value stays visible.
        missing: names without a value, in order of first appearance.
        errors: why it cannot be sent, by JSON Pointers into the template (`/body`) or to a value
            (`/variables/order_id`); empty if it can.
    """

    content: Content
    missing: list[str]
    errors: list[FieldError]


def variables(content: Content) -> list[str]:
    """The names of a content's placeholders, in order of first appearance."""
    return list(_plan(content).names)


def check(content: Content) -> list[FieldError]:
    """Every fault that a content has whatever its values will be.

    A placeholder counts as no character, because its value may be empty: what is too long without
    them is refused here, the rest when values are filled in.
    """
    return fill(content, {}, strict=False).errors


def fill(
    content: Content,
    values: Mapping[str, Any],
    *,
    strict: bool = True,
    truncate: bool = False,
    most: int = FILLED_CHARACTERS,
) -> Filled:
    """Put values into a content, once and as text; in time linear in the text that comes of it.

    Args:
        content: a stored template's (`Content.of`), or a draft's.
        values: text, numbers or truth by name; names that the content does not have are ignored.
        strict: a name without a value is an error; otherwise it is only named in `missing`. In
            both cases it stays visible, and counts as no character.
        truncate: texts that are too long are cut with an ellipsis instead of being refused;
            addresses and ids never are.
        most: characters that are put together for all texts; those that are too long anyway stay
            behind it as they are in the template.
    """
    plan = _plan(content)
    errors = plan.faults.copy()
    known: dict[str, str] = {}
    missing: list[str] = []
    visible: set[str] = set()
    for name in plan.names:
        if name not in values:
            missing.append(name)
            if strict:
                errors.append(FieldError(f"/variables/{name}", "is missing: give it a value"))
        elif (text := as_text(values[name])) is not None:
            known[name] = text
            continue
        else:
            errors.append(FieldError(f"/variables/{name}", _unwritable(values[name])))
        known[name] = shown(name)
        visible.add(name)
    if known and plan.places * max(map(len, known.values())) * _ENCODED > most:
        filled = list(_bounded(plan.fields, known, visible, errors, most))
    else:
        filled = [field.filled(known, visible) for field in plan.fields]
    if truncate:
        filled = _truncated(plan, filled, visible)
    if plan.names or truncate:
        content = with_texts(content, filled)
    errors.extend(_faults(content, plan, filled, visible))
    return Filled(content, missing, errors)


class _Field:
    """A text of a template, cut at its placeholders."""

    __slots__ = ("address", "limit", "names", "parts", "text")

    def __init__(self, text: Text) -> None:
        self.text = text
        self.limit = text.limit
        self.address = text.address
        self.parts = split(text.text)
        self.names = self.parts[1::2]

    def filled(self, known: Mapping[str, str], visible: Set[str]) -> str:
        if not self.names:
            return self.text.text
        parts = self.parts.copy()
        if self.address:
            parts[1::2] = [
                known[name] if name in visible else quote(known[name], safe="")
                for name in self.names
            ]
        else:
            parts[1::2] = [known[name] for name in self.names]
        return "".join(parts)

    def visible(self, visible: Set[str]) -> int:
        """Characters of the placeholders that stand in the text for want of a value."""
        return sum(len(shown(name)) for name in self.names if name in visible)


class _Plan:
    """What can be known of a template before it has values."""

    __slots__ = ("faults", "fields", "main", "names", "places")

    def __init__(self, content: Content) -> None:
        self.fields = [_Field(text) for text in texts(content)]
        self.names = list(dict.fromkeys(name for field in self.fields for name in field.names))
        self.places = sum(len(field.names) for field in self.fields)
        self.faults = [*structure(content), *_malformed(self.fields)]
        self.main = self._joining(content)

    def _joining(self, content: Content) -> int | None:
        """The place of the text that is sent as one with header and footer, if one is."""
        if content.type not in ("text", "media") or not (content.header or content.footer):
            return None
        pointers = [field.text.pointer for field in self.fields]
        for pointer in ("/media/caption", "/body"):
            if pointer in pointers:
                return pointers.index(pointer)
        return None


def _plan(content: Content) -> _Plan:
    """The plan of a content. Those of usual size are kept: making one takes 12 µs, as long as
    filling it in and converting it, and finding it again 0.4 µs.
    """
    key = _encode(content)
    return _kept(key) if len(key) <= _KEPT_BYTES else _Plan(content)


_KEPT_BYTES = 16 * 1024
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Content).decode


@lru_cache(maxsize=256)
def _kept(key: bytes) -> _Plan:
    return _Plan(_decode(key))


def _unwritable(value: object) -> str:
    if isinstance(value, str):
        return "must be valid Unicode without the character U+0000"
    if isinstance(value, int | float):
        return "must be a number that can be written out"
    return "must be text, a number, true or false"


def _bounded(
    fields: list[_Field],
    known: Mapping[str, str],
    visible: Set[str],
    errors: list[FieldError],
    most: int,
) -> Iterator[str]:
    """The texts filled in, or as they are in the template where they are too long for it and for
    what may be put together."""
    for field in fields:
        length = sum(map(len, field.parts[::2])) + sum(len(known[name]) for name in field.names)
        if length > field.limit and length * (_ENCODED if field.address else 1) > most:
            errors.append(too_long(field.text.pointer, field.text.what, length, field.limit))
            yield field.text.text
        else:
            most -= length
            yield field.filled(known, visible)


def _malformed(fields: list[_Field]) -> Iterator[FieldError]:
    for field in fields:
        for excerpt in malformed(field.parts):
            yield FieldError(
                field.text.pointer,
                f"{excerpt} is no placeholder: between {{{{ and }}}} stands a name of"
                f" 1 to {limits.NAME} letters A-Z, digits and _",
            )
        if "\0" in field.text.text:
            yield FieldError(field.text.pointer, "the character U+0000 is not allowed")


def _truncated(plan: _Plan, filled: list[str], visible: Set[str]) -> list[str]:
    cut = [
        text if field.text.address else shortened(text, field.text.limit + field.visible(visible))
        for field, text in zip(plan.fields, filled, strict=True)
    ]
    if (main := plan.main) is not None:
        over = _joined_length(plan, cut, visible) - plan.fields[main].text.limit
        if over > 0:
            cut[main] = shortened(cut[main], len(cut[main]) - over)
    return cut


def _faults(
    content: Content, plan: _Plan, filled: list[str], visible: Set[str]
) -> Iterator[FieldError]:
    fits = True
    for field, text in zip(plan.fields, filled, strict=True):
        if len(text) > (limit := field.limit):
            if (length := len(text) - field.visible(visible)) > limit:
                fits = False
                yield too_long(field.text.pointer, field.text.what, length, limit)
        elif not text or text.isspace():
            yield FieldError(field.text.pointer, f"{field.text.what} must not be empty")
        elif field.address and climbing(text):
            yield FieldError(
                field.text.pointer, f"{field.text.what} must not have a segment . or .."
            )
    if fits and (main := plan.main) is not None:
        text_ = plan.fields[main].text
        length = _joined_length(plan, filled, visible)
        if length > text_.limit:
            yield too_long(
                text_.pointer, f"{text_.what} together with header and footer", length, text_.limit
            )
    labels: dict[str, int] = {}
    for number, button in enumerate(content.buttons):
        if (first := labels.setdefault(button.label.strip(), number)) != number:
            yield FieldError(
                f"/buttons/{number}/label",
                f"the label is that of /buttons/{first}; each needs its own",
            )


def _joined_length(plan: _Plan, filled: list[str], visible: Set[str]) -> int:
    """Of header, main text and footer with an empty line between; see `Content.joined`."""
    lengths = [
        len(text) - field.visible(visible)
        for place, (field, text) in enumerate(zip(plan.fields, filled, strict=True))
        if place == plan.main or field.text.pointer in ("/header", "/footer")
    ]
    return sum(lengths) + 2 * (len(lengths) - 1)
