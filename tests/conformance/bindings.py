"""Patterns: what a frame must look like, and the names that one run binds.

A pattern names the fields that matter: objects may have more, lists may not. In patterns:

    $any $int $str $time      anything (absent too), an integer, a text, an RFC 3339 time in UTC
    $none                     null or absent
    $has:TEXT                 a text that contains TEXT
    $name                     whatever is there the first time, the same ever after
    $name+1 $<name $>=name    compared with the integer bound to that name
    $fresh:name               a text that no other run has used
    $$TEXT                    the text $TEXT itself
"""

import json
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

Json = Any
"""A decoded JSON value."""

_REFERENCE = re.compile(r"\$(?P<how><=|>=|<|>)?(?P<name>[a-z][a-z0-9_]*)(?P<plus>[+-]\d+)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_WORDS = frozenset({"any", "int", "str", "time", "none"})
_TEXT_FIELDS = frozenset(
    {"epoch", "id", "session", "merchant_id", "source", "timestamp", "message", "ref"}
)
_MISSING = object()


class FormatError(Exception):
    """A file that is no transcript; the message names file and line."""


class Mismatch(AssertionError):
    """A frame is not what the pattern says; the message begins with the place."""


@dataclass
class Bindings:
    """The names of one run, and the values that they stand for.

    Args:
        values: names that are bound from the start.
        invent: whether `fill` may bind a name itself: for who plays the hub.
    """

    values: dict[str, Json] = field(default_factory=dict)
    invent: bool = False
    _count: int = 0

    def match(self, pattern: Json, value: Json, place: str = "") -> None:
        """Compare a value with a pattern, binding names on the way.

        Raises:
            Mismatch: they differ.
        """
        if isinstance(pattern, dict):
            if not isinstance(value, dict):
                raise Mismatch(f"{place or '/'}: expected an object, got {_shown(value)}")
            for key, inner in pattern.items():
                self.match(inner, value.get(key, _MISSING), f"{place}/{key}")
        elif isinstance(pattern, list):
            if not isinstance(value, list) or len(value) != len(pattern):
                raise Mismatch(f"{place or '/'}: expected {_shown(pattern)}, got {_shown(value)}")
            for index, (inner, item) in enumerate(zip(pattern, value, strict=True)):
                self.match(inner, item, f"{place}/{index}")
        elif isinstance(pattern, str) and pattern.startswith("$"):
            self._match_placeholder(pattern, value, place or "/")
        elif pattern != value or isinstance(pattern, bool) is not isinstance(value, bool):
            raise Mismatch(f"{place or '/'}: expected {_shown(pattern)}, got {_shown(value)}")

    def matches(self, pattern: Json, value: Json) -> bool:
        """Whether they agree; names are bound only then."""
        before = dict(self.values)
        try:
            self.match(pattern, value)
        except Mismatch:
            self.values = before
            return False
        return True

    def fill(self, template: Json, key: str = "") -> Json:
        """The template with its placeholders replaced by values.

        Raises:
            FormatError: a placeholder has no value here.
        """
        if isinstance(template, dict):
            filled = {k: self.fill(v, k) for k, v in template.items()}
            return {k: v for k, v in filled.items() if v is not _MISSING}
        if isinstance(template, list):
            return [self.fill(item, key) for item in template]
        if not isinstance(template, str) or not template.startswith("$"):
            return template
        return self._fill_placeholder(template, key)

    def _match_placeholder(self, pattern: str, value: Json, place: str) -> None:
        if pattern.startswith("$$"):
            good = value == pattern[1:]
        elif pattern.startswith("$has:"):
            good = isinstance(value, str) and pattern[5:] in value
        elif pattern.startswith("$fresh:"):
            good = value == self._fresh(pattern[7:])
        elif pattern[1:] in _WORDS:
            good = _is_a(pattern[1:], value)
        else:
            how, name, plus = self._reference(pattern)
            if name not in self.values:
                if how or plus or value is _MISSING:
                    raise Mismatch(f"{place}: {pattern} has nothing to compare with")
                self.values[name] = value
                return
            good = _compare(how, value, self.values[name], plus)
        if not good:
            known = f" ({self.values})" if self.values else ""
            raise Mismatch(f"{place}: expected {pattern}, got {_shown(value)}{known}")

    def _fill_placeholder(self, template: str, key: str) -> Json:
        if template.startswith("$$"):
            return template[1:]
        if template.startswith("$has:"):
            return template[5:]
        if template.startswith("$fresh:"):
            return self._fresh(template[7:])
        word = template[1:]
        if word in _WORDS:
            samples = {"any": _MISSING, "none": _MISSING, "time": "2026-11-22T10:00:00.000Z"}
            return samples.get(word) or self._invented(word, "id" if word == "str" else key)
        how, name, plus = self._reference(template)
        if name not in self.values:
            self.values[name] = self._invented(name, key)
        value = self.values[name]
        return value + plus + {"<": -1, ">": 1}.get(how, 0) if how or plus else value

    def _invented(self, name: str, key: str) -> Json:
        if not self.invent:
            raise FormatError(f"${name} has no value yet")
        self._count += 1
        return f"{name}-{self._count}" if key in _TEXT_FIELDS else self._count

    def _fresh(self, name: str) -> str:
        return str(self.values.setdefault(f"fresh:{name}", f"{name}-{uuid.uuid4().hex[:12]}"))

    def _reference(self, pattern: str) -> tuple[str, str, int]:
        found = _REFERENCE.fullmatch(pattern)
        if found is None:
            raise FormatError(f"{pattern!r} is no placeholder; a text begins with $$")
        return found["how"] or "", found["name"], int(found["plus"] or 0)


def _is_a(word: str, value: Json) -> bool:
    match word:
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "str":
            return isinstance(value, str) and value != ""
        case "time":
            return isinstance(value, str) and _TIME.fullmatch(value) is not None
        case "none":
            return value is None or value is _MISSING
    return True


def _compare(how: str, value: Json, bound: Json, plus: int) -> bool:
    if not how and not plus:
        return bool(value == bound)
    if not _is_a("int", value):
        return False
    other = bound + plus
    match how:
        case "<":
            return bool(value < other)
        case "<=":
            return bool(value <= other)
        case ">":
            return bool(value > other)
        case ">=":
            return bool(value >= other)
    return bool(value == other)


def _shown(value: Json) -> str:
    return "nothing" if value is _MISSING else json.dumps(value, ensure_ascii=False)[:300]
