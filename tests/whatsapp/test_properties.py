"""What holds of every message, whatever its template and values."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.protocol.errors import InvalidParams
from hub.templates.content import Content
from hub.templates.filling import Filled, fill, variables
from hub.whatsapp.convert import convert
from hub.whatsapp.messages import Converted, Format, MediaSource
from hub.whatsapp.replies import parse
from storage.merchant_records import Button, Section, SectionRow, TemplateMedia
from tests.templates.contents import any_values, contents, spoken, unhurried

from .examples import FORMATS
from .taps import offered, replied

formats = st.sampled_from(FORMATS)
FILE = MediaSource(data_base64="AA==")


def filled_and_cut(content: Content, values: dict[str, Any]) -> Filled:
    """A content whose long texts are cut, so that hardly any values are refused."""
    filled = fill(content, values, truncate=True)
    assume(not filled.errors)
    return filled


def sent(content: Content, values: dict[str, Any], format_: Format) -> Converted:
    return convert(filled_and_cut(content, values), format_, "1", FILE)


def shape(value: Any) -> Any:
    """Keys in their order, lengths of arrays and types; JSON in a text is looked into."""
    if isinstance(value, dict):
        return {
            key: shape(json.loads(inner)) if key == "buttonParamsJson" else shape(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value)


@unhurried
@given(content=contents(), values=spoken, others=spoken, format_=formats)
def test_no_value_changes_the_structure_of_a_message(
    content: Content, values: dict[str, Any], others: dict[str, Any], format_: Format
) -> None:
    one, other = sent(content, values, format_), sent(content, others, format_)
    assert json.dumps(shape(one.message), default=str) == json.dumps(
        shape(other.message), default=str
    )
    assert [choice.id for choice in one.choices] == [choice.id for choice in other.choices]


def over(message: Any, format_: Format) -> list[str]:
    """What is over WhatsApp's limits in a message, by the names that the gateway gives it."""
    found: list[str] = []

    def at_most(limit: int, what: str, value: Any) -> None:
        if value is not None and not 1 <= len(value) <= limit:
            found.append(f"{what}: {len(value)}")

    def rows(sections: list[Any], id_: str) -> None:
        at_most(10, "sections", sections)
        at_most(10, "rows", [row for section in sections for row in section["rows"]])
        for section in sections:
            at_most(24, "section", section.get("title"))
            for row in section["rows"]:
                at_most(200, "row id", row[id_])
                at_most(24, "row", row["title"])
                at_most(72, "description", row.get("description"))

    if isinstance(message, str):
        at_most(4096, "text", message)
        return found
    if "interactive" in message:
        interactive = message["interactive"]
        at_most(60, "header", interactive.get("header", {}).get("text"))
        at_most(1024, "body", interactive["body"]["text"])
        at_most(60, "footer", interactive.get("footer", {}).get("text"))
        action = interactive["action"]
        if interactive["type"] == "list":
            at_most(20, "opener", action["button"])
            rows(action["sections"], "id")
        else:
            at_most(3, "buttons", action["buttons"])
            for button in action["buttons"]:
                at_most(20, "label", button["reply"]["title"])
                at_most(256, "id", button["reply"]["id"])
    elif "viewOnceMessage" in message:
        interactive = message["viewOnceMessage"]["message"]["interactiveMessage"]
        at_most(60, "header", interactive.get("header", {}).get("title"))
        at_most(1024, "body", interactive["body"]["text"])
        at_most(60, "footer", interactive.get("footer", {}).get("text"))
        flows = interactive["nativeFlowMessage"]["buttons"]
        at_most(3, "buttons", flows)
        for flow in flows:
            parameters = json.loads(flow["buttonParamsJson"])
            at_most(20, "label", parameters.get("display_text") or parameters["title"])
            rows(parameters.get("sections", [{"rows": [{"id": "x", "title": "x"}]}]), "id")
    elif format_ == "cloud":
        inner = message[message["type"]]
        at_most(4096, "text", inner.get("body"))
        at_most(1024, "caption", inner.get("caption"))
    else:
        interactive = "buttons" in message or "sections" in message
        at_most(1024 if interactive else 4096, "text", message.get("text"))
        at_most(1024, "caption", message.get("caption"))
        at_most(60, "footer", message.get("footer"))
        at_most(60, "title", message.get("title"))
        at_most(20, "opener", message.get("buttonText"))
        if "buttons" in message:
            at_most(3, "buttons", message["buttons"])
            for button in message["buttons"]:
                at_most(20, "label", button["buttonText"]["displayText"])
                at_most(256, "id", button["buttonId"])
        if "sections" in message:
            rows(message["sections"], "rowId")
    return found


@unhurried
@given(content=contents(), values=any_values, format_=formats, truncate=st.booleans())
def test_a_message_is_within_the_limits_or_refused_by_the_name_of_its_field(
    content: Content, values: dict[str, Any], format_: Format, truncate: bool
) -> None:
    filled = fill(content, values, truncate=truncate)
    if filled.errors:
        with pytest.raises(InvalidParams) as refusal:
            convert(filled, format_, "1", FILE)
        assert refusal.value.errors == tuple(filled.errors)
        assert all(error.pointer.startswith("/") for error in filled.errors)
    else:
        assert over(convert(filled, format_, "1", FILE).message, format_) == []


def longest() -> list[Content]:
    """Each type with all its texts as long as they may be."""
    header, body, footer, opener = "h" * 60, "b" * 1024, "f" * 60, "o" * 20
    label = "{:l>20}".format
    sections = [
        Section([SectionRow(f"{n:i>200}", "t" * 24, "d" * 72)], "s" * 24) for n in range(10)
    ]
    media = TemplateMedia("image", "https://a.example/" + "x" * 2000, caption="c" * (1024 - 124))
    return [
        Content(type="text", header=header, body="b" * (4096 - 124), footer=footer),
        *(
            Content(
                type="buttons", header=header, body=body, footer=footer, button_text=opener,
                buttons=[Button(f"{n:i>200}", label(n)) for n in range(count)],
            )
            for count in (1, 3, 10)
        ),
        Content(
            type="list", header=header, body=body, footer=footer, button_text=opener,
            sections=sections,
        ),
        Content(type="media", header=header, footer=footer, media=media),
    ]  # fmt: skip


@pytest.mark.parametrize("format_", FORMATS)
def test_the_longest_templates_fit_every_gateway(format_: Format) -> None:
    for content in longest():
        filled = fill(content, {})
        assert filled.errors == []
        assert over(convert(filled, format_, "1", FILE).message, format_) == []


@unhurried
@given(content=contents(), values=spoken, format_=formats)
def test_each_choice_comes_back(content: Content, values: dict[str, Any], format_: Format) -> None:
    converted = sent(content, values, format_)
    if isinstance(converted.message, str):
        taps = [(str(choice.number), choice.title) for choice in converted.choices]
        for number, title in taps:
            assert f"\n{number}. {' '.join(title.split())}" in converted.message
    else:
        taps = offered(converted.message, format_)
    assert len(taps) == len(converted.choices)
    for (id_, title), choice in zip(taps, converted.choices, strict=True):
        payload = json.loads(json.dumps(replied(converted.message, format_, id_, title)))
        reply = parse(payload, converted.choices)
        assert reply is not None
        assert (reply.id, reply.title) == (choice.id, choice.title)


@unhurried
@given(content=contents(), format_=formats)
def test_a_preview_shows_every_placeholder(content: Content, format_: Format) -> None:
    filled = fill(content, {}, strict=False)
    assert filled.errors == []
    shown = json.dumps(convert(filled, format_, "1", FILE).message)
    # What opens a list stands in no numbered text and in no message with buttons, and an address
    # not beside the file itself.
    address = content.media and content.media.url
    unshown = Content(type="text", body=f"{content.button_text} {address}")
    for name in set(filled.missing) - set(variables(unshown)):
        assert "{{" + name + "}}" in shown
