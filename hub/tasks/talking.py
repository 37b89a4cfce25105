"""The answers of one session on their way to the log: what came while some were being written goes
into the next commit."""

import asyncio
import time
from collections.abc import Callable, Iterable

import structlog

from hub.protocol import codec
from hub.protocol.codec import error_frame
from hub.protocol.errors import HubError, Unavailable
from hub.protocol.frames import Answer, Done, Progress, ServerControl, Settled
from hub.protocol.limits import ANSWERS_AT_ONCE
from hub.protocol.times import format_ms
from hub.stream.log import EventLog
from hub.stream.waiting import WriteScope
from storage.errors import StorageError
from storage.jobs import ENDED_STATES
from storage.merchant_records import Job

from .answers import Settlement, settle
from .bots import Session

log = structlog.get_logger("hub.tasks")

_BATCH = 128
"""Answers that are written in one commit."""

Told = Callable[[str, Iterable[tuple[Job, int]]], None]
"""Hears of what was answered: the merchant, and the jobs with the attempts."""


class Talk:
    """Takes answers as long as there are any; `run` ends with the last one.

    Args:
        settled: is told of what was written, before the bot is.
    """

    def __init__(self, event_log: EventLog, session: Session, settled: Told) -> None:
        self.session = session
        self._log = event_log
        self._settled = settled
        self._waiting: list[Answer | Progress] = []
        self._held = False

    def take(self, frame: Answer | Progress) -> None:
        """Take what a bot says of a task.

        Raises:
            InvalidParams: its result cannot be kept.
        """
        if isinstance(frame, Done) and frame.result is not None:
            codec.check_params({"result": frame.result})
        self._waiting.append(frame)
        if len(self._waiting) >= ANSWERS_AT_ONCE and not self._held:
            self._held = True
            self.session.hold_answers()

    async def run(self) -> None:
        """Write what waits until nothing does."""
        try:
            # One read of the socket brings many: let them all in.
            await asyncio.sleep(0)
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                await self._write(batch)
                if self._held and len(self._waiting) < ANSWERS_AT_ONCE:
                    self._held = False
                    self.session.resume_answers()
        finally:
            if self._held:
                self.session.resume_answers()

    async def _write(self, batch: list[Answer | Progress]) -> None:
        principal = self.session.principal
        now = format_ms(time.time_ns() // 1_000_000)

        async def work(scope: WriteScope) -> list[Settlement]:
            return await settle(scope, batch, principal, now)

        try:
            settled = (await self._log.commit(work, principal.scope())).result
        except (HubError, StorageError) as error:
            log.warning("answers to tasks could not be written", error=str(error))
            refusal = Unavailable("the database did not answer; send it again")
            self.session.send(*(error_frame(refusal, each.ref, each.job) for each in batch))
            return
        self._settled(
            principal.merchant_id or "",
            [
                (one.job, answer.attempt)
                for answer, one in zip(batch, settled, strict=True)
                if one.job is not None and one.refusal is None
            ],
        )
        frames: list[ServerControl] = []
        for answer, one in zip(batch, settled, strict=True):
            if one.refusal is not None:
                frames.append(error_frame(one.refusal, answer.ref, answer.job))
            elif one.job is not None and (
                not isinstance(answer, Progress) or one.job.state in ENDED_STATES
            ):
                frames.append(Settled(answer.job, answer.attempt, one.job.state, answer.ref))
        if frames:
            self.session.send(*frames)
