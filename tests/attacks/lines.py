"""Hostile connections, many at a time: whatever bytes an attack wants, on non-blocking sockets."""

import contextlib
import re
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from tests.gateway.raw import frame

HOST = "127.0.0.1"
READ = 1 << 18
SEND_BUFFER = 1 << 16
"""Bytes of the attacker's own kernel buffer, so that backpressure is felt soon."""
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_CODE = re.compile(rb'"code":"([a-z_]+)"')

Feed = Callable[[], Iterable[bytes | float]]
OnText = Callable[[int, bytes], None]


class Target(msgspec.Struct):
    """What is attacked, and with which keys.

    Attributes:
        keys: `bot`, `viewer` and `merchant`, of the merchant that the healthy pair belongs to.
        seconds: how long the attack lasts.
    """

    port: int
    keys: dict[str, str]
    seconds: float


class Seen(msgspec.Struct):
    """What an attacker saw.

    Attributes:
        sent: bytes that the kernel took.
        ends: WebSocket connections by close code, or `refused` at the handshake; `eof`, `reset`,
            and `open` for those that lasted to the end.
        statuses: HTTP answers by status.
        frames: control frames by type, errors as `error:code`.
        faults: what the attack itself found wrong.
    """

    connections: int = 0
    sent: int = 0
    ends: Counter[str] = msgspec.field(default_factory=Counter)
    statuses: Counter[str] = msgspec.field(default_factory=Counter)
    frames: Counter[str] = msgspec.field(default_factory=Counter)
    faults: list[str] = msgspec.field(default_factory=list)

    def add(self, other: "Seen") -> None:
        """Count another part of the same attack in."""
        self.connections += other.connections
        self.sent += other.sent
        self.ends += other.ends
        self.statuses += other.statuses
        self.frames += other.frames
        self.faults += other.faults


@dataclass(frozen=True, slots=True)
class Plan:
    """What one connection does.

    Attributes:
        opening: its first bytes, made anew for each connection where that is wanted; of a
            WebSocket, the opening request.
        feed: what follows, whole frames or requests; a number waits so many seconds.
        reads: whether it takes what the hub sends after the handshake.
        again: whether it comes back when the hub has ended it.
    """

    opening: bytes | Callable[[], bytes]
    feed: Feed = tuple
    websocket: bool = True
    reads: bool = True
    again: bool = True


def upgrade(target: Target, role: str | None = None, query: str = "", extra: str = "") -> bytes:
    """An opening request of `/ws`.

    Args:
        role: the key that it brings, or none.
        extra: further header lines, each with its line end.
    """
    credential = "" if role is None else f"Authorization: Bearer {target.keys[role]}\r\n"
    return (
        f"GET /ws{'?' if query else ''}{query} HTTP/1.1\r\nHost: {HOST}:{target.port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{credential}{extra}\r\n"
    ).encode()


class Line:
    """One connection at work."""

    def __init__(self, target: Target, number: int, plan: Plan) -> None:
        self.plan = plan
        self.number = number
        self.wakes = 0.0
        self.open = not plan.websocket
        self.close_code: int | None = None
        self.refused = False
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if not plan.reads:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.setblocking(False)
        self.sock.connect_ex((HOST, target.port))
        opening = plan.opening
        self._unsent = memoryview(opening if isinstance(opening, bytes) else opening())
        self._feed: Iterator[bytes | float] = iter(plan.feed())
        self._fed = False
        self._buffer = b""

    @property
    def mask(self) -> int:
        """What epoll is to report; the end of the connection in any case."""
        wanted = select.EPOLLRDHUP
        if self.plan.reads or not self.open:
            wanted |= select.EPOLLIN
        if self._unsent or (self.open and not self._fed and not self.wakes):
            wanted |= select.EPOLLOUT
        return wanted

    @property
    def in_frame(self) -> bool:
        """Whether a piece is half sent."""
        return bool(self._unsent)

    def write(self, feeding: bool) -> int:
        """Send once; how many bytes went. Raises OSError when the connection has ended."""
        if not self._unsent:
            if not feeding:
                self._fed = True
            if self._fed or not self.open:
                return 0
            piece = next(self._feed, None)
            if piece is None:
                self._fed = True
                return 0
            if isinstance(piece, float):
                self.wakes = time.monotonic() + piece
                return 0
            self._unsent = memoryview(piece)
        try:
            sent = self.sock.send(self._unsent)
        except BlockingIOError:
            return 0
        self._unsent = self._unsent[sent:]
        return sent

    def read(self, seen: Seen, on_text: OnText | None) -> bool:
        """Take what has come; False at the end. Raises OSError: nothing is there, or it was cut."""
        data = self.sock.recv(READ)
        if not data:
            return False
        if not self.plan.websocket:
            for status in _STATUS.findall(data):
                seen.statuses[status.decode()] += 1
            return True
        data = self._buffer + data
        if not self.open:
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = data
                return True
            status = head[9:12].decode()
            seen.statuses[status] += 1
            if status != "101":
                self.refused = True
                return False
            if b"sec-websocket-extensions" in head.lower():
                seen.faults.append("an extension was negotiated")
            self.open = True
            data = rest
        self._buffer = self._frames(data, seen, on_text)
        return True

    def _frames(self, data: bytes, seen: Seen, on_text: OnText | None) -> bytes:
        at, end = 0, len(data)
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size == 126:
                start += 2
                size = int.from_bytes(data[at + 2 : start])
            elif size == 127:
                start += 8
                size = int.from_bytes(data[at + 2 : start])
            if end < start + size:
                break
            opcode, payload = data[at] & 0x0F, data[start : start + size]
            at = start + size
            if opcode == 8:
                self.close_code = int.from_bytes(payload[:2])
            elif opcode == 1:
                kind = payload[9 : payload.index(b'"', 9)].decode()
                if kind == "error":
                    found = _CODE.search(payload)
                    kind += f":{found[1].decode()}" if found else ""
                seen.frames["event" if "_" in kind.partition(":")[0] else kind] += 1
                if on_text is not None:
                    on_text(self.number, payload)
        return data[at:]


class Attack:
    """Runs plans side by side until the time is up.

    Args:
        done: after the time is up, nothing more is sent, and reading goes on until this holds
            (at most `drain` seconds).
    """

    def __init__(
        self,
        target: Target,
        plans: Sequence[Plan],
        *,
        on_text: OnText | None = None,
        done: Callable[[], bool] = lambda: True,
        drain: float = 0.0,
    ) -> None:
        self.seen = Seen()
        self._target = target
        self._on_text = on_text
        self._done = done
        self._drain = drain
        self._epoll = select.epoll()
        self._lines: dict[int, Line] = {}
        self._masks: dict[int, int] = {}
        for number, plan in enumerate(plans):
            self._start(number, plan)

    def run(self) -> Seen:
        """Attack; what was seen."""
        ends = time.monotonic() + self._target.seconds
        cut = ends + self._drain
        while self._lines and (
            (now := time.monotonic()) < ends
            or (now < cut and (not self._done() or any(x.in_frame for x in self._lines.values())))
        ):
            for file, events in self._epoll.poll(0.01):
                self._serve(self._lines[file], events, feeding=now < ends)
            for line in self._lines.values():
                if line.wakes and line.wakes <= now:
                    line.wakes = 0.0
                    self._watch(line)
        for line in list(self._lines.values()):
            self._end(line, "open", again=False)
        self._epoll.close()
        return self.seen

    def _start(self, number: int, plan: Plan) -> None:
        line = Line(self._target, number, plan)
        self.seen.connections += 1
        self._lines[line.sock.fileno()] = line
        self._masks[line.sock.fileno()] = line.mask
        self._epoll.register(line.sock, line.mask)

    def _serve(self, line: Line, events: int, feeding: bool) -> None:
        try:
            if events & select.EPOLLIN and not line.read(self.seen, self._on_text):
                self._end(line, "refused" if line.refused else "eof", again=feeding)
            elif line.close_code is not None:
                self._end(line, "", again=feeding)
            elif events & (select.EPOLLERR | select.EPOLLHUP):
                self._end(line, "reset", again=feeding)
            elif events & select.EPOLLRDHUP and not events & select.EPOLLIN:
                self._end(line, "eof", again=feeding)
            else:
                if events & select.EPOLLOUT:
                    self.seen.sent += line.write(feeding)
                self._watch(line)
        except BlockingIOError:
            pass  # reported ready, and was not
        except OSError:
            self._end(line, "reset", again=feeding)

    def _watch(self, line: Line) -> None:
        file, mask = line.sock.fileno(), line.mask
        if self._masks[file] != mask:
            self._masks[file] = mask
            self._epoll.modify(file, mask)

    def _end(self, line: Line, how: str, again: bool) -> None:
        if how == "reset" and line.plan.reads:
            # What the hub said before it cut the connection may still be there to read.
            with contextlib.suppress(OSError):
                while line.read(self.seen, self._on_text):
                    pass
        self.seen.ends[how if line.close_code is None else str(line.close_code)] += 1
        file = line.sock.fileno()
        self._epoll.unregister(file)
        del self._lines[file], self._masks[file]
        line.sock.close()
        if again and line.plan.again:
            self._start(line.number, line.plan)


def whole(opcode: int, payload: bytes, size: int = SEND_BUFFER) -> bytes:
    """One frame, as often as fits into `size` bytes."""
    one = frame(opcode, payload)
    return one * max(1, size // len(one))
