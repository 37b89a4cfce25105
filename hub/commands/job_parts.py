"""What is done to a job is done to its parts: some hundreds in each transaction."""

from collections.abc import Awaitable, Callable

from hub.stream.waiting import WriteScope
from jobs import by_hand
from storage import job_lists, jobs
from storage.job_lists import Place
from storage.jobs import ENDED_STATES, OPEN_STATES, JobKey
from storage.merchant_records import Job, JobState

from .command import Invocation

Change = Callable[[WriteScope, list[JobKey]], Awaitable[None]]


async def begin_anew(call: Invocation, scope: WriteScope, keys: list[JobKey]) -> list[Job]:
    """Queue those of these jobs anew that are dead or cancelled; see `by_hand.begin_anew`."""
    attempts = by_hand.attempts_of(call.services.settings.webhook_schedule)
    return await by_hand.begin_anew(scope, keys, attempts, call.now, call.actor.source)


async def cancel_parts(call: Invocation, parent_id: str) -> None:
    """End the parts of a job that is cancelled, or is about to be."""

    async def cancel(scope: WriteScope, keys: list[JobKey]) -> None:
        found = await by_hand.cancel(scope, keys, call.now, call.actor.source)
        asked.extend((job.merchant_id, job.id) for job in found.asked)

    def ends(parent: Job) -> bool:
        return parent.state == "cancelled" or parent.cancelling

    asked: list[JobKey] = []
    await _each(call, parent_id, ends, OPEN_STATES, cancel)
    call.services.queues.cancel(asked)


async def begin_parts_anew(call: Invocation, parent_id: str) -> None:
    """Queue those parts of a job anew that are dead or cancelled, if the job has begun anew."""

    async def begin(scope: WriteScope, keys: list[JobKey]) -> None:
        await begin_anew(call, scope, keys)

    def begun(parent: Job) -> bool:
        return parent.state in OPEN_STATES and not parent.cancelling

    await _each(call, parent_id, begun, frozenset({"dead", "cancelled"}), begin)


async def discard_parts(call: Invocation, parent_id: str) -> None:
    """Remove those parts of a job that have ended, if the job has."""

    async def discard(scope: WriteScope, keys: list[JobKey]) -> None:
        await by_hand.discard(scope, keys)

    await _each(call, parent_id, lambda parent: parent.state in ENDED_STATES, ENDED_STATES, discard)


async def _each(
    call: Invocation,
    parent_id: str,
    goes_on: Callable[[Job], bool],
    states: frozenset[JobState],
    change: Change,
) -> None:
    """Change the parts of a job that are in some states, one lot after the other.

    Args:
        goes_on: whether what was done to the job still holds: meanwhile somebody may have done
            something else to it.
    """
    after: Place | None = None
    while True:

        async def work(scope: WriteScope, after: Place | None = after) -> list[Place]:
            parent = await jobs.find(scope.tx, parent_id)
            if parent is None or not goes_on(parent):
                return []
            places = await job_lists.newest(
                scope.tx, after, by_hand.PART, state=states, parent_id=parent_id
            )
            await change(scope, [place.key for place in places])
            return places

        places = await call.step(work)
        if len(places) < by_hand.PART:
            return
        after = places[-1]
