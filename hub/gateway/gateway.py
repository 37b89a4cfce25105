"""Gateway: all connections of one hub."""

import asyncio
import fcntl
import sys
import termios
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import structlog

from hub.addresses import Proxies
from hub.auth import Authenticator, Principal
from hub.origins import Origins
from hub.protocol import codec
from hub.protocol.codes import CloseCode
from hub.protocol.errors import Forbidden, NotFound, Unavailable
from hub.protocol.frames import Bye, Call
from hub.protocol.limits import HEARTBEAT_SECONDS
from hub.quotas import Quotas
from hub.stream.fanout import FanOut
from hub.stream.log import EventLog
from hub.stream.replay import Replay
from hub.turns import Turns

from .connections import Connections, each
from .polls import Poll
from .streams import Framings, HttpStream
from .tasking import NoTasks, Tasks

log = structlog.get_logger("hub.gateway")

_CODES = frozenset(CloseCode)
STALLED = 512
"""Connections that may stand with a full buffer at once, of up to 200 KB each."""
SLOW_SECONDS = 30
"""How long a full buffer may stand still before its connection is cut."""
_SPREAD_MS_PER_CONNECTION = 2
"""How much later the last may come back for each connection that `bye` goes to, milliseconds."""


Commands = Callable[[Principal, Call], Awaitable[tuple[Any, int]]]
"""Carries out a `call`: its result, and the log's offset with it."""


async def _no_commands(actor: Principal, call: Call) -> tuple[Any, int]:
    raise NotFound(f"there is no method {call.method[:64]!r}")


class Line(Protocol):
    """An open connection below its session: a socket, or a stream over HTTP.

    Attributes:
        slot: its place among the heartbeats.
    """

    slot: int

    @property
    def transport(self) -> asyncio.Transport: ...
    @property
    def session_id(self) -> str | None:
        """The name under which logs know it; None before it has authenticated."""

    def beat(self, now_ms: int) -> None:
        """Send a heartbeat."""

    def bye(self, payload: bytes) -> None:
        """Say that the hub is about to close; `payload` is the frame."""

    def stop_reading(self) -> None:
        """Take no further frames."""

    def close(self, code: int, reason: str) -> None:
        """End it, and tell the other side why."""

    def abort(self) -> None:
        """Cut it."""


class Gateway:
    """All open connections, with what each of them needs.

    Args:
        tasks: owns what a connection does beside reading and writing.
        merchants: the ids of all merchants; the command that makes one adds it.
        most: connections at once.

    Attributes:
        connections: the authenticated ones.
        streams, polls: those of HTTP.
        partial_bytes, partial_bytes_of: what is held of messages that are not whole, in all and by
            key; the empty one is for who has not said who it is.
        commands: carries out calls; set by what knows the commands.
        tasks: hands work to bots; set by what knows the queues.
    """

    def __init__(
        self,
        event_log: EventLog,
        fanout: FanOut,
        replay: Replay,
        authenticator: Authenticator,
        origins: Origins,
        connections: Connections,
        quotas: Quotas,
        proxies: Proxies,
        merchants: set[str],
        most: int,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.log = event_log
        self.fanout = fanout
        self.replay = replay
        self.authenticator = authenticator
        self.origins = origins
        self.merchants = merchants
        self.draining = False
        self.connections = connections
        self.quotas = quotas
        self.proxies = proxies
        self.most = most
        self.partial_bytes = 0
        self.partial_bytes_of: Counter[str] = Counter()
        self.turns = Turns()
        self.framings = Framings(event_log.epoch)
        self.streams: set[HttpStream] = set()
        self.polls: set[Poll] = set()
        self.commands: Commands = _no_commands
        self.tasks: Tasks = NoTasks()
        self._tasks = tasks
        self._lines: set[Line] = set()
        self._beats: list[set[Line]] = [set() for _ in range(HEARTBEAT_SECONDS)]
        self._beat = 0
        self._stalled: dict[Line, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def lagging(self) -> int:
        """Connections whose outgoing buffer is full."""
        return len(self._stalled)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for a connection; what it raises is logged, not fatal to the others."""
        self._tasks.create_task(_logged(work))

    # ── coming and going ─────────────────────────────────────────────────────────────────────

    def check_room(self) -> None:
        """Check that one more may come.

        Raises:
            Unavailable: the hub is shutting down, or full.
        """
        if self.draining:
            raise Unavailable("the hub is shutting down; come back in a moment", retry_after=2.0)
        if len(self._lines) + len(self.polls) >= self.most:
            raise Unavailable(
                f"the hub has {self.most} connections, which is its limit "
                "(HUB_MAX_CONNECTIONS); come back later",
                retry_after=10.0,
            )

    def admit(self, line: Line) -> None:
        """Take a new connection in.

        Raises:
            Unavailable: the hub is shutting down, or full.
        """
        self.check_room()
        self._lines.add(line)
        # Each slot gets its share, also of a herd that comes back within one second.
        line.slot = min(range(HEARTBEAT_SECONDS), key=lambda slot: len(self._beats[slot]))
        self._beats[line.slot].add(line)

    def narrowed(self, principal: Principal, asked: str | None) -> str | None:
        """The merchant for which a connection acts; None for an admin that asks for all.

        Raises:
            Forbidden: the merchant is another's, or there is none with this id.
        """
        if principal.merchant_id is not None:
            if asked not in (None, principal.merchant_id):
                raise Forbidden("?merchant_id= must be absent or the key's own merchant")
            return principal.merchant_id
        if asked is not None and asked not in self.merchants:
            raise Forbidden(f"?merchant_id=: no merchant has the id {asked[:64]!r}")
        return asked

    def left(self, line: Line, code: int) -> None:
        """A connection is gone; `code` is the reason, as a close code."""
        if line not in self._lines:
            return
        self._lines.discard(line)
        self._beats[line.slot].discard(line)
        self._stalled.pop(line, None)
        self.connections.closes[code if code in _CODES else 0] += 1

    # ── slow readers and heartbeat ───────────────────────────────────────────────────────────

    def stalled(self, line: Line) -> None:
        """A connection's outgoing buffer is full."""
        if line not in self._lines:
            return
        self._stalled[line] = (_unsent(line), time.monotonic())
        if len(self._stalled) > STALLED:
            # The longest of them: who has just begun may drain in a moment.
            log.warning("too many slow readers, the first of them is cut")
            first = next(iter(self._stalled))
            first.close(CloseCode.SLOW_CONSUMER, "too many slow readers at once")
            first.abort()

    def drained(self, line: Line) -> None:
        """A connection's outgoing buffer has room again."""
        self._stalled.pop(line, None)

    async def keep_time(self) -> None:
        """Every second: a share of the heartbeats, and a look at the slow readers. Never ends."""
        while True:
            await asyncio.sleep(1.0)
            self._cut_slow(time.monotonic())
            self._beat = (self._beat + 1) % HEARTBEAT_SECONDS
            self._beat_all(self._beats[self._beat], time.time_ns() // 1_000_000)

    def _beat_all(self, lines: set[Line], now_ms: int) -> None:
        each(lines, lambda line: line.beat(now_ms))

    def _cut_slow(self, now: float) -> None:
        for line, (size, since) in list(self._stalled.items()):
            left = _unsent(line)
            if left != size:
                self._stalled[line] = (left, now)
            elif now - since >= SLOW_SECONDS:
                log.info("slow consumer cut", session=line.session_id, buffered=left)
                # A close frame would wait behind what is not read; the client sees 1006.
                line.close(CloseCode.SLOW_CONSUMER, "nothing read for 30 s")
                line.abort()

    # ── shutting down ────────────────────────────────────────────────────────────────────────

    def say_bye(self) -> None:
        """Stop admitting, and tell everyone when to come back: spread out, so that the hub that
        starts next is not met by all of them at once."""
        self.draining = True
        latest = 500 + _SPREAD_MS_PER_CONNECTION * len(self._lines)
        payload = codec.encode(Bye(CloseCode.SHUTTING_DOWN, "shutting down", (100, latest)))
        each(self._lines, lambda line: line.bye(payload))
        for poll in list(self.polls):
            poll.close(CloseCode.SHUTTING_DOWN, "shutting down")

    def stop_reading(self) -> None:
        """Take no further frames, so that what is in flight comes to an end."""
        each(self._lines, lambda line: line.stop_reading())

    def close_all(self) -> None:
        """Close every connection (4200)."""
        each(self._lines, lambda line: line.close(CloseCode.SHUTTING_DOWN, "shutting down"))

    def cut_all(self) -> None:
        """Cut what has not closed by itself."""
        each(self._lines, lambda line: line.abort())


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:  # a bug in one connection's work must not end the others'
        log.exception("a connection's task failed")


def _unsent(line: Line) -> int:
    """Bytes that the other side has not taken yet, in the transport and in the kernel.

    The kernel asks for more only when a third of its buffer, up to megabytes, has drained: by the
    transport alone a reader on a slow line seems to stand still (tcp(7), SIOCOUTQ).
    """
    buffered = line.transport.get_write_buffer_size()
    raw = line.transport.get_extra_info("socket")
    if raw is None:  # not every transport has one
        return buffered
    try:
        queued = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:  # closed meanwhile, or a system that does not tell
        return buffered
    return buffered + int.from_bytes(queued, sys.byteorder)
