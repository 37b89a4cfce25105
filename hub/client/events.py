"""The stream of events: one filter and one cursor, over as many connections as it takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from hub.client.backoff import Backoff, within
from hub.client.connection import Connection
from hub.client.errors import Lost
from hub.client.status import OnState, State, Status
from hub.client.wire import Control, Refused, refusal
from hub.protocol.codes import CloseCode
from hub.protocol.errors import HubError, InvalidParams, invalid
from hub.protocol.filters import Filter
from hub.protocol.frames import Connected, Event, Gap, Live, ServerPing, Subscribed
from hub.protocol.limits import LAST_EVENTS
from hub.protocol.state import Cursor

OnGap = Callable[[Gap], None]

log = logging.getLogger("hub.client")


class Request:
    """What a stream asks of the hub: its filter and its start.

    Raises:
        InvalidParams: a filter or a start that the hub would refuse.
    """

    def __init__(
        self,
        types: Sequence[str] | None,
        subjects: Sequence[str] | None,
        since: int | None,
        epoch: str | None,
        last: int | None,
    ) -> None:
        _refuse_text(types, "types")
        _refuse_text(subjects, "subjects")
        wanted = Filter(types, subjects)
        for name, patterns in (("types", wanted.types), ("subjects", wanted.subjects)):
            if any("," in pattern for pattern in patterns or ()):
                raise invalid(InvalidParams, f"/{name}", "a pattern cannot hold a comma")
        if last is not None and not 1 <= last <= LAST_EVENTS:
            raise invalid(InvalidParams, "/last", f"1 to {LAST_EVENTS} events can be asked for")
        if since is not None and since < 0:
            raise invalid(InvalidParams, "/since", "an offset is 0 or more")
        if since is not None and last is not None:
            raise invalid(InvalidParams, "/last", "last and since exclude each other")
        # `*` matches every type. It is said all the same: a bot is subscribed to nothing unless
        # its address carries a filter.
        self.filter = {"types": ",".join(wanted.types or ("*",))}
        if wanted.subjects is not None:
            self.filter["subjects"] = ",".join(wanted.subjects)
        self.last = last
        self.cursor = Cursor(since, epoch)

    def query(self) -> Mapping[str, str]:
        """The parameters of the next connection: what was asked first, later what is missing."""
        params = dict(self.filter)
        if self.cursor.offset is not None:
            params["since"] = str(self.cursor.offset)
            if self.cursor.epoch is not None:
                params["epoch"] = self.cursor.epoch
        elif self.last is not None:
            params["last"] = str(self.last)
        return params


class EventStream:
    """The events that match, in order, each once: `async for event in hub.events(…)`.

    It reconnects and resumes by itself. While its consumer is busy nothing is read ahead but a
    small buffer; the hub keeps the place. Made by `Hub.events`; also an async context manager for
    who wants the connection closed before the Hub is.

    Attributes:
        last_gap: the last `gap` that the hub announced: events that cannot be replayed. Whoever
            keeps a state built from events loads it anew then.
    """

    def __init__(
        self,
        request: Request,
        dial: Callable[[Mapping[str, str]], Awaitable[Connection]],
        tasks: asyncio.TaskGroup,
        *,
        backoff: Backoff,
        reconnect: bool,
        on_gap: OnGap | None,
        on_state: OnState,
        on_end: Callable[["EventStream"], None],
    ) -> None:
        self.last_gap: Gap | None = None
        self._request = request
        self._cursor = request.cursor
        self._dial = dial
        self._tasks = tasks
        self._backoff = backoff
        self._reconnect = reconnect
        self._on_gap = on_gap or _warn
        self._on_state = on_state
        self._on_end = on_end
        self._connection: Connection | None = None
        self._watch: asyncio.Task[None] | None = None
        self._subscribed = False
        self._failures = 0
        self._not_before = 0.0
        self._closing = asyncio.Event()

    @property
    def offset(self) -> int | None:
        """Everything up to here was given out; `since` for a later stream."""
        return self._cursor.offset

    @property
    def epoch(self) -> str | None:
        """The epoch of `offset`; belongs beside it."""
        return self._cursor.epoch

    @property
    def live(self) -> bool:
        """Whether it is connected and has caught up."""
        return self._connection is not None and self._cursor.live

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event. Cancelling it loses nothing.

        Raises:
            StopAsyncIteration: the stream was closed.
            HubError: the hub refused; mostly `Closed`.
            Lost: the connection ended, with `reconnect=False`.
        """
        while not self._closing.is_set():
            try:
                connection = self._connection or await self._connect()
                if connection is None:
                    break
                frame = await connection.receive()
                if isinstance(frame, Event):
                    if self._cursor.accepts(frame):
                        return frame
                    continue
                self._follow(frame)
            except Lost as lost:
                await self._lost(lost)
            except HubError as error:
                await self._end(error.message)
                raise
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the stream and its connection."""
        await self._end("")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _connect(self) -> Connection | None:
        """Wait for the time to come back, then connect; None when closed meanwhile."""
        delay = self._not_before - asyncio.get_running_loop().time()
        if delay > 0:
            try:
                async with asyncio.timeout(delay):
                    await self._closing.wait()
                return None
            except TimeoutError:
                pass
        self._on_state(Status(State.CONNECTING))
        connection = await self._dial(self._request.query())
        if self._closing.is_set():
            await connection.close()
            return None
        self._connection = connection
        self._subscribed = False
        self._watch = self._tasks.create_task(connection.watch())
        self._follow(connection.hello)
        return connection

    def _follow(self, frame: Control) -> None:
        match frame:
            case Connected():
                self._cursor.follow(frame)
            case Subscribed():
                self._subscribed = True
                self._cursor.follow(frame)
                self._on_state(Status(State.REPLAYING))
            case Gap():
                self._cursor.follow(frame)
                self.last_gap = frame
                self._on_gap(frame)
            case Live():
                self._cursor.follow(frame)
                self._failures = 0
                self._on_state(Status(State.LIVE))
            case ServerPing():
                self._cursor.follow(frame)
            case Refused() if not self._subscribed:
                error = refusal(frame)
                if frame.retry:
                    raise Lost(error.message, wait=_around(frame.retry_after))
                raise error
            case Refused():
                log.warning("the hub answered with an error: %s: %s", frame.code, frame.message)
            case _:
                pass  # acks, pongs and `bye` move no cursor

    async def _lost(self, lost: Lost) -> None:
        await self._drop()
        if self._closing.is_set():
            return
        if not self._reconnect:
            await self._end(str(lost))
            if lost.close_code != CloseCode.NORMAL:
                raise lost
            return
        delay = within(lost.wait) if lost.wait else self._backoff.wait(self._failures)
        self._failures += 1
        self._not_before = asyncio.get_running_loop().time() + delay
        self._on_state(Status(State.WAITING, str(lost), delay))

    async def _end(self, reason: str) -> None:
        if not self._closing.is_set():
            self._closing.set()
            self._on_state(Status(State.CLOSED, reason))
            self._on_end(self)
        await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if connection is not None:
            await connection.close()


def _around(retry_after: float | None) -> tuple[float, float] | None:
    return None if retry_after is None else (retry_after, retry_after * 1.5)


def _warn(gap: Gap) -> None:
    if gap.reason == "epoch":
        log.warning("the log was reset or restored: a new epoch, going on at %s", gap.resume)
    else:
        log.warning("events %s to %s are gone (%s)", gap.from_, gap.to, gap.reason)


def _refuse_text(patterns: Sequence[str] | None, name: str) -> None:
    # A text is a sequence of texts too: `types="order_*"` would ask for seven one-letter types.
    if isinstance(patterns, str):
        raise invalid(InvalidParams, f"/{name}", "expected a list of patterns, got a text")
