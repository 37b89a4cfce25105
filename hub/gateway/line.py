"""What sessions, streams and polls need of the connection below them."""

import asyncio
from typing import Any, Protocol

from hub.stream.reader import Sink


class SocketLine(Protocol):
    """What a session needs of its socket."""

    @property
    def sink(self) -> Sink:
        """Where event frames are written to."""

    @property
    def received(self) -> int:
        """Bytes read."""

    @property
    def sent(self) -> int:
        """Bytes written, without events to follow."""

    def send(self, payloads: list[bytes]) -> None:
        """Send text messages in one write."""

    def hold(self) -> None:
        """Read no further until `resume`."""

    def resume(self) -> None:
        """Read on, unless something else holds the line."""

    def wait(self) -> None:
        """Read no further until `proceed`: the frame at hand needs the database."""

    def proceed(self) -> None:
        """The frame at hand is done."""

    def hold_calls(self) -> None:
        """Read no further until `resume_calls`."""

    def resume_calls(self) -> None:
        """Fewer calls are under way."""

    def hold_answers(self) -> None:
        """Read no further until `resume_answers`: too many answers to tasks wait."""

    def resume_answers(self) -> None:
        """Fewer answers wait."""

    def spend(self) -> bool:
        """Count a control frame; False when there were too many and the connection is closing."""

    def barrier(self) -> None:
        """Send a ping whose pong reaches `Session.barrier_passed`."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and end the connection."""

    def abort(self) -> None:
        """Cut the connection."""


class ResponseLine(Protocol):
    """What a stream needs of the HTTP connection under it.

    Attributes:
        writer_listener: told when its buffer is full or has drained, and when it is gone.
    """

    writer_listener: Any

    @property
    def transport(self) -> asyncio.Transport: ...

    @property
    def lost(self) -> bool:
        """Whether nothing can be written any more."""
