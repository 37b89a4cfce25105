"""The four queues, and every key that they have in the broker."""

from typing import get_args

from msgspec import Struct

from storage.jobs import JobKey
from storage.merchant_records import Job, JobState, Queue


class QueueRules(Struct, frozen=True, kw_only=True):
    """What is the same for all jobs of a queue.

    Attributes:
        concurrency: tasks of a worker that are performed at the same time.
        timeout: seconds that an attempt may take, where its job does not say.
        max_attempts: after so many attempts a job is dead, where it does not say.
        silent: whether its jobs are rows alone, and no events.
    """

    concurrency: int
    timeout: int
    max_attempts: int = 3
    silent: bool = False


NAMES: tuple[Queue, ...] = get_args(Queue)
RULES: dict[Queue, QueueRules] = {
    "media_processing": QueueRules(concurrency=3, timeout=120),
    "message_sending": QueueRules(concurrency=5, timeout=60),
    "order_processing": QueueRules(concurrency=2, timeout=30),
    "webhook_delivery": QueueRules(concurrency=5, timeout=30, max_attempts=9, silent=True),
}

KEPT_DAYS: dict[JobState, int] = {"succeeded": 7, "cancelled": 7, "dead": 30}
"""How long jobs are kept that have ended."""

BEAT_SECONDS = 3.0
"""How often a worker says that it lives."""
SILENT_SECONDS = 9.0
"""A worker that was not seen for so long holds nothing any more. With the look every 2 s, what it
held goes on within 15 s of its death."""

RUN = "run"
"""The one function that arq knows: it is given a job's id, and the row says the rest."""


def redis_key(queue: Queue) -> str:
    """The sorted set of arq with the jobs of a queue that wait, by their score."""
    return f"hub:{queue}"


def wake_channel(queue: Queue) -> str:
    """Where whoever adds to a queue says so, so that no worker has to ask."""
    return f"hub:{queue}:wake"


CANCEL_CHANNEL = "hub:cancel"
"""Where the ids of running jobs are said that are to end."""


TELL_CHANNEL = "hub:told"
"""Where it is said what those who watch jobs at other processes are told."""


def arq_id(job: Job) -> str:
    """The id of a job in arq. Ids may be chosen, and are unique within one merchant."""
    return f"{job.merchant_id}:{job.id}"


def job_key(arq_id: str) -> JobKey:
    """The row that an id of arq means."""
    merchant_id, _, id_ = arq_id.partition(":")
    return merchant_id, id_


def is_loud(job: Job) -> bool:
    """Whether a job is told of by events. A part of another one is not, and no delivery of a
    webhook: ten thousand of them would push everything else out of the ring."""
    return job.parent_id is None and not RULES[job.queue].silent
