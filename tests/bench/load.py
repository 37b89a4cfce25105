"""The load generator: one thread, one epoll, raw sockets, no parsing of frames.

A subscriber is a socket, its number of events, and perhaps the few bytes of a mark that a read has
cut in two. Whatever a read brought is counted in one call. Latency is taken from every event of
every `sample_every`-th read, so that an event's chance to be measured does not depend on its place
in a batch. Publishers keep a window in flight or follow a clock; in an open loop an event's stamp
is when it was due, not when the generator got round to it.

What was sent and what arrived is compared per subscriber after a drain: `missing` and `surplus`.
"""

from __future__ import annotations

import gc
import re
import select
import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import repeat

from tests.bench.machine import Process
from tests.bench.peers import Broken, Peer
from tests.bench.result import Result
from tests.bench.wire import MARK, PONG, STAMP, Events, masked

BUFFER = 1 << 20
MARGIN = 64  # room before the buffer for the piece of a mark that the last read ended with
READS_PER_TURN = 256
KEEPALIVE_NS = 10 * 10**9
OFFSET = re.compile(rb'"offset":(\d+)')


@dataclass(frozen=True, slots=True)
class Window:
    """So many events in flight: until every subscriber has one or, `acked`, until its answer."""

    events: int
    acked: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """So many events a second, whatever comes back."""

    per_second: float


Pace = Window | Rate


@dataclass(slots=True, eq=False)
class _Publisher:
    sock: socket.socket
    sent: int = 0
    acked: int = 0
    outgoing: bytearray = field(default_factory=bytearray)
    in_flight: deque[tuple[int, int]] = field(default_factory=deque)  # (stamp, events)
    tail: bytes = b""
    first_answer: bytes = b""
    last_answer: bytes = b""
    wants_out: bool = False


class Load:
    """Subscribers that count and publishers that send, on connections that are ready."""

    def __init__(
        self,
        subscribers: Iterable[Peer],
        publishers: Iterable[Peer],
        events: Events,
        ack: bytes = b"",
        process: Process | None = None,
    ) -> None:
        self._epoll = select.epoll()
        self._events = events
        self._ack = ack
        self.process = process
        self._buffer = bytearray(MARGIN + BUFFER)
        self._after_margin = memoryview(self._buffer)[MARGIN:]

        self._subscribers = {peer.sock.fileno(): peer.sock for peer in subscribers}
        self._got = dict.fromkeys(self._subscribers, 0)
        self._tails: dict[int, bytes] = {}
        self._lost: set[int] = set()
        self._publishers = {peer.sock.fileno(): _Publisher(peer.sock) for peer in publishers}
        self._line = list(self._publishers.values())
        for fd in [*self._subscribers, *self._publishers]:
            self._epoll.register(fd, select.EPOLLIN)

        self.sent = 0
        self.delivered = 0
        self.acked = 0
        self._step = 1  # bytes from one event to the next, as last seen
        self._reads = 0
        self._received = 0
        self._measuring = False
        self._sample_every = 1
        self._latencies: list[int] = []
        self._ack_latencies: list[int] = []
        self._keepalive_at = time.monotonic_ns() + KEEPALIVE_NS

    def close(self) -> None:
        self._epoll.close()
        for sock in self._subscribers.values():
            sock.close()
        for publisher in self._line:
            publisher.sock.close()

    def acked_offsets(self) -> int:
        """How many offsets lie between the first acknowledged one and the last, both included."""
        firsts = [OFFSET.search(publisher.first_answer) for publisher in self._line]
        lasts = [OFFSET.findall(publisher.last_answer) for publisher in self._line]
        low = [int(first[1]) for first in firsts if first]
        high = [int(offsets[-1]) for offsets in lasts if offsets]
        return max(high) - min(low) + 1 if low and high else 0

    def run(
        self,
        pace: Pace,
        seconds: float,
        *,
        warm: float = 0.5,
        drain: float = 10.0,
        sample_every: int = 1,
        at_most: int | None = None,
    ) -> Result:
        """Loads for `warm` + `seconds`, of which the latter count, then lets everything arrive.

        `at_most` ends the load after so many events, however long it takes; `seconds` bounds it.
        """
        collecting = gc.isenabled()
        gc.disable()
        try:
            return self._run(pace, seconds, warm, drain, sample_every, at_most)
        finally:
            if collecting:
                gc.enable()

    def _run(
        self,
        pace: Pace,
        seconds: float,
        warm: float,
        drain: float,
        sample_every: int,
        at_most: int | None,
    ) -> Result:
        self._latencies, self._ack_latencies = [], []
        self._sample_every = sample_every
        start = now = time.monotonic_ns()
        begin = start + int(warm * 1e9)
        end = begin + int(seconds * 1e9)
        first = self.sent
        limit = None if at_most is None else first + at_most
        before = self._snapshot()
        while now < end and not self._lost and (limit is None or self.sent < limit):
            if not self._measuring and now >= begin:
                self._measuring = True
                before = self._snapshot()
                began = now
            self._turn(self._publish(pace, start, now, first, limit))
            now = time.monotonic_ns()
        if limit is not None:
            self._drain(drain)
            now = time.monotonic_ns()
        after = self._snapshot()
        took = (now - (began if self._measuring else start)) / 1e9
        self._measuring = False
        self._drain(drain)
        if self._lost:
            raise Broken(f"the server closed {len(self._lost)} connections under load")
        lacking = [self.sent - got for got in self._got.values()]
        deliveries, sent, acked, received, reads, server, generator = (
            y - x for x, y in zip(before, after, strict=True)
        )
        self._latencies.sort()
        self._ack_latencies.sort()
        return Result(
            seconds=took,
            deliveries=int(deliveries),
            sent=int(sent),
            acked=int(acked),
            received_bytes=int(received),
            reads=int(reads),
            server_cpu=server,
            generator_cpu=generator,
            latencies=self._latencies,
            ack_latencies=self._ack_latencies,
            missing=sum(lack for lack in lacking if lack > 0),
            surplus=-sum(lack for lack in lacking if lack < 0),
            unacked=self.sent - self.acked if self._ack else 0,
        )

    def _snapshot(self) -> tuple[float, ...]:
        return (
            self.delivered,
            self.sent,
            self.acked,
            self._received,
            self._reads,
            self.process.cpu() if self.process else 0.0,
            time.process_time(),
        )

    def _settled(self) -> bool:
        if self._ack and self.acked < self.sent:
            return False
        if any(publisher.outgoing for publisher in self._line):
            return False
        return all(got >= self.sent for got in self._got.values())

    def _drain(self, within: float) -> None:
        deadline = time.monotonic() + within
        while not self._lost and not self._settled() and time.monotonic() < deadline:
            self._turn(0.01)

    # ------------------------------------------------------------------ publishing

    def _publish(self, pace: Pace, start: int, now: int, first: int, limit: int | None) -> float:
        """Sends what is due; returns how long the generator may then wait, in seconds."""
        line = self._line
        if not line:
            return 0.005
        most = (1 << 62) if limit is None else limit - self.sent
        match pace:
            case Window(events, acked=True):
                share = max(1, events // len(line))
                for publisher in line:
                    due = min(share - (publisher.sent - publisher.acked), most)
                    if due > 0:
                        self._send(publisher, repeat(now, due))
                        most -= due
                return 0.005
            case Window(events):
                everywhere = self.delivered // max(1, len(self._got))
                due = min(events - (self.sent - everywhere), most)
                self._spread([now] * due)
                return 0.005
            case Rate(per_second):
                gap = 1e9 / per_second
                done = self.sent - first
                due = min(int((now - start) / gap) + 1 - done, most)
                self._spread([start + int((done + n) * gap) for n in range(due)])
                next_at = start + (done + max(due, 0)) * gap
                return max(0.0, min(0.005, (next_at - time.monotonic_ns()) / 1e9))

    def _spread(self, stamps: list[int]) -> None:
        """Gives the publishers their turns, beginning where the last time ended."""
        line = self._line
        turn = self.sent % len(line)
        for n in range(min(len(line), len(stamps))):
            self._send(line[(turn + n) % len(line)], stamps[n :: len(line)])

    def _send(self, publisher: _Publisher, stamps: Iterable[int]) -> None:
        number, frame, outgoing = self.sent, self._events.frame, publisher.outgoing
        for stamp in stamps:
            outgoing += frame(stamp, number)
            number += 1
            if self._ack:
                publisher.in_flight.append((stamp, 1))
        publisher.sent += number - self.sent
        self.sent = number
        if not publisher.wants_out:
            self._flush(publisher)

    def _flush(self, publisher: _Publisher) -> None:
        outgoing = publisher.outgoing
        try:
            del outgoing[: publisher.sock.send(outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            self._lose(publisher.sock.fileno())
            return
        if bool(outgoing) != publisher.wants_out:
            publisher.wants_out = bool(outgoing)
            mask = select.EPOLLIN | (select.EPOLLOUT if outgoing else 0)
            self._epoll.modify(publisher.sock, mask)

    # ------------------------------------------------------------------ receiving

    def _turn(self, timeout: float) -> None:
        """Reads once from every socket that has something, as measured in the loop's hot path."""
        epoll = self._epoll
        ready = epoll.poll(0, READS_PER_TURN)
        if not ready:
            # epoll's own timeout counts whole milliseconds; select's does not.
            select.select([epoll], [], [], timeout)
            ready = epoll.poll(0, READS_PER_TURN)
        subscribers, all_got, tails = self._subscribers, self._got, self._tails
        buffer, view, count = self._buffer, self._after_margin, self._buffer.count
        find, rfind = self._buffer.find, self._buffer.rfind
        mark, in_mark, keep, step = MARK, MARK[-1], len(MARK) - 1, self._step
        sampling, every = self._measuring, self._sample_every
        delivered, received, reads = self.delivered, self._received, self._reads
        for fd, events in ready:
            sock = subscribers.get(fd)
            if sock is None:
                publisher = self._publishers[fd]
                if events & select.EPOLLOUT:
                    self._flush(publisher)
                if events & ~select.EPOLLOUT:
                    self._read_answers(publisher)
                continue
            try:
                size = sock.recv_into(view)
            except BlockingIOError:
                continue
            except OSError:
                size = 0
            if not size:
                self._lose(fd)
                continue
            begin, end = MARGIN, MARGIN + size
            if fd in tails:
                tail = tails.pop(fd)
                begin -= len(tail)
                buffer[begin:MARGIN] = tail
            first = find(mark, begin, end)
            if first < 0:
                events_here = 0
            else:
                # Events of one length stand at even distances. Where something else lies between
                # them (a ping; an offset with one digit more) the distance does not divide.
                span = rfind(mark, first, end) - first
                if not span % step and span < step * step:
                    events_here = span // step + 1
                else:
                    events_here = count(mark, begin, end)
                    step = self._step = find(mark, first + 1, end) - first
            if buffer[end - 1] == in_mark:
                # Perhaps a mark cut in two. It is a run of one letter, so only then; and a whole
                # one is longer than what is kept, so it is not counted twice.
                tails[fd] = bytes(buffer[max(begin, end - keep) : end])
            delivered += events_here
            all_got[fd] += events_here
            received += size
            reads += 1
            if sampling and not reads % every:
                now = time.monotonic_ns()
                self._latencies += [now - int(stamp) for stamp in STAMP.findall(buffer, begin, end)]
        self.delivered, self._received, self._reads = delivered, received, reads
        if time.monotonic_ns() > self._keepalive_at:
            self._keep_alive()

    def _read_answers(self, publisher: _Publisher) -> None:
        try:
            piece = publisher.sock.recv(BUFFER)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._lose(publisher.sock.fileno())
            return
        if not self._ack:
            return
        text = publisher.tail + piece
        answers = text.count(self._ack)
        publisher.tail = text[-(len(self._ack) - 1) :] if len(self._ack) > 1 else b""
        if not answers:
            return
        now = time.monotonic_ns()
        publisher.first_answer = publisher.first_answer or text
        publisher.last_answer = text
        publisher.acked += answers
        self.acked += answers
        in_flight = publisher.in_flight
        ends = [in_flight.popleft()[0] for _ in range(min(answers, len(in_flight)))]
        if self._measuring:
            self._ack_latencies += [now - stamp for stamp in ends]

    def _lose(self, fd: int) -> None:
        if fd not in self._lost:
            self._epoll.unregister(fd)
            self._lost.add(fd)

    def _keep_alive(self) -> None:
        """Any byte proves to a server that its client lives."""
        self._keepalive_at = time.monotonic_ns() + KEEPALIVE_NS
        pong = masked(b"", PONG)
        for fd, sock in self._subscribers.items():
            if fd not in self._lost:
                sock.send(pong)
