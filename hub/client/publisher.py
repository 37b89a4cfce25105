"""The task that carries the outbox to the hub, over as many connections as it takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hub.client.backoff import Backoff, within
from hub.client.connection import Connection
from hub.client.errors import Lost, most_telling
from hub.client.outbox import Ack, Entry, Outbox
from hub.client.status import OnState, State, Status
from hub.client.wire import UNSUBSCRIBE, Outgoing, Refused, oversize, refusal
from hub.protocol import frames
from hub.protocol.codes import ErrorCode
from hub.protocol.errors import HubError, Unavailable
from hub.protocol.frames import Limits

log = logging.getLogger("hub.client")

ANSWER_SECONDS = 30.0
"""An event that got no answer for so long is sent again over a new connection."""

INTERNAL_TRIES = 5
"""How often an event is sent that the hub answers with `internal` each time."""

_RETRIED = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL, ErrorCode.RATE_LIMITED})


class Publisher:
    """Owns the connection for publishing; `run` is its task.

    Args:
        dial: opens a connection.
        outbox: where the events wait.
        window: most events in flight; the hub's own limit bounds it too.
        backoff: how long to wait before coming back.
        on_state: told every change of state.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[Connection]],
        outbox: Outbox,
        window: int,
        backoff: Backoff,
        on_state: OnState,
    ) -> None:
        self._dial = dial
        self._outbox = outbox
        self._window = window
        self._backoff = backoff
        self._on_state = on_state
        self._limits: Limits | None = None
        self._failures = 0
        self._retry_after = 0.0
        self._ended: HubError | None = None
        self._numbers = 0
        self._turn = asyncio.Lock()  # asyncio's locks are fair: publishing order is calling order
        self._room = asyncio.Event()
        self._wake = asyncio.Event()
        self._answers = asyncio.Event()

    def number(self) -> int:
        """The next place in publishing order."""
        self._numbers += 1
        return self._numbers

    async def submit(self, number: int, event: Outgoing) -> asyncio.Future[Ack]:
        """Queue an event, waiting for room; the future gets the hub's answer.

        Raises:
            TooLarge: over a limit of the hub.
            HubError: nothing can be published any more, by the hub's word.
        """
        async with self._turn:
            while self._ended is None and not self._outbox.has_room(len(event.frame)):
                self._room.clear()
                await self._room.wait()
            if self._ended is not None:
                raise self._ended
            if self._limits is not None and (too_large := oversize(event, self._limits)):
                raise too_large
            entry = Entry(number, event, asyncio.get_running_loop().create_future())
            self._outbox.add(entry)
        entry.answer.add_done_callback(lambda _: self._done(entry))
        self._wake.set()
        return entry.answer

    async def drain(self) -> None:
        """Wait until every event has its answer."""
        while len(self._outbox) and self._ended is None:
            self._answers.clear()
            await self._answers.wait()

    async def run(self) -> None:
        """Connect when there is something to send, stay connected, until cancelled or sent away."""
        try:
            await self._wake.wait()
            while True:
                try:
                    self._on_state(Status(State.CONNECTING))
                    connection = await self._dial()
                except Lost as lost:
                    await self._wait(lost)
                    continue
                self._on_state(Status(State.LIVE))
                ending = await self._serve(connection)
                self._outbox.lost()
                await self._wait(ending)
        except HubError as error:
            self._end(error)
        finally:
            self._end(Unavailable("publishing has ended; it is not known whether this was stored"))

    async def _wait(self, lost: Lost) -> None:
        delay = within(lost.wait) if lost.wait else self._backoff.wait(self._failures)
        self._failures += 1
        self._on_state(Status(State.WAITING, str(lost), delay))
        await asyncio.sleep(delay)

    def _end(self, error: HubError) -> None:
        if self._ended is None:
            self._ended = error
            self._on_state(Status(State.CLOSED, error.message))
        if left := self._outbox.reject_all(self._ended):
            log.warning("%d events had no answer when publishing ended: %s", left, self._ended)
        self._room.set()
        self._answers.set()

    def _done(self, entry: Entry) -> None:
        if entry.answer.cancelled():
            self._outbox.forget(entry)
        self._room.set()
        self._answers.set()

    # ── one connection ───────────────────────────────────────────────────────────────────────

    async def _serve(self, connection: Connection) -> Lost:
        """Send and read until the connection ends.

        Raises:
            HubError: it is not to be opened again.
        """
        opened = asyncio.get_running_loop().time()
        self._limits = connection.hello.limits
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(connection.watch())
                tasks.create_task(self._send_all(connection))
                tasks.create_task(self._watch_answers(connection))
                tasks.create_task(self._read(connection))
        except* (Lost, HubError) as group:
            error = most_telling(group)
        finally:
            await connection.close()
        if not isinstance(error, Lost):
            raise error
        if asyncio.get_running_loop().time() - opened > self._backoff.cap:
            self._failures = 0
        return error

    async def _send_all(self, connection: Connection) -> None:
        if connection.hello.role != "bot":
            # Every other role is subscribed from the start; a publisher has no use for it.
            await connection.send(UNSUBSCRIBE)
        limits = connection.hello.limits
        window = max(1, min(self._window, limits.in_flight))
        while True:
            entry = self._outbox.next(window)
            if entry is None:
                if self._outbox.settled:
                    await self._hold()
                else:
                    self._wake.clear()
                    await self._wake.wait()
            elif entry.answer.cancelled():
                self._outbox.answered(str(entry.number))
            elif too_large := oversize(entry.event, limits):
                self._outbox.answered(str(entry.number))
                entry.reject(too_large)
            else:
                await connection.send(entry.event.frame)

    async def _hold(self) -> None:
        delay = max(self._retry_after, self._backoff.wait(self._failures))
        self._retry_after = 0.0
        self._failures += 1
        await asyncio.sleep(delay)
        self._outbox.release()

    async def _read(self, connection: Connection) -> None:
        while True:
            frame = await connection.receive()
            if isinstance(frame, frames.Ack):
                self._acknowledged(frame)
            elif isinstance(frame, Refused):
                self._refused(frame)
            self._wake.set()

    def _acknowledged(self, frame: frames.Ack) -> None:
        entry = self._outbox.answered(frame.ref)
        if entry is not None:
            self._failures = 0
            offset = frame.offset if isinstance(frame.offset, int) else None
            entry.resolve(Ack(entry.event.id, offset, frame.duplicate is True))

    def _refused(self, frame: Refused) -> None:
        again = frame.code in _RETRIED or frame.retry
        entry = self._outbox.answered(frame.ref) if not again else self._outbox.find(frame.ref)
        if entry is None:
            return
        if again and frame.code == ErrorCode.INTERNAL:
            entry.refusals += 1
            again = entry.refusals < INTERNAL_TRIES
        if again:
            self._retry_after = max(self._retry_after, frame.retry_after or 0.0)
            self._outbox.put_off(str(entry.number))
        else:
            self._outbox.answered(frame.ref)
            entry.reject(refusal(frame))

    async def _watch_answers(self, connection: Connection) -> None:
        """Cut a connection on which nothing is answered although something is in flight."""
        while True:
            self._answers.clear()
            idle = self._outbox.in_flight == 0
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._answers.wait()
            except TimeoutError:
                if not idle:
                    connection.cut(f"nothing was answered for {ANSWER_SECONDS:g} s")
