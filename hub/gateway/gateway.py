"""Gateway: all connections of one hub."""

import asyncio
import fcntl
import sys
import termios
import time
from collections.abc import Coroutine
from typing import Any

import structlog

from hub.auth import Authenticator, Principal
from hub.origins import Origins
from hub.protocol import codec
from hub.protocol.codes import CloseCode
from hub.protocol.errors import Forbidden, Unavailable
from hub.protocol.frames import Bye
from hub.protocol.limits import HEARTBEAT_SECONDS
from hub.stream.fanout import FanOut
from hub.stream.log import EventLog
from hub.stream.replay import Replay

from .presence import Presence
from .session import Session
from .socket import Socket

log = structlog.get_logger("hub.gateway")

SLOW_SECONDS = 30
"""How long a full buffer may stand still before its connection is cut."""
_SPREAD_MS_PER_CONNECTION = 2
"""How much later the last may come back for each connection that `bye` goes to, milliseconds."""


class Gateway:
    """The registry of connections, with what each of them needs.

    Args:
        tasks: owns what a connection does beside reading and writing.
        merchants: the ids of all merchants; the command that makes one adds it.
    """

    def __init__(
        self,
        event_log: EventLog,
        fanout: FanOut,
        replay: Replay,
        authenticator: Authenticator,
        origins: Origins,
        presence: Presence,
        merchants: set[str],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.log = event_log
        self.fanout = fanout
        self.replay = replay
        self.authenticator = authenticator
        self.origins = origins
        self.merchants = merchants
        self.draining = False
        self._presence = presence
        self._tasks = tasks
        self._sockets: set[Socket] = set()
        self._by_key: dict[str, set[Socket]] = {}
        self._beats: list[set[Socket]] = [set() for _ in range(HEARTBEAT_SECONDS)]
        self._beat = 0
        self._stalled: dict[Socket, tuple[int, float]] = {}
        self._expiry: dict[Socket, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._sockets)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for a connection; what it raises is logged, not fatal to the others."""
        self._tasks.create_task(_logged(work))

    # ── coming and going ─────────────────────────────────────────────────────────────────────

    def admit(self, socket: Socket) -> None:
        """Take a new connection into the registry.

        Raises:
            Unavailable: the hub is shutting down.
        """
        if self.draining:
            raise Unavailable("the hub is shutting down; come back in a moment", retry_after=2.0)
        self._sockets.add(socket)
        self._beats[self._beat - 1].add(socket)

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

    def joined(self, socket: Socket) -> None:
        """A connection has authenticated."""
        session = _session(socket)
        self._add_key(socket, session.principal)
        self._watch_expiry(socket, session.principal)

    def rename(self, session: Session, principal: Principal) -> None:
        """A connection has brought a new key for the same merchant and role."""
        socket = next(s for s in self._by_key[session.principal.key_id] if s.session is session)
        self._remove_key(socket, session.principal)
        session.principal = principal
        self._add_key(socket, principal)
        self._watch_expiry(socket, principal)

    def left(self, socket: Socket) -> None:
        """A connection is gone."""
        self._sockets.discard(socket)
        for beat in self._beats:
            beat.discard(socket)
        self._stalled.pop(socket, None)
        timer = self._expiry.pop(socket, None)
        if timer is not None:
            timer.cancel()
        if socket.session is not None:
            self._remove_key(socket, socket.session.principal)

    def _add_key(self, socket: Socket, principal: Principal) -> None:
        sockets = self._by_key.setdefault(principal.key_id, set())
        sockets.add(socket)
        if principal.role == "bot" and len(sockets) == 1:
            self._presence.arrived(principal)

    def _remove_key(self, socket: Socket, principal: Principal) -> None:
        sockets = self._by_key.get(principal.key_id)
        if sockets is None or socket not in sockets:
            return
        sockets.remove(socket)
        if not sockets:
            del self._by_key[principal.key_id]
            if principal.role == "bot":
                self._presence.departed(principal)

    def _watch_expiry(self, socket: Socket, principal: Principal) -> None:
        timer = self._expiry.pop(socket, None)
        if timer is not None:
            timer.cancel()
        if principal.expires_ms is not None:
            seconds = max(0.0, (principal.expires_ms - self.authenticator.now_ms()) / 1000)
            # The loop's timers are exact for days only; a session ends well before that.
            self._expiry[socket] = asyncio.get_running_loop().call_later(
                seconds, socket.close, CloseCode.TOKEN_EXPIRED, "the key or sign-in has expired"
            )

    def close_key(self, key_id: str) -> int:
        """Close every connection that a revoked key made; their number."""
        sockets = list(self._by_key.get(key_id, ()))
        for socket in sockets:
            socket.close(CloseCode.NOT_AUTHENTICATED, "the key was revoked")
        return len(sockets)

    # ── slow readers and heartbeat ───────────────────────────────────────────────────────────

    def stalled(self, socket: Socket) -> None:
        """A connection's outgoing buffer is full."""
        self._stalled[socket] = (_unsent(socket), time.monotonic())

    def drained(self, socket: Socket) -> None:
        """A connection's outgoing buffer has room again."""
        self._stalled.pop(socket, None)

    async def keep_time(self) -> None:
        """Every second: a share of the heartbeats, and a look at the slow readers. Never ends."""
        while True:
            await asyncio.sleep(1.0)
            self._cut_slow(time.monotonic())
            self._beat = (self._beat + 1) % HEARTBEAT_SECONDS
            self._beat_one(self._beats[self._beat])

    def _cut_slow(self, now: float) -> None:
        for socket, (size, since) in list(self._stalled.items()):
            left = _unsent(socket)
            if left != size:
                self._stalled[socket] = (left, now)
            elif now - since >= SLOW_SECONDS:
                log.info("slow consumer cut", session=_name(socket), buffered=left)
                # A close frame would wait behind what is not read; the client sees 1006.
                socket.close(CloseCode.SLOW_CONSUMER, "nothing read for 30 s")
                socket.abort()

    def _beat_one(self, sockets: set[Socket]) -> None:
        now_ms = time.time_ns() // 1_000_000
        for socket in list(sockets):
            if socket.session is None or socket in self._stalled:
                continue  # not greeted yet, or not read by the hub itself
            if not socket.heard:
                socket.close(CloseCode.NO_HEARTBEAT, f"silent for {2 * HEARTBEAT_SECONDS} s")
                continue
            socket.heard = socket.held
            socket.session.heartbeat(now_ms)
            socket.ping()

    # ── shutting down ────────────────────────────────────────────────────────────────────────

    def say_bye(self) -> None:
        """Stop admitting, and tell everyone when to come back: spread out, so that the hub that
        starts next is not met by all of them at once."""
        self.draining = True
        latest = 500 + _SPREAD_MS_PER_CONNECTION * len(self._sockets)
        bye = codec.encode(Bye(CloseCode.SHUTTING_DOWN, "shutting down", (100, latest)))
        for socket in list(self._sockets):
            socket.send([bye])

    def stop_reading(self) -> None:
        """Take no further frames, so that what is in flight comes to an end."""
        for socket in self._sockets:
            socket.stop_reading()

    def close_all(self) -> None:
        """Close every connection (4200)."""
        for socket in list(self._sockets):
            socket.close(CloseCode.SHUTTING_DOWN, "shutting down")

    def cut_all(self) -> None:
        """Cut what has not closed by itself."""
        for socket in list(self._sockets):
            socket.abort()


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:  # a bug in one connection's work must not end the others'
        log.exception("a connection's task failed")


def _unsent(socket: Socket) -> int:
    """Bytes that the other side has not taken yet, in the transport and in the kernel.

    The kernel asks for more only when a third of its buffer, up to megabytes, has drained: by the
    transport alone a reader on a slow line seems to stand still (tcp(7), SIOCOUTQ).
    """
    buffered = socket.transport.get_write_buffer_size()
    raw = socket.transport.get_extra_info("socket")
    if raw is None:  # not every transport has one
        return buffered
    try:
        queued = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:  # closed meanwhile, or a system that does not tell
        return buffered
    return buffered + int.from_bytes(queued, sys.byteorder)


def _session(socket: Socket) -> Session:
    assert socket.session is not None
    return socket.session


def _name(socket: Socket) -> str | None:
    return None if socket.session is None else socket.session.id
