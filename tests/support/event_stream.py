"""Parsers of what the hub streams over HTTP: chunks, server-sent events, a frame a line.

The parser of server-sent events does what WHATWG HTML section 9.2 tells a browser to do, whatever
pieces the bytes come in. Where a browser would pass over something in silence (an unknown field, a
`retry` that is no number) it keeps it in `ignored`, because the hub has no reason to send it.
"""

import codecs
import re
from typing import NamedTuple

_LINE_END = re.compile(r"\r\n|\n|\r")


class ServerSentEvent(NamedTuple):
    """One event as a browser dispatches it.

    Attributes:
        type: `message` where the stream gave none.
        last_event_id: the last id up to here, of this event or of one before.
    """

    type: str
    data: str
    last_event_id: str


class EventStreamParser:
    """The interpretation of text/event-stream (WHATWG HTML section 9.2.6).

    Attributes:
        last_event_id: what a browser would send as `Last-Event-ID` now.
        retry: the reconnection time in milliseconds, once the stream has set one.
        comments: the text of every comment.
        ignored: every line that a browser passes over, comments aside.
    """

    def __init__(self) -> None:
        self.last_event_id = ""
        self.retry: int | None = None
        self.comments: list[str] = []
        self.ignored: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._begun = False
        self._line = ""
        self._after_cr = False
        self._id = ""
        self._type = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """Take the next bytes; the events that they complete.

        Raises:
            UnicodeDecodeError: they are not UTF-8 (a browser would replace them).
        """
        text = self._decoder.decode(piece)
        if text and not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        if self._after_cr and text:
            text = text.removeprefix("\n")
            self._after_cr = False
        text = self._line + text
        found: list[ServerSentEvent] = []
        at = 0
        for end in _LINE_END.finditer(text):
            if (event := self._take(text[at : end.start()])) is not None:
                found.append(event)
            at = end.end()
            self._after_cr = end[0] == "\r" and at == len(text)
        self._line = text[at:]
        return found

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name and colon:
            self.comments.append(value)
        elif name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)
        else:
            self.ignored.append(line)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        self.last_event_id = self._id
        data, self._data = self._data, []
        type_, self._type = self._type, ""
        if not data:
            return None
        return ServerSentEvent(type_ or "message", "\n".join(data), self.last_event_id)


class LineParser:
    """Frames, one a line, each ended by LF alone."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[str]:
        """Take the next bytes; the lines that they complete.

        Raises:
            AssertionError: a line is empty, or ends in CR.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            assert line, "an empty line"
            assert not line.endswith(b"\r"), line
        return [line.decode() for line in lines]


class ChunkParser:
    """A body in chunks (RFC 9112 section 7.1), without extensions or trailers.

    Attributes:
        ended: whether the last chunk has come; nothing may follow it here.
    """

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes; the content of the chunks that they complete.

        Raises:
            AssertionError: it is not such a body.
        """
        rest, content = self._rest + piece, []
        while rest and not self.ended:
            digits, found, behind = rest.partition(b"\r\n")
            if not found:
                assert len(digits) <= 16, rest[:40]
                break
            assert digits, rest[:40]
            assert not digits.strip(b"0123456789abcdefABCDEF"), rest[:40]
            size = int(digits, 16)
            if len(behind) < size + 2:
                break
            assert behind[size : size + 2] == b"\r\n", behind[size : size + 40]
            content.append(behind[:size])
            rest = behind[size + 2 :]
            self.ended = size == 0
        assert not (self.ended and rest), f"behind the last chunk: {rest[:100]!r}"
        self._rest = rest
        return b"".join(content)
