"""What a case says: what is sent, what is seen, and how the connection ends."""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from tests.gateway.raw import CONTINUATION, TEXT, close_payload, frame

NORMAL = close_payload(1000)


class Send(NamedTuple):
    """Octets from the client, each piece in a write of its own."""

    pieces: tuple[bytes, ...]


class SeePong(NamedTuple):
    """A pong frame with this payload."""

    payload: bytes


class SeeAnswer(NamedTuple):
    """The JSON pong that answers the JSON ping with this ref: the text has arrived unchanged."""

    ref: str


class SeeBadFrame(NamedTuple):
    """The error frame that refuses a text which is not JSON: it has arrived whole."""


class SeeNothing(NamedTuple):
    """No frame for a while.

    Attributes:
        seconds: how long the silence is listened to.
    """

    seconds: float = 0.05


Step = Send | SeePong | SeeAnswer | SeeBadFrame | SeeNothing


class ClientCloses(NamedTuple):
    """The client closes with this payload; the hub echoes it and ends the TCP connection.

    The next frame is the hub's close: whatever else it might have sent would be seen before.
    """

    payload: bytes = NORMAL


class CloseAnswered(NamedTuple):
    """A close with this payload is among what was sent; the hub echoes it once and ends TCP."""

    payload: bytes


class HubFails(NamedTuple):
    """The hub fails the connection (section 7.1.7): close with this code, and TCP ends at once."""

    code: int


class HubCloses(NamedTuple):
    """The hub closes with this code; the client echoes it, then the hub ends TCP."""

    code: int


End = ClientCloses | CloseAnswered | HubFails | HubCloses
CLIENT_CLOSES = ClientCloses()


@dataclass(frozen=True)
class Case:
    """One case on a connection of its own.

    Attributes:
        number: the published one, or a name for a case of our own.
    """

    number: str
    description: str
    steps: tuple[Step, ...]
    end: End = CLIENT_CLOSES

    @property
    def read_at_once(self) -> bool:
        """Whether the hub has read everything when it ends the connection: one short piece."""
        pieces = [piece for step in self.steps if isinstance(step, Send) for piece in step.pieces]
        return len(pieces) <= 1 and sum(map(len, pieces)) < 32_768


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────


def send(*frames: bytes) -> Send:
    """All frames in one piece."""
    return Send((b"".join(frames),))


def framewise(*frames: bytes) -> Send:
    """Each frame in a piece of its own."""
    return Send(frames)


def chopped(size: int, *frames: bytes) -> Send:
    """All frames in pieces of `size` octets, wherever these end."""
    data = b"".join(frames)
    return Send(tuple(data[at : at + size] for at in range(0, len(data), size)))


def octetwise(*frames: bytes) -> Send:
    return chopped(1, *frames)


def asking(ref: str, *, size: int | None = None) -> bytes:
    """The JSON ping that is answered with the same ref, as it stands in UTF-8.

    Args:
        size: octets of the whole message; a field that the hub does not know fills it up.
    """
    content = {"type": "ping", "ref": ref}
    if size is not None:
        empty = json.dumps(content | {"filler": ""}, ensure_ascii=False)
        content["filler"] = "*" * (size - len(empty.encode()))
    payload = json.dumps(content, ensure_ascii=False).encode()
    assert size in (None, len(payload)), "the size has no room for the ref"
    return payload


def fragments(*parts: bytes) -> tuple[bytes, ...]:
    """One text message in these parts, a frame each."""
    last = len(parts) - 1
    return tuple(
        frame(CONTINUATION if number else TEXT, part, fin=number == last)
        for number, part in enumerate(parts)
    )


def cut(payload: bytes, count: int) -> tuple[bytes, ...]:
    """A payload in `count` parts of nearly the same size."""
    at = [len(payload) * number // count for number in range(count + 1)]
    return tuple(payload[a:b] for a, b in pairwise(at))


def cut_each(payload: bytes, size: int) -> tuple[bytes, ...]:
    """A payload in parts of `size` octets; the last may be shorter."""
    return tuple(payload[at : at + size] for at in range(0, len(payload), size))
