"""A bot: takes tasks from the hub, does them, and answers each once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from hub.client.backoff import Backoff
from hub.client.bot_connection import BotConnection
from hub.client.calls import Calls, Resolve, as_result, told
from hub.client.connection import Connection
from hub.client.errors import JournalError, TaskOver, most_telling
from hub.client.held import Held, Stage, failed
from hub.client.holdings import Holdings
from hub.client.journal import Journal
from hub.client.status import OnState
from hub.client.tasks import Task
from hub.protocol.errors import HubError
from hub.protocol.limits import CREDIT

log = logging.getLogger("hub.client")

Handler = Callable[[Task], Awaitable[object]]


class Bot:
    """The tasks of one bot: `async with hub.bot(…) as bot:`, made by `Hub.bot`.

    Take them one by one, `async for task in bot`, or up to the credit at once, `bot.run(handler)`.
    Leaving the block takes no new ones, lets the gateway's calls that are under way come to their
    end and the hub record their answers, and gives back what was not begun.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[Connection]],
        tasks: asyncio.TaskGroup,
        *,
        queues: Sequence[str],
        credit: int,
        format: str,
        journal: Path | None,
        resolve: Resolve | None,
        not_sent: tuple[type[Exception], ...],
        closing: float,
        backoff: Backoff,
        on_state: OnState,
    ) -> None:
        if not 1 <= credit <= CREDIT:
            raise ValueError(f"a bot takes 1 to {CREDIT} tasks at once, not {credit}")
        if isinstance(queues, str):
            raise TypeError("`queues` is a list of names")
        self._dial = dial
        self._tasks = tasks
        self._queues = queues
        self._credit = credit
        self._format = format
        self._path = journal
        self._resolve = resolve
        self._not_sent = not_sent
        self._closing = closing
        self._backoff = backoff
        self._on_state = on_state
        self._changed = asyncio.Event()
        self._failure: HubError | JournalError | None = None
        self._connected = True
        self._stopping = False
        self._doubts: list[asyncio.Task[bool]] = []
        self._carrying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Open the journal and connect; returns before the connection stands.

        Raises:
            JournalError: the journal cannot be had; a subclass says why.
        """
        if self._carrying is not None:
            raise RuntimeError("a bot is entered once; ask the Hub for another")
        self._journal = await Journal.open(self._path)
        self._holdings = Holdings(self._journal, self._notice)
        self._calls = Calls(
            self._holdings, self._journal, self._resolve, self._not_sent, self._fail
        )
        self._connection = BotConnection(
            self._dial,
            self._holdings,
            self._queues,
            self._format,
            self._credit,
            self._backoff,
            self._on_state,
            self._ended,
        )
        for held in self._holdings.recall():
            doubt = self._calls.doubt(held, "the bot died inside the gateway's call")
            self._doubts.append(self._tasks.create_task(doubt, name="hub bot: resolve"))
        self._carrying = self._tasks.create_task(self._connection.run(), name="hub bot")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._carrying is not None
        self.stop()
        self._holdings.give_back("the bot left before it was done")
        try:
            async with asyncio.timeout(self._closing):
                await self._finished()
        except TimeoutError:
            log.warning(
                "the bot has left after %g s with tasks that were not ended or not settled; "
                "what was sent is in its journal, if it has one",
                self._closing,
            )
        finally:
            ending = {*self._doubts, self._carrying}
            for task in ending:
                task.cancel()
            try:
                await asyncio.wait(ending)
            finally:
                await self._journal.close()

    def stop(self) -> None:
        """Take no new tasks: the loop over them ends, `run` returns when its handlers have."""
        if self._stopping:
            return
        self._stopping = self._holdings.leaving = True
        self._connection.leave()
        for held in self._holdings.waiting:
            self._holdings.answer(held, failed("the bot is leaving; it has not begun this"))
        self._holdings.waiting.clear()
        self._notice()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Task:
        """The next task. Cancelling it loses nothing.

        Raises:
            StopAsyncIteration: the bot was stopped.
            HubError: the hub wants no bot, or not this one; mostly `Closed`.
            JournalError: the journal cannot be written, so nothing may be sent.
        """
        held = await self._take()
        if held is None:
            raise StopAsyncIteration
        return Task(held, self._calls)

    async def run(self, handler: Handler) -> None:
        """Do tasks with this function, up to the credit at once, until stopped.

        A handler that returns has done its task, and what it returns is the result, unless it has
        answered itself, as `task.send` does. One that raises has failed, and the task may be tried
        again. When the hub cancels a task, its handler is cancelled, but not inside the gateway's
        call. When `run` itself is cancelled, so are the handlers, and those inside a call get the
        bot's `closing` seconds to end it.

        Raises:
            HubError, JournalError: as for the next task.
        """
        working: dict[asyncio.Task[None], Held] = {}
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    while (held := await self._take()) is not None:
                        doing = group.create_task(self._do(handler, held), name=f"job {held.job}")
                        working[doing] = held
                        doing.add_done_callback(working.pop)
                    while working:
                        await asyncio.wait(working)
                except BaseException:
                    await self._cut_short(working)
                    raise
        except* (HubError, JournalError) as failures:
            # Raised by the loop alone: what a handler raises is the answer to its task.
            raise most_telling(failures) from None

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def _take(self) -> Held | None:
        """The next task, begun; None when the bot was stopped."""
        while True:
            self._changed.clear()
            if self._failure is not None:
                raise self._failure
            if self._stopping:
                return None
            if (held := self._next()) is not None:
                held.stage = Stage.RUNNING
                return held
            await self._changed.wait()

    def _next(self) -> Held | None:
        while self._holdings.waiting:
            held = self._holdings.waiting.popleft()
            if not self._holdings.has(held) or held.stage is not Stage.WAITING:
                continue
            if held.expires is None or asyncio.get_running_loop().time() < held.expires:
                return held
            late = "its deadline passed before the bot could begin it"
            self._holdings.answer(held, failed(late))
        return None

    async def _do(self, handler: Handler, held: Held) -> None:
        task = Task(held, self._calls)
        me = asyncio.current_task()
        assert me is not None
        held.cancel = me.cancel
        try:
            self._calls.check(held)
            result = await handler(task)
            if not task.answered:
                await task.done(as_result(result))
        except TaskOver as over:
            log.info("job %s is over: %s", task.job, over)
        except asyncio.CancelledError:
            if not held.over:
                if not task.answered:
                    await task.fail("the bot was stopped; nothing was sent")
                raise
            log.info("job %s is over: %s", task.job, held.over)
        except Exception as error:
            log.warning("job %s: its handler raised %s", task.job, told(error), exc_info=True)
            if not task.answered:
                await task.fail(told(error))

    async def _cut_short(self, working: Mapping[asyncio.Task[None], Held]) -> None:
        """End the handlers; those that are about a call of the gateway by waiting for it."""
        self.stop()
        for doing, held in working.items():
            if held.stage not in (Stage.CALLING, Stage.DOUBT):
                doing.cancel()
        if working:
            await asyncio.wait(working, timeout=self._closing)

    async def _finished(self) -> None:
        """Wait until no call is under way, and every answer is settled."""
        open_stages = (Stage.ENTERING, Stage.CALLING, Stage.DOUBT, Stage.ANSWERED)
        while self._connected and self._holdings.any(*open_stages):
            self._changed.clear()
            await self._changed.wait()

    def _notice(self) -> None:
        self._changed.set()
        self._connection.wake.set()

    def _ended(self, error: HubError | JournalError) -> None:
        self._connected = False
        self._fail(error)

    def _fail(self, error: HubError | JournalError) -> None:
        if self._failure is None:
            self._failure = error
        self._notice()
