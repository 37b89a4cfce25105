"""What a bot holds, as a state machine, against a hub that cuts, gives up and cancels."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.client.held import Held, Stage, done, failed, record
from hub.client.holdings import READY, Holdings
from hub.client.journal import Journal
from hub.client.journal_file import apply
from hub.client.wire import Refused
from hub.protocol import frames
from tests.client.fake_jobs import FAR


@dataclass
class ModelJob:
    """A job as the hub has it; `sent` and `torn` are the gateway's, which the hub does not see."""

    id: str
    state: str = "waiting"
    attempt: int = 0
    sent: int = 0
    torn: bool = False


@dataclass
class Model:
    """One hub, one gateway, and one bot that dies and comes back with its journal."""

    ids: tuple[str, ...]
    journal: Journal = field(default_factory=lambda: Journal(None))
    to_hub: list[dict[str, object]] = field(default_factory=list)
    to_bot: list[frames.Settled | Refused] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jobs = {id_: ModelJob(id_) for id_ in self.ids}
        self.born()

    def born(self) -> None:
        self.holdings = Holdings(self.journal, lambda: None)
        for held in self.holdings.recall():
            self.uncertain(held)
        self.connect()

    def connect(self) -> None:
        """A new connection: what was on the wire is gone, and the bot says what it holds."""
        self.to_hub, self.to_bot = [], []
        self.holdings.lost()
        for one in self.holdings.resume():
            job = self.jobs[one.job]
            if (job.state, job.attempt) != ("running", one.attempt):
                self.to_bot.append(frames.Settled(one.job, one.attempt, job.state, READY))

    def steps(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Everything that can happen now, by name."""
        for job in self.jobs.values():
            if job.state == "waiting":
                yield "hand", partial(self.hand, job)
                yield "elsewhere", partial(self.elsewhere, job)
            if job.state == "running":
                yield "give up", partial(self.give_up, job)
            if job.state in ("waiting", "running"):
                yield "cancel", partial(self.cancel, job)
        for held in self.held():
            if held.stage is Stage.WAITING:
                yield "begin", partial(setattr, held, "stage", Stage.RUNNING)
            if held.stage is Stage.RUNNING:
                yield "call", partial(self.call, held)
                yield "fail", partial(self.holdings.answer, held, failed("no"))
            if held.stage is Stage.CALLING:
                yield "return", partial(self.return_, held)
                yield "raise", partial(self.raise_, held)
                yield "refuse", partial(self.refuse, held)
        if self.holdings.has_answers:
            yield "say", self.say
        if self.to_hub:
            yield "hear", self.hear
        if self.to_bot:
            yield "settle", self.settle
        yield "cut", self.connect
        yield "die", self.die

    def hand(self, job: ModelJob) -> None:
        job.state = "running"
        job.attempt += 1
        data = {"messageId": f"m{job.id}", "to": "1"}
        self.holdings.received(frames.Task(job.id, job.attempt, "send", data, FAR), None)

    def elsewhere(self, job: ModelJob) -> None:
        """Another bot gets it, which does nothing."""
        job.state = "running"
        job.attempt += 1

    def give_up(self, job: ModelJob) -> None:
        job.state = "waiting"
        self.to_bot.append(frames.Settled(job.id, job.attempt, "retrying"))

    def cancel(self, job: ModelJob) -> None:
        job.state = "cancelled"
        self.to_bot.append(frames.Settled(job.id, job.attempt, "cancelled"))

    def call(self, held: Held) -> None:
        _ = self.journal.append(record(held, "sending"))
        held.stage = Stage.CALLING

    def return_(self, held: Held) -> None:
        self.jobs[held.job].sent += 1
        _ = self.journal.append(record(held, "sent", {"messageId": "x"}))
        self.holdings.answer(held, done({"messageId": "x"}))

    def raise_(self, held: Held) -> None:
        self.jobs[held.job].torn = True
        self.uncertain(held)

    def refuse(self, held: Held) -> None:
        _ = self.journal.append(record(held, "unsent"))
        self.holdings.answer(held, failed("refused"))

    def die(self) -> None:
        for held in self.held():
            if held.stage is Stage.CALLING:
                self.jobs[held.job].torn = True
        entries = self.journal.entries
        self.journal = Journal(None)
        apply(self.journal._entries, entries.values())
        self.born()

    def settle(self) -> None:
        frame = self.to_bot.pop(0)
        if isinstance(frame, Refused):
            self.holdings.refused(frame)
        else:
            self.holdings.settled(frame)

    def lose(self) -> None:
        """The hub gives up what a bot has not named after its death."""
        named = {(held.job, held.attempt) for held in self.held()}
        for job in self.jobs.values():
            if job.state == "running" and (job.id, job.attempt) not in named:
                job.state = "waiting"

    def held(self) -> list[Held]:
        return list(self.holdings._by_key.values())

    def uncertain(self, held: Held) -> None:
        self.holdings.answer(held, failed("uncertain", retry=False, uncertain=True))

    def say(self) -> None:
        """The bot sends what it has to say."""
        while (answer := self.holdings.next_answer()) is not None:
            self.to_hub.append(json.loads(answer))

    def hear(self) -> None:
        """The hub takes the next answer."""
        if not self.to_hub:
            return
        said = self.to_hub.pop(0)
        id_, attempt, ref = said["job"], said["attempt"], said["ref"]
        assert isinstance(id_, str)
        assert isinstance(attempt, int)
        assert isinstance(ref, str)
        job = self.jobs[id_]
        if job.state in ("waiting", "running") and attempt != job.attempt:
            self.to_bot.append(Refused("stale_attempt", ref=ref))
            return
        if job.state in ("waiting", "running"):
            if said["type"] == "done":
                job.state = "succeeded"
            elif said["uncertain"]:
                job.state = "dead"
            else:
                job.state = "waiting"
        state = "retrying" if job.state == "waiting" else job.state
        self.to_bot.append(frames.Settled(job.id, attempt, state, ref))


SENT = "hand begin call return"


@pytest.mark.parametrize(
    "turns",
    [
        f"{SENT} say give-up hand hear",  # the answer meets the next attempt on its way
        f"{SENT} say give-up elsewhere hear settle settle",  # it is stale
        f"{SENT} say give-up elsewhere hear settle settle give-up hand",
        f"{SENT} give-up settle",  # the hub has given it up before it hears of it
        f"{SENT} give-up settle hand",
        f"{SENT} say cut give-up settle",
        f"{SENT} give-up cut settle say",
        f"{SENT} die",
        f"{SENT} give-up die",
        f"{SENT} give-up hand die",
        f"{SENT} say hear die",
        "hand begin call die",
        "hand begin call die give-up hand",
        "hand begin call give-up settle hand return",  # the call goes on under the next attempt
        "hand begin call cancel settle return",
        "hand begin call raise give-up hand",
        "hand begin call raise say give-up elsewhere hear settle settle give-up hand",
        "hand begin call refuse give-up hand begin",
        "hand begin give-up hand call settle return",
        "hand begin fail say cut give-up hand begin",
        "hand give-up settle hand",
    ],
)
async def test_it_is_sent_once_whatever_happens_between(turns: str) -> None:
    model = Model(("a",))
    for turn in turns.split():
        dict(model.steps())[turn.replace("-", " ")]()
    comes_to_an_end(model)


@given(st.lists(st.integers(0, 1000), max_size=40))
def test_a_message_is_sent_once_and_every_job_ends(choices: list[int]) -> None:
    asyncio.run(_run(choices))


async def _run(choices: list[int]) -> None:
    model = Model(("a", "b"))
    for choice in choices:
        steps = list(model.steps())
        name, step = steps[choice % len(steps)]
        step()
        assert all(job.sent <= 1 for job in model.jobs.values()), f"sent twice by {name}"
    comes_to_an_end(model)


def comes_to_an_end(model: Model) -> None:
    go_well(model)
    assert all(held.stage is Stage.STALE for held in model.held())
    # What was stale is asked about again by the next connection.
    model.connect()
    go_well(model)
    assert model.held() == []
    assert dict(model.journal.entries) == {}
    for job in model.jobs.values():
        assert job.sent <= 1
        if job.state == "succeeded":
            assert job.sent == 1
        else:
            assert job.state == "cancelled" or (job.state == "dead" and job.torn)


def go_well(model: Model) -> None:
    """Whatever is good happens until nothing more does."""
    good = ("settle", "hear", "say", "hand", "begin", "call", "return")
    for _ in range(100):
        model.lose()
        steps = dict(model.steps())
        name = next((name for name in good if name in steps), None)
        if name is None:
            return
        steps[name]()
    raise AssertionError("it does not come to an end")
