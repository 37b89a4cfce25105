"""Contents and values for properties: most fit WhatsApp, some do not."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from hub.templates.content import Content
from storage.merchant_records import Button, Section, SectionRow, TemplateMedia

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine makes any example slow."""

NAMES = ("a", "order_id", "X9", "name_of_customer")

LITERAL = "aZ0 é😀*_\n{}\"'\\/&<%"


@st.composite
def texts(draw: st.DrawFn, most: int, first: str = "") -> str:
    """A text of at most `most` literal characters (16 at most) with placeholders between them."""
    room = min(most, 16) - len(first)
    pieces = [first]
    for _ in range(draw(st.integers(0, 3))):
        literal = draw(st.text(LITERAL, max_size=max(room, 0)))
        # A brace beside a placeholder or a brace would be another placeholder, or none.
        literal = literal.replace("{{", "(").strip("{}")
        room -= len(literal)
        pieces.append(literal)
        if draw(st.booleans()):
            space = draw(st.sampled_from(["", " ", "  "]))
            pieces.append("{{" + space + draw(st.sampled_from(NAMES)) + space + "}}")
    text = "".join(pieces)
    return text if text.strip() else "words"


def choice_ids(count: int) -> list[str]:
    return [f"id {number}" for number in range(count)]


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """A content that has no fault by itself."""
    kind = draw(st.sampled_from(["text", "buttons", "list", "media"]))
    header = draw(st.none() | texts(60))
    footer = draw(st.none() | texts(60))
    body = draw(texts(1024))
    opener = draw(st.none() | texts(20))
    if kind == "buttons":
        buttons = [
            # What a label begins with makes it another one, whatever its values are.
            Button(id_, draw(texts(20, first=f"{number}·")), draw(st.none() | st.text(max_size=5)))
            for number, id_ in enumerate(choice_ids(draw(st.integers(1, 10))))
        ]
        return Content(
            type="buttons",
            header=header,
            body=body,
            footer=footer,
            button_text=opener,
            buttons=buttons,
        )
    if kind == "list":
        sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
        ids = iter(choice_ids(sum(sizes)))
        sections = [
            Section(
                [
                    SectionRow(next(ids), draw(texts(24)), draw(st.none() | texts(72)))
                    for _ in range(size)
                ],
                draw(texts(24)) if len(sizes) > 1 else draw(st.none() | texts(24)),
            )
            for size in sizes
        ]
        return Content(
            type="list",
            header=header,
            body=body,
            footer=footer,
            button_text=opener,
            sections=sections,
        )
    if kind == "media":
        piece = st.sampled_from(["p", "{{a}}", "{{ X9 }}", ".png", "?q="])
        media = TemplateMedia(
            draw(st.sampled_from(["image", "document"])),
            url="https://example.com/" + "".join(draw(st.lists(piece, max_size=4))),
            caption=draw(st.none() | texts(1024)),
        )
        return Content(
            type="media",
            header=header,
            footer=footer,
            media=media,
            body=body if media.caption is None and draw(st.booleans()) else None,
        )
    return Content(type="text", header=header, body=body, footer=footer)


HOSTILE = (
    "{{a}}", "{{order_id}} {{X9}}", "}}{{", '","id":"x', "1. x\n2. y", "\u202e", "*_~`",
    "%00", "../..", "?q=1&r=2#f", "e\u0301" * 30, "👨‍👩‍👧‍👦" * 12, "0" * 61, "x" * 1100, "",
)  # fmt: skip

good_values: st.SearchStrategy[Any] = (
    st.sampled_from(HOSTILE)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
)
bad_values: st.SearchStrategy[Any] = (
    st.none()
    | st.lists(st.integers(), max_size=2)
    | st.just({})
    | st.sampled_from([float("nan"), float("inf"), "\ud800", "\0"])
)
complete: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    dict.fromkeys(NAMES, good_values)
)
spoken: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    dict.fromkeys(NAMES, good_values.filter(lambda value: str(value).replace(".", "").strip()))
)
"""Values that leave no text empty and lead no address elsewhere."""
any_values: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from([*NAMES, "unused"]), good_values | bad_values
)
