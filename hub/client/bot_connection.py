"""The task that carries a bot's tasks and answers, over as many connections as it takes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from hub.client.backoff import Backoff, within
from hub.client.connection import Connection
from hub.client.errors import JournalError, Lost, most_telling
from hub.client.holdings import READY, Holdings
from hub.client.publisher import ANSWER_SECONDS
from hub.client.status import OnState, State, Status
from hub.client.wire import UNSUBSCRIBE, Refused, refusal
from hub.protocol import frames
from hub.protocol.errors import HubError
from hub.protocol.times import parse_ms

log = logging.getLogger("hub.client")

PROGRESS_SECONDS = 0.05
"""The least time between two progress frames; only the last one of a task is sent."""

_encode = msgspec.json.Encoder().encode


class BotConnection:
    """Owns a bot's connection; `run` is its task.

    Args:
        dial: opens a connection.
        holdings: the bot's tasks.
        queues, format: what the bot takes, for `ready`.
        credit: how many tasks at once.
        backoff: how long to wait before coming back.
        on_state: told every change of state.
        on_end: told why there will be no connection any more.

    Attributes:
        wake: set when there may be something to send.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[Connection]],
        holdings: Holdings,
        queues: Sequence[str],
        format: str,
        credit: int,
        backoff: Backoff,
        on_state: OnState,
        on_end: Callable[[HubError | JournalError], None],
    ) -> None:
        self.wake = asyncio.Event()
        self._dial = dial
        self._holdings = holdings
        self._queues = list(queues)
        self._format = format
        self._credit = credit
        self._ready_due = True
        self._backoff = backoff
        self._on_state = on_state
        self._on_end = on_end
        self._failures = 0
        self._retry_after = 0.0
        self._heard = asyncio.Event()

    def leave(self) -> None:
        """Take no more tasks."""
        self._credit = 0
        self._ready_due = True
        self.wake.set()

    async def run(self) -> None:
        """Stay connected until cancelled or sent away."""
        try:
            while True:
                try:
                    self._on_state(Status(State.CONNECTING))
                    connection = await self._dial()
                except Lost as lost:
                    await self._wait(lost)
                    continue
                ending = await self._serve(connection)
                self._holdings.lost()
                await self._wait(ending)
        except (HubError, JournalError) as error:
            self._on_end(error)
            self._on_state(Status(State.CLOSED, str(error)))
        except asyncio.CancelledError:
            self._on_state(Status(State.CLOSED))
            raise

    async def _wait(self, lost: Lost) -> None:
        delay = within(lost.wait) if lost.wait else self._backoff.wait(self._failures)
        self._failures += 1
        self._on_state(Status(State.WAITING, str(lost), delay))
        await asyncio.sleep(delay)

    async def _serve(self, connection: Connection) -> Lost:
        """Send and read until the connection ends.

        Raises:
            HubError, JournalError: it is not to be opened again.
        """
        opened = asyncio.get_running_loop().time()
        try:
            self._holdings.journal.belong_to(connection.hello.merchant_id)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(connection.watch())
                tasks.create_task(self._send_all(connection))
                tasks.create_task(self._watch_answers(connection))
                tasks.create_task(self._read(connection))
        except* (Lost, HubError, JournalError) as group:
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
            # Every other role is subscribed from the start; a bot has no use for it.
            await connection.send(UNSUBSCRIBE)
        self._ready_due = True
        loop = asyncio.get_running_loop()
        progress_at = loop.time()
        while True:
            self.wake.clear()
            if self._ready_due:
                self._ready_due = False
                await connection.send(self._ready())
                # Said with the state, not with the greeting: who waits for it has been heard.
                self._on_state(Status(State.LIVE))
            elif (answer := self._holdings.next_answer()) is not None:
                await connection.send(answer)
            elif self._holdings.put_off:
                await self._hold()
            elif (wait := progress_at - loop.time()) > 0:
                await _woken(self.wake, wait)
            elif (progress := self._holdings.next_progress()) is not None:
                progress_at = loop.time() + PROGRESS_SECONDS
                await connection.send(progress)
            else:
                await self.wake.wait()

    def _ready(self) -> bytes:
        # Not a `frames.Ready`: a hub may know queues and formats that this SDK does not.
        resume = self._holdings.resume()
        return _encode(
            {
                "type": "ready",
                "ref": READY,
                "queues": self._queues,
                "credit": self._credit,
                "resume": resume,
                "format": self._format,
            }
        )

    async def _hold(self) -> None:
        """The hub has refused something for now."""
        delay = max(self._retry_after, self._backoff.wait(self._failures))
        self._retry_after = 0.0
        self._failures += 1
        await asyncio.sleep(delay)
        self._holdings.release()

    async def _read(self, connection: Connection) -> None:
        while True:
            frame = await connection.receive()
            if isinstance(frame, frames.Task):
                self._failures = 0
                self._holdings.received(frame, _expires(frame.deadline))
            elif isinstance(frame, frames.Settled):
                self._failures = 0
                self._holdings.settled(frame)
                self._heard.set()
            elif isinstance(frame, Refused):
                self._refused(frame)
                self._heard.set()

    def _refused(self, frame: Refused) -> None:
        """The hub did not take a frame.

        Raises:
            HubError: it was `ready`, and will not be taken later either.
        """
        self._retry_after = max(self._retry_after, frame.retry_after or 0.0)
        if frame.ref == READY and frame.id is not None:
            self._holdings.unknown(frame.id, frame.message)
        elif frame.ref == READY:
            raise refusal(frame) if not frame.retry else Lost(frame.message)
        elif not self._holdings.refused(frame):
            log.warning("the hub refused a frame: %s: %s", frame.code, frame.message)

    async def _watch_answers(self, connection: Connection) -> None:
        """Cut a connection on which nothing is settled although something is answered."""
        while True:
            self._heard.clear()
            idle = self._holdings.unsettled == 0
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._heard.wait()
            except TimeoutError:
                if not idle:
                    connection.cut(f"nothing was settled for {ANSWER_SECONDS:g} s")


async def _woken(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but no longer than this."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _expires(deadline: str) -> float | None:
    """When a deadline is reached on the loop's clock; None when that cannot be said.

    One that has passed already when it comes means that this machine's clock is wrong; then the
    hub alone says when a task is over.
    """
    try:
        left = parse_ms(deadline) / 1000 - time.time()
    except ValueError:
        return None
    return asyncio.get_running_loop().time() + left if left > 0 else None
