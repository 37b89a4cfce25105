"""The careful reader: every frame that the socket's fast path does not take.

Fragments, control frames, long and partial frames go through websockets' sans-I/O parser, which
checks all of RFC 6455. At a boundary between frames it can be dropped again: a connection that
keeps one costs 4 KiB more.
"""

import codecs
from typing import NamedTuple

from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from hub.protocol.codes import CloseCode
from hub.protocol.limits import MESSAGE_BYTES

MAX_FRAGMENTS = 1024
"""Most fragments of one message: empty ones cost their sender nothing."""


class Text(NamedTuple):
    """A whole text message, valid UTF-8."""

    payload: bytes


class Binary(NamedTuple):
    """A whole binary message."""


class Ping(NamedTuple):
    """To be answered by a pong with the same payload."""

    payload: bytes


class Pong(NamedTuple):
    payload: bytes


class Closed(NamedTuple):
    """The other side sent a close frame; the answer to it is among the bytes to send."""

    code: int


Message = Text | Binary | Ping | Pong | Closed


class _Parser(ServerProtocol):
    """websockets' parser, but for two control frames between the fragments of a message."""

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            # The socket sends the pong when it is the ping's turn: before the answer to the text
            # that is not whole yet, behind those to what came earlier.
            self.events.append(frame)
            return
        # RFC 6455 section 5.4: a close, which the parser takes for an error there, is answered
        # like any other once it knows of no message to be finished.
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class CarefulReader:
    """Parses bytes that begin at a frame boundary."""

    def __init__(self) -> None:
        self._protocol = _Parser(state=State.OPEN, max_size=MESSAGE_BYTES)
        self._fed = 0
        self._parsed = 0
        self._fragments: list[bytes] = []
        self._opcode: Opcode | None = None
        self._broken = False

    @property
    def failed(self) -> int | None:
        """The close code with which the parser ended the connection, or None."""
        if self._protocol.parser_exc is None or self._protocol.close_sent is None:
            return None
        return int(self._protocol.close_sent.code)

    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole yet."""
        return self._fed - self._parsed + sum(map(len, self._fragments))

    @property
    def at_boundary(self) -> bool:
        """Whether nothing is half read, so that this reader may be dropped."""
        return (
            self._fed == self._parsed
            and self._opcode is None
            and self._protocol.state is State.OPEN
        )

    def feed(self, data: bytes) -> list[Message]:
        """Parse bytes; the whole messages in them. What to send is in `outgoing`."""
        self._fed += len(data)
        self._protocol.receive_data(data)
        messages: list[Message] = []
        for frame in self._protocol.events_received():
            if not isinstance(frame, Frame):
                continue
            self._parsed += _wire_size(frame)
            message = self._message(frame)
            if message is not None:
                messages.append(message)
            if self._broken:
                break  # what the parser had read beyond the fault does not count
        return messages

    def drop(self) -> None:
        """Let go of what was read: the parser and its protocol name each other, and would keep the
        last message, up to a mebibyte, until the garbage collector comes."""
        self._protocol.parser.close()
        self._fragments = []

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, unless the connection is closing already."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)

    def outgoing(self) -> tuple[bytes, bool]:
        """Bytes to send, and whether the connection is to be closed after them."""
        writes = self._protocol.data_to_send()
        return b"".join(writes), b"" in writes

    def _message(self, frame: Frame) -> Message | None:
        match frame.opcode:
            case Opcode.PONG:
                return Pong(bytes(frame.data))
            case Opcode.CLOSE:
                return Closed(Close.parse(frame.data).code)
            case Opcode.PING:
                return Ping(bytes(frame.data))
            case Opcode.TEXT | Opcode.BINARY:
                self._opcode = frame.opcode
                self._fragments = []
        self._fragments.append(bytes(frame.data))
        if len(self._fragments) > MAX_FRAGMENTS:
            self._broken = True
            reason = f"more than {MAX_FRAGMENTS} fragments"
            self._protocol.fail(CloseCode.MESSAGE_TOO_BIG, reason)
            return None
        if not frame.fin:
            return None
        opcode, self._opcode = self._opcode, None
        payload = b"".join(self._fragments)
        self._fragments = []
        if opcode is Opcode.BINARY:
            return Binary()
        try:
            codecs.utf_8_decode(payload, "strict", True)
        except UnicodeDecodeError as error:
            self._broken = True
            self._protocol.fail(CloseCode.INVALID_UTF8, f"{error.reason} at position {error.start}")
            return None
        return Text(payload)


def _wire_size(frame: Frame) -> int:
    """The bytes of a masked frame on the wire.

    A length that was written longer than needed makes this too small; then the reader is never
    at a boundary again and stays, which is safe.
    """
    size = len(frame.data)
    return 6 + size + (0 if size < 126 else 2 if size < 65536 else 8)
