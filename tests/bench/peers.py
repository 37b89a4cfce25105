"""Connections that are opened many at a time, and what a single one of them is sent."""

from __future__ import annotations

import errno
import re
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.bench.wire import MARK

HOST = "127.0.0.1"
READ = 1 << 20
RST_ON_CLOSE = struct.pack("ii", 1, 0)
# An event's type has an underscore, a control frame's has none.
EVENT_OFFSET = re.compile(rb'\{"type":"[a-z]+_[a-z_]+","id":"[^"]+","offset":(\d+)')


class Broken(Exception):
    """The server closed a connection, refused one, or did not answer in time."""


@dataclass(slots=True, eq=False)
class Peer:
    """A connection that is open and ready."""

    sock: socket.socket
    greeting: bytes  # everything after the handshake, up to the read that made it ready
    ready_ns: int

    def cut(self) -> None:
        """Closes without a goodbye, as a lost network does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self.sock.close()


def connect(
    port: int,
    requests: Sequence[bytes],
    ready: bytes = b"",
    *,
    at_once: int = 200,
    within: float = 30.0,
) -> list[Peer]:
    """Opens one connection per request; each is ready once `ready` stands in what it received."""
    deadline = time.monotonic() + within
    waiting = deque(requests)
    opening: dict[int, tuple[socket.socket, bytes, bytearray]] = {}
    peers: list[Peer] = []
    with select.epoll() as epoll:
        try:
            while waiting or opening:
                while waiting and len(opening) < at_once:
                    sock = socket.socket()
                    sock.setblocking(False)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    problem = sock.connect_ex((HOST, port))
                    if problem not in (0, errno.EINPROGRESS):
                        sock.close()
                        raise Broken(f"connect: {errno.errorcode[problem]}")
                    opening[sock.fileno()] = (sock, waiting.popleft(), bytearray())
                    epoll.register(sock, select.EPOLLOUT)
                for fd, _ in epoll.poll(max(0.0, deadline - time.monotonic())):
                    sock, request, got = opening[fd]
                    if request:
                        sock.send(request)
                        opening[fd] = (sock, b"", got)
                        epoll.modify(fd, select.EPOLLIN)
                        continue
                    piece = sock.recv(1 << 16)
                    got += piece
                    head, complete, rest = got.partition(b"\r\n\r\n")
                    if complete and b" 101 " in head.partition(b"\r\n")[0] and ready in rest:
                        epoll.unregister(fd)
                        del opening[fd]
                        peers.append(Peer(sock, bytes(rest), time.monotonic_ns()))
                    elif not piece or (complete and b" 101 " not in head.partition(b"\r\n")[0]):
                        raise Broken(f"refused: {bytes(got[:400])!r}")
                if time.monotonic() > deadline:
                    raise Broken(f"{len(peers)} of {len(requests)} connected within {within:g} s")
        except BaseException:
            for sock, _, _ in opening.values():
                sock.close()
            for peer in peers:
                peer.sock.close()
            raise
    return peers


def read_events(peer: Peer, events: int, within: float) -> bytes:
    """Everything from a connection's greeting up to and including so many events."""
    deadline = time.monotonic() + within
    got = bytearray(peer.greeting)
    seen, looked_at = got.count(MARK), len(got)
    while seen < events:
        peer.sock.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            piece = peer.sock.recv(READ)
        except TimeoutError:
            piece = b""
        if not piece:
            raise Broken(f"{seen} of {events} events arrived")
        got += piece
        # From the last few bytes of what was looked at on: a mark may have been cut in two.
        seen += got.count(MARK, max(0, looked_at - len(MARK) + 1))
        looked_at = len(got)
    return bytes(got)


def event_offsets(stream: bytes) -> list[int]:
    return [int(offset) for offset in EVENT_OFFSET.findall(stream)]


def holes(stream: bytes) -> int:
    """How often an event's offset in `stream` is missing or not its predecessor's plus one."""
    offsets = event_offsets(stream)
    return max(0, stream.count(MARK) - len(offsets)) + sum(y != x + 1 for x, y in pairwise(offsets))
