"""How jobs are told of, and how callers say which they mean."""

import base64
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta, Struct, structs

from hub.protocol.errors import InvalidParams, invalid
from hub.protocol.times import normalize
from storage.job_lists import Place
from storage.merchant_records import AttemptOutcome, Job, JobAttempt, JobState, Queue

from .params import ById, Limit, Word

_STATE = "(scheduled|queued|running|succeeded|retrying|dead|cancelled)"
States = Annotated[
    str, Meta(max_length=100, pattern=f"^{_STATE}(,{_STATE})*(?!\\n)$", examples=["dead,cancelled"])
]
"""One state, or several with commas between them."""
Behind = Annotated[str, Meta(max_length=512, pattern=r"^[A-Za-z0-9_-]*(?!\n)$")]
"""Where a page goes on: the `next` of the page before, which means nothing by itself."""
_SHOWN_BYTES = 2048
"""Of arguments or a result that stand in a list; longer ones are read from the job."""
_SHOWN_CHARACTERS = 500
"""Of an error that stands in a list."""


class JobById(ById, forbid_unknown_fields=True):
    """The job of this id. Ids may be chosen: an admin may say whose job is meant."""

    merchant_id: Word | None = None


class JobsOf(Struct, forbid_unknown_fields=True):
    """What narrows a list of jobs.

    Attributes:
        parent_id: the parts of this job alone.
    """

    queue: Queue | None = None
    state: States | None = None
    name: Word | None = None
    parent_id: Word | None = None
    merchant_id: Word | None = None


class ListJobs(JobsOf, forbid_unknown_fields=True):
    """A page of jobs, newest first; `whole` leaves out those that are a part of another one."""

    whole: bool = False
    after: Behind = ""
    limit: Limit = 100


class ListedJob(Job, frozen=True, kw_only=True):
    """A job in a list; `abridged` names what is not shown there because it is long."""

    abridged: tuple[str, ...] = ()


class AttemptView(Struct, frozen=True):
    """An attempt that did not succeed; `traceback` is for who runs the business alone."""

    attempt: int
    outcome: AttemptOutcome
    error: str
    traceback: str | None
    worker: str | None
    started_at: str | None
    ended_at: str


class JobStatus(Struct, frozen=True):
    """How a job is.

    Attributes:
        attempts: how many have begun.
        error: why the last one failed.
    """

    id: str
    queue: Queue
    name: str
    state: JobState
    progress: int
    note: str | None
    attempts: int
    max_attempts: int
    error: str | None
    result: Any
    awaits: str | None
    cancelling: bool
    run_at: str
    started_at: str | None
    finished_at: str | None
    version: int


def states_of(said: States | None) -> tuple[JobState, ...] | None:
    """The states that a caller says, each once."""
    if said is None:
        return None
    return tuple(state for state in get_args(JobState) if state in said.split(","))


def listed(job: Job) -> ListedJob:
    """A job as a list shows it."""
    row = structs.asdict(job)
    abridged = []
    if len(msgspec.json.encode(job.args)) > _SHOWN_BYTES:
        row["args"] = {}
        abridged.append("args")
    if job.result is not None and len(msgspec.json.encode(job.result)) > _SHOWN_BYTES:
        row["result"] = None
        abridged.append("result")
    if job.error is not None and len(job.error) > _SHOWN_CHARACTERS:
        row["error"] = f"{job.error[: _SHOWN_CHARACTERS - 1]}…"
        abridged.append("error")
    return ListedJob(**row, abridged=tuple(abridged))


def attempt_view(attempt: JobAttempt, *, traced: bool) -> AttemptView:
    """An attempt as it is shown.

    Args:
        traced: whether its traceback is.
    """
    return AttemptView(
        attempt.attempt, attempt.outcome, attempt.error, attempt.traceback if traced else None,
        attempt.worker, attempt.started_at, attempt.ended_at,
    )  # fmt: skip


def status_of(job: Job) -> JobStatus:
    """How a job is, in few words."""
    return JobStatus(
        job.id, job.queue, job.name, job.state, job.progress, job.note, job.attempt,
        job.max_attempts, job.error, job.result, job.awaits, job.cancelling, job.run_at,
        job.started_at, job.finished_at, job.version,
    )  # fmt: skip


# ── pages ────────────────────────────────────────────────────────────────────────────────────────


def next_place(found: list[Place], limit: int) -> str | None:
    """What stands for the end of a page; None where this was the last one."""
    if len(found) < limit:
        return None
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(found[-1])).rstrip(b"=").decode()


def place(after: Behind) -> Place | None:
    """The place behind which a page begins.

    Raises:
        InvalidParams: it is no `next` of a page.
    """
    if not after:
        return None
    try:
        packed = base64.urlsafe_b64decode(after + "=" * (-len(after) % 4))
        found = msgspec.msgpack.decode(packed, type=Place)
        if "\0" in found.id:
            raise ValueError("no id has it")
        return found._replace(created_at=normalize(found.created_at))
    except (ValueError, msgspec.DecodeError):
        raise invalid(InvalidParams, "/after", "give the `next` of the page before") from None
