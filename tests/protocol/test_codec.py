"""Events through the codec: what is good comes out the same, what is hostile is refused cleanly."""

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.protocol import codec, drafts
from hub.protocol.codec import FrameError
from hub.protocol.drafts import Origin
from hub.protocol.errors import BadFrame, HubError, InvalidEvent, TooLarge
from hub.protocol.frames import Ack, Publish
from hub.protocol.limits import DATA_BYTES, DATA_DEPTH

ORIGIN = Origin('a "merchant"', "bot:till é")


def decoded(payload: bytes) -> Publish:
    frame = codec.decode_client(payload)
    assert isinstance(frame, Publish)
    return frame


def refusal(payload: bytes) -> FrameError:
    with pytest.raises(FrameError) as caught:
        codec.decode_client(payload)
    return caught.value


def through(payload: bytes, offset: int = 7) -> dict[str, Any]:
    """The frame that readers get for this frame of a publisher."""
    made = drafts.draft(decoded(payload), ORIGIN)
    text = (made.tail if made.volatile else made.payload(offset)).decode()
    assert "\n" not in text
    found = json.loads(text, parse_constant=pytest.fail)
    assert isinstance(found, dict)
    return found


def event(data: bytes, **fields: object) -> bytes:
    """A publisher's frame whose data is spelled out byte for byte."""
    head = {"type": "custom_a", "ref": "r1", "id": "i1"} | fields
    return json.dumps(head)[:-1].encode() + b', "data": ' + data + b"}"


def nested(depth: int, opening: bytes = b'{"a":', closing: bytes = b"}") -> bytes:
    """An object nested so deep, itself included."""
    return opening * (depth - 1) + b"{}" + closing * (depth - 1)


# ── what is good ─────────────────────────────────────────────────────────────────────────────────

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=30,
)
ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)


@given(
    data=st.dictionaries(texts, values, max_size=5),
    id_=st.none() | ids,
    subject=st.none() | texts.filter(bool),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 2]),
    offset=st.integers(1, 2**53 - 1),
)
def test_any_data_comes_out_the_same(
    data: dict[str, Any],
    id_: str | None,
    subject: str | None,
    ascii_only: bool,
    indent: int | None,
    offset: int,
) -> None:
    frame: dict[str, Any] = {"type": "custom_a", "data": data}
    if id_ is not None:
        frame["id"] = id_
    if subject is not None:
        frame["subject"] = subject
    payload = json.dumps(frame, ensure_ascii=ascii_only, indent=indent).encode()
    found = through(payload, offset)
    # repr tells 1 from 1.0 and True, and 0.0 from -0.0.
    assert repr(found["data"]) == repr(data)
    assert found["offset"] == offset
    assert (found["merchant_id"], found["source"]) == (ORIGIN.merchant_id, ORIGIN.source)
    assert found["id"] == (id_ or found["id"])
    assert found.get("subject") == subject
    expected = {"type", "id", "offset", "timestamp", "merchant_id", "source", "data"}
    assert found.keys() == expected | ({"subject"} if subject is not None else set())


@given(data=st.dictionaries(texts, values, max_size=5), random=st.randoms())
def test_a_repeat_is_the_same_event_in_any_order_of_keys(
    data: dict[str, Any], random: Random
) -> None:
    keys = list(data)
    random.shuffle(keys)
    one = drafts.draft(Publish("custom_a", data, id="a"), ORIGIN)
    two = drafts.draft(Publish("custom_a", {key: data[key] for key in keys}, id="a"), ORIGIN)
    assert drafts.same_event(one.payload(5), two)
    assert not drafts.same_event(
        one.payload(5), drafts.draft(Publish("custom_a", data | {"more": 1}, id="a"), ORIGIN)
    )


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"timestamp": "2020-01-01T00:00:00.000Z"}, True),
        ({"type": "custom_b"}, False),
        ({"subject": "order/2"}, False),
        ({"subject": None}, False),
        ({"data": {"n": 2}}, False),
        ({"data": {"n": True}}, False),
        ({"data": {"n": "1"}}, False),
        ({"data": {"n": 1, "m": None}}, False),
    ],
)
def test_the_same_event_has_the_same_type_subject_and_data(
    other: dict[str, Any], same: bool
) -> None:
    fields: dict[str, Any] = {"type": "custom_a", "data": {"n": 1}, "id": "a", "subject": "order/1"}
    stored = drafts.draft(Publish(**fields), ORIGIN).payload(1)
    again = drafts.draft(Publish(**fields | other), Origin(ORIGIN.merchant_id, "merchant:x"))
    assert drafts.same_event(stored, again) is same


def test_the_hubs_fields_are_not_the_publishers_to_give() -> None:
    frame = {
        "type": "custom_a", "data": {}, "offset": "x", "source": ["y"], "merchant_id": "m",
        "cause": 1, "expires_at": False, "whatever": {"deep": [None]},
    }  # fmt: skip
    found = through(json.dumps(frame).encode())
    assert (found["offset"], found["source"]) == (7, ORIGIN.source)
    assert not found.keys() & {"cause", "expires_at", "whatever"}


def test_duplicate_keys_and_spacing_end_here() -> None:
    payload = b' {"type":"custom_b", "type":"custom_a","data":{"a": 1, "b":[ 1 ], "a":\t2}}\n'
    made = drafts.draft(decoded(payload), ORIGIN)
    assert made.type == "custom_a"
    assert made.payload(7).endswith(b'"data":{"a":2,"b":[1]}}')


def test_a_volatile_event_has_no_offset() -> None:
    found = through(b'{"type":"custom_a","volatile":true,"subject":"s","data":{"a":1}}')
    assert found["volatile"] is True
    assert "offset" not in found
    assert (found["subject"], found["data"]) == ("s", {"a": 1})


def test_the_hub_makes_an_id_and_a_time_where_none_is_given() -> None:
    first, second = (drafts.draft(decoded(event(b"{}", id=None)), ORIGIN) for _ in range(2))
    assert first.id < second.id
    assert (first.chosen, drafts.draft(decoded(event(b"{}")), ORIGIN).chosen) == (False, True)
    found = json.loads(first.payload(1))
    assert (found["id"], found["timestamp"][-1], len(found["timestamp"])) == (first.id, "Z", 24)


# ── limits, exactly ──────────────────────────────────────────────────────────────────────────────


def text_of(size: int) -> bytes:
    """Data whose compact encoding has exactly this many bytes."""
    return b'{ "a": "' + b"x" * (size - 8) + b'" }'


def test_data_may_have_64_kib_and_no_byte_more() -> None:
    assert len(json.dumps(through(event(text_of(DATA_BYTES)))["data"])) == DATA_BYTES + 1  # a space
    refused = refusal(event(text_of(DATA_BYTES + 1))).error
    assert isinstance(refused, TooLarge)
    assert refused.errors[0].pointer == "/data"
    assert str(DATA_BYTES) in refused.message


def test_escapes_count_as_they_are_encoded() -> None:
    """Six bytes for each on the way in, three on the way out."""
    fits = event(b'{"a":"' + b"\\u20ac" * ((DATA_BYTES - 8) // 3) + b'"}')
    assert len(fits) > DATA_BYTES * 1.9
    assert through(fits)["data"]["a"][-1] == "€"


@pytest.mark.parametrize(
    ("opening", "closing"), [(b'{"a":', b"}"), (b'{"a":[', b"]}"), (b'{"a":[0,', b"]}")]
)
def test_data_may_be_nested_32_deep_and_no_deeper(opening: bytes, closing: bytes) -> None:
    each = opening.count(b"[") + 1
    fits = DATA_DEPTH // each
    data = nested(fits, opening, closing) if each == 1 else opening * fits + b"0" + closing * fits
    assert through(event(data))["data"]
    for deeper in (opening + data + closing, b'{"a":' + data + b"}"):
        error = refusal(event(deeper))
        assert isinstance(error.error, InvalidEvent)
        assert error.error.errors[0].pointer == "/data"
        assert (error.ref, error.id) == ("r1", "i1")


def test_width_is_not_depth() -> None:
    wide = json.dumps({"a": [{"b": []}] * 500, "c": "[[[[" * 100}).encode()
    assert len(through(event(wide))["data"]["a"]) == 500


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"id": "x" * 129}, "/id"),
        ({"id": ""}, "/id"),
        ({"id": "a b"}, "/id"),
        ({"id": "é"}, "/id"),
        ({"id": "a\n"}, "/id"),
        ({"id": "a\x7f"}, "/id"),
        ({"subject": ""}, "/subject"),
        ({"subject": "x" * 257}, "/subject"),
        ({"subject": "é" * 257}, "/subject"),
        ({"timestamp": ""}, "/timestamp"),
        ({"timestamp": "2026-11-22"}, "/timestamp"),
        ({"timestamp": "2026-02-30T00:00:00.000Z"}, "/timestamp"),
        ({"timestamp": "2026-06-30T23:59:60.000Z"}, "/timestamp"),
        ({"timestamp": "2026-06-30T23:59:60Z"}, "/timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+01:00"}, "/timestamp"),
        ({"timestamp": "9999-12-31T23:59:59-01:00"}, "/timestamp"),
        ({"timestamp": "0000-01-01T00:00:00.000Z"}, "/timestamp"),
        ({"timestamp": "2026-01-01T00:00:00+24:00"}, "/timestamp"),
        ({"type": "custom_"}, "/type"),
        ({"type": "custom_" + "x" * 122}, "/type"),
        ({"type": 'custom_"'}, "/type"),
        ({"type": "custom_é"}, "/type"),
        ({"type": "custom_a\n"}, "/type"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        drafts.draft(decoded(event(b"{}", **fields)), ORIGIN)
    assert [error.pointer for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "x" * 128},
        {"id": '!"\\~'},
        {"subject": "x" * 256},
        {"subject": "😀" * 256},
        {"type": "custom_" + "x" * 121},
        {"type": "custom_A-z.0_"},
        {"ref": "x" * 64},
        {"ref": "😀" * 64},
        {"ref": ""},
        {"timestamp": "2026-11-22T10:00:00+01:00"},
    ],
)
def test_a_field_may_have_its_limit(fields: dict[str, Any]) -> None:
    payload = event(b"{}", **fields)
    assert decoded(payload).ref == fields.get("ref", "r1")
    found = through(payload)
    expected = fields | {"timestamp": "2026-11-22T09:00:00.000Z"}
    for name in fields.keys() - {"ref"}:
        assert found[name] == expected[name]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"ref": "x" * 65}, "/ref"),
        ({"ref": 1}, "/ref"),
        ({"id": 1}, "/id"),
        ({"subject": []}, "/subject"),
        ({"timestamp": 5}, "/timestamp"),
        ({"merchant_id": {}}, "/merchant_id"),
        ({"volatile": "yes"}, "/volatile"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(fields: dict[str, Any], pointer: str) -> None:
    error = refusal(event(b"{}", **fields)).error
    assert isinstance(error, InvalidEvent)
    assert [one.pointer for one in error.errors] == [pointer]


@pytest.mark.parametrize("data", [b"[]", b"null", b'"{}"', b"1"])
def test_data_is_an_object(data: bytes) -> None:
    error = refusal(event(data))
    assert [one.pointer for one in error.error.errors] == ["/data"]
    assert (error.ref, error.id) == ("r1", "i1")


def test_data_is_required() -> None:
    error = refusal(b'{"type":"custom_a","ref":"r"}')
    assert [(e.pointer, e.message) for e in error.error.errors] == [("/data", "required")]


# ── what is hostile ──────────────────────────────────────────────────────────────────────────────

UNDECODABLE = {
    "invalid utf-8": b'{"a":"\xff"}',
    "invalid utf-8 in a key": b'{"\xff":1}',
    "a surrogate as utf-8": b'{"a":"\xed\xa0\x80"}',
    "overlong utf-8": b'{"a":"\xc0\xaf"}',
    "1e999": b'{"a":1e999}',
    "-1e999": b'{"a":[-1e999]}',
    "5,000 digits": b'{"a":' + b"9" * 5000 + b"}",
    "-5,000 digits": b'{"a":-' + b"9" * 5000 + b"}",
    "too deep": nested(33),
    "500 deep": nested(500),
    "NUL": b'{"a":"\\u0000"}',
    "NUL in a key": b'{"a":[{"x\\u0000":1}]}',
}
# What JSON libraries of bots write all the same: json.dumps(float("nan")) in Python,
# JSON.stringify("😀".slice(0, 1)) in JavaScript.
UNDECODABLE_BY_GOOD_BOTS = {
    "NaN": b'{"a":NaN}',
    "-Infinity": b'{"a":-Infinity}',
    "half a pair": b'{"a":"\\ud83d"}',
    "half a pair and more": b'{"a":"\\ud83dxyz"}',
    "the other half": b'{"a":"\\ude00"}',
    "half a pair in a key": b'{"\\ud83d":1}',
}


@pytest.mark.parametrize("data", UNDECODABLE.values(), ids=UNDECODABLE)
def test_bad_data_is_answered_by_name(data: bytes) -> None:
    error = refusal(event(data))
    assert (error.ref, error.id) == ("r1", "i1")
    assert isinstance(error.error, InvalidEvent)
    assert error.error.errors[0].pointer == "/data"
    assert len(error.error.message) < 500


@pytest.mark.parametrize("data", UNDECODABLE_BY_GOOD_BOTS.values(), ids=UNDECODABLE_BY_GOOD_BOTS)
def test_what_is_no_json_by_a_hair_is_answered_by_name(data: bytes) -> None:
    """Else an outbox cannot tell which of its events is refused, and sends it for ever."""
    error = refusal(event(data))
    assert (error.ref, error.id) == ("r1", "i1")
    assert isinstance(error.error, InvalidEvent)


@pytest.mark.parametrize(
    "payload",
    [
        event(b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
        event(b'{"a":' * 30_000 + b"1" + b"}" * 30_000),
        event(b'{"a":' + b"[" * 30_000),
        b"[" * 30_000,
        b'{"type":"batch","events":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b'"custom_a"',
        b'{"type":null}',
        b'{"type":1,"data":{}}',
        b'{"type":["custom_a"],"data":{}}',
        b'{"type":"custom_a","data":{}',
        b'{"type":"custom_a","data":{}}}',
        b'{"type":"custom_a","data":{}} {}',
        b"{'type':'custom_a','data':{}}",
        b'\xef\xbb\xbf{"type":"custom_a","data":{}}',
        b'{"type":"custom_a","data":{"a":"\n"}}',
        b'{"type":"custom_a","data":{"a":"\x00"}}',
        b'{"type":"custom_a","data":{"a":01}}',
        b"\xff\xfe\x00",
    ],
    ids=lambda payload: repr(payload[:40]),
)
def test_what_is_no_frame_is_refused(payload: bytes) -> None:
    error = refusal(payload)
    assert isinstance(error.error, BadFrame)
    assert len(error.error.message) < 500


@pytest.mark.parametrize("fields", [{"id": "a\0"}, {"subject": "\0"}, {"type": "custom_\0"}])
def test_no_nul_in_any_field_that_is_logged(fields: dict[str, Any]) -> None:
    assert isinstance(refusal(event(b"{}", **fields)).error, InvalidEvent)


def test_an_escaped_backslash_is_no_nul() -> None:
    assert through(event(rb'{"a":"\\u0000"}'))["data"] == {"a": r"\u0000"}


def test_the_ref_of_a_frame_is_echoed_where_it_can_be_read() -> None:
    error = refusal(b'{"ref":"r","type":7}')
    assert error.ref == "r"
    assert refusal(b'{"ref":7,"type":7}').ref is None
    assert refusal(b'["ref"]').ref is None
    assert refusal(event(b"[]", ref="x" * 10_000)).ref is None, "no megabyte is echoed"


@given(payload=st.binary(max_size=200))
@example(payload=b'{"type":"custom_a","data":{"a":1}}\xff')
def test_any_bytes_are_a_frame_or_a_clean_refusal(payload: bytes) -> None:
    _survives(payload)


@given(
    at=st.integers(0, 200),
    cut=st.integers(0, 3),
    junk=st.binary(max_size=4) | st.sampled_from([b"\\ud800", b"\\u0000", b"[", b"{", b"1e999"]),
    again=st.integers(1, 400),
)
def test_a_damaged_event_is_a_frame_or_a_clean_refusal(
    at: int, cut: int, junk: bytes, again: int
) -> None:
    good = event(b'{"a":[1,2.5,null],"text":"h\xc3\xa9 \\ud83d\\ude00"}', subject="order/1")
    _survives(good[:at] + junk * again + good[at + cut :])


def _survives(payload: bytes) -> None:
    try:
        frame = codec.decode_client(payload)
    except FrameError as error:
        codec.encode(codec.error_frame(error.error, error.ref, error.id)).decode()
        return
    if not isinstance(frame, Publish):
        return
    try:
        made = drafts.draft(frame, ORIGIN)
    except HubError:
        return
    text = (made.tail if made.volatile else made.payload(2**53)).decode()
    assert isinstance(json.loads(text, parse_constant=pytest.fail), dict)
    assert "\\u0000" not in text.replace("\\\\", "")


@given(value=values)
def test_any_entry_of_a_batch_is_an_event_or_a_clean_refusal(value: Any) -> None:
    for entry in (value, {"type": "custom_a", "data": value}, {"type": value, "data": {}}):
        try:
            drafts.draft(codec.to_publish(entry), ORIGIN)
        except HubError as error:
            pointers = [one.pointer for one in error.errors]
        else:
            pointers = ["/data"]
        assert pointers
        names = {f"/{name}" for name in Publish.__struct_fields__}
        assert names.issuperset(pointer for pointer in pointers if pointer)


# ── acknowledgements ─────────────────────────────────────────────────────────────────────────────


@given(
    ref=st.none() | texts,
    id_=texts,
    offset=st.none() | st.integers(0, 2**53),
    duplicate=st.booleans(),
)
def test_the_quick_ack_is_the_same_as_the_struct(
    ref: str | None, id_: str, offset: int | None, duplicate: bool
) -> None:
    quick = json.loads(codec.encode_ack(ref, id_, offset, duplicate))
    slow = json.loads(msgspec.json.encode(Ack(ref=ref, id=id_, offset=offset, duplicate=duplicate)))
    assert quick == slow


def test_errors_have_the_envelope() -> None:
    error = InvalidEvent("no", retry_after=1.5).below("/events/3")
    assert json.loads(codec.encode(codec.error_frame(error, "r", "i"))) == {
        "type": "error", "code": "invalid_event", "message": "no", "retry": False,
        "ref": "r", "id": "i", "retry_after": 1.5,
        "errors": [{"pointer": "/events/3", "message": "no"}],
    }  # fmt: skip
