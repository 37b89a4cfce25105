"""Jobs: what there is to do, how far it is, and what people do about it, one by one.

A job that waits is ended at once; one that a worker performs is told to end, and has when its
worker says so. What is done to a job with parts is done to its parts too, some hundreds in each
transaction.
"""

from msgspec import structs

from hub.protocol.errors import Conflict
from hub.stream.waiting import WriteScope
from jobs import by_hand
from storage import job_lists, jobs, work
from storage.database import Transaction
from storage.errors import Stale
from storage.job_lists import Place
from storage.jobs import ENDED_STATES
from storage.merchant_records import Job, JobAttempt, JobState

from .command import EVERYBODY, OPERATORS, WATCHERS, Command, Invocation, Result
from .job_parts import begin_anew, begin_parts_anew, cancel_parts, discard_parts
from .job_views import (
    AttemptView,
    JobById,
    JobStatus,
    ListedJob,
    ListJobs,
    attempt_view,
    listed,
    next_place,
    place,
    states_of,
    status_of,
)
from .params import PAGE


async def list_(call: Invocation, params: ListJobs) -> Result:
    """A page of jobs, newest first by the time of their making."""
    after, limit = place(params.after), min(params.limit, PAGE)

    async def read(tx: Transaction) -> tuple[list[Place], list[Job]]:
        places = await job_lists.newest(
            tx, after, limit, queue=params.queue, state=states_of(params.state),
            parent_id=params.parent_id, name=params.name, whole=params.whole,
        )  # fmt: skip
        return places, await job_lists.at(tx, places)

    places, found = await call.read(read)
    return {
        "jobs": [listed(job) for job in found],
        "count": len(found),
        "next": next_place(places, limit),
    }


async def get(call: Invocation, params: JobById) -> Result:
    """One job with the attempts that failed, and how many of its parts are in which state."""

    async def read(tx: Transaction) -> tuple[Job, list[JobAttempt], dict[JobState, int]]:
        job = await jobs.get(tx, params.id)
        return job, await work.attempts(tx, job), await jobs.states_of_parts(tx, job.id)

    job, attempts, parts = await call.read(read)
    traced = call.actor.role in OPERATORS
    return {
        "job": job,
        "attempts": [attempt_view(attempt, traced=traced) for attempt in attempts],
        "parts": parts or None,
    }


async def status(call: Invocation, params: JobById) -> Result:
    """How a job is, in few words."""
    job = await call.read(lambda tx: jobs.get(tx, params.id))
    return structs.asdict(status_of(job))


async def cancel(call: Invocation, params: JobById) -> Result:
    """End a job that has not ended, with its parts.

    Raises:
        Conflict: it has succeeded, or is dead.
    """

    async def work_(scope: WriteScope) -> Result:
        job = await _to_change(call, scope, params.id)
        if job.state == "cancelled" or job.cancelling:
            return {"job": job}
        if job.state in ENDED_STATES:
            raise Conflict(f"the job is {job.state}: it has ended, and there is nothing to cancel")
        key = (job.merchant_id, job.id)
        found = await by_hand.cancel(scope, [key], call.now, call.actor.source)
        return {"job": _changed(call, job, [*found.ended, *found.asked])}

    result = await call.commit(work_)
    if result["job"].cancelling:
        call.services.queues.cancel([(call.merchant_id, params.id)])
    await cancel_parts(call, params.id)
    return result


async def retry(call: Invocation, params: JobById) -> Result:
    """Queue a job anew that is dead or cancelled, with those of its parts that are.

    Raises:
        Conflict: it is neither, or another job has taken its place.
    """

    async def work_(scope: WriteScope) -> Result:
        job = await _to_change(call, scope, params.id)
        if job.state not in ("dead", "cancelled"):
            raise Conflict(f"the job is {job.state}: one that is dead or cancelled is tried again")
        key = (job.merchant_id, job.id)
        found = await begin_anew(call, scope, [key])
        if not found:
            raise Conflict(
                f"another open job of {job.queue} has the unique key {job.unique_key!r} by now"
            )
        return {"job": _changed(call, job, found)}

    result = await call.commit(work_)
    await begin_parts_anew(call, params.id)
    return result


async def discard(call: Invocation, params: JobById) -> Result:
    """Remove a job that has ended, with its parts.

    Raises:
        Conflict: it, or one of its parts, has not ended.
    """

    async def check(tx: Transaction) -> Job:
        job = await jobs.get(tx, params.id)
        call.check_version(job.version)
        if job.state not in ENDED_STATES:
            raise Conflict(f"the job is {job.state}: cancel it first")
        return job

    known = await call.answered()
    if known is not None:
        return known
    job = await call.read(check)
    await discard_parts(call, params.id)

    async def work_(scope: WriteScope) -> Result:
        await check(scope.tx)
        if not await by_hand.discard(scope, [(job.merchant_id, job.id)]):
            raise Conflict("parts of the job have not ended: cancel them first")
        return {"id": job.id}

    return await call.commit(work_)


async def _to_change(call: Invocation, scope: WriteScope, id_: str) -> Job:
    job = await jobs.get(scope.tx, id_)
    call.check_version(job.version)
    return job


def _changed(call: Invocation, before: Job, found: list[Job]) -> Job:
    """The job as it is after a change of its state, which its worker may have changed meanwhile.

    Raises:
        Stale: it has, and the change was for what it was before.
    """
    if not found:
        raise Stale("the job has moved on meanwhile; read it again and decide anew")
    [after] = found
    if call.if_match is not None and after.version != before.version + 1:
        raise Stale("the job has changed meanwhile; read it again and decide anew")
    return after


COMMANDS = (
    Command(
        name="jobs.list", http="GET /api/jobs", roles=WATCHERS,
        summary="The merchant's jobs, newest first, of a queue, of some states, of one name, or "
        "the parts of one job; long arguments and results are left out",
        params=ListJobs, run=list_,
        answer={"jobs": list[ListedJob], "count": int, "next": str | None},
    ),
    Command(
        name="jobs.get", http="GET /api/jobs/{id}", roles=WATCHERS,
        summary="One job with its failed attempts, and how many of its parts are in each state",
        params=JobById, run=get, table="jobs",
        answer={"job": Job, "attempts": list[AttemptView], "parts": dict[JobState, int] | None},
    ),
    Command(
        name="jobs.status", http="GET /api/jobs/{id}/status", roles=EVERYBODY,
        summary="State, progress, attempts and error of one job", params=JobById, run=status,
        answer={field.name: field.type for field in structs.fields(JobStatus)}, table="jobs",
    ),
    Command(
        name="jobs.cancel", http="POST /api/jobs/{id}/cancel", roles=OPERATORS,
        summary="End a job and its parts: at once where it waits, else when its worker says so "
        "(until then it is `cancelling`)",
        params=JobById, run=cancel, answer={"job": Job}, message="The job is cancelled.",
        events=("job_cancelled", "message_failed"), versioned=True, table="jobs",
    ),
    Command(
        name="jobs.retry", http="POST /api/jobs/{id}/retry", roles=OPERATORS,
        summary="Queue a dead or cancelled job anew, with all its attempts",
        params=JobById, run=retry, answer={"job": Job}, message="The job is queued again.",
        events=("job_queued",), versioned=True, table="jobs",
    ),
    Command(
        name="jobs.discard", http="DELETE /api/jobs/{id}", roles=OPERATORS,
        summary="Remove a job that has ended, with its attempts and parts",
        params=JobById, run=discard, answer={"id": str}, message="The job is removed.",
        versioned=True, table="jobs",
    ),
)  # fmt: skip
