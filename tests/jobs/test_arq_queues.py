"""The queues in Redis: who is first, what is kept, and a broker that goes and comes back."""

import asyncio
import pickle
from collections.abc import Callable

import pytest
from arq.jobs import DeserializationError, deserialize_job
from structlog.testing import capture_logs

from jobs.address import redis_settings
from jobs.arq_queues import (
    PRIORITIES,
    TAKEN_SECONDS,
    ArqQueues,
    BrokerGone,
    Gathering,
    Waiting,
    connect,
    decode,
    score,
)
from tests.support.redis_server import RedisServer

QUEUE, BELL = "q", "bell"


async def ids(queues: ArqQueues, limit: int = 100) -> list[str]:
    return [id_ for id_, _ in await queues.take(QUEUE, limit)]


async def test_the_most_urgent_is_taken_first_then_the_oldest(queues: ArqQueues) -> None:
    await queues.put(QUEUE, [Waiting("z-first"), Waiting("low", -1), Waiting("high", 1)], BELL)
    await asyncio.sleep(0.002)
    await queues.put(QUEUE, [Waiting("a-later"), Waiting("highest", 100)], BELL)
    assert await ids(queues, 2) == ["highest", "high"]
    assert await ids(queues) == ["z-first", "a-later", "low"]
    assert await ids(queues) == []


def test_scores_are_exact_and_above_zero_whatever_the_priority() -> None:
    now = 1_796_000_000_000
    scores = [score(priority, now) for priority in (*PRIORITIES, 10**9, -(10**9))]
    assert min(scores) > 0
    assert all(float(each) == each and float(each + 1) != each for each in scores)
    assert score(10**9, now) == score(100, now) < score(99, now)
    assert score(-100, now) < score(100, now + 201_000), "who has waited long enough goes first"


async def test_a_job_waits_once_and_keeps_its_place(queues: ArqQueues) -> None:
    assert await queues.put(QUEUE, [Waiting("a"), Waiting("b"), Waiting("a")], BELL) == 2
    await asyncio.sleep(0.002)
    assert await queues.put(QUEUE, [Waiting("a", 5), Waiting("c")], BELL) == 1
    assert await queues.waiting(QUEUE) == 3
    assert await ids(queues) == ["a", "b", "c"]


async def test_nobody_else_gets_what_one_has_taken(queues: ArqQueues) -> None:
    await queues.put(QUEUE, [Waiting(f"{n}") for n in range(500)], BELL)
    taken = await asyncio.gather(*(ids(queues, 7) for _ in range(80)))
    everything = [id_ for part in taken for id_ in part]
    assert sorted(everything) == sorted(str(n) for n in range(500))


async def test_what_waits_again_keeps_its_definition(queues: ArqQueues) -> None:
    await queues.put(QUEUE, [Waiting("again"), Waiting("done")], BELL)
    await ids(queues)
    assert await queues.redis.ttl("arq:job:again") <= TAKEN_SECONDS
    await queues.put(QUEUE, [Waiting("again")], BELL)
    await queues.redis.set("arq:retry:done", 1)
    await queues.forget(["again", "done"])
    assert await queues.redis.ttl("arq:job:again") > TAKEN_SECONDS
    assert await queues.redis.ttl("arq:job:done") <= TAKEN_SECONDS
    assert await queues.redis.exists("arq:retry:done") == 0


async def test_the_bell_rings_for_the_first_that_waits(queues: ArqQueues) -> None:
    rung: list[str] = []
    listening = asyncio.create_task(
        queues.listen([BELL, "other"], lambda bell, _: rung.append(bell))
    )
    await _until(lambda: sorted(rung) == [BELL, "other"])  # first, whatever was missed
    await queues.put(QUEUE, [Waiting("a"), Waiting("b")], BELL)
    await queues.put(QUEUE, [Waiting("c")], BELL)
    await _until(lambda: len(rung) >= 3)
    await ids(queues)
    await queues.put(QUEUE, [Waiting("d")], "other")
    await _until(lambda: len(rung) >= 4)
    listening.cancel()
    assert rung[2:] == [BELL, "other"]


async def test_a_pickle_is_not_loaded(queues: ArqQueues) -> None:
    await queues.redis.set("arq:job:evil", pickle.dumps({"f": "run"}))
    stored = await queues.redis.get("arq:job:evil")
    assert isinstance(stored, bytes)
    with pytest.raises(DeserializationError):
        deserialize_job(stored, deserializer=decode)


async def test_a_broker_that_goes_is_said_once_and_so_is_its_return(
    own_redis: RedisServer, own_queues: ArqQueues
) -> None:
    came_back: list[bool] = []
    own_queues.returned.append(lambda: came_back.append(own_queues.reachable))
    await own_queues.put(QUEUE, [Waiting("a")], BELL)
    own_redis.kill()
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(BrokerGone):
                await own_queues.put(QUEUE, [Waiting("b")], BELL)
            with pytest.raises(BrokerGone):
                await own_queues.take(QUEUE, 1)
        assert not own_queues.reachable
        own_redis.start()
        for _ in range(3):
            await own_queues.waiting(QUEUE)
    assert own_queues.reachable
    assert came_back == [True]
    assert [entry["log_level"] for entry in logs] == ["debug", "debug"]


async def test_what_it_kept_is_there_after_a_crash(
    own_redis: RedisServer, own_queues: ArqQueues
) -> None:
    await own_queues.put(QUEUE, [Waiting("a")], BELL)
    own_redis.kill()
    own_redis.start()
    await asyncio.sleep(0.05)  # the client sees that its connection has ended
    assert await ids(own_queues) == ["a"]


async def test_a_script_that_was_flushed_is_sent_again(queues: ArqQueues) -> None:
    await queues.put(QUEUE, [Waiting("a")], BELL)
    await queues.redis.script_flush()
    assert await queues.put(QUEUE, [Waiting("b")], BELL) == 1


async def test_a_broker_that_hangs_counts_as_gone(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.arq_queues.SOCKET_SECONDS", 0.2)
    queues = ArqQueues(connect(redis_settings(own_redis.url)))
    await queues.waiting(QUEUE)
    own_redis.freeze(True)
    async with asyncio.timeout(2):
        with pytest.raises(BrokerGone):
            await queues.put(QUEUE, [Waiting("a")], BELL)
    own_redis.freeze(False)
    await queues.put(QUEUE, [Waiting("b")], BELL)
    assert "b" in await ids(queues)
    await queues.close()


async def test_what_is_told_at_once_goes_together() -> None:
    sent: list[list[int]] = []
    going = asyncio.Event()

    async def send(items: list[int]) -> None:
        sent.append(items)
        await going.wait()
        if len(sent) == 2:
            raise BrokerGone("it is gone")

    gathering = Gathering(send)
    gathering.add(1, 2)
    gathering.add()
    await asyncio.sleep(0)
    gathering.add(3)
    gathering.add(4)
    going.set()
    await gathering.drained()
    assert sent == [[1, 2], [3, 4]]
    gathering.add(5)
    await gathering.drained()
    assert sent[-1] == [5]


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not true():
            await asyncio.sleep(0.005)
