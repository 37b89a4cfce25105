"""What a bot has in its hands, without I/O: tasks to do, and answers that the hub has not settled.

    received → waiting → running → entering → calling → answered ── settled ──→ gone
                            │                    │        ↑   ↕
                            │                    └→ doubt ┘  stale, until a later attempt
                            └───────── done, fail ────────┘  or connection

A task is known by the message that it is about, not by its attempt. Where the hub has given up an
attempt and hands the same message out again, the new attempt takes the place of the old one: what
runs goes on, and what was sent is answered again and not sent again.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from hub.client.held import Answer, Held, Outgoing, Stage, done, failed, record
from hub.client.journal import Journal
from hub.client.wire import Refused
from hub.protocol import frames
from hub.protocol.codes import ErrorCode
from hub.protocol.limits import CREDIT

log = logging.getLogger("hub.client")

READY = "ready"
"""The `ref` of every `ready`."""

_BEFORE_ANSWER = frozenset({Stage.WAITING, Stage.RUNNING, Stage.ENTERING, Stage.CALLING})
_AT_WORK = _BEFORE_ANSWER - {Stage.WAITING}
_FINAL = frozenset({"succeeded", "dead", "cancelled"})
_RETRIED = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL, ErrorCode.RATE_LIMITED})
_encode = msgspec.json.Encoder().encode


@dataclass(eq=False)
class Holdings:
    """All tasks of one bot.

    Attributes:
        journal: what outlives the process.
        changed: called when something is to be sent, begun, or has ended.
        waiting: tasks that nobody has begun, those that are over among them.
        leaving: whether nothing new is begun any more.
    """

    journal: Journal
    changed: Callable[[], None]
    waiting: deque[Held] = field(default_factory=deque)
    leaving: bool = False
    _numbers: int = 0
    _by_key: dict[str, Held] = field(default_factory=dict)
    _by_job: dict[str, Held] = field(default_factory=dict)
    _by_number: dict[int, Held] = field(default_factory=dict)
    _unsent: deque[Held] = field(default_factory=deque)
    _in_flight: set[Held] = field(default_factory=set)
    _put_off: list[Held] = field(default_factory=list)
    _progress: dict[Held, frames.Progress] = field(default_factory=dict)

    def recall(self) -> list[Held]:
        """Take up what the journal knows; those of which nobody knows whether they were sent."""
        doubts = []
        for line in self.journal.entries.values():
            held = self._hold(line.key, line.job, line.attempt, Stage.DOUBT)
            if line.state == "sent":
                self.answer(held, done(line.result))
            else:
                doubts.append(held)
        return doubts

    def has(self, held: Held) -> bool:
        """Whether this task is still the bot's business."""
        return self._by_key.get(held.key) is held

    def has_another(self, held: Held) -> bool:
        """Whether the same message is held as another task, which has come after this one."""
        return self._by_key.get(held.key, held) is not held

    def any(self, *stages: Stage) -> bool:
        """Whether a task is in one of these stages."""
        return any(held.stage in stages for held in self._by_key.values())

    # ── what the hub says ────────────────────────────────────────────────────────────────────

    def received(self, work: frames.Task, expires: float | None) -> None:
        """The hub hands out a task."""
        key, message, told = work.job, None, ""
        if work.name == "send":
            try:
                message = msgspec.convert(work.data, Outgoing)
                key = message.message_id
            except msgspec.ValidationError as error:
                told = f"this client cannot read the task: {error}"
        held = self._by_key.get(key)
        if held is not None and held.failed:
            # It failed, and the hub has counted it as lost meanwhile: it is to be done again.
            self._drop(held)
            held = None
        if held is None:
            held = self._hold(key, work.job, work.attempt, Stage.WAITING)
        else:
            self._rename(held, work)
        held.work, held.message, held.expires = work, message, expires
        if told:
            self.answer(held, failed(told, retry=False))
        elif held.stage in (Stage.ANSWERED, Stage.STALE):
            self._send_again(held)
        elif held.stage is Stage.WAITING and self.leaving:
            self.answer(held, failed("the bot is leaving; it has not begun this"))
        elif held.stage is Stage.WAITING and held not in self.waiting:
            self.waiting.append(held)
        self.changed()

    def settled(self, frame: frames.Settled) -> None:
        """The hub has recorded what became of a task."""
        held = self._by_job.get(frame.job)
        final = frame.state in _FINAL
        if held is None or (frame.attempt != held.attempt and not final):
            return
        if held.stage in _BEFORE_ANSWER:
            self._end(held, f"the hub says that the job is {frame.state}")
        elif final or held.failed:
            self.forget(held)
        elif held.stage is Stage.ANSWERED and frame.ref != READY:
            # It was sent, or may have been; whoever gets the next attempt must be told so.
            self._park(held)
        self.changed()

    def unknown(self, job: str, why: str) -> None:
        """The hub has no such job, or not any more."""
        held = self._by_job.get(job)
        if held is None:
            return
        if held.stage in _BEFORE_ANSWER:
            self._end(held, f"the hub says: {why}")
        else:
            self.forget(held)
        self.changed()

    def refused(self, frame: Refused) -> bool:
        """The hub did not take a frame; whether it was an answer or a progress of a task."""
        kind, number = (frame.ref or "")[:1], (frame.ref or "")[1:]
        if kind not in ("a", "p") or not number.isdecimal():
            return False
        held = self._by_number.get(int(number))
        if held is None:
            return True
        again = frame.retry or frame.code in _RETRIED
        if kind == "p":
            if not again and held.stage in _AT_WORK:
                self._end(held, f"the hub says {frame.code}: {frame.message}")
        elif held.stage is Stage.ANSWERED:
            self._in_flight.discard(held)
            if again:
                self._put_off.append(held)
            else:
                self._not_taken(held, frame)
        self.changed()
        return True

    def lost(self) -> None:
        """The connection ended: what was answered and not settled is answered again."""
        self._in_flight.clear()
        self._put_off.clear()
        self._unsent.clear()
        for held in self._by_key.values():
            if held.stage in (Stage.ANSWERED, Stage.STALE):
                held.stage = Stage.ANSWERED
                self._unsent.append(held)

    # ── what is said to the hub ──────────────────────────────────────────────────────────────

    def resume(self) -> list[frames.Held]:
        """Every task that the bot holds, for `ready`."""
        held = [frames.Held(h.job, h.attempt) for h in self._by_key.values() if not h.over]
        return held[:CREDIT]

    def next_answer(self) -> bytes | None:
        """The next answer to send."""
        while self._unsent:
            held = self._unsent.popleft()
            if held.stage is Stage.ANSWERED and self.has(held) and held not in self._in_flight:
                assert held.answer is not None
                self._in_flight.add(held)
                answer = msgspec.structs.replace(
                    held.answer, ref=f"a{held.number}", job=held.job, attempt=held.attempt
                )
                return _encode(answer)
        return None

    def next_progress(self) -> bytes | None:
        """The next progress to send: the last one of a task, and none of what has ended."""
        while self._progress:
            held = next(iter(self._progress))
            frame = self._progress.pop(held)
            if held.stage in _AT_WORK and self.has(held):
                frame.job, frame.attempt, frame.ref = held.job, held.attempt, f"p{held.number}"
                return _encode(frame)
        return None

    @property
    def has_answers(self) -> bool:
        """Whether there may be an answer to send."""
        return bool(self._unsent)

    @property
    def unsettled(self) -> int:
        """Answers that were sent on this connection and not settled."""
        return len(self._in_flight)

    @property
    def put_off(self) -> bool:
        """Whether the hub refused an answer for now: the time to wait, then to `release`."""
        return bool(self._put_off)

    def release(self) -> None:
        """Send again what the hub has refused for now."""
        self._unsent.extend(self._put_off)
        self._put_off.clear()

    # ── what the bot does ────────────────────────────────────────────────────────────────────

    def answer(self, held: Held, answer: Answer) -> None:
        """Tell the hub what came of a task, unless it wants to know no more."""
        if not self.has(held):
            return
        held.answer = answer
        self._send_again(held)
        self.changed()

    def give_back(self, why: str) -> None:
        """Answer every task on which somebody works, outside a call, as failed."""
        for held in self._by_key.values():
            if held.stage is Stage.RUNNING:
                self.answer(held, failed(why))

    def progressed(self, held: Held, percent: float, note: str | None) -> None:
        """Tell the hub how far a task is."""
        self._progress[held] = frames.Progress(
            job=held.job, attempt=held.attempt, percent=percent, note=note
        )
        self.changed()

    def forget(self, held: Held) -> None:
        """The hub knows all there is to know."""
        self._drop(held)
        if held.key in self.journal.entries:
            # Nothing waits for it: what is lost of it is settled once more.
            _ = self.journal.append(record(held, "settled"))

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _hold(self, key: str, job: str, attempt: int, stage: Stage) -> Held:
        self._numbers += 1
        held = Held(self._numbers, key, job, attempt, stage)
        self._by_key[key] = self._by_job[job] = self._by_number[held.number] = held
        return held

    def _rename(self, held: Held, work: frames.Task) -> None:
        if self._by_job.get(held.job) is held:
            del self._by_job[held.job]
        del self._by_number[held.number]
        self._numbers += 1
        self._in_flight.discard(held)
        held.number, held.job, held.attempt, held.over = self._numbers, work.job, work.attempt, ""
        self._by_job[held.job] = self._by_number[held.number] = held
        line = self.journal.entries.get(held.key)
        if line is not None:
            # After a death the hub is asked about the attempt that it has.
            renamed = msgspec.structs.replace(line, job=held.job, attempt=held.attempt)
            _ = self.journal.append(renamed)

    def _drop(self, held: Held) -> None:
        del self._by_key[held.key]
        del self._by_number[held.number]
        if self._by_job.get(held.job) is held:
            del self._by_job[held.job]
        self._in_flight.discard(held)
        self._progress.pop(held, None)

    def _end(self, held: Held, why: str) -> None:
        """The hub wants this task no more."""
        held.over = why
        if held.stage is Stage.CALLING:
            return  # torn in the middle, nobody would know whether it was sent
        self._drop(held)
        if held.cancel is not None:
            held.cancel()

    def _send_again(self, held: Held) -> None:
        held.stage = Stage.ANSWERED
        self._unsent.append(held)

    def _park(self, held: Held) -> None:
        self._in_flight.discard(held)
        held.stage = Stage.STALE

    def _not_taken(self, held: Held, frame: Refused) -> None:
        """The hub will never take this answer as it is."""
        if frame.code == ErrorCode.STALE_ATTEMPT and not held.failed:
            self._park(held)
        elif frame.code in (ErrorCode.STALE_ATTEMPT, ErrorCode.NOT_FOUND):
            self.forget(held)
        elif isinstance(held.answer, frames.Done) and held.answer.result:
            # That it was sent counts more than what the gateway said about it.
            self.answer(held, done(None))
        else:
            log.error("job %s: the hub does not take the answer: %s", held.job, frame.message)
            self._park(held)
