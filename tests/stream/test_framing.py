"""Framings of events: what is written is what a strict parser reads, chopped anywhere."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.websocket import payload_of, text_frame
from hub.stream.entry import Entry
from hub.stream.framing import LINES, MARKS, WEBSOCKET, Chunked, EventStream, Framing, chunk
from tests.support.event_stream import ChunkParser, EventStreamParser, LineParser, ServerSentEvent

EPOCH = "e-p_0"
# Line ends of other alphabets, what a careless parser trims, and what ends a line here.
AWKWARD = st.sampled_from(
    [
        "\n",
        "\r",
        "\r\n",
        "\x85",
        "\u2028",
        "\u2029",
        "\ufeff",
        ":",
        " ",
        "data: x",
        "id: 1",
        "№",
        "😀",
    ]
)
texts = st.lists(st.text(max_size=6) | AWKWARD, max_size=5).map("".join)


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    """Entries in order, volatile ones (offset 0) among them."""
    entries = []
    offset = draw(st.integers(0, 10**15))
    for text in draw(st.lists(texts, max_size=8)):
        volatile = draw(st.booleans())
        event: dict[str, Any] = {"type": "custom_a", "data": {"text": text}}
        if volatile:
            event["volatile"] = True
        else:
            offset += draw(st.integers(1, 1000))
            event["offset"] = offset
        frame = text_frame(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode())
        entries.append(Entry(0 if volatile else offset, "m", "custom_a", None, frame))
    return entries


def chopped(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


def payloads(entries: list[Entry]) -> list[str]:
    return [payload_of(entry.frame).decode() for entry in entries]


def stored(entries: list[Entry]) -> list[tuple[int, bytes]]:
    return [(entry.offset, payload_of(entry.frame)) for entry in entries if entry.offset]


cut_lists = st.lists(st.integers(0, 10_000), max_size=12)


@given(logs(), cut_lists)
def test_server_sent_events_are_read_as_they_were_meant(
    entries: list[Entry], cuts: list[int]
) -> None:
    parser = EventStreamParser()
    data = EventStream(EPOCH).live(entries)
    found = [event for piece in chopped(data, cuts) for event in parser.feed(piece)]
    last = ""
    expected = []
    for entry, text in zip(entries, payloads(entries), strict=True):
        last = f"{EPOCH}:{entry.offset}" if entry.offset else last
        expected.append(ServerSentEvent("message", text, last))
    assert found == expected
    assert parser.last_event_id == last
    assert (parser.ignored, parser.comments, parser.retry) == ([], [], None)


@given(logs(), cut_lists)
def test_lines_are_read_as_they_were_meant(entries: list[Entry], cuts: list[int]) -> None:
    parser = LineParser()
    found = [line for piece in chopped(LINES.live(entries), cuts) for line in parser.feed(piece)]
    assert found == payloads(entries)


@given(logs(), logs(), cut_lists)
@pytest.mark.parametrize("inner", [EventStream(EPOCH), LINES], ids=["sse", "lines"])
def test_chunks_carry_their_content_and_nothing_ends_them(
    inner: Framing, first: list[Entry], second: list[Entry], cuts: list[int]
) -> None:
    framing = Chunked(inner)
    data = framing.live(first) + framing.live(second)
    parser = ChunkParser()
    found = b"".join(parser.feed(piece) for piece in chopped(data, cuts))
    assert found == inner.live(first) + inner.live(second)
    assert not parser.ended
    assert parser.feed(b"0\r\n\r\n") == b""
    assert parser.ended


@given(logs())
@pytest.mark.parametrize(
    "framing",
    [WEBSOCKET, LINES, MARKS, EventStream(EPOCH), Chunked(LINES), Chunked(EventStream(EPOCH))],
    ids=["websocket", "lines", "marks", "sse", "chunked lines", "chunked sse"],
)
def test_the_ring_and_the_database_give_the_same_bytes(
    framing: Framing, entries: list[Entry]
) -> None:
    durable = [entry for entry in entries if entry.offset]
    assert framing.live(durable) == framing.stored(stored(durable))
    assert framing.live([]) == framing.stored([]) == b""


@given(logs())
def test_a_mark_says_whether_a_page_would_have_an_event(entries: list[Entry]) -> None:
    assert bool(MARKS.live(entries)) is bool(stored(entries))


def test_no_bytes_are_no_chunk() -> None:
    """An empty chunk would be the last one."""
    assert chunk(b"") == b""
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


# ── the parser itself, by the examples of WHATWG HTML section 9.2.6 ──────────────────────────


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: YHOO|data: +2|data: 10||", [("message", "YHOO\n+2\n10", "")]),
        (
            b": test stream||data: first event|id: 1||data:second event|id||data:  third event||",
            [
                ("message", "first event", "1"),
                ("message", "second event", ""),
                ("message", " third event", ""),
            ],
        ),
        (b"data||data|data||data:", [("message", "", ""), ("message", "\n", "")]),
        (b"data:test||data: test||", [("message", "test", "")] * 2),
        (b"event: add|data: 73857293||", [("add", "73857293", "")]),
        (b"id: 7||data: x||", [("message", "x", "7")]),
        (b"id: 7|data: never ended|", []),
        (b"\xef\xbb\xbfdata: x||", [("message", "x", "")]),
    ],
)
def test_the_examples_of_the_standard(
    stream: bytes, end: bytes, expected: list[tuple[str, str, str]]
) -> None:
    data = stream.replace(b"|", end)
    for size in (1, 2, 3, len(data)):
        parser = EventStreamParser()
        found = []
        for at in range(0, len(data), size):
            found += parser.feed(data[at : at + size])
        assert found == [ServerSentEvent(*event) for event in expected]
        assert parser.ignored == []


def test_what_the_parser_keeps_beside_events() -> None:
    parser = EventStreamParser()
    assert parser.feed(b"retry: 1500\nretry: 1 s\nnonsense\n:ping\nid: a\x00b\nid: e:9\n\n") == []
    assert parser.retry == 1500
    assert parser.ignored == ["retry: 1 s", "nonsense", "id: a\x00b"]
    assert parser.comments == ["ping"]
    assert parser.last_event_id == "e:9"
