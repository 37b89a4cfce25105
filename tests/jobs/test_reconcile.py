"""What the broker has lost is put back, and nothing else."""

import asyncio

from hub.stream.waiting import WriteScope
from jobs.arq_queues import ArqQueues, Waiting
from jobs.queues import arq_id, redis_key
from jobs.reconcile import Reconciler
from storage import work
from storage.merchant_records import Job
from storage.scope import HUB, Scope
from tests.jobs.factory import MERCHANT, QUEUE, Factory
from tests.support.redis_server import RedisServer

KEY = redis_key(QUEUE)


async def waiting(queues: ArqQueues) -> list[str]:
    return [id_ for id_, _ in await queues.take(KEY, 10_000)]


def ids(jobs: list[Job]) -> list[str]:
    return [arq_id(job) for job in jobs]


async def test_only_what_is_missing_is_put_back(factory: Factory, queues: ArqQueues) -> None:
    added = await factory.add(1200)
    there = added[:700]
    await queues.put(KEY, [Waiting(id_) for id_ in ids(there)], "bell")
    factory.offset_ms = 5_000
    reconciler = Reconciler(factory.context, queues)
    assert await reconciler.put_back(QUEUE) == 500
    assert await reconciler.put_back(QUEUE) == 0
    assert sorted(await waiting(queues)) == sorted(ids(added))


async def test_the_most_urgent_comes_first_again(factory: Factory, queues: ArqQueues) -> None:
    [usual] = await factory.add()
    [urgent] = await factory.add(priority=5)
    factory.offset_ms = 5_000
    await Reconciler(factory.context, queues).put_back(QUEUE)
    assert await waiting(queues) == ids([urgent, usual])


async def test_what_waits_for_something_else_is_no_workers(
    factory: Factory, queues: ArqQueues
) -> None:
    await factory.add(run_at="2999-01-01T00:00:00.000Z")
    await factory.claimed()
    [parked, _ended] = await factory.add(2)
    await factory.change(
        "UPDATE jobs SET awaits = 'bot', version = version + 1 WHERE id = ?", parked.id
    )
    await factory.change(
        "UPDATE jobs SET state = 'dead', version = version + 1 WHERE id = ?", _ended.id
    )
    factory.offset_ms = 5_000
    assert await Reconciler(factory.context, queues).put_back(QUEUE) == 0


async def test_what_has_just_been_queued_is_on_its_way(factory: Factory, queues: ArqQueues) -> None:
    await factory.add()
    factory.offset_ms = -1000
    assert await Reconciler(factory.context, queues).put_back(QUEUE) == 0


async def test_a_queue_that_stands_still_gets_nothing(factory: Factory, queues: ArqQueues) -> None:
    [job] = await factory.add()
    factory.offset_ms = 5_000
    reconciler = Reconciler(factory.context, queues)
    for scope in (Scope(MERCHANT), HUB):

        async def pause(write: WriteScope) -> None:
            await work.pause(write.tx, QUEUE, None, factory.context.now)

        async def resume(write: WriteScope) -> None:
            await work.resume(write.tx, QUEUE)

        await factory.log.commit(pause, scope)
        assert await reconciler.put_back(QUEUE) == 0
        await factory.log.commit(resume, scope)
        assert await reconciler.put_back(QUEUE) == 1
        assert await waiting(queues) == ids([job])


async def test_it_compares_at_once_when_it_is_woken(
    factory: Factory, queues: ArqQueues, redis_server: RedisServer
) -> None:
    await factory.add(10)
    factory.offset_ms = 5_000
    reconciler = Reconciler(factory.context, queues)
    running = asyncio.create_task(reconciler.run())
    for _ in range(3):
        async with asyncio.timeout(8):
            while await queues.waiting(KEY) < 10:
                await asyncio.sleep(0.01)
        redis_server.flush()
        reconciler.wake()
    running.cancel()
