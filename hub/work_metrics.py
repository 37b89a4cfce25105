"""The work in numbers for Prometheus: jobs by queue and state, what came of attempts, bots.

Jobs are counted in the database, for all processes together; attempts by the process that makes
them. No label carries a merchant.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.tasks.dispatcher import Dispatcher
from hub.workload import QueueWork, Workload
from jobs.control import Queues


class WorkMetrics(Collector):
    """See the module. Who asks has the workload look first; what it cannot know is left out."""

    def __init__(self, workload: Workload, queues: Queues, dispatcher: Dispatcher) -> None:
        self._workload = workload
        self._queues = queues
        self._dispatcher = dispatcher

    def collect(self) -> Iterator[Metric]:
        if self._workload.known:
            yield from _of_queues(self._workload.known)
        attempts = CounterMetricFamily(
            "hub_job_attempts",
            "Attempts of jobs that ended in this process, by what came of them.",
            labels=["queue", "outcome"],
        )
        for (queue, outcome), count in (self._queues.outcomes + self._dispatcher.outcomes).items():
            attempts.add_metric([queue, outcome], count)
        yield attempts
        dispatcher = self._dispatcher
        for name, about, value in (
            ("hub_task_bots", "Bots here that take tasks.", dispatcher.bots),
            ("hub_task_credit", "Tasks that they take at once.", dispatcher.credit),
            ("hub_tasks_held", "Tasks that bots of this hub have.", dispatcher.held),
        ):
            yield GaugeMetricFamily(name, about, value)


def _of_queues(work: list[QueueWork]) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("hub_jobs", "Jobs in the database.", labels=["queue", "state"])
    oldest = GaugeMetricFamily(
        "hub_jobs_oldest_seconds",
        "How long the job waits that waits longest; 0 where none does.",
        labels=["queue"],
    )
    waiting = GaugeMetricFamily(
        "hub_jobs_awaiting_bot", "Jobs that wait for a bot.", labels=["queue"]
    )
    workers = GaugeMetricFamily(
        "hub_queue_workers", "Live workers that take jobs of a queue.", labels=["queue"]
    )
    paused = GaugeMetricFamily(
        "hub_queue_paused", "Whether a queue stands still for everybody.", labels=["queue"]
    )
    for each in work:
        for state, count in (
            ("scheduled", each.delayed - each.failed),
            ("queued", each.waiting),
            ("running", each.active),
            ("retrying", each.failed),
            ("succeeded", each.completed),
            ("dead", each.dead),
            ("cancelled", each.cancelled),
        ):
            jobs.add_metric([each.name, state], count)
        oldest.add_metric([each.name], each.oldest_seconds or 0)
        workers.add_metric([each.name], each.workers)
        paused.add_metric([each.name], each.paused)
        if each.name == "message_sending":
            waiting.add_metric([each.name], each.awaiting_bot)
    yield from (jobs, oldest, waiting, workers, paused)
