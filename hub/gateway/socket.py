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
    DRAINING    for good: the hub is shutting down
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import structlog
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from hub.auth import Principal
from hub.problems import MEDIA_TYPE, problem
from hub.protocol import codec
from hub.protocol.codes import CloseCode
from hub.protocol.errors import BadFrame, HubError, Unauthenticated, Unavailable
from hub.protocol.frames import Auth
from hub.protocol.limits import AUTH_SECONDS
from hub.protocol.websocket import text_frame
from storage.errors import StorageError

from .careful import Binary, CarefulReader, Closed, Message, Pong, Text
from .handshake import Opening, read_opening
from .session import Session

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform for which websockets has no wheel
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from .gateway import Gateway

log = structlog.get_logger("hub.gateway")

HIGH_WATER = 128 * 1024
"""Bytes in the outgoing buffer at which a reader counts as slow."""
SLICE_FRAMES = 512
"""Frames that the fast path takes before it gives the loop back."""
SLICE_BYTES = 8 * 1024
"""Bytes that the careful reader takes before it gives the loop back."""
CLOSE_SECONDS = 5.0
"""How long the other side may take to answer a close frame."""

_STALLED, _IN_FLIGHT, _BUSY, _TURN, _DRAINING = 1, 2, 4, 8, 16
_TEXT = 0x81
_BARRIER = b"barrier"


class Socket(asyncio.Protocol):
    """One connection to `/ws`. uvicorn makes it and hands it the opening request.

    Attributes:
        heard: whether anything has arrived since the last heartbeat.
    """

    __slots__ = (
        "_careful", "_gateway", "_held", "_holds", "_messages", "_opening", "_tail", "_timer",
        "closing", "heard", "session", "transport",
    )  # fmt: skip

    def __init__(self, gateway: "Gateway") -> None:
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.session: Session | None = None
        self.heard = True
        self.closing = False
        self._gateway = gateway
        self._opening: Opening | None = None
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
        self.heard = True
        if self._opening is None:
            self._open(data)
        elif self._holds:
            self._held += data  # uvloop may hand on what it had read before the pause
        else:
            self._read(data)

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
        if self.session is not None:
            self.session.end()
        self._gateway.left(self)
        self._careful = None
        self._held = self._tail = b""

    # ── opening ──────────────────────────────────────────────────────────────────────────────

    def _open(self, data: bytes) -> None:
        """Answer the opening request. uvicorn hands it on whole, rebuilt from what it parsed."""
        server = ServerProtocol()
        server.receive_data(data)
        request = next((e for e in server.events_received() if isinstance(e, Request)), None)
        if request is None:
            self._refuse(server, BadFrame(f"not a WebSocket request: {server.handshake_exc}"))
            return
        try:
            opening = read_opening(request, self._gateway.origins)
            self._gateway.admit(self)
        except HubError as error:
            self._refuse(server, error)
            return
        self._opening = opening
        server.send_response(server.accept(request))
        self.transport.write(b"".join(server.data_to_send()))
        if server.handshake_exc is not None:
            self.closing = True
            self.transport.close()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(AUTH_SECONDS, self._auth_is_late)
        if opening.bearer is not None or opening.cookie is not None:
            self.wait()
            self._gateway.spawn(self._authenticate(opening))

    def _refuse(self, server: ServerProtocol, error: HubError) -> None:
        body = problem(error)
        headers = Headers(
            {
                "Content-Type": MEDIA_TYPE,
                "Content-Length": str(len(body)),
                "Connection": "close",
                "Cache-Control": "no-store",
            }
        )
        response = Response(error.code.status, error.code.name.title(), headers, body)
        self.closing = True
        self.transport.write(response.serialize())
        self.transport.close()

    async def _authenticate(self, opening: Opening, ref: str | None = None) -> None:
        """Find out who it is; the session starts, or the connection is closed with the reason."""
        try:
            principal = await opening.authenticate(self._gateway.authenticator)
            assert principal is not None  # the opening has a credential by now
            merchant_id = self._gateway.narrowed(principal, opening.query.get("merchant_id"))
        except HubError as error:
            code = CloseCode.FORBIDDEN
            if isinstance(error, Unauthenticated):
                code = CloseCode.NOT_AUTHENTICATED
            self._turn_away(error, ref, code)
        except StorageError:
            unavailable = Unavailable("the database did not answer; come back in a moment")
            self._turn_away(unavailable, ref, CloseCode.INTERNAL)
        except Exception:
            log.exception("authentication failed")
            self._turn_away(HubError("the hub failed; it was logged"), ref, CloseCode.INTERNAL)
        else:
            if not self.closing:
                self._begin(principal, merchant_id, opening)
        finally:
            self.proceed()

    def _begin(self, principal: Principal, merchant_id: str | None, opening: Opening) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.session = Session(self._gateway, self, principal, merchant_id)
        if self._holds & _STALLED:
            self.session.reader.stalled = True
        self._gateway.joined(self)
        self.session.start(opening)

    def _turn_away(self, error: HubError, ref: str | None, code: CloseCode) -> None:
        self.send([codec.encode(codec.error_frame(error, ref))])
        self.close(code, error.message)

    def _auth_is_late(self) -> None:
        self._timer = None
        self.close(CloseCode.AUTH_TIMEOUT, f"no auth within {AUTH_SECONDS:.0f} s")

    def _first_frame(self, payload: bytes) -> None:
        """A connection without a credential says `auth` first."""
        try:
            frame = codec.decode_client(payload)
        except codec.FrameError as refused:
            self._turn_away(refused.error, refused.ref, CloseCode.NOT_AUTHENTICATED)
            return
        if not isinstance(frame, Auth) or self._opening is None:
            error = Unauthenticated('the first frame must be {"type":"auth","token":…}')
            self._turn_away(error, getattr(frame, "ref", None), CloseCode.NOT_AUTHENTICATED)
            return
        self.wait()
        self._gateway.spawn(
            self._authenticate(self._opening._replace(bearer=frame.token), frame.ref)
        )

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _read(self, data: bytes) -> None:
        if self._tail:
            data, self._tail = self._tail + data, b""
        if self._careful is None:
            data = self._read_fast(data)
        if data:
            self._read_carefully(data)
        if self.session is not None:
            self.session.flush()

    def _read_fast(self, data: bytes) -> bytes:
        """Fast path: take whole text frames off the front; what is left begins at a boundary.

        A frame of another kind, or one that is too long for a 16-bit length, is left to the
        careful reader; the beginning of one is kept for the next read (nearly every read of a
        busy publisher ends inside a frame). A hold stops it between two and keeps the rest.
        """
        at, end, left = 0, len(data), SLICE_FRAMES
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
            left -= 1
            if not left:
                self._pause_turn(data[at:])
                return b""
        rest = data[at:] if at else data
        if _begins_text(rest):
            self._tail = rest
            return b""
        return rest

    def _pause_turn(self, rest: bytes) -> None:
        """Keep what is left of a read for the loop's next turn: the others have this one."""
        self._held = rest
        self._hold(_TURN)
        asyncio.get_running_loop().call_soon(self._release, _TURN)

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
        else:
            self._first_frame(payload)

    def _read_carefully(self, data: bytes) -> None:
        careful = self._careful
        if careful is None:
            careful = self._careful = CarefulReader()
        # Six bytes are a frame here: 256 KiB of them would hold everyone up for half a second.
        rest = data[SLICE_BYTES:]
        self._messages += careful.feed(data[:SLICE_BYTES])
        self._take_messages()
        self._write_out(careful)
        if careful.failed is not None:
            self._ended()
        if not self.closing and not self._messages and careful.at_boundary:
            self._careful = None
        if rest and not self.transport.is_closing():
            self._pause_turn(rest)

    def _take_messages(self) -> None:
        """Take what the careful reader has parsed; a hold keeps the rest."""
        while self._messages and not self._holds:
            message = self._messages.popleft()
            if self.closing and not isinstance(message, Closed):
                continue
            match message:
                case Text(payload):
                    self._take_text(payload)
                case Pong(payload) if payload == _BARRIER and self.session is not None:
                    self.session.barrier_passed()
                case Binary():
                    self.close(CloseCode.UNSUPPORTED_DATA, "frames are JSON text, not binary")
                case Closed():
                    self._ended()
        if self.session is not None:
            self.session.flush()

    def _write_out(self, careful: CarefulReader) -> None:
        data, last = careful.outgoing()
        if data:
            self.transport.write(data)
        if last:
            self._ended()
            self.transport.close()

    # ── holding back ─────────────────────────────────────────────────────────────────────────

    @property
    def held(self) -> bool:
        """Whether the hub itself does not read; then no sign of life is demanded."""
        return self._holds != 0

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

    def stop_reading(self) -> None:
        """Take no further frames; a close frame is still awaited after `close`."""
        self._hold(_DRAINING)

    def _hold(self, reason: int) -> None:
        if not self._holds and not self.transport.is_closing():
            self.transport.pause_reading()
        self._holds |= reason

    def _release(self, reason: int) -> None:
        if not self._holds & reason:
            return
        self._holds &= ~reason
        self.heard = True  # it could not be heard while it was not read
        if self._holds or self.transport.is_closing():
            return
        held, self._held = self._held, b""
        self._take_messages()
        if self._holds:
            self._held = held
            return
        self._read(held)
        if not self._holds and not self.transport.is_closing():
            self.transport.resume_reading()

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    @property
    def sink(self) -> asyncio.Transport:
        return self.transport

    def send(self, payloads: list[bytes]) -> None:
        if not self.closing and not self.transport.is_closing():
            self.transport.write(b"".join([text_frame(payload) for payload in payloads]))

    def ping(self, payload: bytes = b"") -> None:
        """Send a WebSocket ping, which any client answers by itself."""
        if not self.closing and not self.transport.is_closing():
            self.transport.write(bytes((0x89, len(payload))) + payload)

    def barrier(self) -> None:
        self.ping(_BARRIER)

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; the connection is cut when it is not answered within 5 s."""
        if self.closing:
            return
        self._ended()
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
        if self._holds and not self.transport.is_closing():
            self._holds = 0
            self.transport.resume_reading()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abort()

    def _ended(self) -> None:
        """Nothing more is taken from or sent to this connection."""
        if self.closing:
            return
        self.closing = True
        if self.session is not None:
            self.session.end()


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


__all__ = ["CLOSE_SECONDS", "HIGH_WATER", "Socket", "socket_factory"]
