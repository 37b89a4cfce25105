"""Answers are found wherever reads cut them, and a request's time begins when it is due."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import repeat

import pytest

from tests.bench.asking import Asking, HttpLine, Line, Question, SocketLine
from tests.bench.peers import Broken, Peer
from tests.bench.wire import opening

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"
NOT_OK = b"HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\n\r\nno"


def frame(text: bytes) -> bytes:
    return opening(len(text)) + text


def cut(stream: bytes, longest: int) -> Iterator[bytes]:
    rng = random.Random(longest)
    at = 0
    while at < len(stream):
        size = rng.randint(1, longest)
        yield stream[at : at + size]
        at += size


@pytest.mark.parametrize("longest", [1, 7, 60, 100_000])
def test_an_answer_of_http_is_whole_with_its_body(longest: int) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        line = HttpLine(server.getsockname()[1])
        with closing(line.sock):
            for answer, good in ((OK, True), (NOT_OK, False), (OK, True)):
                found = [line.take(piece) for piece in cut(answer, longest)]
                assert found[:-1] == [None] * (len(found) - 1)
                assert found[-1] == (good, answer)
            with pytest.raises(Broken):
                line.take(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


@pytest.mark.parametrize("longest", [1, 7, 200, 200_000])
@pytest.mark.parametrize("size", [5, 300, 70_000])
def test_an_answer_of_a_socket_is_found_between_events(longest: int, size: int) -> None:
    one, other = socket.socketpair()
    with one, other:
        line = SocketLine(Peer(one, b"", 0))
        reply = b'{"type":"reply","x":"%b"}' % (b"z" * size)
        error = b'{"type":"error","ref":null}'
        noise = frame(b'{"type":"order_created"}') + frame(b'{"type":"ping"}')
        for payload, good in ((reply, True), (error, False)):
            found = [line.take(piece) for piece in cut(noise + frame(payload), longest)]
            assert found[:-1] == [None] * (len(found) - 1)
            assert found[-1] == (good, payload)


class Server:
    """Answers one request after the other; `pause` says how long it thinks about each."""

    def __init__(self, lines: int, answer: bytes, pause: Callable[[int], float]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.lines: list[Line] = [HttpLine(self.port) for _ in range(lines)]
        self._served = 0
        self._thinking = threading.Lock()
        self._answer, self._pause = answer, pause
        for _ in range(lines):
            served = self._listener.accept()[0]
            threading.Thread(target=self._serve, args=(served,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            while sock.recv(1 << 16):
                with self._thinking:
                    self._served += 1
                    time.sleep(self._pause(self._served))
                sock.sendall(self._answer)

    def close(self) -> None:
        self._listener.close()


def test_what_a_server_holds_up_is_counted() -> None:
    """It stands still once, for half a second: those that were due meanwhile have waited too."""
    with (
        closing(Server(2, OK, lambda number: 0.5 if number == 20 else 0.0)) as server,
        closing(Asking(server.lines, repeat(Question("read", REQUEST)))) as asking,
    ):
        answers = asking.run(100, 1.0, warm=0)
    found = answers.latencies["read"]
    assert len(found) == 100, "each that was due is asked, however late"
    # Of the fifty that were due while it stood still, at least forty have waited 100 ms.
    assert sum(latency > 100e6 for latency in found) >= 35
    assert max(found) > 450e6


def test_as_fast_as_it_goes_each_connection_has_one_under_way() -> None:
    with (
        closing(Server(3, OK, lambda number: 0.01)) as server,
        closing(Asking(server.lines, repeat(Question("read", REQUEST)))) as asking,
    ):
        answers = asking.run(None, 0.5, warm=0)
    assert 3 <= len(answers.latencies["read"]) <= 53
    assert answers.refused == 0


def test_refusals_are_counted_apart() -> None:
    with (
        closing(Server(1, NOT_OK, lambda number: 0.0)) as server,
        closing(Asking(server.lines, repeat(Question("read", REQUEST)))) as asking,
    ):
        answers = asking.run(50, 0.2, warm=0)
    assert answers.refused == 10
    assert answers.latencies == {}
    assert answers.first_refusal == NOT_OK
