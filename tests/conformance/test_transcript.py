"""The transcripts' own format."""

import pytest

from tests.conformance.bindings import Bindings, FormatError, Json, Mismatch
from tests.conformance.transcript import HERE, load, message_of, parse

HEADER = '{"note": "n"}\n'
CONNECT = '{"connect": {"role": "bot"}}\n'


@pytest.mark.parametrize("path", sorted(HERE.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_file_can_be_read(path: object) -> None:
    assert load(path).steps  # type: ignore[arg-type]


def test_a_transcript_is_read() -> None:
    one = parse(
        "x",
        '{"note": "n", "sdk": "events"}\n{"given": {"type": "custom_a"}, "as": "o1"}\n'
        + CONNECT
        + '\n{"server": {"type": "connected"}}\n{"close": 4001}\n',
    )
    assert (one.name, one.note, one.players) == ("x", "n", ("server", "client"))
    assert (one.given[0].content, one.given[0].name) == ({"type": "custom_a"}, "o1")
    assert one.connect == {"role": "bot"}
    assert [(s.kind, s.line) for s in one.steps] == [("server", 5), ("close", 6)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        CONNECT,
        HEADER,
        HEADER + "nonsense\n",
        HEADER + CONNECT + "[]\n",
        HEADER + CONNECT + '{"sever": {}}\n',
        HEADER + CONNECT + '{"server": {}, "client": {}}\n',
        HEADER + CONNECT + '{"given": {"type": "a_b"}}\n',
        '{"note": "n", "fro": []}\n' + CONNECT,
        '{"note": "n", "for": ["client"]}\n' + CONNECT,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse("x", text)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": {"b": []}}, {"a": {"b": [], "c": 1}}),
        ([1, {"a": "$int"}], [1, {"a": 2}]),
        ({"a": "$any"}, {}),
        ({"a": "$none"}, {}),
        ({"a": "$none"}, {"a": None}),
        ({"a": None}, {"a": None}),
        ("$str", "x"),
        ("$time", "2026-11-22T10:00:00.123Z"),
        ("$has:order_created", "known are order_created, …"),
        ("$$any", "$any"),
        (["$x", "$x"], [1, 1]),
        (["$x", "$x+1", "$x-1", "$<x", "$<=x", "$>=x", "$>x"], [5, 6, 4, 4, 5, 5, 6]),
        (["$x", {"y": "$x"}], ["e", {"y": "e"}]),
        (["$fresh:a", "$fresh:a"], None),
    ],
)
def test_what_agrees(pattern: Json, value: Json) -> None:
    bindings = Bindings()
    if value is None:
        value = bindings.fill(pattern)
    bindings.match(pattern, value)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ({"a": 1}, {}),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, [1]),
        ({"a": None}, {}),
        ({"a": True}, {"a": 1}),
        ({"a": 1}, {"a": True}),
        ([1], [1, 2]),
        ([], None),
        ("$int", True),
        ("$int", "1"),
        ("$str", ""),
        ("$time", "2026-11-22T10:00:00Z"),
        ("$has:a", "b"),
        ("$none", 0),
        ("$$any", "any"),
        (["$x", "$x"], [1, 2]),
        (["$x", "$x+1"], [1, 3]),
        (["$x", "$<x"], [1, 1]),
        (["$x", "$>=x"], [1, "1"]),
        (["$<x"], [1]),
        ({"a": "$x"}, {}),
        (["$fresh:a"], ["a"]),
    ],
)
def test_what_differs(pattern: Json, value: Json) -> None:
    bindings = Bindings()
    with pytest.raises(Mismatch):
        bindings.match(pattern, value)
    assert not Bindings().matches(pattern, value)


def test_a_failed_attempt_binds_nothing() -> None:
    bindings = Bindings()
    assert not bindings.matches({"a": "$x", "b": 1}, {"a": 7, "b": 2})
    assert bindings.matches({"a": "$x", "b": 1}, {"a": 8, "b": 1})
    assert bindings.values == {"x": 8}


def test_a_mismatch_names_its_place() -> None:
    with pytest.raises(Mismatch, match=r"/errors/0/pointer: expected \"/a\", got \"/b\""):
        Bindings().match({"errors": [{"pointer": "/a"}]}, {"errors": [{"pointer": "/b"}]})


def test_a_template_is_filled() -> None:
    bindings = Bindings({"o": 5})
    template = {"a": "$o", "b": ["$o+2", "$$x"], "c": "$none", "d": "$<o", "e": "$>=o"}
    assert bindings.fill(template) == {"a": 5, "b": [7, "$x"], "d": 4, "e": 5}
    with pytest.raises(FormatError, match=r"\$unbound"):
        bindings.fill("$unbound")
    with pytest.raises(FormatError, match="no placeholder"):
        bindings.fill("$Not a name")


def test_who_plays_the_hub_invents_values_once() -> None:
    bindings = Bindings(invent=True)
    frame = bindings.fill({"epoch": "$epoch", "offset": "$o1", "message": "$str", "n": "$int"})
    assert isinstance(frame["epoch"], str)
    assert isinstance(frame["message"], str)
    assert isinstance(frame["offset"], int)
    assert isinstance(frame["n"], int)
    assert bindings.fill({"since": "$o1", "epoch": "$epoch"}) == {
        "since": frame["offset"],
        "epoch": frame["epoch"],
    }


def test_raw_messages() -> None:
    assert message_of({"raw": "abc"}) == "abc"
    assert message_of({"raw": ["a", ["b", 3], "c"]}) == "abbbc"
    assert message_of({"bytes": "ff00"}) == b"\xff\x00"
    assert message_of({"fragments": ["a", "b"]}) == ["a", "b"]
    assert message_of({"type": "ping"}) is None
