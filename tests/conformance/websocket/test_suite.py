"""Every case against one running hub, each on a connection of its own."""

import asyncio
import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.gateway.raw import CLOSE, PONG, TEXT, Frame, frame, text
from tests.support.hub_process import HubProcess

from . import beyond, closing, framing, utf8
from .case import (
    Case,
    ClientCloses,
    CloseAnswered,
    HubCloses,
    HubFails,
    SeeAnswer,
    SeeBadFrame,
    SeeNothing,
    SeePong,
    Send,
    asking,
    send,
)
from .peer import Peer, connected

SUITE = (*framing.CASES, *utf8.CASES, *closing.CASES)
OWN = (*utf8.FRAGMENTED, *beyond.CASES)
PUBLISHED = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "10": 1}
"""How many cases each group of the suite has."""


class Stage(NamedTuple):
    """The hub under test.

    Attributes:
        witness: a bot's connection that is open while all others come and go.
    """

    hub: HubProcess
    witness: Peer


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    hub = HubProcess(tmp_path_factory.mktemp("websocket"))
    asyncio.run(hub.start())
    try:
        with connected(hub.port, hub.bot_key) as witness:
            yield Stage(hub, witness)
    finally:
        asyncio.run(hub.kill())


def test_no_case_is_missing() -> None:
    groups = [case.number.partition(".")[0] for case in SUITE]
    assert {group: groups.count(group) for group in dict.fromkeys(groups)} == PUBLISHED
    numbers = [case.number for case in (*SUITE, *OWN)]
    assert len(set(numbers)) == len(numbers)


def go_through(case: Case, peer: Peer) -> None:
    """Send what a case sends, on a new connection, and see what it says."""
    for step in case.steps:
        match step:
            case Send(pieces):
                peer.send(pieces)
            case SeePong(payload):
                assert peer.next() == Frame(PONG, payload)
            case SeeAnswer(ref):
                assert peer.json() == {"type": "pong", "ref": ref}
            case SeeBadFrame():
                error = peer.json()
                assert (error["type"], error["code"]) == ("error", "bad_frame")
            case SeeNothing(seconds):
                assert peer.is_silent(seconds)
    match case.end:
        case ClientCloses(payload):
            peer.send((frame(CLOSE, payload),))
            assert peer.next() == Frame(CLOSE, payload)
            peer.expect_end()
        case CloseAnswered(payload):
            assert peer.next() == Frame(CLOSE, payload)
            peer.expect_end(reset=not case.read_at_once)
        case HubFails(code):
            assert peer.next().code == code
            peer.expect_end(reset=not case.read_at_once)
        case HubCloses(code):
            got = peer.next()
            assert got.code == code
            peer.send((frame(CLOSE, got.payload),))
            peer.expect_end()


@pytest.mark.parametrize("case", [pytest.param(case, id=case.number) for case in (*SUITE, *OWN)])
def test_case(case: Case, stage: Stage) -> None:
    with connected(stage.hub.port, stage.hub.bot_key) as peer:
        go_through(case, peer)


# Offers of groups 12 and 13, and of what browsers send.
OFFERS = (
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; client_no_context_takeover; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=9; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=15; server_no_context_takeover",
    "permessage-deflate; server_no_context_takeover, permessage-deflate",
    "permessage-bzip2, permessage-deflate, x-webkit-deflate-frame",
)


# "Hello", as RFC 7692 section 7.2.3.1 compresses it: RSV1 marks it.
COMPRESSED = Case(
    "12",
    "a text as it is, then a compressed one",
    (
        send(frame(TEXT, asking("plain")), frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)),
        SeeAnswer("plain"),
    ),
    HubFails(1002),
)


@pytest.mark.parametrize("offer", OFFERS)
def test_no_compression_is_negotiated(offer: str, stage: Stage) -> None:
    """The hub accepts no extension, so a compressed message is one with a reserved bit set."""
    with connected(stage.hub.port, stage.hub.bot_key, extensions=offer) as peer:
        assert b"sec-websocket-extensions" not in peer.answer.lower()
        go_through(COMPRESSED, peer)


def test_the_same_hub_serves_on(stage: Stage) -> None:
    """After all of that: those who did nothing wrong noticed nothing, and newcomers are served."""
    with connected(stage.hub.port, stage.hub.bot_key) as newcomer:
        for number, peer in enumerate((stage.witness, newcomer)):
            peer.send((frame(TEXT, asking("still there?")),))
            assert peer.json() == {"type": "pong", "ref": "still there?"}
            peer.send((text({"type": "custom_a", "id": f"after-{number}", "data": {}}),))
            ack = peer.json()
            assert (ack["type"], ack["id"], ack["duplicate"]) == ("ack", f"after-{number}", False)
    written = stage.hub.log.read_text()
    assert "Traceback" not in written
    entries = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert [entry for entry in entries if entry["level"] not in ("debug", "info")] == []
