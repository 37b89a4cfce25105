"""Who takes tasks, and what they hold: kept in memory for those who are connected."""

from collections.abc import Iterator
from typing import Protocol

from hub.auth import Principal
from hub.protocol.frames import Format, Ready, ServerControl
from hub.stream.reader import Reader
from storage.merchant_records import Job

DEADLINE_SECONDS = 120.0
"""How long a bot has for a task."""
GRACE_SECONDS = 30.0
"""How long a task waits for its bot to come back."""


class Session(Protocol):
    """The connection of a bot, as far as tasks go; see `hub.gateway.session.Session`."""

    principal: Principal
    reader: Reader

    @property
    def id(self) -> str: ...

    def send(self, *frames: ServerControl) -> None:
        """Send frames in one write."""

    def hold_answers(self) -> None:
        """Read no further for the moment."""

    def resume_answers(self) -> None:
        """Read on."""


class Held:
    """A task that a bot has, or had until its connection was lost.

    Attributes:
        job: as it was handed over.
        bot: who has it; None while its bot is gone.
        until: when it counts as lost, by the loop's clock: its deadline, or the end of the time in
            which its bot may come back.
        percent, note: how far the bot says that it is.
        told: when that was told last, by the loop's clock.
        noted: whether it is written.
    """

    __slots__ = ("bot", "deadline", "job", "note", "noted", "percent", "told", "until")

    def __init__(self, job: Job, bot: "Bot | None", deadline: float) -> None:
        self.job = job
        self.bot = bot
        self.deadline = self.until = deadline
        self.percent = 0
        self.note: str | None = None
        self.told = float("-inf")
        self.noted = True

    def orphaned(self, now: float) -> None:
        """Its bot is gone."""
        self.bot = None
        self.until = min(self.deadline, now + GRACE_SECONDS)

    def taken_by(self, bot: "Bot") -> None:
        """A bot has it, which may have come back for it."""
        if self.bot is not None:
            self.bot.held.pop(self.job.id, None)
        self.bot = bot
        self.until = self.deadline
        bot.held[self.job.id] = self


class Bot:
    """A session that said `ready`.

    Attributes:
        credit: how many tasks it takes at once.
        held: what it has, by job.
        resuming: whether it is still being looked up what it holds; it is given nothing meanwhile.
    """

    __slots__ = ("credit", "format", "held", "queues", "resuming", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.credit = 0
        self.format: Format = "baileys"
        self.queues: tuple[str, ...] = ()
        self.held: dict[str, Held] = {}
        self.resuming = 0

    def says(self, ready: Ready) -> None:
        """It takes this many tasks of this kind from now on."""
        self.credit = ready.credit
        self.format = ready.format
        self.queues = ready.queues

    @property
    def free(self) -> int:
        """How many tasks it may be given now. One that does not read what it is sent gets none."""
        reader = self.session.reader
        if reader.closed or reader.stalled or self.resuming or "message_sending" not in self.queues:
            return 0
        return max(0, self.credit - len(self.held))


class Bots:
    """The bots of one merchant, and its tasks.

    Attributes:
        bots: by session, in the order of their turns.
        held: every task of the merchant that is held here, by job; those of bots that are gone too.
        handing: whether tasks are being handed over.
        again: whether there may be more to hand over than was looked at.
    """

    def __init__(self, merchant_id: str) -> None:
        self.merchant_id = merchant_id
        self.bots: dict[str, Bot] = {}
        self.held: dict[str, Held] = {}
        self.handing = False
        self.again = False

    @property
    def free(self) -> int:
        """How many tasks may be handed over now."""
        return sum(bot.free for bot in self.bots.values())

    @property
    def empty(self) -> bool:
        """Whether nothing needs to be kept of this merchant."""
        return not self.bots and not self.held and not self.handing

    def bot_of(self, session: Session) -> Bot:
        """The bot that speaks by this session, from now on."""
        bot = self.bots.get(session.id)
        if bot is None:
            bot = self.bots[session.id] = Bot(session)
        return bot

    def places(self, most: int) -> list[Bot]:
        """Who takes the next tasks: one after the other takes one.

        Returns:
            Up to `most` bots, each as often as it may be given a task.
        """
        free = {id_: bot.free for id_, bot in self.bots.items()}
        places: list[Bot] = []
        while len(places) < most:
            turn = [id_ for id_, count in free.items() if count]
            if not turn:
                break
            for id_ in turn[: most - len(places)]:
                free[id_] -= 1
                places.append(self.bots[id_])
        return places

    def served(self, bot: Bot) -> None:
        """This bot was given a task: the others have their turn before it."""
        if self.bots.pop(bot.session.id, None) is not None:
            self.bots[bot.session.id] = bot

    def hold(self, job: Job, bot: Bot | None, deadline: float) -> Held:
        """A task is held from now on."""
        held = self.held[job.id] = Held(job, None, deadline)
        if bot is not None:
            held.taken_by(bot)
        return held

    def let_go(self, job_id: str, attempt: int) -> Held | None:
        """A task has been settled; what was held in this attempt, if it was."""
        held = self.held.get(job_id)
        if held is None or held.job.attempt > attempt:
            return None
        del self.held[job_id]
        if held.bot is not None:
            held.bot.held.pop(job_id, None)
        return held

    def left(self, session_id: str, now: float) -> None:
        """A session is gone; its tasks wait for it."""
        bot = self.bots.pop(session_id, None)
        if bot is None:
            return
        for held in bot.held.values():
            held.orphaned(now)
        bot.held.clear()

    def over(self, now: float) -> Iterator[Held]:
        """The tasks whose time is over."""
        return (held for held in self.held.values() if held.until <= now)
