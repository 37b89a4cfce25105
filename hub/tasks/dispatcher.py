"""The dispatcher of one hub: it hears of jobs and of bots, and brings them together.

    a job awaits a bot        `told`, behind the commit; from another process, the look every second
    a bot says ready          `ready`; `drained` when it reads again, and with every settled answer
    a recipient's time comes  a timer
    a bot is gone             `left`; its tasks wait 30 s for it, and are lost then

Merchants are handed their tasks beside each other, each in commits of its own, which the log takes
in turns; a merchant without bots costs nothing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

from hub.protocol.codec import error_frame
from hub.protocol.drafts import Origin
from hub.protocol.errors import HubError, Unavailable
from hub.protocol.frames import Answer, Progress, Ready, ServerControl, Settled, Task
from hub.protocol.frames import Held as Named
from hub.protocol.times import format_ms, parse_ms
from hub.stream.log import EventLog
from hub.stream.waiting import WriteScope
from jobs.context import SOURCE
from jobs.enqueue import event_data, subject_of
from jobs.queues import is_loud
from storage.errors import StorageError
from storage.jobs import ENDED_STATES
from storage.merchant_records import Job
from storage.scope import Scope

from . import handing, holding
from .bots import DEADLINE_SECONDS, Bot, Bots, Held, Session
from .files import Pictures
from .handing import Handed
from .keeping import LOOK_SECONDS, Keeper, seconds_left
from .parents import Parents
from .talking import Talk

log = structlog.get_logger("hub.tasks")

Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Runs something beside; what it raises is logged."""

_OUTCOMES = {"retrying": "failed"}
"""What came of an attempt, where that is called otherwise than the state of its job."""
_TELL_SECONDS = 0.2
"""How often progress is told at the most."""


class Dispatcher:
    """See the module; it is the gateway's `Tasks`.

    Args:
        instance: the data directory that this hub belongs to: its next life holds the same tasks.
        pictures: where a gateway finds those of messages.
        spawn: has what is under way done.

    Attributes:
        worker: the id under which this hub holds tasks.
        draining: says whether nothing is handed over any more.
        outcomes: attempts of bots here that were answered, by queue and what came of them.
    """

    def __init__(
        self, event_log: EventLog, instance: str, pictures: Pictures, spawn: Spawn
    ) -> None:
        self.worker = f"bots-{instance}"[:64]
        self.draining: Callable[[], bool] = lambda: False
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._parents = Parents(event_log)
        self._keeper = Keeper(self, event_log, instance)
        self._log = event_log
        self._pictures = pictures
        self._spawn = spawn
        self._merchants: dict[str, Bots] = {}
        self._talks: dict[str, Talk] = {}

    # ── what is there, for metrics ───────────────────────────────────────────────────────────

    @property
    def bots(self) -> int:
        """Bots that said `ready`."""
        return sum(len(bots.bots) for bots in self._merchants.values())

    @property
    def credit(self) -> int:
        """Tasks that they take at once, all together."""
        return sum(bot.credit for bots in self._merchants.values() for bot in bots.bots.values())

    @property
    def held(self) -> int:
        """Tasks that they hold, those included whose bot is gone."""
        return sum(len(bots.held) for bots in self._merchants.values())

    # ── what bots say ────────────────────────────────────────────────────────────────────────

    def ready(self, session: Session, frame: Ready) -> None:
        bots = self._bots_of(session)
        bot = bots.bot_of(session)
        bot.says(frame)
        unknown = []
        for named in frame.resume:
            held = bots.held.get(named.job)
            if held is not None and held.job.attempt == named.attempt:
                held.taken_by(bot)
            else:
                unknown.append(named)
        if unknown:
            bot.resuming += 1
            self._spawn(self._resume(bots, bot, unknown, frame.ref))
        self.wake(bots)

    def progress(self, session: Session, frame: Progress) -> None:
        bots = self._merchants.get(session.principal.merchant_id or "")
        held = None if bots is None else bots.held.get(frame.job)
        if held is None or held.job.attempt != frame.attempt:
            self._talk(session).take(frame)
            return
        held.percent = int(frame.percent)
        held.note = None if frame.note is None else frame.note.replace("\0", "")
        held.noted = False
        now = asyncio.get_running_loop().time()
        if now - held.told >= _TELL_SECONDS:
            held.told = now
            self.tell(held, "job_progressed")

    def answer(self, session: Session, frame: Answer) -> None:
        self._talk(session).take(frame)

    def drained(self, session: Session) -> None:
        self.wake(self._bots_of(session))

    def left(self, session: Session) -> None:
        merchant_id = session.principal.merchant_id or ""
        bots = self._merchants.get(merchant_id)
        if bots is None:
            return
        bots.left(session.id, asyncio.get_running_loop().time())
        if bots.empty:
            del self._merchants[merchant_id]

    def _bots_of(self, session: Session) -> Bots:
        return self._bots(session.principal.merchant_id or "")

    def _bots(self, merchant_id: str) -> Bots:
        bots = self._merchants.get(merchant_id)
        if bots is None:
            bots = self._merchants[merchant_id] = Bots(merchant_id)
        return bots

    def _talk(self, session: Session) -> Talk:
        """What takes the answers of a session, for as long as there are any."""
        talk = self._talks.get(session.id)
        if talk is None:
            talk = self._talks[session.id] = Talk(self._log, session, self._settled)
            self._spawn(self._converse(talk))
        return talk

    async def _converse(self, talk: Talk) -> None:
        try:
            await talk.run()
        finally:
            del self._talks[talk.session.id]

    def _settled(self, merchant_id: str, jobs: Iterable[tuple[Job, int]]) -> None:
        """Answers were written: what they were to is held no longer.

        Args:
            jobs: as they are now, each with the attempt that was answered.
        """
        bots = self._merchants.get(merchant_id)
        for job, attempt in jobs:
            if job.state == "running" and job.attempt == attempt:
                continue
            if bots is not None and bots.let_go(job.id, attempt) is not None:
                self.outcomes[job.queue, _OUTCOMES.get(job.state, job.state)] += 1
            if job.parent_id is not None and job.state in ENDED_STATES:
                self._parents.moved(merchant_id, job.parent_id)
        if bots is not None:
            self.wake(bots)

    # ── what commits tell ────────────────────────────────────────────────────────────────────

    def told(self, jobs: list[Job]) -> None:
        """Hear of jobs that a commit has given somewhere to go, or has ended."""
        for job in jobs:
            if job.queue != "message_sending":
                continue
            if job.name == "bulk":
                self._parents.moved(job.merchant_id, job.id)
            elif job.state in ENDED_STATES:
                self._ended(job)
            elif job.awaits == "bot" and job.state != "running":
                bots = self._merchants.get(job.merchant_id)
                if bots is not None:
                    self.wake(bots)

    def _ended(self, job: Job) -> None:
        """A job has ended that a bot may hold: it is told that it need not do it any more."""
        if job.parent_id is not None:
            self._parents.moved(job.merchant_id, job.parent_id)
        bots = self._merchants.get(job.merchant_id)
        held = None if bots is None else bots.held.get(job.id)
        if bots is None or held is None or held.job.attempt != job.attempt:
            return
        bot = held.bot
        bots.let_go(job.id, job.attempt)
        if bot is not None:
            bot.session.send(Settled(job.id, job.attempt, job.state))
            self.wake(bots)

    # ── handing over ─────────────────────────────────────────────────────────────────────────

    def wake(self, bots: Bots) -> None:
        """There may be a task for one of these."""
        if not bots.free or self.draining():
            return
        bots.again = True
        if not bots.handing:
            bots.handing = True
            self._spawn(self._hand_over(bots))

    async def _hand_over(self, bots: Bots) -> None:
        try:
            while bots.again and not self.draining():
                bots.again = False
                places = bots.places(handing.BATCH)
                if places:
                    await self._hand_over_some(bots, places)
        finally:
            bots.handing = False
            if bots.empty:
                self._merchants.pop(bots.merchant_id, None)

    async def _hand_over_some(self, bots: Bots, places: list[Bot]) -> None:
        formats = [bot.format for bot in places]

        async def hand(scope: WriteScope) -> handing.Batch:
            source = self._pictures.source
            return await handing.hand_over(scope, formats, self.worker, _now(), source)

        try:
            batch = (await self._log.commit(hand, Scope(bots.merchant_id))).result
        except (HubError, StorageError) as error:
            log.warning("tasks could not be handed over", error=str(error))
            return  # the next look tries again
        self.told(batch.ended)
        await self._give(bots, places, batch.handed)
        if batch.more or len(batch.handed) == len(places):
            bots.again = True
        elif batch.next_at is not None:
            self._later(bots.merchant_id, (parse_ms(batch.next_at) - _now_ms()) / 1000)

    async def _give(self, bots: Bots, places: list[Bot], handed: list[Handed]) -> None:
        """Tell bots of their tasks, each in one write."""
        now = asyncio.get_running_loop().time()
        frames: dict[Bot, list[ServerControl]] = {}
        back: list[Job] = []
        unreadable = await self._pictures.put_into(handed)
        failed = {job.id for job, _ in unreadable}
        for each in handed:
            bot, job = places[each.place], each.job
            if job.id in failed:
                continue
            if bot.session.reader.closed:
                back.append(job)
                continue
            held = bots.hold(job, bot, now + DEADLINE_SECONDS)
            bots.served(bot)
            self.tell(held, "job_started")
            task = Task(job.id, job.attempt, job.name, each.data, each.deadline)
            frames.setdefault(bot, []).append(task)
        for bot, tasks in frames.items():
            bot.session.send(*tasks)
        if back or unreadable:

            async def take_back(scope: WriteScope) -> None:
                await holding.hand_back(scope, back, _now())
                await holding.fail(scope, unreadable, _now())

            try:
                await self._log.commit(take_back, Scope(bots.merchant_id))
            except (HubError, StorageError):
                for job in (*back, *(job for job, _ in unreadable)):
                    # They are given up when their time is over.
                    bots.hold(job, None, now + DEADLINE_SECONDS).orphaned(now)

    def _later(self, merchant_id: str, seconds: float) -> None:
        """Look again for a merchant's tasks in a while, if that is sooner than the next look."""
        if seconds < LOOK_SECONDS:
            loop = asyncio.get_running_loop()
            loop.call_later(max(0.0, seconds), self.wake_merchant, merchant_id)

    def wake_merchant(self, merchant_id: str) -> None:
        """There may be a task for a bot of this merchant."""
        bots = self._merchants.get(merchant_id)
        if bots is not None:
            self.wake(bots)

    def tell(self, held: Held, type_: str) -> None:
        """Tell those who watch how far a task is."""
        job = held.job
        if is_loud(job):
            data = event_data(job) | {"progress": held.percent, "note": held.note}
            self._log.tell(Origin(job.merchant_id, SOURCE), type_, data, subject_of(job))

    # ── keeping ──────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Look after tasks and bulk sends, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._parents.run())
            tasks.create_task(self._keeper.run())

    def merchants(self) -> list[Bots]:
        """Those that have bots here, or tasks."""
        return list(self._merchants.values())

    def hold_for_absent(self, merchant_id: str, found: Iterable[Job]) -> None:
        """Hold tasks of bots that may come back."""
        now = asyncio.get_running_loop().time()
        bots = self._bots(merchant_id)
        for job in found:
            if job.id not in bots.held:
                bots.hold(job, None, now + seconds_left(job)).orphaned(now)

    # ── coming back ──────────────────────────────────────────────────────────────────────────

    async def _resume(self, bots: Bots, bot: Bot, named: list[Named], ref: str | None) -> None:
        """Find what a bot says it still holds, and this hub does not know of."""

        async def find(scope: WriteScope) -> holding.Resumed:
            return await holding.resume(scope, named, self.worker, _now())

        try:
            found = (await self._log.commit(find, bot.session.principal.scope())).result
        except (HubError, StorageError):
            refusal = Unavailable("the database did not answer; say ready again")
            bot.session.send(error_frame(refusal, ref))
        else:
            now = asyncio.get_running_loop().time()
            for job in found.held:
                gone = bot.session.reader.closed
                held = bots.hold(job, None if gone else bot, now + seconds_left(job))
                if gone:
                    held.orphaned(now)
            bot.session.send(
                *(Settled(each.job, each.attempt, job.state, ref) for each, job in found.others),
                # What is not there any more is not to be done.
                *(Settled(each.job, each.attempt, "cancelled", ref) for each in found.unknown),
            )
        finally:
            bot.resuming -= 1
            self.wake(bots)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _now() -> str:
    return format_ms(_now_ms())
