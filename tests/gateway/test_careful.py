"""The careful reader: fragments and control frames in any pieces, and what it does not let pass."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.gateway.careful import Binary, CarefulReader, Closed, Message, Ping, Pong, Text
from hub.protocol.limits import MESSAGE_BYTES
from tests.gateway.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close_payload,
    frame,
)

controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
payloads = st.text(max_size=300).map(str.encode) | st.just(b"x" * 70_000)


class Sent:
    """A client's messages as frames, and what a reader has to make of them."""

    def __init__(self) -> None:
        self.data = b""
        self.expected: list[Message] = []

    def control(self, opcode: int, payload: bytes) -> None:
        self.data += frame(opcode, payload)
        self.expected.append(Pong(payload) if opcode == PONG else Ping(payload))

    def message(
        self, opcode: int, payload: bytes, cuts: list[int], between: list[tuple[int, bytes]]
    ) -> None:
        at = [0, *sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
        parts = [payload[a:b] for a, b in pairwise(at)]
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            self.data += frame(CONTINUATION if number else opcode, part, fin=last)
            if not last:
                for control in between:
                    self.control(*control)
        self.expected.append(Text(payload) if opcode == TEXT else Binary())


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    made = Sent()
    for _ in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            made.control(*draw(controls))
        else:
            made.message(
                draw(st.sampled_from([TEXT, TEXT, TEXT, BINARY])),
                draw(payloads),
                draw(st.lists(st.integers(0, 300), max_size=3)),
                draw(st.lists(controls, max_size=2)),
            )
    return made


@given(sent=sent(), cuts=st.lists(st.integers(0, 100_000), max_size=8))
def test_messages_are_the_same_in_any_pieces(sent: Sent, cuts: list[int]) -> None:
    reader = CarefulReader()
    found: list[Message] = []
    for piece in pieces(sent.data, cuts):
        found += reader.feed(piece)
    assert found == sent.expected
    assert reader.at_boundary
    assert reader.failed is None
    assert reader.outgoing() == (b"", False)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    at = 0
    for cut in sorted(cut % (len(data) + 1) for cut in cuts):
        yield data[at:cut]
        at = cut
    yield data[at:]


# ── boundaries ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING])
def test_a_boundary_is_where_a_frame_ends(size: int, opcode: int) -> None:
    if opcode == PING and size > 125:
        return
    data = frame(opcode, b"x" * size)
    for cut in {*range(1, min(len(data), 20)), len(data) // 2, len(data) - 1} - {0, len(data)}:
        reader = CarefulReader()
        assert reader.at_boundary
        reader.feed(data[:cut])
        assert not reader.at_boundary, cut
        reader.feed(data[cut:])
        assert reader.at_boundary


def test_there_is_no_boundary_inside_of_a_message() -> None:
    reader = CarefulReader()
    for piece in (frame(TEXT, b"a", fin=False), frame(PING), frame(CONTINUATION, fin=False)):
        reader.feed(piece)
        assert not reader.at_boundary
    assert reader.feed(frame(CONTINUATION, b"b")) == [Text(b"ab")]
    assert reader.at_boundary


def test_a_length_written_too_long_is_never_taken_for_a_boundary_too_early() -> None:
    """The same text, its length once in 16 and once in 64 bits where 7 would do."""
    payload = frame(TEXT, b"hello")[2:]
    for head in (b"\x81\xfe\x00\x05", b"\x81\xff" + (5).to_bytes(8, "big")):
        reader = CarefulReader()
        messages = reader.feed(head + payload + frame(TEXT, b"next")[:4])
        assert messages == [Text(b"hello")] or reader.failed == 1002
        assert not reader.at_boundary


# ── the end ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [1000, 1001, 4000, 4999])
def test_a_close_is_echoed(code: int) -> None:
    reader = CarefulReader()
    assert reader.feed(frame(CLOSE, close_payload(code, "bye"))) == [Closed(code)]
    data, last = reader.outgoing()
    assert data[0] == 0x88
    assert int.from_bytes(data[2:4], "big") == code
    assert last
    assert not reader.at_boundary
    assert reader.failed is None


def test_a_close_without_a_code() -> None:
    reader = CarefulReader()
    assert reader.feed(frame(CLOSE)) == [Closed(1005)]
    assert reader.outgoing() == (b"\x88\x00", True)


def test_what_comes_before_a_close_is_there_and_nothing_after_it() -> None:
    reader = CarefulReader()
    found = reader.feed(frame(TEXT, b"a") + frame(CLOSE, close_payload(1000)) + frame(TEXT, b"b"))
    assert found == [Text(b"a"), Closed(1000)]


def test_our_close_is_sent_once_and_its_answer_ends_it() -> None:
    reader = CarefulReader()
    reader.close(4001, "gone")
    reader.close(4003, "again")
    assert reader.outgoing() == (b"\x88\x06" + close_payload(4001, "gone"), False)
    reader.feed(frame(TEXT, b"late"))
    assert Closed(4001) in reader.feed(frame(CLOSE, close_payload(4001)))
    assert reader.outgoing() == (b"", True)


# ── what does not pass ───────────────────────────────────────────────────────────────────────────

HALF = b"x" * (MESSAGE_BYTES // 2)
BROKEN = {
    "not masked": (frame(TEXT, b"a", masked=False), 1002),
    "a reserved bit": (frame(TEXT, b"a", rsv=4), 1002),
    "a reserved opcode": (frame(3, b"a"), 1002),
    "a reserved control opcode": (frame(11), 1002),
    "a long ping": (frame(PING, b"x" * 126), 1002),
    "a fragmented ping": (frame(PING, fin=False), 1002),
    "a continuation of nothing": (frame(CONTINUATION, b"a"), 1002),
    "a text inside of a text": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "half a close code": (frame(CLOSE, b"\x03"), 1002),
    "a close code that is none": (frame(CLOSE, close_payload(999)), 1002),
    "a close code not to be sent": (frame(CLOSE, close_payload(1006)), 1002),
    "a close reason that is no utf-8": (frame(CLOSE, close_payload(1000) + b"\xff"), 1007),
    "no utf-8": (frame(TEXT, b"\xff"), 1007),
    "half a character": (frame(TEXT, "é".encode()[:1]), 1007),
    "half a character in two": (
        frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"x"), 1007,
    ),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "over a mebibyte": (frame(TEXT, b"x" * (MESSAGE_BYTES + 1)), 1009),
    "over a mebibyte, by its header": (b"\x81\xff" + (2**40).to_bytes(8, "big"), 1009),
    "over a mebibyte in parts": (
        frame(TEXT, HALF, fin=False) + frame(CONTINUATION, HALF, fin=False)
        + frame(CONTINUATION, b"x"),
        1009,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_rules_is_closed_with_its_code(data: bytes, code: int) -> None:
    reader = CarefulReader()
    assert reader.feed(data) == []
    outgoing, last = reader.outgoing()
    assert int.from_bytes(outgoing[2:4], "big") == code
    assert last
    assert not reader.at_boundary
    assert reader.feed(frame(TEXT, b"more")) == []


@pytest.mark.parametrize("cuts", [0, 3])
def test_a_mebibyte_passes(cuts: int) -> None:
    made = Sent()
    made.message(TEXT, HALF + HALF, [1, 1000, 1_000_000][:cuts], [(PING, b"")])
    reader = CarefulReader()
    assert reader.feed(made.data) == made.expected


def test_a_character_may_lie_across_fragments() -> None:
    reader = CarefulReader()
    halves = "😀".encode()
    data = frame(TEXT, halves[:3], fin=False) + frame(CONTINUATION, halves[3:])
    assert reader.feed(data) == [Text(halves)]
