"""One parser for what customers choose, whatever the gateway."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.whatsapp.messages import Choice, Format
from hub.whatsapp.replies import Reply, parse
from tests.templates.contents import unhurried

from .examples import EXAMPLES, FORMATS
from .taps import offered, replied

CHOICES = [Choice(1, "track", "Track", "order:track"), Choice(2, "help", "Help")]
OFFERING = [name for name, example in EXAMPLES.items() if example.converted("text").choices]


@pytest.mark.parametrize("name", OFFERING)
@pytest.mark.parametrize("format_", FORMATS)
def test_a_tap_comes_back_as_the_choice_that_was_offered(format_: Format, name: str) -> None:
    converted = EXAMPLES[name].converted(format_)
    taps = offered(converted.message, format_)
    assert len(taps) == len(converted.choices) > 0
    for (id_, title), choice in zip(taps, converted.choices, strict=True):
        reply = parse(replied(converted.message, format_, id_, title), converted.choices)
        assert reply is not None
        assert (reply.id, reply.callback_data) == (choice.id, choice.callback_data)
        assert reply.title == choice.title
        if isinstance(converted.message, dict):
            assert parse(replied(converted.message, format_, id_, title)) == Reply(
                choice.id, reply.by, choice.title
            )


NATIVE = {"nativeFlowResponseMessage": {"name": "x", "paramsJson": '{"id":"help","other":[1]}'}}


@pytest.mark.parametrize(
    ("payload", "reply"),
    [
        (
            {"interactive": {"type": "button_reply", "button_reply": {"id": "x"}}},
            Reply("x", "button"),
        ),
        (
            {"type": "button", "button": {"payload": "help", "text": "Need help?"}},
            Reply("help", "button", "Need help?"),
        ),
        (
            {"buttonsResponseMessage": {"selectedButtonId": "track"}},
            Reply("track", "button", "Track", "order:track"),
        ),
        (
            {"message": {"ephemeralMessage": {"message": {"interactiveResponseMessage": NATIVE}}}},
            Reply("help", "button", "Help"),
        ),
        (
            {"message": {"listResponseMessage": {"singleSelectReply": {"selectedRowId": "old"}}}},
            Reply("old", "row"),
        ),
        (
            {"type": "buttons_response", "body": "Help", "selectedButtonId": "help"},
            Reply("help", "button", "Help"),
        ),
        (
            {"type": "list_response", "body": "Track it", "selectedRowId": "track"},
            Reply("track", "row", "Track it", "order:track"),
        ),
    ],
)
def test_a_reply_is_read_with_what_its_choice_knows(payload: Any, reply: Reply) -> None:
    assert parse(payload, CHOICES) == reply


@pytest.mark.parametrize("text", ["2", " 2 ", "2.", "2)", "02", "２", "٢", "२", "2 .\n"])
@pytest.mark.parametrize(
    "said",
    [
        lambda text: text,
        lambda text: {"type": "text", "text": {"body": text}},
        lambda text: {"key": {}, "message": {"conversation": text}},
        lambda text: {"message": {"extendedTextMessage": {"text": text}}},
        lambda text: {"type": "chat", "body": text},
    ],
    ids=["bare", "cloud", "baileys", "baileys extended", "whatsapp-web.js"],
)
def test_a_bare_number_answers_a_numbered_text(said: Any, text: str) -> None:
    assert parse(said(text), CHOICES) == Reply("help", "number", "Help")
    assert parse(said(text)) is None


@pytest.mark.parametrize(
    "payload",
    [
        None, 2, "", "0", "3", "-1", "2.5", "two", "1 2", "²", "9" * 10_000, [], ["1"], {}, "track",
        {"selectedButtonId": ""}, {"selectedButtonId": 5}, {"button": {"payload": ["x"]}},
        {"interactive": {"button_reply": {"title": "no id"}}}, {"text": {"body": 1}},
        {"message": {"buttonsResponseMessage": None}}, {"message": "1 more"}, {"body": None},
        {"message": {"interactiveResponseMessage": {"body": {"text": "x"}}}},
    ],
    ids=lambda payload: json.dumps(payload)[:60],
)  # fmt: skip
def test_anything_else_chooses_nothing(payload: Any) -> None:
    assert parse(payload, CHOICES) is None


@pytest.mark.parametrize(
    "parameters",
    [
        "", "{", "null", "[]", '{"id":5}', '{"id":""}', '{"id":"a"', "[" * 60_000,
        '{"x":' + "[" * 30_000 + "]" * 30_000 + ',"id":5}', '{"id":"' + "a" * 70_000 + '"}',
        "\ud800",
    ],
    ids=lambda parameters: repr(parameters[:20]),
)  # fmt: skip
def test_parameters_of_a_native_flow_are_read_with_care(parameters: str) -> None:
    flow = {"nativeFlowResponseMessage": {"paramsJson": parameters}}
    assert parse({"interactiveResponseMessage": flow}, CHOICES) is None


def test_envelopes_without_end_are_not_followed() -> None:
    payload: Any = {"conversation": "1"}
    for _ in range(100_000):
        payload = {"message": payload}
    assert parse(payload, CHOICES) is None


MEMBERS = (
    "message", "interactive", "button_reply", "list_reply", "button", "payload", "id", "title",
    "text", "body", "conversation", "extendedTextMessage", "ephemeralMessage", "viewOnceMessage",
    "buttonsResponseMessage", "selectedButtonId", "listResponseMessage", "singleSelectReply",
    "selectedRowId", "interactiveResponseMessage", "nativeFlowResponseMessage", "paramsJson",
)  # fmt: skip
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from(["1", "help", '{"id":"help"}', "{"])
)  # fmt: skip
payloads = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4)
    ),
    max_leaves=12,
)


@unhurried
@given(payload=payloads, choices=st.none() | st.just(CHOICES))
def test_no_json_makes_the_parser_fail(payload: Any, choices: list[Choice] | None) -> None:
    reply = parse(payload, choices)
    assert reply is None or (isinstance(reply.id, str) and reply.id != "")
