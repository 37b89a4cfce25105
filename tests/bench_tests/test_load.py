"""The generator counts what arrives, wherever the reads happen to cut it."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from tests.bench import machine
from tests.bench.load import Load, Rate, Window
from tests.bench.peers import Broken, Peer, connect, holes, read_events
from tests.bench.result import Result
from tests.bench.servers import Baseline
from tests.bench.wire import (
    HUB_EVENT_WITH_ID,
    MARK,
    Events,
    data_template,
    handshake,
    masked,
    opening,
)

ACK = b'"duplicate":false'


def delivered(offset: int, size: int = 200) -> bytes:
    data = data_template(size) % time.monotonic_ns()
    head = b'{"type":"custom_bench","id":"x","offset":%d,"data":' % offset
    return opening(len(head + data) + 1) + head + data + b"}"


def server_frame(text: bytes) -> bytes:
    return opening(len(text)) + text


@pytest.fixture
def pair() -> Iterator[tuple[Peer, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield Peer(ours, b"", 0), theirs


def balance(peer: Peer, server: socket.socket, pieces: Iterable[bytes], sent: int) -> Result:
    """What a subscriber counts of the pieces, each of which it gets as a read of its own."""
    with closing(Load([peer], [], Events())) as load:
        load.sent = sent
        for piece in pieces:
            server.sendall(piece)
            load._turn(1.0)
        return load.run(Window(1), 0.001, warm=0, drain=0.05)


def cut(stream: bytes, longest: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    at = 0
    while at < len(stream):
        size = rng.randint(1, longest)
        yield stream[at : at + size]
        at += size


@pytest.mark.parametrize("longest", [1, 30, 450, 20_000])
def test_counts_marks_cut_anywhere(pair: tuple[Peer, socket.socket], longest: int) -> None:
    peer, server = pair
    # Offsets grow by a digit twice; a heartbeat and a control frame lie between the events.
    stream = b"".join(
        delivered(offset)
        + (server_frame(b'{"type":"ping","offset":12}') if offset % 7 == 0 else b"")
        + (b"\x89\x00" if offset % 11 == 0 else b"")
        for offset in range(5, 130)
    )
    result = balance(peer, server, cut(stream, longest, seed=longest), sent=125)
    assert (result.missing, result.surplus) == (0, 0)
    assert result.faults == []


def test_counts_events_of_many_lengths(pair: tuple[Peer, socket.socket]) -> None:
    peer, server = pair
    sizes = random.Random(3).choices(range(150, 900), k=300)
    stream = b"".join(delivered(n, size) for n, size in enumerate(sizes))
    result = balance(peer, server, cut(stream, 5000, seed=9), sent=300)
    assert result.faults == []


@pytest.mark.parametrize(
    ("sent", "fault"), [(101, "1 deliveries missing"), (99, "1 deliveries too many")]
)
def test_names_what_is_missing_or_too_many(
    pair: tuple[Peer, socket.socket], sent: int, fault: str
) -> None:
    peer, server = pair
    stream = b"".join(map(delivered, range(100)))
    assert balance(peer, server, [stream], sent).faults == [fault]


def test_loss_at_one_subscriber_is_not_made_up_for_by_another() -> None:
    a, a_server = socket.socketpair()
    b, b_server = socket.socketpair()
    with a, b, a_server, b_server:
        for sock in (a, b):
            sock.setblocking(False)
        a_server.sendall(b"".join(map(delivered, range(4))))
        b_server.sendall(b"".join(map(delivered, range(6))))
        with closing(Load([Peer(a, b"", 0), Peer(b, b"", 0)], [], Events())) as load:
            load.sent = 5
            result = load.run(Window(1), 0.05, warm=0, drain=0.05)
    assert (result.missing, result.surplus) == (1, 1)


def test_a_closed_connection_is_an_error(pair: tuple[Peer, socket.socket]) -> None:
    peer, server = pair
    with closing(Load([peer], [], Events())) as load:
        server.close()
        with pytest.raises(Broken, match="closed 1 connections"):
            load.run(Window(1), 0.5, warm=0)


def answer(sock: socket.socket, withhold: int) -> None:
    """Acknowledges every event but the `withhold`-th, in writes that cut the answers."""
    parser = Protocol(Side.SERVER, max_size=None)
    taken = 0
    while data := sock.recv(1 << 16):
        parser.receive_data(data)
        for frame in parser.events_received():
            assert isinstance(frame, Frame)
            assert json.loads(bytes(frame.data))["type"] == "custom_bench"
            taken += 1
            if taken == withhold:
                continue
            ack = server_frame(b'{"type":"ack","id":"x","offset":%d,"duplicate":false}' % taken)
            sock.sendall(ack[:40])
            sock.sendall(ack[40:])


@pytest.mark.parametrize(("withhold", "unacked"), [(0, 0), (50, 1)])
def test_every_event_wants_its_acknowledgement(
    pair: tuple[Peer, socket.socket], withhold: int, unacked: int
) -> None:
    peer, server = pair
    thread = threading.Thread(target=answer, args=(server, withhold))
    thread.start()
    try:
        with closing(Load([], [peer], Events(), ACK)) as load:
            result = load.run(Window(16, acked=True), 5, warm=0, drain=0.2, at_most=300)
            assert result.sent == 300
            assert result.unacked == unacked
            assert load.acked_offsets() == 300
            assert len(result.ack_latencies) == 300 - unacked
    finally:
        thread.join(5)
    assert not thread.is_alive()


def test_an_open_loop_keeps_its_rate(pair: tuple[Peer, socket.socket]) -> None:
    peer, server = pair
    thread = threading.Thread(target=answer, args=(server, 0))
    thread.start()
    try:
        with closing(Load([], [peer], Events(), ACK)) as load:
            result = load.run(Rate(1000), 0.5, warm=0.1)
            assert result.sent == pytest.approx(500, rel=0.25)
            assert 0 < result.ack_ms(0.5) < 100
    finally:
        thread.join(5)


def test_against_a_server(tmp_path: Path) -> None:
    core = machine.Cores.pick().server
    with Baseline(core, tmp_path / "bare.log", "tests.bench.baseline_bare") as server:
        subscribers, publishers = server.subscribers(20), server.publishers(2)
        with closing(Load(subscribers, publishers, Events(), process=server.process)) as load:
            result = load.run(Window(8), 30, warm=0, at_most=500)
        assert result.faults == []
        assert result.deliveries == 20 * 500
        assert result.latency_ms(0.5) > 0
        with pytest.raises(Broken, match="0 of 1"):
            connect(server.port, [handshake(server.port, "/sub")], b"never", within=0.2)


@pytest.mark.parametrize("size", [130, 200, 1000])
def test_data_has_the_size_that_is_named(size: int) -> None:
    data = data_template(size) % time.monotonic_ns()
    assert len(data) == size
    assert isinstance(json.loads(data), dict)
    assert data.count(MARK) == 1


def test_events_with_ids_are_json_and_differ() -> None:
    events = Events(HUB_EVENT_WITH_ID, ids=True)
    stamp = time.monotonic_ns()
    decoded = [json.loads(events.payload(stamp, n)) for n in range(5000)]
    assert len({event["id"] for event in decoded}) == 5000
    assert all(len(event["id"]) == 36 for event in decoded)


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_a_server_reads_our_frames(length: int) -> None:
    parser = Protocol(Side.SERVER, max_size=None)
    parser.receive_data(masked(b"x" * length))
    (frame,) = parser.events_received()
    assert isinstance(frame, Frame)
    assert frame.opcode is Opcode.TEXT
    assert frame.data == b"x" * length


def test_a_stream_is_read_to_the_last_event_and_its_holes_are_found(
    pair: tuple[Peer, socket.socket],
) -> None:
    peer, server = pair
    stream = b"".join(map(delivered, [*range(1, 40), *range(41, 60)]))
    thread = threading.Thread(target=lambda: deque(map(server.sendall, cut(stream, 300, 1))))
    thread.start()
    got = read_events(peer, 58, within=5)
    thread.join(5)
    assert got.count(MARK) == 58
    assert holes(got) == 1
    with pytest.raises(Broken, match="0 of 1 events"):
        read_events(peer, 1, within=0.05)
