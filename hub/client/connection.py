"""One connection to the hub, from its `connected` frame to its end.

Whoever holds it reads with `receive` and runs `watch` beside that in a task. Every way in which it
can end comes out as one of two exceptions: `Closed`, not to be opened again unchanged, or `Lost`.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidProxy, InvalidStatus
from websockets.http11 import Response

from hub.client.address import with_query
from hub.client.errors import Closed, Lost, after_close, after_handshake
from hub.client.wire import PONG, Frame, Refused, decode_server, refusal
from hub.protocol.codec import DECODE_ERRORS
from hub.protocol.codes import CloseCode
from hub.protocol.errors import HubError
from hub.protocol.frames import Bye, Connected, Event, ServerPing
from hub.protocol.limits import MESSAGE_BYTES

SILENCE = 2.5
"""Heartbeats that may be missed before a connection counts as dead."""

_CLOSE_SECONDS = 1.0
_QUEUE_FRAMES = 64  # messages read ahead of a slow consumer; beyond them TCP pushes back


class _Problem(msgspec.Struct):
    """The parts of an HTTP refusal's body that are meant for people."""

    error: str = ""
    detail: str = ""


class _Socket(ClientConnection):
    """Notes when bytes last arrived; WebSocket pings count, which never reach `recv`."""

    heard: float = 0.0

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        super().data_received(data)


class Connection:
    """An open connection; made by `open`.

    Attributes:
        hello: the hub's `connected` frame.
    """

    def __init__(self, socket: _Socket, hello: Connected) -> None:
        self.hello = hello
        self._socket = socket
        self._bye: Bye | None = None
        self._cut: str | None = None

    @classmethod
    async def open(
        cls, url: str, key: str | None, params: Mapping[str, str], timeout: float
    ) -> Self:
        """Open a connection and wait for its `connected` frame.

        Args:
            url: of the socket, as `socket_url` makes it.
            key: sent as a Bearer credential; None where the address brings its own.
            params: for the query.
            timeout: seconds that all of it may take.

        Raises:
            Lost: the hub cannot be reached now, or said to come back.
            HubError: it refused; mostly `Closed`.
        """
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        try:
            async with asyncio.timeout(timeout):
                socket = await open_socket(
                    with_query(url, params),
                    additional_headers=headers,
                    compression=None,
                    max_size=4 * MESSAGE_BYTES,
                    max_queue=_QUEUE_FRAMES,
                    open_timeout=None,
                    close_timeout=_CLOSE_SECONDS,
                    ping_interval=None,
                    # A proxy is for the way out; the default address never needs one.
                    proxy=None if _is_loopback(url) else True,
                    create_connection=_Socket,
                )
        except TimeoutError:
            raise Lost(f"no answer within {timeout:g} s") from None
        except InvalidStatus as refused:
            raise _refused_handshake(refused.response) from None
        except ssl.SSLCertVerificationError as error:
            message = f"the certificate was not accepted: {error.verify_message}"
            raise Closed(message, reason=message) from None
        except InvalidProxy as error:
            raise Closed(str(error), reason=str(error)) from None
        except InvalidHandshake as error:
            raise Lost(f"no hub answers there: {error}") from None
        except (OSError, EOFError) as error:
            raise Lost(_told(error)) from None
        assert isinstance(socket, _Socket)
        try:
            return cls(socket, await _greeting(socket, timeout))
        except BaseException:
            socket.transport.abort()
            raise

    async def receive(self) -> Frame:
        """Wait for the next frame. Heartbeats are answered here; unknown frames are left out.

        Raises:
            Closed, Lost: the connection has ended.
            BadFrame: the hub sent something that cannot be read.
        """
        while True:
            try:
                payload = await self._socket.recv(decode=False)
            except ConnectionClosed as closed:
                raise self._ended(closed) from None
            frame = decode_server(payload)
            if isinstance(frame, Event):
                return frame
            if isinstance(frame, Bye):
                self._bye = frame
            elif isinstance(frame, ServerPing) and self._idle:
                await self.send(PONG)
            if frame is not None:
                return frame

    async def send(self, frame: bytes) -> None:
        """Send one frame; waits while the hub does not read.

        Raises:
            Closed, Lost: the connection has ended.
        """
        try:
            await self._socket.send(frame, text=True)
        except ConnectionClosed as closed:
            raise self._ended(closed) from None

    async def watch(self) -> None:
        """Cut the connection when the hub has gone silent; returns when it has ended.

        A consumer that is slow stops the reading, and with it the answers to the hub's
        heartbeats. Then silence says nothing about the hub, and a pong that nobody asked for
        tells it that this side lives.
        """
        loop = asyncio.get_running_loop()
        beat = float(max(self.hello.heartbeat, 1))
        heard = loop.time()
        while True:
            heard = max(heard, self._socket.heard)
            await asyncio.sleep(min(beat / 2, max(0.0, heard + SILENCE * beat - loop.time())))
            if self._socket.transport.is_closing():
                return
            if not self._socket.transport.is_reading():
                heard = loop.time()
                if self._idle:
                    with suppress(ConnectionClosed):
                        await self._socket.pong()
            elif loop.time() - max(heard, self._socket.heard) >= SILENCE * beat:
                self.cut("the hub has gone silent")
                return

    def cut(self, reason: str) -> None:
        """End the connection at once; whoever waits on it gets `Lost` with this reason."""
        self._cut = reason
        self._socket.transport.abort()

    async def close(self) -> None:
        """Say goodbye and end the connection; takes a second at most, and does not raise."""
        await self._socket.close()

    @property
    def _idle(self) -> bool:
        # A heartbeat may be left out while bytes wait to be written: they prove as much, and
        # waiting behind them would stop the reading.
        return self._socket.transport.get_write_buffer_size() == 0

    def _ended(self, closed: ConnectionClosed) -> Closed | Lost:
        if self._cut is not None:
            return Lost(self._cut)
        bye = self._bye
        wait = None if bye is None else (bye.reconnect[0] / 1000, bye.reconnect[1] / 1000)
        frame = closed.rcvd or closed.sent
        if frame is not None:
            return after_close(frame.code, frame.reason, wait)
        if bye is not None:
            return after_close(bye.code, bye.reason, wait)
        return after_close(CloseCode.ABNORMAL, "", wait)


async def _greeting(socket: _Socket, timeout: float) -> Connected:
    """The first frame: `connected`, or an `error` that explains the close after it."""
    refused: HubError | None = None
    try:
        async with asyncio.timeout(timeout):
            while True:
                frame = decode_server(await socket.recv(decode=False))
                if isinstance(frame, Connected):
                    return frame
                if isinstance(frame, Refused):
                    refused = refusal(frame)
    except TimeoutError:
        raise refused or Lost(f"no greeting within {timeout:g} s") from None
    except ConnectionClosed as closed:
        frame_ = closed.rcvd or closed.sent
        code = CloseCode.ABNORMAL if frame_ is None else frame_.code
        said = "" if frame_ is None else frame_.reason
        raise after_close(code, refused.message if refused else said) from None


def _refused_handshake(response: Response) -> Closed | Lost:
    return after_handshake(
        response.status_code,
        _words(response),
        _retry_after(response.headers.get("Retry-After")),
    )


def _words(response: Response) -> str:
    """The refusal in words: the problem document's sentence, a short text, or the status line."""
    body = bytes(response.body or b"")
    with suppress(*DECODE_ERRORS):
        problem = msgspec.json.decode(body, type=_Problem)
        if sentence := problem.error or problem.detail:
            return sentence
    text = body.decode(errors="replace").strip()
    if 0 < len(text) <= 300 and text.isprintable() and not text.startswith(("<", "{")):
        return text
    return response.reason_phrase


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header; the rarer form, a date, is left to the backoff."""
    return float(value) if value is not None and value.isdecimal() and len(value) < 9 else None


def _told(error: Exception) -> str:
    """An operating system's error as a phrase."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
