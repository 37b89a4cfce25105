"""Tasks whose bot is gone: named again by it, lost for good, or left behind by a hub that ended."""

from collections.abc import Sequence
from typing import NamedTuple

from hub.protocol.frames import Held as Named
from jobs.context import WriteScope
from jobs.outcome import Failed, HandedBack, settle
from jobs.registry import ended
from storage import sending
from storage.merchant_records import Job

GONE = "lost: its bot was gone for 30 s"
LATE = "lost: its bot did not answer in time"


class Resumed(NamedTuple):
    """What has become of the tasks that a bot says it still holds.

    Attributes:
        held: those that it does.
        others: the jobs that have moved on.
        unknown: those of which there is no job.
    """

    held: list[Job]
    others: list[tuple[Named, Job]]
    unknown: list[Named]


async def resume(scope: WriteScope, named: Sequence[Named], worker: str, now: str) -> Resumed:
    """Find the tasks that a bot of the bound merchant says it still holds, whichever hub held them
    for it before.

    Args:
        worker: under which this hub holds tasks.
        now: RFC 3339.
    """
    known = await sending.jobs(scope.tx, list({each.job: None for each in named}))
    current: list[str] = []
    others: list[tuple[Named, Job]] = []
    unknown: list[Named] = []
    for each in named:
        job = known.get(each.job)
        if job is None or job.queue != "message_sending":
            unknown.append(each)
        elif (job.attempt, job.state, job.awaits) == (each.attempt, "running", "bot"):
            current.append(job.id)
        else:
            others.append((each, job))
    return Resumed(await sending.take_over(scope.tx, current, worker, now), others, unknown)


async def lose(
    scope: WriteScope, tasks: Sequence[tuple[Job, str]], worker: str, now: str
) -> list[Job]:
    """Give up attempts of jobs of the bound merchant: they wait for another bot, or are dead.

    Args:
        tasks: as they were handed over, and why they are given up.
        worker: under which this hub holds them; those that another one has taken over stay.

    Returns:
        Those that were given up, as they are afterwards.
    """
    known = await sending.jobs(scope.tx, [job.id for job, _ in tasks])
    lost: list[Job] = []
    for job, reason in tasks:
        now_is = known.get(job.id)
        if now_is is None or now_is.state != "running" or now_is.attempt != job.attempt:
            continue
        if now_is.worker != worker:
            continue
        after = await settle(scope, now_is, Failed(reason, outcome="lost", seconds=0.0), now)
        await ended(scope, after)
        lost.append(after)
    return lost


async def hand_back(scope: WriteScope, tasks: Sequence[Job], now: str) -> None:
    """Let jobs of the bound merchant wait again whose bot was gone before it was told of them."""
    known = await sending.jobs(scope.tx, [job.id for job in tasks])
    for job in tasks:
        now_is = known.get(job.id)
        if now_is is not None and (now_is.state, now_is.attempt) == ("running", job.attempt):
            await settle(scope, now_is, HandedBack(), now)


async def fail(scope: WriteScope, tasks: Sequence[tuple[Job, str]], now: str) -> None:
    """Note that attempts of jobs of the bound merchant have failed before a bot was told of them.

    Args:
        tasks: as they were handed over, and why they failed.
    """
    known = await sending.jobs(scope.tx, [job.id for job, _ in tasks])
    for job, error in tasks:
        now_is = known.get(job.id)
        if now_is is not None and (now_is.state, now_is.attempt) == ("running", job.attempt):
            await ended(scope, await settle(scope, now_is, Failed(error), now))
