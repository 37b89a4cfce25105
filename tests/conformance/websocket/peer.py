"""The client of the cases: blocking TCP, so that what came before a reset can still be read."""

import contextlib
import json
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

from tests.gateway.raw import PING, TEXT, Frame

DEADLINE = 5.0
PAUSE = 0.0005
"""Seconds between two pieces: time for the hub to read each by itself. Were it to read two at
once, the case would still hold, since no rule knows how octets are chopped up on the wire."""


class Peer:
    """One connection to `/ws`.

    Attributes:
        answer: the hub's answer to the opening request, header lines and all.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.answer = b""
        self._socket = sock
        self._buffer = b""

    def open(self, port: int, key: str, extensions: str | None = None) -> None:
        """The opening handshake; the hub's greeting is left to be read.

        Args:
            extensions: what the client offers, as in the header line.
        """
        lines = [
            "GET /ws HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
            "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13", f"Authorization: Bearer {key}",
        ]  # fmt: skip
        if extensions is not None:
            lines.append(f"Sec-WebSocket-Extensions: {extensions}")
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        self.answer, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        assert self.answer.startswith(b"HTTP/1.1 101 "), self.answer

    def send(self, pieces: tuple[bytes, ...]) -> None:
        """Send each piece by itself; stop when the hub has ended the connection."""
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(PAUSE)
                if self._ended_already():
                    return
            self._socket.sendall(piece)

    def next(self) -> Frame:
        """The next frame that is not the hub's heartbeat.

        Raises:
            EOFError: the connection has ended instead.
        """
        while _is_heartbeat(got := self._frame()):
            pass
        return got

    def json(self) -> dict[str, Any]:
        """The next frame, which must be a text."""
        got = self.next()
        assert got.opcode == TEXT, got
        found = json.loads(got.payload)
        assert isinstance(found, dict)
        return found

    def is_silent(self, seconds: float) -> bool:
        """Whether no frame comes for so long, and the connection does not end."""
        deadline = time.monotonic() + seconds
        # One read may bring several frames, a heartbeat's two for instance.
        while self._buffer or self._readable_until(deadline):
            if not _is_heartbeat(self._frame()):
                return False
        return True

    def expect_end(self, *, reset: bool = False) -> None:
        """The hub ends the TCP connection, with nothing more before.

        Args:
            reset: whether a reset is an end too: octets were on their way when the hub ended it.
        """
        with contextlib.suppress(ConnectionResetError) if reset else contextlib.nullcontext():
            while data := self._socket.recv(65536):
                self._buffer += data
        assert self._buffer == b"", "nothing follows the hub's close frame"

    def _frame(self) -> Frame:
        """The next frame, of whatever kind; the hub fragments, compresses and masks nothing."""
        first, size = self._take(2)
        assert first & 0xF0 == 0x80, "FIN is set, the reserved bits are not"
        assert size < 0x80, "a server does not mask (RFC 6455 section 5.1)"
        if size == 126:
            size = int.from_bytes(self._take(2), "big")
        elif size == 127:
            size = int.from_bytes(self._take(8), "big")
        return Frame(first & 0x0F, self._take(size))

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise EOFError(f"the hub ended the connection; unread: {self._buffer!r}")
        self._buffer += data

    def _readable_until(self, deadline: float) -> bool:
        left = max(0.0, deadline - time.monotonic())
        return bool(select.select([self._socket], [], [], left)[0])

    def _ended_already(self) -> bool:
        while self._readable_until(0):
            try:
                self._receive()
            except (EOFError, ConnectionResetError):
                return True
        return False


def _is_heartbeat(got: Frame) -> bool:
    """Whether the hub asks for a sign of life, which may fall into any case."""
    return got.opcode == PING or (got.opcode == TEXT and got.payload.startswith(b'{"type":"ping"'))


@contextlib.contextmanager
def connected(port: int, key: str, *, extensions: str | None = None) -> Iterator[Peer]:
    """A bot's connection, greeted."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(sock)
        peer.open(port, key, extensions)
        greeting = peer.json()
        assert greeting["type"] == "connected", greeting
        yield peer
