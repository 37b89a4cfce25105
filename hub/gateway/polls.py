"""Waiting for the log over HTTP: one request that is answered when there is something to answer."""

import asyncio
from typing import TYPE_CHECKING, Self

from hub.auth import Principal
from hub.protocol.codes import CloseCode
from hub.protocol.errors import HubError, Unauthenticated, Unavailable
from hub.protocol.filters import Filter
from hub.protocol.ids import uuid7
from hub.stream.framing import MARKS
from hub.stream.reader import Reader

from .connections import Door, Peer
from .line import ResponseLine

if TYPE_CHECKING:
    from .gateway import Gateway

_GATHER_SECONDS = 0.02


class Poll:
    """One request that waits for the first event it would get; a context manager, which holds its
    place among the connections.

    Args:
        line: the connection that waits.

    Attributes:
        reader: its place in the log.
    """

    door: Door = "poll"

    def __init__(
        self,
        gateway: "Gateway",
        line: ResponseLine,
        principal: Principal,
        merchant_id: str | None,
        peer: Peer,
    ) -> None:
        self.id = uuid7()
        self.principal = principal
        self.peer = peer
        self.received = self.sent = self.published = 0
        self._gateway = gateway
        self._line = line
        self._woken = asyncio.Event()
        self._refusal: HubError | None = None
        self.reader = Reader(merchant_id, self, lambda frame: None, MARKS)

    def __enter__(self) -> Self:
        """Take a place among the connections.

        Raises:
            RateLimited: its key has as many connections as it may have.
            Unavailable: the hub is shutting down, or full.
        """
        gateway = self._gateway
        gateway.check_room()
        gateway.connections.add(self)
        gateway.polls.add(self)
        self._line.writer_listener = self
        if self._line.lost:  # it left before anybody could be told
            self.connection_lost()
        return self

    def __exit__(self, *raised: object) -> None:
        self._line.writer_listener = None
        self.reader.closed = True
        self._gateway.fanout.detach(self.reader)
        self._gateway.polls.discard(self)
        self._gateway.connections.remove(self)

    async def wait(self, filter_: Filter, cursor: int, seconds: float) -> None:
        """Return when an event after `cursor` matches, or the time is over.

        Raises:
            Unauthenticated: its key was revoked or has expired, or the browser signed out.
            Unavailable: an operator ended it.
        """
        reader = self.reader
        reader.filter = filter_
        reader.cursor = cursor
        reader.subscribed = True
        self._gateway.replay.catch_up(reader)
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        if self._refusal is None and not self._line.lost:
            # One publisher's burst is answered as one page, not as one poll an event.
            await asyncio.sleep(_GATHER_SECONDS)
        # Also of one that an event has woken: the last that a revoked key would see is its end.
        if self._refusal is not None:
            raise self._refusal

    def write(self, data: bytes) -> None:
        """There is an event: that is all one needs to know here."""
        if data:  # a flush of volatile events alone has no marks
            self._woken.set()
            self.reader.stalled = True  # one is enough

    def writing_paused(self) -> None:
        """Nothing is written while it waits."""

    def writing_resumed(self) -> None:
        """See `writing_paused`."""

    def connection_lost(self) -> None:
        """The client is gone: nobody waits."""
        self.close(CloseCode.SHUTTING_DOWN, "")

    def abort(self) -> None:
        """Cut the connection."""
        self._line.transport.abort()

    def close(self, code: int, reason: str) -> None:
        """End the wait."""
        if code == CloseCode.REMOVED:
            self._refusal = Unavailable(reason, retry_after=5.0)
        elif code != CloseCode.SHUTTING_DOWN:
            self._refusal = Unauthenticated(reason)
        self._woken.set()
