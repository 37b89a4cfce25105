"""A task as a bot sees it."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from hub.client.calls import Calls, as_result, told
from hub.client.errors import TaskOver
from hub.client.held import Held, Outgoing, Stage
from hub.protocol.frames import Done
from hub.protocol.limits import TASK_NOTE_CHARS

log = logging.getLogger("hub.client")


class Task:
    """Work that the hub has handed to this bot.

    Every task is answered once: by `send`, by `done`, or by `fail`. The hub records the answer, and
    the client repeats it over every lost connection until it has.
    """

    def __init__(self, held: Held, calls: Calls) -> None:
        assert held.work is not None
        self._held = held
        self._calls = calls
        self._work = held.work

    @property
    def job(self) -> str:
        """The job's id."""
        return self._held.job

    @property
    def attempt(self) -> int:
        """Which attempt of the job this is, as far as the hub has said; it can grow."""
        return self._held.attempt

    @property
    def name(self) -> str:
        """What is to be done; `send` is a message."""
        return self._work.name

    @property
    def data(self) -> Mapping[str, Any]:
        """All that the hub says about it."""
        return self._work.data

    @property
    def deadline(self) -> str:
        """Until when an answer counts, RFC 3339; then the hub gives the task to another attempt."""
        return self._work.deadline

    @property
    def over(self) -> str:
        """Why the hub wants it no more: cancelled, or given to another attempt; else empty."""
        return self._held.over

    @property
    def answered(self) -> bool:
        """Whether it was answered, or its answer is being found out."""
        return self._held.stage in (Stage.DOUBT, Stage.ANSWERED, Stage.STALE)

    # ── of a message ─────────────────────────────────────────────────────────────────────────

    @property
    def message_id(self) -> str:
        """The message's id, the same in every attempt. A gateway that takes one gets this."""
        return self._message.message_id

    @property
    def to(self) -> str:
        """The recipient's phone, digits alone."""
        return self._message.to

    @property
    def chat(self) -> str | None:
        """The chat's own address at the gateway, where the hub knows one."""
        return self._message.chat

    @property
    def text(self) -> str:
        """The message as plain text."""
        return self._message.text

    @property
    def message(self) -> Any:
        """The message in the form that the bot has asked for."""
        return self._message.message

    @property
    def template_id(self) -> str | None:
        """The template that it was made from."""
        return self._message.template_id

    @property
    def format(self) -> str | None:
        """The form of `message`."""
        return self._message.format

    @property
    def _message(self) -> Outgoing:
        if self._held.message is None:
            raise TypeError(f"a task {self.name!r} is no message; what it says is in `data`")
        return self._held.message

    # ── answers ──────────────────────────────────────────────────────────────────────────────

    async def send(
        self, function: Callable[..., Awaitable[object]], *args: Any, **options: Any
    ) -> dict[str, Any] | None:
        """Call the gateway, once, and answer the task with what comes of it.

        What the function returns is the result: a mapping as it is, a text or number as the
        gateway's id of the message. What it raises is told to the hub and logged, and not raised
        again, so that a loop over tasks goes on.

        Returns:
            The result; None where the message was not sent, or nobody knows.

        Raises:
            JournalError: the journal cannot be written, so the gateway was not called.
            RuntimeError: it was answered already.
        """
        self._refuse_second()
        try:
            async with self.sending() as call:
                call.result = as_result(await function(*args, **options))
        except TaskOver as over:
            log.info("job %s: not sent: %s", self.job, over)
            return None
        except Exception as error:
            if not self.answered:
                raise
            log.warning("job %s: the gateway's call failed: %s", self.job, told(error))
            return None
        answer = self._held.answer
        return answer.result if isinstance(answer, Done) else call.result

    def sending(self, note: Mapping[str, Any] | None = None) -> "Sending":
        """The same for a call that does not fit into one function:

            async with task.sending() as call:
                call.result = {"messageId": await gateway.send(task.to, task.message)}

        Entering it writes `sending` to the journal, leaving it writes `sent` and answers `done`.
        An exception inside leaves open whether the message was sent: the task is answered as
        uncertain, and the exception goes on. `NotSent`, or what the bot was told of as `not_sent`,
        says that it was not: then the task has failed and may be tried again.

        Args:
            note: kept in the journal for `resolve`: how to find the message at the gateway.
        """
        return Sending(self._held, self._calls, note)

    async def progress(self, percent: float, note: str | None = None) -> None:
        """Show how far it is; only the last one counts, and it is not repeated.

        Args:
            percent: 0 to 100.
            note: for people, up to 500 characters.

        Raises:
            TaskOver: the hub wants the task no more.
            ValueError: not a percentage.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"{percent} is no percentage: 0 to 100")
        if self._held.stage is Stage.RUNNING:
            self._calls.check(self._held)
        shown = note if note is None else note[:TASK_NOTE_CHARS]
        self._calls.holdings.progressed(self._held, percent, shown)

    async def done(self, result: Mapping[str, Any] | None = None) -> None:
        """It is done. For a message use `send`: only that is safe against a death in between.

        Args:
            result: anything small with a JSON form.

        Raises:
            TaskOver: the hub wants the task no more.
            RuntimeError: it was answered already.
        """
        self._refuse_second()
        self._calls.check(self._held)
        await self._calls.sent(self._held, dict(result or {}))

    async def fail(self, error: str, retry: bool = True) -> None:
        """It was certainly not done.

        Args:
            error: why, for people.
            retry: whether another attempt may succeed.

        Raises:
            RuntimeError: it was answered already.
        """
        self._refuse_second()
        await self._calls.failed(self._held, error, retry)

    def _refuse_second(self) -> None:
        if self._held.stage in (Stage.ENTERING, Stage.CALLING):
            raise RuntimeError("inside `sending()` a task is answered by leaving the block")
        if self.answered:
            raise RuntimeError("this task was answered already; `sending()` answers it by itself")

    def __repr__(self) -> str:
        return f"<Task {self.name} job={self.job} attempt={self.attempt} {self._held.stage.value}>"


class Sending:
    """One call of the gateway; made by `Task.sending`.

    Attributes:
        result: what the gateway answered; `messageId` is its own id of the message, by which later
            receipts are known.
    """

    def __init__(self, held: Held, calls: Calls, note: Mapping[str, Any] | None) -> None:
        self.result: dict[str, Any] = {}
        self._held = held
        self._calls = calls
        self._note = note

    async def __aenter__(self) -> Self:
        if self._held.stage is not Stage.RUNNING:
            raise RuntimeError("a task is sent once, and not after it was answered")
        await self._calls.begin(self._held, self._note)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None:
            await self._calls.sent(self._held, self.result)
            return False
        return await self._calls.ended(self._held, error)
