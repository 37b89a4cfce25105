"""What the stream knows of one reader: whose events, which of them, and how far it has come."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hub.protocol.filters import ALL, Filter
from hub.protocol.frames import ServerControl

from .framing import WEBSOCKET, Framing

if TYPE_CHECKING:
    from .audience import Audience


class Sink(Protocol):
    """Where a reader's frames go: an asyncio transport, or what behaves like one."""

    def write(self, data: bytes) -> None:
        """Send bytes, or keep them in its buffer; the reader may be stalled when this returns."""


class Reader:
    """One connection that follows the log with one filter and one cursor.

    Attributes:
        send: sends one control frame, in order with what goes to `sink`.
        merchant_id: whose events; None for an admin that is not narrowed.
        cursor: everything up to here was handed to the sink. While the reader is attached it
            stands still: ask `FanOut.cursor_of`.
        subscribed: whether it wants events at all.
        stalled: its sink is full; nothing is written until it has drained (`Replay.catch_up`).
        announce: whether `live` is still owed for its subscription.
        generation: counts its subscriptions, so that a page read for an old one is dropped.
        replaying: a page for it is being read from the database.
        closed: it will not take anything any more.
        turn: the flush that wrote to it last.
        framing: how its events are written.
        sent: bytes of events written to its sink.
    """

    __slots__ = (
        "announce", "audience", "closed", "cursor", "filter", "framing", "generation",
        "merchant_id", "replaying", "send", "sent", "sink", "stalled", "subscribed", "turn",
    )  # fmt: skip

    def __init__(
        self,
        merchant_id: str | None,
        sink: Sink,
        send: Callable[[ServerControl], None],
        framing: Framing = WEBSOCKET,
    ) -> None:
        self.merchant_id = merchant_id
        self.sink = sink
        self.send = send
        self.framing = framing
        self.sent = 0
        self.filter: Filter = ALL
        self.cursor = 0
        self.audience: Audience | None = None
        self.subscribed = False
        self.stalled = False
        self.announce = False
        self.generation = 0
        self.replaying = False
        self.closed = False
        self.turn = 0
