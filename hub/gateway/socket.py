"""The socket: an asyncio protocol that uvicorn is given as `Config(ws=…)`.

Reading has a fast path for what nearly every frame is: a whole, masked, unfragmented text
message of less than 64 KiB. Everything else goes to the careful reader, which is made when it is
needed and dropped at the next boundary between frames. Measured over a parser for everything:
198,000 against 110,000 frames a second, and 2 against 6 KiB for an idle connection.

Writing goes straight to the transport. Nothing is queued here: when the transport's buffer is
full the session keeps its cursor, and the socket is not read either, which bounds the answers.

    held by     until
    STALLED     the outgoing buffer has drained
    IN_FLIGHT   half of the events in flight have been committed
    BUSY        the frame at hand (auth, subscribe with last) is done
    TURN        the loop has been around once
    OPENING     its request has had its turn
    CALLS       one of many calls at once has been answered
    ANSWERS     the answers to its tasks have been committed
    DRAINING    for good: the hub is shutting down
"""

import asyncio
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import structlog

from hub.limits import Rate, TokenBucket
from hub.protocol.codes import CloseCode
from hub.protocol.limits import (
    CONTROL_BURST,
    CONTROL_RATE,
    HEARTBEAT_SECONDS,
    UNAUTHENTICATED_BYTES,
)
from hub.protocol.websocket import text_frame

from .careful import Binary, CarefulReader, Closed, Message, Ping, Pong, Text
from .opening import Entrance
from .session import Session

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform for which websockets has no wheel
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from .gateway import Gateway

log = structlog.get_logger("hub.gateway")

HIGH_WATER = 64 * 1024
"""Bytes in the outgoing buffer at which a reader counts as slow."""
SLICE_SECONDS = 0.002
"""How long one connection reads before it gives the loop back."""
SLICE_BYTES = 1024
"""Bytes that the careful reader takes between two looks at the clock: 170 empty frames."""
CLOSING_BYTES = 4096
"""Bytes in which the answer to a close frame is looked for. Behind them the hub hangs up: a flood
that goes on is not worth parsing."""
_SAME_TURN_SECONDS = 0.0005
"""libuv reads one connection up to 32 times in a turn, 8 MB, as long as there is more: reads so
close to each other share one slice."""
LINGER_BYTES = 256 * 1024
"""Bytes that are thrown away of who goes on sending behind the end."""
LINGER_SECONDS = 1.0
"""How long the other side then has to read why."""
_CHEAP_BYTES = 512
CLOSE_SECONDS = 5.0
"""How long the other side may take to answer a close frame."""
PARTIAL_BYTES = 64 * 1024 * 1024
"""Bytes of unfinished messages that the hub holds for all connections together; beyond them those
that bring more are closed (4101)."""
PARTIAL_BYTES_OF_KEY = 16 * 1024 * 1024
"""The same for the connections of one key, and for those that have not said who they are."""
_SMALL_PARTIAL = 16 * 1024

_STALLED, _IN_FLIGHT, _BUSY, _TURN, _DRAINING, _CALLS, _OPENING, _ANSWERS = (
    1, 2, 4, 8, 16, 32, 64, 128,
)  # fmt: skip
_CONTROL = Rate(CONTROL_RATE, 1.0)
_TEXT, _PING, _PONG = 0x81, 0x89, 0x8A
_BARRIER = b"barrier"


class Socket(asyncio.Protocol):
    """One connection to `/ws`. uvicorn makes it and hands it the opening request.

    Attributes:
        upgraded: whether the request has been answered, so that frames may be written.
        received, sent: bytes since it was opened; events to follow are counted by their reader.
        slot: its place among the heartbeats.
    """

    __slots__ = (
        "_barriers", "_barriers_passed", "_careful", "_closed_at", "_code", "_control", "_deaf",
        "_entrance", "_gateway", "_heard", "_held", "_holds", "_messages", "_partial",
        "_partial_of", "_read_at", "_spent", "_tail", "_timer", "closing", "received", "sent",
        "session", "slot", "transport", "upgraded",
    )  # fmt: skip

    def __init__(self, gateway: "Gateway") -> None:
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.session: Session | None = None
        self.closing = False
        self.upgraded = False
        self.received = self.sent = 0
        self.slot = -1
        self._heard = True
        self._gateway = gateway
        self._entrance: Entrance | None = Entrance(gateway, self)
        self._code = 0
        self._deaf = False
        self._closed_at = 0
        self._control: TokenBucket | None = None
        self._barriers = self._barriers_passed = 0
        self._partial = 0
        self._partial_of = ""
        self._read_at = self._spent = 0.0
        self._careful: CarefulReader | None = None
        self._messages: deque[Message] = deque()
        self._held = b""
        self._tail = b""
        self._holds = 0
        self._timer: asyncio.TimerHandle | None = None

    # ── asyncio.Protocol ─────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self.received += len(data)
        if self._deaf:
            if self.received - self._closed_at > LINGER_BYTES and not self._holds:
                self._hold(_DRAINING)  # to throw a flood away costs as much as to read it
            return
        if self._entrance is not None and not self._entrance.opened:
            # One at a time: a herd of a thousand must not stop those who are live.
            self._entrance.opened = True
            self._hold(_OPENING)
            self._gateway.turns.wait(lambda: self._open(data))
        elif self._holds:
            self._held += data  # uvloop may hand on what it had read before the pause
        else:
            self._read(data)
            self._note_partial()

    def _open(self, data: bytes) -> None:
        if self._entrance is not None and not self.transport.is_closing():
            self._entrance.open(data)
        self._release(_OPENING)

    def pause_writing(self) -> None:
        self._hold(_STALLED)
        self._gateway.stalled(self)
        if self.session is not None:
            self.session.stall()

    def resume_writing(self) -> None:
        self._gateway.drained(self)
        if self.session is not None and not self.closing:
            self.session.drained()
        # Catching up may have filled the buffer again.
        if self.session is None or not self.session.reader.stalled:
            self._release(_STALLED)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._entrance is not None:
            self._entrance.end()
            self._entrance = None
        code = self._code or CloseCode.ABNORMAL
        if self.session is not None:
            self.session.end(code)
        self._gateway.left(self, code)
        self._drop_careful()
        self._held = self._tail = b""
        self._messages.clear()
        self._note_partial()

    @property
    def session_id(self) -> str | None:
        return None if self.session is None else self.session.id

    @property
    def peer_address(self) -> str:
        """The address of whoever holds the other end of the connection."""
        peer = self.transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else ""

    def begin(self, session: Session) -> None:
        """The connection has authenticated."""
        self._entrance = None
        self.session = session
        if self._holds & _STALLED:
            session.reader.stalled = True

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _read(self, data: bytes) -> None:
        if self._tail:
            data, self._tail = self._tail + data, b""
        began = perf_counter()
        if began - self._read_at > _SAME_TURN_SECONDS:
            self._spent = 0.0
        until = began + SLICE_SECONDS - self._spent
        while data and not self.closing:
            if self._careful is None:
                data = self._read_fast(data, until)
            if data and not self.closing:
                data = self._read_carefully(data, until)
        if data:
            self._closed_at -= len(data)  # it came before the close, but is read behind it
            self._read_closing(data)
        if self.session is not None:
            self.session.flush()
        self._read_at = perf_counter()
        self._spent += self._read_at - began
        if self._spent > SLICE_SECONDS and not self._holds and not self.closing:
            self._pause_turn(b"", 0.0)

    def _read_fast(self, data: bytes, until: float) -> bytes:
        """Fast path: take whole text frames off the front; what is left begins at a boundary.

        A frame of another kind, or one that is too long for a 16-bit length, is left to the
        careful reader; the beginning of one is kept for the next read (nearly every read of a
        busy publisher ends inside a frame). A hold stops it between two and keeps the rest, and
        so does the clock, which is looked at behind every fourth frame and behind longer ones.
        """
        at, end, count = 0, len(data), 0
        while end - at > 6 and data[at] == _TEXT:
            size = data[at + 1] - 0x80
            if size < 126:
                start = at + 6
            elif size == 126 and end - at > 8:
                size = data[at + 2] << 8 | data[at + 3]
                start = at + 8
            else:
                break
            stop = start + size
            if size < 0 or stop > end:
                break
            payload = apply_mask(data[start:stop], data[start - 4 : start])
            at = stop
            self._take(payload)
            if self.closing:
                return data[at:]
            if self._holds:
                self._held = data[at:]
                return b""
            count += 1
            if (not count & 3 or size > _CHEAP_BYTES) and perf_counter() > until:
                self._pause_turn(data[at:], perf_counter() - until)
                return b""
        rest = data[at:] if at else data
        if _begins_text(rest):
            self._tail = rest
            return b""
        return rest

    def _pause_turn(self, rest: bytes, over: float) -> None:
        """Keep what is left of a read for a later turn of the loop: the others have this one.

        Args:
            over: seconds that it took beyond its slice. One frame cannot be sliced; who sends
                costly ones waits twice as long as they take.
        """
        self._held = rest
        self._hold(_TURN)
        if over > SLICE_SECONDS:
            loop = asyncio.get_running_loop()
            loop.call_later(2 * over, self._gateway.turns.wait, self._next_turn)
        else:
            self._gateway.turns.wait(self._next_turn)

    def _next_turn(self) -> None:
        self._spent = 0.0
        self._release(_TURN)

    def _take(self, payload: bytes) -> None:
        """Take one text message that the fast path read; its bytes may not be UTF-8 yet."""
        try:
            payload.decode()
        except UnicodeDecodeError as error:
            self.close(CloseCode.INVALID_UTF8, f"{error.reason} at position {error.start}")
            return
        self._take_text(payload)

    def _take_text(self, payload: bytes) -> None:
        if self.session is not None:
            self.session.receive(payload)
        elif self._entrance is not None:
            if len(payload) > UNAUTHENTICATED_BYTES:
                self.close(CloseCode.MESSAGE_TOO_BIG, "too long for a first frame")
            else:
                self._entrance.first_frame(payload)

    def _read_carefully(self, data: bytes, until: float) -> bytes:
        """Everything that the fast path leaves; what it may take again, behind a whole frame."""
        careful = self._careful
        if careful is None:
            careful = self._careful = CarefulReader()
        at, end = 0, len(data)
        while at < end:
            piece = data[at : at + SLICE_BYTES]
            at += len(piece)
            self._messages += careful.feed(piece)
            self._take_messages()
            if careful.failed is not None:
                self._ended(careful.failed)
            self._write_out(careful)
            if self.transport.is_closing():
                return b""
            if self.closing:
                return data[at:]
            if self._holds:
                self._held = data[at:]
                return b""
            boundary = careful.at_boundary
            if boundary:
                self._drop_careful()
            if perf_counter() > until:
                self._pause_turn(data[at:], perf_counter() - until)
                return b""
            if boundary:
                return data[at:]
        return b""

    def _drop_careful(self) -> None:
        if self._careful is not None:
            self._careful.drop()
            self._careful = None

    def _read_closing(self, data: bytes) -> None:
        """Look for the answer to our close frame."""
        careful = self._careful
        if careful is None or self.received - self._closed_at > CLOSING_BYTES:
            self._hang_up()
            return
        self._messages += careful.feed(data)
        self._take_messages()
        self._write_out(careful)

    def _hang_up(self) -> None:
        """Read nothing more; the other side has what was sent, and then the end."""
        self._deaf = True
        self._drop_careful()
        self._held = self._tail = b""
        self._messages.clear()
        loop = asyncio.get_running_loop()
        # uvloop sends no FIN behind what it has gathered in this turn.
        loop.call_soon(self._finish)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(LINGER_SECONDS, self.abort)

    def _finish(self) -> None:
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def _take_messages(self) -> None:
        """Take what the careful reader has parsed; a hold keeps the rest."""
        while self._messages and not self._holds:
            message = self._messages.popleft()
            if self.closing and not isinstance(message, Closed):
                continue
            match message:
                case Text(payload):
                    self._take_text(payload)
                case Pong(payload) if number := self._barrier_of(payload):
                    self._barriers_passed = number
                    if number == self._barriers and self.session is not None:
                        self.session.barrier_passed()
                case Ping(payload):
                    if self.spend() and not self.transport.is_closing():
                        self.transport.write(_control(_PONG, payload))
                case Pong():
                    self.spend()
                case Binary():
                    self.close(CloseCode.UNSUPPORTED_DATA, "frames are JSON text, not binary")
                case Closed(code):
                    self._ended(code)
        if self.session is not None:
            self.session.flush()

    def _write_out(self, careful: CarefulReader) -> None:
        data, last = careful.outgoing()
        if data:
            self.transport.write(data)
        if last:
            self._ended(CloseCode.NORMAL)
            self.transport.close()

    def spend(self) -> bool:
        """Count a control frame; False when there were too many and the connection is closing."""
        if self._control is None:
            self._control = TokenBucket(_CONTROL, burst=CONTROL_BURST)
        if self._control.take() > 0:
            self.close(CloseCode.RATE_LIMITED, f"more than {CONTROL_RATE} control frames a second")
        return not self.closing

    def _note_partial(self) -> None:
        """Count what is held of messages that are not whole, here and for all connections."""
        size = len(self._tail)  # what is held back by ourselves does not count
        if self._careful is not None:
            size += self._careful.pending
        gateway = self._gateway
        key = "" if self.session is None else self.session.principal.key_id
        if key != self._partial_of:
            self._move_partial(key)
        gateway.partial_bytes += size - self._partial
        gateway.partial_bytes_of[key] += size - self._partial
        if not gateway.partial_bytes_of[key]:
            del gateway.partial_bytes_of[key]
        self._partial = size
        if self.closing:
            return
        if self.session is None and not self._holds and size > UNAUTHENTICATED_BYTES:
            self.close(CloseCode.MESSAGE_TOO_BIG, "too long for a first frame")
        elif size > _SMALL_PARTIAL and (
            gateway.partial_bytes_of[key] > PARTIAL_BYTES_OF_KEY
            or gateway.partial_bytes > PARTIAL_BYTES
        ):
            self.close(CloseCode.OVERLOADED, "the hub holds too many unfinished messages")

    def _move_partial(self, key: str) -> None:
        """What is not whole counts for another key from now on."""
        of = self._gateway.partial_bytes_of
        of[self._partial_of] -= self._partial
        if not of[self._partial_of]:
            del of[self._partial_of]
        of[key] += self._partial
        self._partial_of = key

    # ── holding back ─────────────────────────────────────────────────────────────────────────

    def hold(self) -> None:
        self._hold(_IN_FLIGHT)

    def resume(self) -> None:
        # Not at once: this is called while the log answers a group, and reading on may do anything.
        if self._holds & _IN_FLIGHT:
            asyncio.get_running_loop().call_soon(self._release, _IN_FLIGHT)

    def wait(self) -> None:
        self._hold(_BUSY)

    def proceed(self) -> None:
        self._release(_BUSY)

    def hold_calls(self) -> None:
        self._hold(_CALLS)

    def resume_calls(self) -> None:
        self._release(_CALLS)

    def hold_answers(self) -> None:
        self._hold(_ANSWERS)

    def resume_answers(self) -> None:
        self._release(_ANSWERS)

    def stop_reading(self) -> None:
        """Take no further frames; a close frame is still awaited after `close`."""
        if not self.closing:
            self._hold(_DRAINING)

    def _hold(self, reason: int) -> None:
        if not self._holds and not self.transport.is_closing():
            self.transport.pause_reading()
        self._holds |= reason

    def _release(self, reason: int) -> None:
        if not self._holds & reason:
            return
        self._holds &= ~reason
        self._heard = True  # it could not be heard while it was not read
        if self._holds or self.transport.is_closing():
            return
        held, self._held = self._held, b""
        self._take_messages()
        if self._holds:
            self._held = held
            return
        self._read(held)
        self._note_partial()
        if not self._holds and not self.transport.is_closing():
            self.transport.resume_reading()

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    @property
    def sink(self) -> asyncio.Transport:
        return self.transport

    def send(self, payloads: list[bytes]) -> None:
        self._write(b"".join([text_frame(payload) for payload in payloads]))

    def barrier(self) -> None:
        self._barriers += 1
        self._write(_control(_PING, b"%b-%d" % (_BARRIER, self._barriers)))

    def _barrier_of(self, payload: bytes) -> int:
        """Which barrier a pong answers; 0 for none, and for one that is answered already."""
        name, _, digits = payload.partition(b"-")
        if name != _BARRIER or not digits.isdigit() or len(digits) > 9:
            return 0
        number = int(digits)
        return number if self._barriers_passed < number <= self._barriers else 0

    def beat(self, now_ms: int) -> None:
        """Send a heartbeat, or close a connection that has not answered the last one.

        The JSON ping and the WebSocket ping, which any client's library answers, are one write.
        """
        if self.session is None or self.closing or self._holds & _STALLED:
            return  # not greeted yet, or not read by the hub itself
        if not self._heard:
            self.close(CloseCode.NO_HEARTBEAT, f"silent for {2 * HEARTBEAT_SECONDS} s")
            return
        self._heard = self._holds != 0  # no sign of life is demanded of who is not read
        self._write(text_frame(self.session.heartbeat(now_ms)) + _control(_PING, b""))

    def bye(self, payload: bytes) -> None:
        """Say that the hub is about to close."""
        self.send([payload])

    def _write(self, data: bytes) -> None:
        if self.upgraded and not self.closing and not self.transport.is_closing():
            self.sent += len(data)
            self.transport.write(data)

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; the connection is cut when it is not answered within 5 s."""
        if self.closing:
            return
        self._ended(code)
        if not self.upgraded:
            self.abort()
            return
        if self._timer is not None:
            self._timer.cancel()
        careful = self._careful
        if careful is None:
            careful = self._careful = CarefulReader()
        # RFC 6455 section 5.5: a control frame carries 125 bytes, two of them the code.
        careful.close(code, reason.encode()[:123].decode(errors="ignore"))
        self._write_out(careful)
        # The answer must be read even where the client was held back.
        self._held = b""
        self._note_partial()
        if self._holds and not self.transport.is_closing():
            self._holds = 0
            self.transport.resume_reading()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abort()

    def _ended(self, code: int) -> None:
        """Nothing more is taken from or sent to this connection."""
        if self.closing:
            return
        self.closing = True
        self._code = code
        self._closed_at = self.received
        if self.session is not None:
            self.session.end(code)


def _control(opcode: int, payload: bytes) -> bytes:
    return bytes((opcode, len(payload))) + payload


def _begins_text(data: bytes) -> bool:
    """Whether these bytes are the beginning of a masked text frame with a length of 16 bits."""
    if not data or data[0] != _TEXT or len(data) == 6:
        return False  # six bytes may be a whole, empty frame
    return len(data) == 1 or 0x80 < data[1] < 0xFF


def socket_factory(gateway: "Gateway") -> Any:
    """What `uvicorn.Config(ws=…)` calls for each upgrade."""

    def make(config: object, server_state: object, app_state: object) -> Socket:
        return Socket(gateway)

    return make
