"""A TCP proxy with faults that a test switches on and off while connections are open.

The faults act on every connection and on both directions alike. Without any, bytes pass unchanged
and backpressure passes with them: each direction holds at most `BOUND` bytes plus one chunk, and
the kernel's buffers are kept small, so a reader that stops is felt by its writer.

- `latency` delays every byte, in order, without limiting throughput below `BOUND` per latency.
- `rate` limits the bytes per second of each direction of each connection.
- `stall` holds everything; `heal` lets it go on where it stood, as after lost packets.
- `black_hole` takes bytes and drops them; new connections are accepted and reach nobody.
- `cut` resets every open connection.
- `heal` ends every fault. A connection that lost bytes is reset then: a stream never gets a hole.
"""

import asyncio
import random
import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

CHUNK = 16 * 1024
"""The most bytes taken from a socket, or given to one, at once."""

BOUND = 64 * 1024
"""The bytes that one direction of one connection holds before it stops reading."""

_KERNEL_BUFFER = 64 * 1024
_RATE_SLICE = 0.02  # seconds: a limited stream trickles instead of coming in bursts
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close() sends RST


@dataclass(slots=True)
class _Faults:
    latency: float = 0.0
    jitter: float = 0.0
    rate: float | None = None
    stalled: bool = False
    black_hole: bool = False


class FaultProxy:
    """Forwards a free port of the loopback to `host:port`; an async context manager.

    Args:
        host: an IP address (IPv4).
        port: where the real server listens; it need not be up yet, and may restart.
        seed: makes the jitter repeatable.
    """

    def __init__(self, host: str, port: int, *, seed: int = 0) -> None:
        self.accepted = 0
        """Connections accepted since the start."""
        self._target = (host, port)
        self._random = random.Random(seed)
        self._faults = _Faults()
        self._links: set[_Link] = set()
        self._listener: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        listener = _socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        self._listener = listener
        self._serving = asyncio.create_task(self._serve(listener), name="fault proxy")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._serving is not None
        assert self._listener is not None
        self._serving.cancel()
        with suppress(asyncio.CancelledError):
            await self._serving
        self._listener.close()

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        assert self._listener is not None, "the proxy is not open"
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The proxy's address for an HTTP client."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """The hub's socket, through the proxy."""
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def open(self) -> int:
        """How many connections are open now."""
        return len(self._links)

    def latency(self, seconds: float, jitter: float = 0.0) -> None:
        """Delay what arrives from now on by `seconds` ± up to `jitter`, one way."""
        self._faults.latency = seconds
        self._faults.jitter = jitter
        self._announce()

    def rate(self, bytes_per_s: float) -> None:
        """Let at most this many bytes a second through, per connection and direction."""
        self._faults.rate = bytes_per_s
        self._announce()

    def stall(self) -> None:
        """Hold everything. At most one chunk that is already being written still passes."""
        self._faults.stalled = True
        self._announce()

    def black_hole(self) -> None:
        """Take everything, with what is held just now, and forward nothing."""
        for link in self._links:
            link.drop()
        self._faults.black_hole = True
        self._announce()

    def cut(self) -> None:
        """Reset every open connection, on both sides, in the loop's next turn."""
        for link in self._links:
            link.reset()

    def heal(self) -> None:
        """End every fault: what was held goes on at once, what lost bytes is reset."""
        for link in self._links:
            if link.lost_bytes:
                link.reset()
            link.hurry()
        faults = self._faults
        faults.latency = faults.jitter = 0.0
        faults.rate = None
        faults.stalled = faults.black_hole = False
        self._announce()

    def _announce(self) -> None:
        for link in self._links:
            link.nudge()

    async def _serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                client, _ = await loop.sock_accept(listener)
                self.accepted += 1
                link = _Link(client, self._target, self._faults, self._random)
                self._links.add(link)
                link.task = group.create_task(link.run())
                link.task.add_done_callback(partial(self._forget, link))

    def _forget(self, link: "_Link", _: asyncio.Task[None]) -> None:
        self._links.discard(link)
        link.close()


class _Link:
    """One accepted connection and its way to the target."""

    def __init__(
        self,
        client: socket.socket,
        target: tuple[str, int],
        faults: _Faults,
        jitter: random.Random,
    ) -> None:
        self.task: asyncio.Task[None] | None = None
        self._target = target
        self._faults = faults
        self._client = _prepared(client)
        self._upstream = _socket()
        self._finished = False
        self._pipes = (
            _Pipe(self._client, self._upstream, faults, jitter),
            _Pipe(self._upstream, self._client, faults, jitter),
        )

    @property
    def lost_bytes(self) -> bool:
        return any(pipe.lost_bytes for pipe in self._pipes)

    def reset(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def nudge(self) -> None:
        for pipe in self._pipes:
            pipe.nudge()

    def drop(self) -> None:
        for pipe in self._pipes:
            pipe.drop()

    def hurry(self) -> None:
        for pipe in self._pipes:
            pipe.hurry()

    async def run(self) -> None:
        """Forward both ways until both ends are done, or one is gone."""
        up, down = self._pipes
        try:
            if self._faults.black_hole:
                await self._vanish(up)
            await asyncio.get_running_loop().sock_connect(self._upstream, self._target)
            async with asyncio.TaskGroup() as group:
                for pipe in (up, down):
                    group.create_task(pipe.fill())
                    group.create_task(pipe.drain())
            self._finished = True
        except* OSError:
            pass  # one side is gone: `close` resets the other

    async def _vanish(self, up: "_Pipe") -> None:
        """Reach nobody: whatever the client does, only a reset ends this connection."""
        up.lost_bytes = True
        await up.fill()
        await asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Close both sides; reset them unless both streams had come to their end."""
        for side in (self._client, self._upstream):
            if not self._finished:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            side.close()


class _Pipe:
    """One direction of a connection: `fill` takes bytes in, `drain` gives them out."""

    def __init__(
        self, source: socket.socket, sink: socket.socket, faults: _Faults, jitter: random.Random
    ) -> None:
        self.lost_bytes = False
        self._source = source
        self._sink = sink
        self._faults = faults
        self._jitter = jitter
        self._held: deque[tuple[float, bytes]] = deque()  # (when it is due, chunk); b"" is the end
        self._size = 0
        self._last_due = 0.0
        self._free_at = 0.0  # when the rate allows the next byte
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def nudge(self) -> None:
        """A fault was switched: look again."""
        self._free_at = 0.0
        self._changed.set()
        self._make_room()

    def hurry(self) -> None:
        """What is held is due now."""
        self._last_due = 0.0
        self._held = deque((0.0, chunk) for _, chunk in self._held)

    def drop(self) -> None:
        """What is held is lost."""
        if self._held:
            self.lost_bytes = True
            self._held.clear()
            self._size = 0

    async def fill(self) -> None:
        """Take bytes until the source ends; in a black hole its end is not passed on either."""
        loop = asyncio.get_running_loop()
        while True:
            await self._room.wait()
            chunk = await loop.sock_recv(self._source, CHUNK)
            if self._faults.black_hole:
                self.lost_bytes = True
            else:
                self._put(loop.time(), chunk)
            if not chunk:
                return

    async def drain(self) -> None:
        """Give bytes out as the faults allow, then the end."""
        loop = asyncio.get_running_loop()
        while True:
            piece = await self._next(loop)
            if not piece:
                self._sink.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(self._sink, piece)
            if self._faults.rate:
                self._free_at = max(loop.time(), self._free_at) + len(piece) / self._faults.rate

    def _put(self, now: float, chunk: bytes) -> None:
        delay = self._faults.latency + self._jitter.uniform(-1, 1) * self._faults.jitter
        # Later bytes never overtake earlier ones, whatever the jitter says.
        self._last_due = max(self._last_due, now + max(0.0, delay))
        self._held.append((self._last_due, chunk))
        self._size += len(chunk)
        self._changed.set()
        self._make_room()

    async def _next(self, loop: asyncio.AbstractEventLoop) -> bytes:
        while True:
            self._changed.clear()
            wait: float | None = None
            if self._held and not self._faults.stalled:
                wait = max(self._held[0][0], self._free_at) - loop.time()
                if wait <= 0:
                    return self._take()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    def _take(self) -> bytes:
        due, chunk = self._held.popleft()
        if self._faults.rate:
            most = max(1, int(self._faults.rate * _RATE_SLICE))
            if len(chunk) > most:
                self._held.appendleft((due, chunk[most:]))
                chunk = chunk[:most]
        self._size -= len(chunk)
        self._make_room()
        return chunk

    def _make_room(self) -> None:
        if self._size < BOUND or self._faults.black_hole:
            self._room.set()
        else:
            self._room.clear()


def _socket() -> socket.socket:
    return _prepared(socket.socket(socket.AF_INET, socket.SOCK_STREAM))


def _prepared(sock: socket.socket) -> socket.socket:
    """Make it ready for the loop, with small buffers (a listener's are inherited)."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
