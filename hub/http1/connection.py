"""One HTTP/1.1 connection. uvicorn's class waits for ever for a head, reads heads of any size and
queues whatever a client pipelines; this one holds these rules:

    head            16 KiB of octets, 100 fields, a target of 8 KiB      431, 431, 414
    head, time      10 s after the connection, or after its first octet  408
    idle            15 s (`Config.timeout_keep_alive`)                   closed
    body            1 MiB and 30 s, or the bounds of its path            413, 408
    framing, Host   one way to read it, or none (`head`)                 400, 501, 505
    pipelining      one request at a time; what is behind it waits       not read
    connections     4096 that are not WebSockets                         503

A head ends with its first CRLF CRLF, and nothing else ends one: the parser takes no bare LF. So
what is read is fed to the parser in pieces that end there, or with the last octet of a body whose
length is known. No piece holds the beginning of a second request, which makes the octets of a head
countable and lets a request wait, unparsed, until the answer before it is written.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, cast
from urllib.parse import unquote
from weakref import WeakKeyDictionary

import httptools
import structlog
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from hub.protocol.errors import BadFrame, HubError, TooLarge, Unavailable
from hub.protocol.limits import MESSAGE_BYTES
from hub.turns import Turns

from . import bounds
from .boundary import END, BoundarySearch
from .deadline import Deadline
from .head import NO_BODY, body_bound, check_url, read_head, split_target
from .http10 import run_unchunked
from .refusals import RefusalLog, Refused, answer
from .transport import HoldingFlow, WriterListener, set_socket_options

log = structlog.get_logger("hub.http")

# How what is being read ends.
_HEAD, _SIZED, _CHUNKED = range(3)
# What the deadline is for.
_WHOLE_HEAD, _WHOLE_BODY, _NEXT = range(1, 4)

_refusal_log = RefusalLog()


class _Shared:
    """What the connections of one server have in common.

    Attributes:
        unasked: those that have no whole request under way, oldest first.
        starts: the requests that are about to begin.
    """

    def __init__(self) -> None:
        self.unasked: dict[GuardedHttp, None] = {}
        self.starts = Turns(bounds.STARTS_PER_TURN)


_SHARED: WeakKeyDictionary[ServerState, _Shared] = WeakKeyDictionary()


class _BodyCallbacks:
    """What a parser tells of a body, and nothing of its head."""

    def __init__(self, connection: "GuardedHttp") -> None:
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete


class GuardedHttp(HttpToolsProtocol):
    """A connection that speaks HTTP/1.1 until it becomes a WebSocket or ends.

    A request finds it in its scope as `scope["extensions"]["hub.connection"]`. A handler that
    streams starts its response by ASGI, then writes to `transport` itself, in chunks if `chunked`,
    and ends by ASGI.

    Attributes:
        writer_listener: told when `transport` is full, when it has drained, and when it is gone;
            the handler that sets it takes it away again.
        body_bounds: prefix of a path → octets that a body may have there, and seconds.
    """

    head_seconds: ClassVar[float] = bounds.HEAD_SECONDS
    body_seconds: ClassVar[float] = bounds.BODY_SECONDS
    linger_seconds: ClassVar[float] = bounds.LINGER_SECONDS
    most_connections: ClassVar[int] = bounds.HTTP_CONNECTIONS
    body_bounds: ClassVar[Mapping[str, tuple[int, float]]] = {}

    flow: HoldingFlow

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._listener: WriterListener | None = None
        shared = _SHARED.get(server_state)
        if shared is None:
            shared = _SHARED[server_state] = _Shared()
        self._shared = shared
        self.url = b""
        self._phase = _HEAD
        self._head_bytes = 0
        self._begun = False
        self._boundaries = BoundarySearch()
        self._websocket = False
        self._ignored_upgrade = b""
        self._resting_parser: httptools.HttpRequestParser | None = None
        self._body_limit, self._body_time = MESSAGE_BYTES, self.body_seconds
        self._body_left = 0
        self._body_bytes = 0
        self._dry_bytes = 0
        self._held = b""
        self._held_at = 0
        self._deaf = False
        self._thrown_away = 0
        self._deadline = Deadline(self.loop, self._is_late)

    @property
    def lost(self) -> bool:
        """Whether nothing can be written any more: it is closing, or was refused."""
        return self._deaf or self.transport.is_closing()

    @property
    def writer_listener(self) -> WriterListener | None:
        return self._listener

    @writer_listener.setter
    def writer_listener(self, listener: WriterListener | None) -> None:
        # Who streams counts its connections itself, like WebSockets: many are meant to stay.
        self._listener = listener
        if listener is not None:
            self.connections.discard(self)
        elif not self.transport.is_closing():
            self.connections.add(self)

    @property
    def chunked(self) -> bool:
        """Whether the response under way is sent in chunks; if not, its length or the end of the
        connection ends it."""
        return self.cycle is not None and self.cycle.chunked_encoding is True

    # ── asyncio.Protocol ─────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self.most_connections and not self._make_room():
            self._turn_away(transport)
            return
        super().connection_made(transport)
        self._shared.unasked[self] = None
        self.flow = HoldingFlow(transport)
        set_socket_options(transport)
        self._deadline.expect(_WHOLE_HEAD, self.head_seconds)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._throw_away(len(data))
        elif self._listener is not None and len(self._held) + len(data) > bounds.HEAD_BYTES:
            self.transport.abort()  # what is piled up behind a stream is no request
        elif self.flow.holding:  # uvloop may hand on what it had read before the pause
            self._held, self._held_at = self._held[self._held_at :] + data, 0
        elif (
            # Fast path: one whole head, which is what nearly every read is.
            self._phase == _HEAD
            and not self._head_bytes
            and data.find(END) == len(data) - 4
            and len(data) <= bounds.HEAD_BYTES
            and (self.cycle is None or self.cycle.response_complete)
        ):
            if self._feed(data) and self._phase != _HEAD:
                self._deadline.expect(_WHOLE_BODY, self._body_time)
        else:
            self._read(data, 0)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._listener is not None:
            self._listener.writing_paused()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._listener is not None:
            self._listener.writing_resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.end()
        self._deaf = True
        self._held = b""
        self._shared.unasked.pop(self, None)
        super().connection_lost(exc)
        self._resting_parser = None
        # A scope names its connection: without this, both wait for the garbage collector.
        self.scope = self.cycle = None  # type: ignore[assignment]
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.connection_lost()

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _read(self, data: bytes, at: int) -> None:
        """Feed the parser piece by piece, until something has to wait or is refused."""
        size, turn = len(data), at + bounds.SLICE_BYTES
        while at < size:
            if self._phase == _HEAD:
                if not self._head_bytes and self._answering:
                    self._hold(data, at)
                    return
                if not self._head_bytes:
                    self._begun = False
                room = bounds.HEAD_BYTES - self._head_bytes
                stop = self._boundaries.find(data, at, min(size, at + room))
                self._head_bytes += stop - at
            elif self._phase == _SIZED:
                stop = min(size, at + self._body_left)
                self._body_left -= stop - at
            elif at < turn:
                stop = self._boundaries.find(data, at, min(size, turn))
            else:
                self._hold(data, at)
                self.loop.call_soon(self._go_on)
                return
            if not self._feed(data if stop - at == size else data[at:stop], data[stop:]):
                return
            at = stop
        if self._phase != _HEAD:
            if self._deadline.what != _WHOLE_BODY:
                self._deadline.expect(_WHOLE_BODY, self._body_time)
        elif self._head_bytes and self._deadline.what != _WHOLE_HEAD:
            self._deadline.expect(_WHOLE_HEAD, self.head_seconds)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _feed(self, piece: bytes, rest: bytes = b"") -> bool:
        """Parse one piece; False if nothing more may be parsed.

        Args:
            rest: what was read behind it, for whom the connection is handed over to.
        """
        chunked, body_bytes = self._phase == _CHUNKED, self._body_bytes
        try:
            self.parser.feed_data(piece)
            if self._phase == _HEAD:
                if self._head_bytes >= bounds.HEAD_BYTES:
                    check_url(self.url)
                    message = f"the head of a request has {bounds.HEAD_BYTES} octets at most"
                    raise Refused(TooLarge(message), 431)
            elif chunked:
                self._check_dry(len(piece), self._body_bytes - body_bytes)
        except httptools.HttpParserUpgrade:
            if self._websocket:
                self._hand_over(rest)
                return False
            self._ignore_upgrade()
        except httptools.HttpParserError as error:
            self._refuse(self._reason(error))
            return False
        except Refused as refused:
            self._refuse(refused)
            return False
        return True

    def _ignore_upgrade(self) -> None:
        """Read on after an upgrade that is not taken (RFC 9110 section 7.8).

        The parser takes no body behind one: another one, told the framing alone, takes its place
        until the body is whole.
        """
        framing, self._ignored_upgrade = self._ignored_upgrade, b""
        if framing:
            self._resting_parser = self.parser
            self.parser = httptools.HttpRequestParser(_BodyCallbacks(self))
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + END)

    def _check_dry(self, octets: int, body_bytes: int) -> None:
        """Bound what of a chunked body is no data: extensions, leading zeros, trailers."""
        self._dry_bytes = 0 if body_bytes else self._dry_bytes + octets
        if self._dry_bytes > bounds.HEAD_BYTES:
            message = f"a chunked body went on for {bounds.HEAD_BYTES} octets without data"
            raise Refused(BadFrame(message))

    def _reason(self, error: httptools.HttpParserError) -> Refused:
        if not isinstance(error, httptools.HttpParserCallbackError):
            return Refused(BadFrame(f"this is not a request of HTTP/1.1: {error}"))
        cause = error.__context__
        if isinstance(cause, Refused):
            return cause
        log.error("reading a request failed", exc_info=cause)
        return Refused(HubError("the hub failed on this request; it was logged"))

    def _hold(self, data: bytes, at: int) -> None:
        """Read no further than `at` for now."""
        if at > len(data) // 2:
            data, at = data[at:], 0
        self._held, self._held_at = data, at
        self.flow.holding = True
        if not self.transport.is_closing():
            self.flow.pause_reading()

    def _go_on(self) -> None:
        """Take up what was held."""
        if self._deaf or self.transport.is_closing() or not self.flow.holding:
            return
        data, self._held = self._held, b""
        self.flow.holding = False
        self._read(data, self._held_at)
        if self._deaf or self.transport.is_closing():
            return
        # A body that the application has not taken yet keeps it paused.
        if not self._answering or len(self.cycle.body) <= HIGH_WATER_LIMIT:
            self.flow.resume_reading()

    def _hand_over(self, rest: bytes) -> None:
        """Make the connection a WebSocket, with what came behind the handshake."""
        self._shared.unasked.pop(self, None)
        self._deadline.end()
        self._deaf = True
        self.handle_websocket_upgrade()
        # Parser and scope name their connection: all would wait for the garbage collector.
        self.parser = self.scope = None  # type: ignore[assignment]
        if rest and not self.transport.is_closing():
            cast(asyncio.Protocol, self.transport.get_protocol()).data_received(rest)

    # ── parser callbacks ─────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        self._begun = True
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser leaves the space behind a value (RFC 9112 section 5.1).
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        parser, headers = self.parser, self.headers
        version, method = parser.get_http_version(), parser.get_method()
        upgrade = parser.should_upgrade()
        framing = read_head(method, self.url, version, headers, upgrade)
        raw_path, query = split_target(self.url)
        path = raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
        framed = framing is not NO_BODY and (framing.chunked or framing.length > 0)
        if framed:
            default = (MESSAGE_BYTES, self.body_seconds)
            self._body_limit, self._body_time = body_bound(self.body_bounds, path, default)
            if framing.length > self._body_limit:
                raise Refused(self._too_large())
        self._head_bytes = 0
        self._deadline.expect_nothing()
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "method": method.decode("ascii"),
            "root_path": self.root_path,
            "path": self.root_path + path,
            "raw_path": self.root_path.encode("ascii") + raw_path,
            "query_string": query,
            "headers": headers,
            "state": self.app_state.copy(),
            "extensions": {"hub.connection": self},  # type: ignore[dict-item]
        }
        if framing.websocket:
            self._websocket = True
            return
        self.expect_100_continue = framing.expects
        self.cycle = RequestResponseCycle(
            self.scope, self.transport, self.flow, self.logger, self.access_logger,
            self.access_log, self.server_state.default_headers, asyncio.Event(), framing.expects,
            version != "1.0" and parser.should_keep_alive(), self.on_response_complete,
        )  # fmt: skip
        app = self.app if version == "1.1" else self._until_eof
        self._shared.starts.wait(partial(self._start_asgi_task, self.cycle, app))
        if framed:
            self._phase = _CHUNKED if framing.chunked else _SIZED
            self._body_left, self._body_bytes, self._dry_bytes = framing.length, 0, 0
            self._ignored_upgrade = framing.field if upgrade else b""
            # Nobody here asks for trailers, and they may not pass for header fields (RFC 9110
            # section 6.5.1): they go into a list of their own.
            self.headers = []

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._body_limit:
            raise Refused(self._too_large())
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._websocket or self._ignored_upgrade:
            return
        if self._resting_parser is not None:
            self.parser, self._resting_parser = self._resting_parser, None
        self._shared.unasked.pop(self, None)
        cycle = self.cycle
        if self._phase != _HEAD:
            self._phase = _HEAD
            self._deadline.expect_nothing()
        if cycle.response_complete:
            self._deadline.expect(_NEXT, self.timeout_keep_alive)
            return
        cycle.more_body = False
        cycle.message_event.set()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._shared.unasked[self] = None
        if self._deaf or self.transport.is_closing():
            return
        if self._phase != _HEAD and self.expect_100_continue:
            # Whether the body still comes after a final answer is up to the client: what follows
            # could be a body or a request (RFC 9110 section 10.1.1).
            self.transport.close()
        elif self.flow.holding:
            self.loop.call_soon(self._go_on)
        else:
            if self.flow.read_paused:
                self.flow.resume_reading()
            if self._phase == _HEAD:
                self._deadline.expect(_NEXT, self.timeout_keep_alive)

    def _should_upgrade(self) -> bool:
        return self._websocket

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body has more than the {self._body_limit} octets allowed here")

    def _is_late(self) -> None:
        if self.flow.read_paused:
            self._deadline.expect(self._deadline.what, self._deadline.period)  # we do not read
        elif self._phase == _HEAD and not (self._head_bytes and self._begun):
            self.transport.close()
        else:
            part = "head" if self._phase == _HEAD else "body"
            message = f"the {part} of the request was not whole after {self._deadline.period:g} s"
            self._refuse(Refused(BadFrame(message), 408))

    # ── refusing ─────────────────────────────────────────────────────────────────────────────

    def _refuse(self, refused: Refused) -> None:
        """Answer with a problem and read no further; only close where an answer has begun."""
        self._deaf = True
        self._held = b""
        self._deadline.end()
        if self.transport.is_closing():
            return
        _refusal_log.write(refused.status, self.client[0] if self.client else None)
        if self._phase != _HEAD:
            cycle = self.cycle
            if cycle.response_started:
                self.transport.close()
                return
            cycle.disconnected = True  # what the application still sends goes nowhere
            cycle.message_event.set()
        self.transport.write(answer(refused, self.server_state.default_headers))
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.connection_lost()  # for who streams, the connection is gone
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.holding = False
        self.flow.resume_reading()
        self.loop.call_later(self.linger_seconds, self.transport.abort)

    def _throw_away(self, octets: int) -> None:
        self._thrown_away += octets
        if self._thrown_away > bounds.LINGER_BYTES and not self.transport.is_closing():
            self.flow.pause_reading()

    def _make_room(self) -> bool:
        """Cut who has been silent, or has not finished asking, for the longest time."""
        unasked = self._shared.unasked
        oldest = next(iter(unasked), None)
        if oldest is None:
            return False
        del unasked[oldest]
        self.connections.discard(oldest)
        # Not at once: this runs in the middle of somebody else's coming.
        self.loop.call_soon(oldest.transport.abort)
        return True

    def _turn_away(self, transport: asyncio.Transport) -> None:
        """Answer that there is no room, without waiting for what is asked."""
        self._deaf = True
        self.transport = transport
        address = get_remote_addr(transport)
        message = "the hub serves as many HTTP connections as it can; try again in a moment"
        refused = Refused(Unavailable(message, retry_after=bounds.RETRY_SECONDS))
        _refusal_log.write(refused.status, address[0] if address else None)
        transport.write(answer(refused, self.server_state.default_headers))
        transport.close()

    async def _until_eof(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await run_unchunked(self.app, self.cycle, scope, receive, send)
