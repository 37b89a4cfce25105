"""How much work there is, queue by queue: in which states, since when, how fast it ends.

The numbers of one merchant are read when they are asked for. Those of all merchants are kept for a
second, because many ask for them: administrators' screens and `/metrics`.
"""

import asyncio
import time
from collections.abc import Callable

from msgspec import Struct

from hub.protocol.times import format_ms, parse_ms
from jobs.queues import NAMES, RULES, SILENT_SECONDS
from storage import job_counts, work
from storage.database import Database, Transaction
from storage.job_counts import Finished
from storage.merchant_records import JobState, Queue
from storage.scope import HUB, Scope

KEPT_SECONDS = 1.0
_HOUR_MS = 3600 * 1000
_MINUTE_MS = 60 * 1000


class QueueWork(Struct, frozen=True):
    """The work of one queue.

    Attributes:
        name: of the queue.
        paused: whether it stands still: for this merchant, or for everybody.
        paused_for: `one` merchant or `everybody`; None where it does not stand still.
        concurrency: jobs that one worker performs at the same time.
        workers: live workers that take its jobs.
        waiting: queued; those that wait for a bot or for their parts are among them.
        awaiting_bot: wait for a bot, for the first attempt or for another one.
        active: running.
        at_bot: running, and a bot has them.
        delayed: scheduled for a later time, or for another attempt.
        failed: those of them whose last attempt has failed.
        completed, dead, cancelled: ended. A count ends at 100,000.
        oldest_seconds: how long the job waits that waits longest; None where none does.
        per_minute: how many have ended in the last minute.
        p95_ms: 95 of 100 of the last ones took no longer, from the beginning of their last attempt;
            None where none has ended within an hour.
        failed_rate: how many of the last ones that were carried out are dead, 0 to 1.
    """

    name: Queue
    paused: bool
    paused_for: str | None
    concurrency: int
    workers: int
    waiting: int
    awaiting_bot: int
    active: int
    at_bot: int
    delayed: int
    failed: int
    completed: int
    dead: int
    cancelled: int
    oldest_seconds: float | None
    per_minute: int
    p95_ms: int | None
    failed_rate: float | None


class Workload:
    """The work that a database knows of.

    Args:
        clock: milliseconds since 1970.

    Attributes:
        known: the work of all merchants when it was last looked at; empty where the database did
            not answer.
    """

    def __init__(
        self, database: Database, clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._database = database
        self._clock = clock
        self.known: list[QueueWork] = []
        self._kept_at = float("-inf")
        self._reading = asyncio.Lock()

    async def of(self, scope: Scope) -> list[QueueWork]:
        """The work of the merchant of a scope, or of all of them.

        Raises:
            storage.errors.Unavailable: the database did not answer.
        """
        if scope.merchant_id is not None:
            return await self._read(scope)
        return await self.of_all()

    async def of_all(self) -> list[QueueWork]:
        """The work of all merchants, as it was within the last second; raises as `of`."""
        async with self._reading:
            if time.monotonic() - self._kept_at >= KEPT_SECONDS:
                self.known = []
                self.known = await self._read(HUB)
                self._kept_at = time.monotonic()
            return self.known

    def forget(self) -> None:
        """Read anew when somebody asks next: a queue stands still, or goes on."""
        self._kept_at = float("-inf")

    async def _read(self, scope: Scope) -> list[QueueWork]:
        now_ms = self._clock()
        # Workers are nobody's.
        live = await self._database.read(work.workers, HUB)
        seen = format_ms(now_ms - int(SILENT_SECONDS * 1000))
        workers = [w for w in live if w.kind == "worker" and w.seen_at >= seen]
        for_all = await self._database.read(work.paused_for_all, HUB)

        async def read(tx: Transaction) -> list[QueueWork]:
            counts = await job_counts.by_state(tx)
            one = tx.scope.merchant_id is not None
            own = {queue for _, queue in await work.paused(tx)} if one else set[Queue]()
            found = []
            for name in NAMES:
                takers = sum(name in worker.queues for worker in workers)
                stopped = "everybody" if name in for_all else "one" if name in own else None
                found.append(await _of_queue(tx, name, counts, takers, stopped, now_ms))
            return found

        return await self._database.read(read, scope)


async def _of_queue(
    tx: Transaction,
    name: Queue,
    counts: dict[tuple[Queue, JobState], int],
    workers: int,
    paused_for: str | None,
    now_ms: int,
) -> QueueWork:
    def count(state: JobState) -> int:
        return counts.get((name, state), 0)

    waits, held = (0, 0) if name != "message_sending" else await job_counts.awaiting_bot(tx, name)
    since = await job_counts.waiting_since(tx, name) if count("queued") else None
    last = await job_counts.last_finished(tx, name, format_ms(now_ms - _HOUR_MS))
    minute = format_ms(now_ms - _MINUTE_MS)
    recent = len(last) and last[0].finished_at >= minute
    return QueueWork(
        name=name, paused=paused_for is not None, paused_for=paused_for,
        concurrency=RULES[name].concurrency, workers=workers,
        waiting=count("queued"), awaiting_bot=waits, active=count("running"), at_bot=held,
        delayed=count("scheduled") + count("retrying"), failed=count("retrying"),
        completed=count("succeeded"), dead=count("dead"), cancelled=count("cancelled"),
        oldest_seconds=None if since is None else _seconds(since, now_ms),
        per_minute=await job_counts.finished_since(tx, name, minute) if recent else 0,
        p95_ms=_p95_ms(last), failed_rate=_failed_rate(last),
    )  # fmt: skip


def _seconds(since: str, now_ms: int) -> float:
    # The next message to a recipient may have its time still before it.
    return max(0, now_ms - parse_ms(since)) / 1000


def _p95_ms(last: list[Finished]) -> int | None:
    """The 95th percentile by the nearest rank."""
    took = sorted(
        parse_ms(job.finished_at) - parse_ms(job.started_at)
        for job in last
        if job.started_at is not None and job.state == "succeeded"
    )
    return took[-(-len(took) * 95 // 100) - 1] if took else None


def _failed_rate(last: list[Finished]) -> float | None:
    carried_out = [job.state == "dead" for job in last if job.state != "cancelled"]
    return round(sum(carried_out) / len(carried_out), 4) if carried_out else None
