"""Requests in an open or a closed loop: one thread, keep-alive connections, one request each.

In an open loop a request's time begins when it is due, also where every connection is busy and it
has to wait for one: what a slow server holds up is counted (no coordinated omission).
"""

from __future__ import annotations

import gc
import re
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, Protocol

from tests.bench.peers import HOST, Broken, Peer
from tests.bench.result import quantile_ms
from tests.bench.wire import STAMP, Events

_READ = 1 << 18
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_ANSWERS = (b'{"type":"reply"', b'{"type":"error"')


class Question(NamedTuple):
    """A request; `wire` is what goes over the connection."""

    kind: str
    wire: bytes


class Line(Protocol):
    """A connection that takes one request at a time."""

    sock: socket.socket

    def take(self, piece: bytes) -> tuple[bool, bytes] | None:
        """What has come: whether the request succeeded and its answer, once that is whole."""


class HttpLine:
    """A keep-alive connection of HTTP/1.1."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection((HOST, port), 5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self._got = b""

    def take(self, piece: bytes) -> tuple[bool, bytes] | None:
        self._got += piece
        end = self._got.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        length = _LENGTH.search(self._got, 0, end)
        if length is None:
            raise Broken(f"an answer without a length: {self._got[:200]!r}")
        if len(self._got) < end + int(length[1]):
            return None
        got, self._got = self._got, b""
        return got[9:10] == b"2", got


class SocketLine:
    """A socket of the hub's; what is no answer is passed over."""

    def __init__(self, peer: Peer) -> None:
        self.sock = peer.sock
        self._got = b""

    def take(self, piece: bytes) -> tuple[bool, bytes] | None:
        self._got += piece
        while len(self._got) >= 2:
            length, at = self._got[1], 2
            if length >= 126:
                at = 4 if length == 126 else 10
                length = int.from_bytes(self._got[2:at], "big")
            if len(self._got) < at + length:
                return None
            payload, self._got = self._got[at : at + length], self._got[at + length :]
            if payload.startswith(_ANSWERS):
                return payload.startswith(_ANSWERS[0]), payload
        return None


@dataclass(slots=True)
class Answers:
    """One measured stretch; latencies in nanoseconds, sorted, by the kind of request."""

    seconds: float = 0.0
    latencies: dict[str, list[int]] = field(default_factory=dict)
    live: list[int] = field(default_factory=list)
    refused: int = 0
    first_refusal: bytes = b""

    @property
    def per_second(self) -> float:
        return sum(map(len, self.latencies.values())) / self.seconds

    def ms(self, kind: str, q: float) -> float:
        return quantile_ms(self.latencies.get(kind, ()), q)

    def live_ms(self, q: float) -> float:
        return quantile_ms(self.live, q)


class Live:
    """Events at a steady rate beside the requests, and who reads them."""

    def __init__(self, publisher: Peer, readers: Sequence[Peer], per_second: float) -> None:
        self.publisher = publisher
        self.readers = {peer.sock.fileno(): peer.sock for peer in readers}
        self._gap = 1e9 / per_second
        self._events = Events()
        self._sent = 0
        self._start = 0

    def begin(self, now: int) -> None:
        self._start, self._sent = now, 0

    def send(self, now: int) -> None:
        """Send what is due."""
        due = int((now - self._start) / self._gap) + 1 - self._sent
        for _ in range(due):
            stamp = self._start + int(self._sent * self._gap)
            self.publisher.sock.send(self._events.frame(stamp, self._sent))
            self._sent += 1


class Asking:
    """Connections that ask.

    Args:
        questions: never end.
        live: what goes on beside them.
    """

    def __init__(
        self, lines: Sequence[Line], questions: Iterator[Question], live: Live | None = None
    ) -> None:
        self._lines = {line.sock.fileno(): line for line in lines}
        self._questions = questions
        self._live = live
        self._epoll = select.epoll()
        for fd in self._lines:
            self._epoll.register(fd, select.EPOLLIN)
        if live is not None:
            for fd in (live.publisher.sock.fileno(), *live.readers):
                self._epoll.register(fd, select.EPOLLIN)

    def close(self) -> None:
        self._epoll.close()
        for line in self._lines.values():
            line.sock.close()
        if self._live is not None:
            for sock in (self._live.publisher.sock, *self._live.readers.values()):
                sock.close()

    def run(self, per_second: float | None, seconds: float, warm: float = 1.0) -> Answers:
        """Ask for `warm` + `seconds`, of which the latter count, and wait for what is under way.

        Args:
            per_second: requests; None for each connection one after the other, as fast as it goes.

        Raises:
            Broken: the server closed a connection, or did not answer.
        """
        collecting = gc.isenabled()
        gc.disable()
        try:
            return self._run(per_second, seconds, warm)
        finally:
            if collecting:
                gc.enable()

    def _run(self, per_second: float | None, seconds: float, warm: float) -> Answers:
        answers = Answers(seconds)
        live = self._live
        start = now = time.monotonic_ns()
        begin = start + int(warm * 1e9)
        end = begin + int(seconds * 1e9)
        dues = None if per_second is None else (start + int(n * 1e9 / per_second) for n in count())
        due = start if dues is None else next(dues)
        waiting: deque[int] = deque()
        free = deque(self._lines.values())
        under_way: dict[int, tuple[int, str]] = {}
        if live is not None:
            live.begin(now)
        while now < end or under_way or waiting:
            if now > end + 20 * 10**9:
                raise Broken(f"{len(under_way)} requests were not answered in 20 s")
            if dues is not None:
                while due <= now and due < end:
                    waiting.append(due)
                    due = next(dues)
            elif now < end:
                waiting.extend([now] * len(free))
            while free and waiting:
                line = free.popleft()
                question = next(self._questions)
                under_way[line.sock.fileno()] = (waiting.popleft(), question.kind)
                line.sock.send(question.wire)
            if live is not None and now < end:
                live.send(now)
            for fd in self._ready(0.001):
                if fd in self._lines:
                    self._answer(fd, under_way, free, answers, (begin, end))
                else:
                    self._read_live(fd, answers, begin)
            now = time.monotonic_ns()
        for latencies in (answers.live, *answers.latencies.values()):
            latencies.sort()
        return answers

    def _ready(self, timeout: float) -> list[int]:
        found = self._epoll.poll(0)
        if not found:
            # epoll's own timeout counts whole milliseconds; select's does not.
            select.select([self._epoll], [], [], timeout)
            found = self._epoll.poll(0)
        return [fd for fd, _ in found]

    def _answer(
        self,
        fd: int,
        under_way: dict[int, tuple[int, str]],
        free: deque[Line],
        answers: Answers,
        counted: tuple[int, int],
    ) -> None:
        line = self._lines[fd]
        piece = line.sock.recv(_READ)
        if not piece:
            raise Broken("the server closed a connection")
        answer = line.take(piece)
        if answer is None:
            return
        stamp, kind = under_way.pop(fd)
        free.append(line)
        now = time.monotonic_ns()
        begin, end = counted
        if not answer[0]:
            answers.refused += 1
            answers.first_refusal = answers.first_refusal or answer[1]
        elif begin <= stamp < end:
            answers.latencies.setdefault(kind, []).append(now - stamp)

    def _read_live(self, fd: int, answers: Answers, begin: int) -> None:
        live = self._live
        assert live is not None
        sock = live.readers.get(fd, live.publisher.sock)
        piece = sock.recv(_READ)
        if not piece:
            raise Broken("the server closed a socket")
        if fd in live.readers:
            now = time.monotonic_ns()
            # A stamp that a read has cut in two is not measured.
            stamps = map(int, STAMP.findall(piece))
            answers.live += [now - stamp for stamp in stamps if stamp >= begin]
