"""The gateway's calls: written down before and after, and what to do when nobody knows.

    sending on disk → the call → sent on disk → `done`

Whatever ends the call without an answer, the death of the process included, leaves `sending`
behind. Then the gateway is asked, where the bot knows how to; else the hub is told that it is
uncertain, and the message is never sent again by itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from hub.client.errors import JournalError, NotSent, TaskOver
from hub.client.held import Answer, Held, Stage, done, failed, record
from hub.client.holdings import Holdings
from hub.client.journal import Journal
from hub.client.journal_file import Record

log = logging.getLogger("hub.client")

RESOLVE_SECONDS = 30.0
"""How long `resolve` may take."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Doubt:
    """A message of which the bot does not know whether it was sent.

    Attributes:
        message_id: the message's stable id; the job's for a task that is no message.
        job: the job that asked for it.
        at: when the gateway's call was begun, RFC 3339.
        note: what was given to `sending` for this.
        error: what ended the call.
    """

    message_id: str
    job: str
    at: str
    note: Mapping[str, Any]
    error: str


Resolve = Callable[[Doubt], Awaitable[object]]
"""Asks the gateway whether a message was sent: what `as_result` takes when it was; None when that
cannot be known. It raises NotSent when it certainly was not."""


class Calls:
    """What a bot's tasks do around their calls.

    Args:
        holdings: the bot's tasks.
        journal: where it is written down.
        resolve: asks the gateway.
        not_sent: exceptions of the gateway that prove that nothing was sent.
        on_broken: told when the journal cannot be written.
    """

    def __init__(
        self,
        holdings: Holdings,
        journal: Journal,
        resolve: Resolve | None,
        not_sent: tuple[type[Exception], ...],
        on_broken: Callable[[JournalError], None],
    ) -> None:
        self.holdings = holdings
        self._journal = journal
        self._resolve = resolve
        self._not_sent = not_sent
        self._on_broken = on_broken

    async def begin(self, held: Held, note: Mapping[str, Any] | None) -> None:
        """Write down that the message is about to be sent; from here on it may have been.

        Raises:
            TaskOver: it is not to be sent any more.
            JournalError: it cannot be written down.
        """
        self.check(held)
        held.stage = Stage.ENTERING
        noted = None if note is None else dict(note)
        written = self._journal.append(record(held, "sending", note=noted))
        try:
            await asyncio.shield(written)
            self.check(held)
        except BaseException as error:
            held.stage = Stage.RUNNING
            if not self.holdings.has_another(held):
                _ = self._journal.append(record(held, "unsent"))
            if isinstance(error, JournalError):
                self._on_broken(error)
            raise
        held.stage = Stage.CALLING

    def check(self, held: Held) -> None:
        """That the hub still wants this task from this bot.

        Raises:
            TaskOver: it does not.
        """
        if held.over:
            raise TaskOver(held.over)
        if held.expires is not None and asyncio.get_running_loop().time() >= held.expires:
            raise TaskOver("its deadline has passed")
        if not self.holdings.has(held):
            raise TaskOver("the hub has given it to another attempt")

    async def sent(self, held: Held, result: dict[str, Any]) -> None:
        """The message was sent: write that down, then tell the hub."""
        try:
            _ = _encode(result)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            log.warning("job %s: the result has no JSON form and is left out: %s", held.job, error)
            result = {}
        await self._answer(held, record(held, "sent", result), done(result))

    async def failed(self, held: Held, error: str, retry: bool) -> None:
        """The message was certainly not sent."""
        answer = failed(error, retry=retry)
        if held.key in self._journal.entries:
            await self._answer(held, record(held, "unsent"), answer)
        else:
            self.holdings.answer(held, answer)

    async def _answer(self, held: Held, line: Record, answer: Answer) -> None:
        """Answer as soon as it is on disk, also when nobody waits for that any more."""
        if not self.holdings.has(held):
            return  # the job has ended without us
        written = self._journal.append(line)
        try:
            await asyncio.shield(written)
        except JournalError as error:
            # The hub had better know it all the same.
            self._on_broken(error)
        finally:
            if written.done():
                self.holdings.answer(held, answer)
            else:
                written.add_done_callback(lambda _: self.holdings.answer(held, answer))

    def uncertain(self, held: Held, error: str) -> None:
        """Tell the hub that nobody knows; the journal keeps it until the hub has settled it."""
        self.holdings.answer(held, failed(error, retry=False, uncertain=True))

    async def ended(self, held: Held, error: BaseException) -> bool:
        """A call has raised something; whether the message was sent all the same."""
        if isinstance(error, NotSent):
            await self.failed(held, str(error), error.retry)
        elif isinstance(error, self._not_sent):
            await self.failed(held, told(error), retry=True)
        elif isinstance(error, Exception):
            try:
                return await self.doubt(held, told(error))
            except asyncio.CancelledError:
                self.uncertain(held, told(error))
                raise
        else:
            self.uncertain(held, f"{told(error)} inside the gateway's call")
        return False

    async def doubt(self, held: Held, error: str) -> bool:
        """Nobody knows whether a message was sent: ask the gateway; whether it was.

        Args:
            held: its task.
            error: what ended the call.
        """
        held.stage = Stage.DOUBT
        line = self._journal.entries.get(held.key)
        if self._resolve is not None and line is not None:
            question = Doubt(held.key, held.job, line.at, line.note or {}, error)
            try:
                async with asyncio.timeout(RESOLVE_SECONDS):
                    found = await self._resolve(question)
            except NotSent as proof:
                await self.failed(held, f"{error}; not sent: {proof}", proof.retry)
                return False
            except Exception as other:
                log.warning("job %s: resolve failed", held.job, exc_info=True)
                error = f"{error}; resolve failed: {told(other)}"
            else:
                if found is not None:
                    await self.sent(held, as_result(found))
                    return True
        self.uncertain(held, error)
        return False


def as_result(value: object) -> dict[str, Any]:
    """What a gateway's call returned, as the result of a task.

    A mapping is taken as it is, a text or number as the gateway's id of the message; anything else
    says that it was sent, and no more.
    """
    if isinstance(value, Mapping):
        return {str(name): entry for name, entry in value.items()}
    if isinstance(value, str | int) and not isinstance(value, bool):
        return {"messageId": str(value)}
    return {}


def told(error: BaseException) -> str:
    """An exception as a phrase."""
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name
