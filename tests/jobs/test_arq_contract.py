"""What the queues rely on in arq, which says nothing of most of it in its documentation. Where an
upgrade breaks one of these, jobs/arq_queues.py and jobs/worker.py have to be looked at again."""

import asyncio
import inspect
from typing import Any

import arq.constants
import arq.worker
import pytest
from arq.jobs import Job, JobStatus, deserialize_job

from jobs.arq_queues import (
    DEFINITION_SECONDS,
    TAKEN_SECONDS,
    ArqQueues,
    Waiting,
    decode,
    encode,
)
from jobs.queues import RUN
from jobs.worker import QueueWorker

QUEUE = "q"


def parameters(function: object) -> list[str]:
    assert callable(function)
    return list(inspect.signature(function).parameters)


def test_the_version_is_one_that_was_read() -> None:
    assert arq.version.VERSION.startswith("0.28."), "read arq's changes, then these tests"


def test_keys_have_these_forms() -> None:
    assert arq.constants.job_key_prefix == "arq:job:"
    assert arq.constants.retry_key_prefix == "arq:retry:"


def test_the_worker_takes_these_arguments() -> None:
    taken = inspect.signature(arq.worker.Worker.__init__).parameters
    for name in (
        "functions", "queue_name", "redis_pool", "handle_signals", "max_jobs", "max_tries",
        "keep_result", "poll_delay", "job_serializer", "job_deserializer", "log_results",
    ):  # fmt: skip
        assert name in taken, name


def test_what_we_override_is_called_as_before() -> None:
    worker = arq.worker.Worker
    assert parameters(worker.main) == ["self"]
    assert parameters(worker.run_job) == ["self", "job_id", "score"]
    assert parameters(worker.finish_job)[:2] == ["self", "job_id"]
    assert parameters(worker.finish_failed_job) == ["self", "job_id", "result_data"]
    assert "await self.main_task" in inspect.getsource(worker.async_run)
    source = inspect.getsource(worker.run_job)
    # A job ends in these two places and in no other; with a limit of None it has no limit.
    assert source.count("self.finish_job(") == 1
    assert source.count("self.finish_failed_job(") == 2
    assert "await asyncio.wait_for(task, timeout_s)" in source
    assert "self.job_timeout_s if function.timeout_s is None" in source
    # Only these reach Redis beside them, all by the definition's and the attempts' keys.
    assert source.count("self.pool") == 2


async def test_the_worker_has_these_attributes(queues: ArqQueues) -> None:
    async def run(ctx: dict[str, Any]) -> None: ...

    stock = arq.worker.Worker([run], queue_name=QUEUE, redis_pool=queues.redis)
    assert stock.tasks == {}
    assert stock.job_counter == 0
    assert stock.allow_pick_jobs is True
    assert stock.job_timeout_s == 300
    assert stock.loop is asyncio.get_running_loop()
    assert stock.pool is queues.redis


async def test_a_job_waits_as_arq_would_have_it(queues: ArqQueues) -> None:
    redis = queues.redis
    await redis.enqueue_job(RUN, "a", _job_id="a", _queue_name="stock")
    await queues.put(QUEUE, [Waiting("b")], "bell")

    theirs, ours = [deserialize_job(await stored(queues, id_), deserializer=decode) for id_ in "ab"]
    assert (theirs.function, list(theirs.args), theirs.kwargs) == (RUN, ["a"], {})
    assert (ours.function, list(ours.args), ours.kwargs) == (RUN, ["b"], {})
    assert ours.job_try == theirs.job_try
    [(_, their_score)] = await redis.zrange("stock", 0, -1, withscores=True)
    [(_, our_score)] = await redis.zrange(QUEUE, 0, -1, withscores=True)
    assert 0 <= our_score - their_score < 1000
    assert await redis.ttl("arq:job:b") > DEFINITION_SECONDS - 60
    assert await Job("b", redis, QUEUE, decode).status() is JobStatus.queued


async def stored(queues: ArqQueues, id_: str) -> bytes:
    value = await queues.redis.get(f"arq:job:{id_}")
    assert isinstance(value, bytes)
    return value


async def test_arqs_own_worker_runs_what_waits(queues: ArqQueues) -> None:
    ran: list[str] = []

    async def run(ctx: dict[str, Any], job_id: str) -> None:
        ran.append(job_id)

    await queues.put(QUEUE, [Waiting("a"), Waiting("b")], "bell")
    stock = arq.worker.Worker(
        [arq.worker.func(run, name=RUN)],
        queue_name=QUEUE,
        redis_pool=queues.redis,
        burst=True,
        handle_signals=False,
        poll_delay=0.01,
        job_serializer=encode,
        job_deserializer=decode,
    )
    await stock.async_run()
    assert sorted(ran) == ["a", "b"]


async def test_our_worker_runs_what_arq_enqueues(queues: ArqQueues) -> None:
    ran = asyncio.Event()

    async def perform(job_id: str) -> None:
        assert job_id == "a"
        ran.set()

    await queues.redis.enqueue_job(RUN, "a", _job_id="a", _queue_name=QUEUE)
    worker = QueueWorker(QUEUE, queues, perform, lambda: 1)
    running = asyncio.create_task(worker.async_run())
    async with asyncio.timeout(5):
        await ran.wait()
    worker.stop_picking()
    assert await worker.drained(1)
    await running
    assert await queues.redis.keys("*") == [b"arq:job:a"]
    assert await queues.redis.ttl("arq:job:a") <= TAKEN_SECONDS


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="has no place in a job's definition"):
        encode({"r": object()})


def test_a_set_is_a_list_in_json() -> None:
    assert sorted(decode(encode({"r": {1, 2}}))["r"]) == [1, 2]


def test_an_exception_can_be_a_result() -> None:
    assert decode(encode({"r": ValueError("no")})) == {"r": "ValueError: no"}
