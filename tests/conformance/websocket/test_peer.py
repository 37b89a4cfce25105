"""The client of the cases, against octets that no hub has to send."""

import socket
from collections.abc import Iterator

import pytest

from tests.gateway.raw import PING, TEXT, frame

from .peer import Peer

HEARTBEAT = frame(TEXT, b'{"type":"ping","offset":0}', masked=False) + frame(PING, masked=False)


@pytest.fixture
def ends() -> Iterator[tuple[Peer, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield Peer(near), far


def test_a_heartbeat_is_silence_also_when_both_its_frames_come_at_once(
    ends: tuple[Peer, socket.socket],
) -> None:
    peer, hub = ends
    hub.sendall(HEARTBEAT)
    assert peer.is_silent(0.01)


def test_what_follows_a_heartbeat_in_the_same_read_is_not_silence(
    ends: tuple[Peer, socket.socket],
) -> None:
    peer, hub = ends
    hub.sendall(HEARTBEAT + frame(TEXT, b'{"type":"error"}', masked=False))
    assert not peer.is_silent(0.01)


def test_an_end_is_not_silence(ends: tuple[Peer, socket.socket]) -> None:
    peer, hub = ends
    hub.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        peer.is_silent(0.01)
