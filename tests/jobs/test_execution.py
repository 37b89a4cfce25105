"""From the claim of a job to its end: whatever a task does, the row says what came of it."""

import asyncio
from typing import Any, cast

import pytest

from hub.protocol.errors import InvalidParams
from hub.protocol.times import parse_ms
from jobs.context import WriteScope
from jobs.errors import Again, Refused
from jobs.execution import Execution
from jobs.outcome import Done, Failed, Outcome, Parked
from jobs.queues import arq_id
from jobs.run import Run
from storage.database import Database
from storage.merchant_records import Job
from tests.jobs.factory import MERCHANT, QUEUE, Errand, Factory, open_factory
from tests.support.databases import FaultyDatabase


def execution_of(factory: Factory) -> Execution:
    return Execution(factory.context, factory.tasks)


def raising(error: BaseException) -> Any:
    async def behaviour(run: Run, errand: Errand) -> Outcome:
        raise error

    return behaviour


async def sleeping(run: Run, errand: Errand) -> Outcome:
    await asyncio.sleep(30)
    raise AssertionError("nobody waits so long")


async def test_what_succeeds_is_kept_with_its_result(factory: Factory) -> None:
    [job] = await factory.add()
    await execution_of(factory).take_on(arq_id(job))
    after = await factory.job(job)
    assert (after.state, after.attempt, after.progress) == ("succeeded", 1, 100)
    assert after.result == {"number": 0}
    assert after.worker is None
    assert after.finished_at is not None
    assert await factory.attempts(job) == []
    assert factory.told(job) == ["job_queued", "job_started", "job_completed"]


async def test_a_job_is_begun_once_however_often_its_id_comes(factory: Factory) -> None:
    [job] = await factory.add()
    execution, other = execution_of(factory), Execution(factory.another_context(), factory.tasks)
    taking = [execution.take_on(arq_id(job)) for _ in range(3)]
    taking += [other.take_on(arq_id(job)) for _ in range(3)]
    await asyncio.gather(*taking)
    await execution.take_on(arq_id(job))
    assert factory.begun == [(job.id, 1)]


async def test_ids_of_no_job_are_left_alone(factory: Factory) -> None:
    execution = execution_of(factory)
    for id_ in ("m1:none", "none", "", ":", "m2:x"):
        await execution.take_on(id_)
    assert factory.begun == []
    assert execution.held == set()


async def test_many_that_come_at_once_are_claimed_in_one_transaction(
    database: Database, tmp_path: Any
) -> None:
    faulty = FaultyDatabase(database)
    async with open_factory(cast("Database", faulty), tmp_path) as factory:
        added = await factory.add(50)
        before = faulty.writes
        execution = execution_of(factory)
        claimed = await asyncio.gather(*(execution._claims.claim(arq_id(job)) for job in added))
        assert all(job is not None and job.state == "running" for job in claimed)
        assert faulty.writes - before <= 2


@pytest.mark.parametrize(
    ("error", "final", "said"),
    [
        (ValueError("no such thing"), False, "ValueError: no such thing"),
        (TimeoutError("the other side"), False, "TimeoutError: the other side"),
        (Refused("never"), True, "never"),
        (Again("later", 60), False, "later"),
        (InvalidParams("wrong"), False, "wrong"),
    ],
)
async def test_what_is_raised_is_tried_again_unless_that_would_not_help(
    factory: Factory, error: Exception, final: bool, said: str
) -> None:
    factory.behaviour = raising(error)
    [job] = await factory.add()
    await execution_of(factory).take_on(arq_id(job))
    after = await factory.job(job)
    assert after.state == ("dead" if final else "retrying")
    assert after.error == said
    [attempt] = await factory.attempts(job)
    assert (attempt.attempt, attempt.outcome, attempt.error) == (1, "failed", said)
    assert attempt.worker == factory.context.worker
    assert (attempt.traceback is not None) == isinstance(error, ValueError | TimeoutError)
    if not final:
        wait = parse_ms(after.run_at) - factory.now_ms()
        assert 55_000 < wait <= 60_000 if isinstance(error, Again) else 0 < wait <= 2_000
    assert factory.told(job)[-1] == ("job_dead" if final else "job_failed")


async def test_after_its_last_attempt_a_job_is_dead(factory: Factory) -> None:
    factory.behaviour = raising(ValueError("no"))
    [job] = await factory.add()
    for number in (1, 2, 3):
        await factory.change("UPDATE jobs SET state = 'queued', version = version + 1")
        await execution_of(factory).take_on(arq_id(job))
        assert (await factory.job(job)).state == ("dead" if number == 3 else "retrying")
    assert [each.attempt for each in await factory.attempts(job)] == [1, 2, 3]
    assert factory.told(job).count("job_dead") == 1


async def test_an_attempt_has_its_time_and_no_more(factory: Factory) -> None:
    factory.behaviour = sleeping
    [job] = await factory.add(timeout=1)
    async with asyncio.timeout(5):
        await execution_of(factory).take_on(arq_id(job))
    after = await factory.job(job)
    assert (after.state, after.error) == ("retrying", "it took longer than 1 s")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": "other"}, "order_processing has no task 'other'"),
        ({"args": {"number": "one"}}, "its arguments do not fit the task"),
        ({"expires_at": "2020-01-01T00:00:00.000Z"}, "expired"),
    ],
)
async def test_what_cannot_be_performed_is_dead_at_once(
    factory: Factory, more: dict[str, Any], said: str
) -> None:
    [job] = await factory.add(**more)
    await execution_of(factory).take_on(arq_id(job))
    after = await factory.job(job)
    assert after.state == "dead"
    assert after.error is not None
    assert after.error.startswith(said)
    assert factory.begun == []


async def test_a_job_that_is_told_to_end_is_cancelled(factory: Factory) -> None:
    factory.behaviour = sleeping
    [job] = await factory.add()
    execution = execution_of(factory)
    taking = asyncio.create_task(execution.take_on(arq_id(job)))
    while not factory.begun:
        await asyncio.sleep(0.005)
    assert execution.cancel((MERCHANT, job.id))
    await taking
    assert (await factory.job(job)).state == "cancelled"
    assert not execution.cancel((MERCHANT, job.id))
    assert factory.told(job)[-1] == "job_cancelled"


async def test_what_is_handed_back_waits_anew_and_loses_no_attempt(factory: Factory) -> None:
    factory.behaviour = sleeping
    queued: list[Job] = []
    factory.log.queued = queued.extend
    [job] = await factory.add()
    queued.clear()
    execution = execution_of(factory)
    taking = asyncio.create_task(execution.take_on(arq_id(job)))
    while not factory.begun:
        await asyncio.sleep(0.005)
    execution.hand_back()
    await taking
    after = await factory.job(job)
    assert (after.state, after.attempt, after.max_attempts) == ("queued", 1, job.max_attempts + 1)
    assert [each.id for each in queued] == [job.id]
    assert await factory.attempts(job) == []


@pytest.mark.parametrize("ends", ["fails", "is handed back"])
async def test_what_is_to_end_does_not_begin_anew(factory: Factory, ends: str) -> None:
    """Somebody cancels it just when it fails, or its worker stops."""
    going = asyncio.Event()

    async def behaviour(run: Run, errand: Errand) -> Outcome:
        await going.wait()
        raise ValueError("no")

    factory.behaviour = behaviour
    [job] = await factory.add()
    execution = execution_of(factory)
    taking = asyncio.create_task(execution.take_on(arq_id(job)))
    while not factory.begun:
        await asyncio.sleep(0.005)
    await factory.change("UPDATE jobs SET cancelling = TRUE, version = version + 1")
    if ends == "fails":
        going.set()
    else:
        execution.hand_back()
    await taking
    assert (await factory.job(job)).state == "cancelled"


async def test_a_task_that_cancels_itself_has_failed(factory: Factory) -> None:
    factory.behaviour = raising(asyncio.CancelledError())
    [job] = await factory.add()
    await execution_of(factory).take_on(arq_id(job))
    assert (await factory.job(job)).state == "retrying"


async def test_who_comes_late_changes_nothing(factory: Factory) -> None:
    """The job was given to another worker meanwhile: neither its row nor the task's are written."""
    wrote: list[str] = []

    async def write(scope: WriteScope) -> None:
        wrote.append("rows")

    async def behaviour(run: Run, errand: Errand) -> Outcome:
        await factory.change("UPDATE jobs SET attempt = attempt + 1, version = version + 1")
        return Done("late", write)

    factory.behaviour = behaviour
    [job] = await factory.add()
    await execution_of(factory).take_on(arq_id(job))
    after = await factory.job(job)
    assert (after.state, after.attempt, after.result) == ("running", 2, None)
    assert wrote == []
    assert "job_completed" not in factory.told(job)


async def test_what_the_task_writes_is_written_with_its_end_or_not_at_all(
    factory: Factory,
) -> None:
    async def write(scope: WriteScope) -> dict[str, int]:
        await scope.tx.execute(
            "UPDATE merchants SET name = ?, version = version + 1 WHERE id = ?", ("new", MERCHANT)
        )
        if len(factory.begun) == 1:
            raise ValueError("in the middle")
        return {"from": 1}

    async def behaviour(run: Run, errand: Errand) -> Outcome:
        return Done({"instead": "of this"}, write)

    factory.behaviour = behaviour
    first, second = await factory.add(2)
    execution = execution_of(factory)
    await execution.take_on(arq_id(first))
    after = await factory.job(first)
    assert (after.state, after.error) == ("retrying", "ValueError: in the middle")
    await execution.take_on(arq_id(second))
    assert (await factory.job(second)).result == {"from": 1}


async def test_a_parked_job_waits_for_something_else(factory: Factory) -> None:
    async def behaviour(run: Run, errand: Errand) -> Outcome:
        return Parked("bot", "waits for a bot")

    factory.behaviour = behaviour
    [job] = await factory.add()
    execution = execution_of(factory)
    await execution.take_on(arq_id(job))
    await execution.take_on(arq_id(job))
    after = await factory.job(job)
    assert (after.state, after.awaits, after.note) == ("queued", "bot", "waits for a bot")
    assert len(factory.begun) == 1


async def test_what_came_of_it_is_written_when_the_database_is_back(
    database: Database, tmp_path: Any
) -> None:
    faulty = FaultyDatabase(database)
    async with open_factory(cast("Database", faulty), tmp_path) as factory:

        async def behaviour(run: Run, errand: Errand) -> Outcome:
            faulty.failing = 3
            return Done("kept")

        factory.behaviour = behaviour
        [job] = await factory.add()
        execution = execution_of(factory)
        async with asyncio.timeout(10):
            await execution.take_on(arq_id(job))
        after = await factory.job(job)
        assert (after.state, after.result) == ("succeeded", "kept")
        assert execution.held == set()


async def test_a_claim_that_fails_leaves_the_job_waiting(database: Database, tmp_path: Any) -> None:
    faulty = FaultyDatabase(database)
    async with open_factory(cast("Database", faulty), tmp_path) as factory:
        [job] = await factory.add()
        faulty.failing = 1
        execution = execution_of(factory)
        await execution.take_on(arq_id(job))
        assert (await factory.job(job)).state == "queued"
        assert execution.held == set()
        await execution.take_on(arq_id(job))
        assert (await factory.job(job)).state == "succeeded"


async def test_no_more_are_performed_at_once_than_the_queue_has_slots(factory: Factory) -> None:
    most = 0

    async def behaviour(run: Run, errand: Errand) -> Outcome:
        nonlocal most
        most = max(most, execution.slots[QUEUE].performing)
        await asyncio.sleep(0.01)
        return Done()

    factory.behaviour = behaviour
    execution = execution_of(factory)
    added = await factory.add(12)
    await asyncio.gather(*(execution.take_on(arq_id(job)) for job in added))
    assert most == 2
    assert await factory.count("succeeded") == 12


async def test_a_failure_may_say_how_long_to_wait_and_write_too(factory: Factory) -> None:
    seen: list[str] = []

    async def write(scope: WriteScope, job: Job) -> None:
        seen.append(job.state)

    async def behaviour(run: Run, errand: Errand) -> Outcome:
        return Failed("not now", seconds=10, write=write)

    factory.behaviour = behaviour
    [job] = await factory.add()
    await execution_of(factory).take_on(arq_id(job))
    wait = parse_ms((await factory.job(job)).run_at) - factory.now_ms()
    assert 8_000 < wait <= 10_000
    assert seen == ["retrying"]


async def test_what_was_claimed_and_never_performed_is_handed_back(factory: Factory) -> None:
    """Its definition was gone with the broker."""
    [job] = await factory.add()
    execution = execution_of(factory)
    execution.expect(arq_id(job))
    assert (MERCHANT, job.id) in execution.held
    execution.drop(arq_id(job))
    await execution.drained()
    after = await factory.job(job)
    assert (after.state, after.attempt, after.max_attempts) == ("queued", 1, 4)
    assert execution.held == set()
    execution.drop(arq_id(job))
    assert await factory.attempts(job) == []


async def test_what_is_expected_is_claimed_once(factory: Factory) -> None:
    [job] = await factory.add()
    execution = execution_of(factory)
    execution.expect(arq_id(job))
    execution.expect(arq_id(job))
    await asyncio.gather(execution.take_on(arq_id(job)), execution.take_on(arq_id(job)))
    execution.drop(arq_id(job))
    assert factory.begun == [(job.id, 1)]
    assert (await factory.job(job)).state == "succeeded"
