"""Bots of the SDK and the real hub: every message is sent once, or known to be uncertain."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.client import Backoff, Hub, Task
from hub.protocol.errors import Forbidden, InvalidParams
from hub.stream.waiting import WriteScope
from jobs import by_hand
from storage.database import Database
from tests.client.mortal import Lives
from tests.gateway.local_hub import prepared, running
from tests.support.fault_proxy import FaultProxy
from tests.tasks.shop import Shop

QUICK = Backoff(0.02, 0.2)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes half a minute takes a moment."""
    monkeypatch.setattr("hub.tasks.bots.GRACE_SECONDS", 0.5)
    monkeypatch.setattr("hub.tasks.handing.PACE_SECONDS", 0.05)


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    """A hub on each engine."""
    async with running(await prepared(database)) as hub:
        yield Shop(hub)


def client(shop: Shop, key: str = "bot") -> Hub:
    return Hub(shop.hub.ws_url, shop.hub.keys[key], backoff=QUICK)


async def gateway(task: Task) -> str:
    return f"wa-{task.message_id}"


async def test_what_is_to_be_sent_is_sent(shop: Shop, tmp_path: Path) -> None:
    ids = [await shop.send(to=f"26377{n}", text=f"hello {n}") for n in range(5)]
    async with client(shop) as hub, hub.bot(credit=2, journal=tmp_path / "j") as bot:
        seen = {}
        async for task in bot:
            seen[task.message_id] = (task.to, task.text, task.message, task.format)
            await task.send(gateway, task)
            if len(seen) == 5:
                break
    assert seen == {
        id_: (f"26377{n}", f"hello {n}", {"text": f"hello {n}"}, "baileys")
        for n, id_ in enumerate(ids)
    }
    for id_ in ids:
        message = await shop.message(id_)
        assert (message.status, message.provider_id) == ("sent", f"wa-{id_}")
        assert (await shop.job(id_)).state == "succeeded"
    assert shop.events.count("message_sent") == 5


async def test_failures_and_progress_reach_the_hub(shop: Shop) -> None:
    id_ = await shop.send()

    async def handler(task: Task) -> None:
        await task.progress(40, "uploading")
        await shop.until(id_, "running")
        async with asyncio.timeout(5):
            while (await shop.job(id_)).progress != 40:
                await asyncio.sleep(0.05)
        await task.fail("blocked", retry=False)

    async with client(shop) as hub, hub.bot() as bot:
        running_ = asyncio.create_task(bot.run(handler))
        await shop.until(id_, "dead")
        bot.stop()
        await running_
    message = await shop.message(id_)
    assert (message.status, message.error) == ("failed", "blocked")


async def test_a_cancelled_job_ends_its_handler(shop: Shop) -> None:
    id_, ended = await shop.send(), asyncio.Event()

    async def handler(task: Task) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    async def cancel(scope: WriteScope) -> None:
        await by_hand.cancel(scope, [(shop.hub.merchant_id, id_)], shop.now, "merchant:me")

    async with client(shop) as hub, hub.bot() as bot:
        running_ = asyncio.create_task(bot.run(handler))
        await shop.until(id_, "running")
        await asyncio.sleep(0.1)
        await shop.write(cancel)
        async with asyncio.timeout(5):
            await ended.wait()
        bot.stop()
        await running_
    assert (await shop.job(id_)).state == "cancelled"


async def test_who_takes_no_tasks_is_told(shop: Shop) -> None:
    async with client(shop, "merchant") as hub, hub.bot() as bot:
        with pytest.raises(Forbidden):
            await anext(bot)
    async with client(shop) as hub:
        for wrong in ({"queues": ["laundry"]}, {"format": "sms"}):
            async with hub.bot(**wrong) as bot:
                with pytest.raises(InvalidParams):
                    await anext(bot)


async def test_a_cut_in_the_middle_of_a_task_changes_nothing(shop: Shop) -> None:
    ids = [await shop.send(to=f"26377{n}") for n in range(3)]
    begun: list[tuple[str, int]] = []
    sent: list[tuple[str, int]] = []
    async with (
        FaultProxy("127.0.0.1", shop.hub.port) as proxy,
        Hub(proxy.ws_url, shop.hub.keys["bot"], backoff=QUICK) as hub,
        hub.bot() as bot,
    ):

        async def call(task: Task) -> str:
            begun.append((task.message_id, task.attempt))
            await asyncio.sleep(0.3)
            sent.append((task.message_id, task.attempt))
            return f"wa-{task.message_id}"

        async def handler(task: Task) -> None:
            await task.send(call, task)

        running_ = asyncio.create_task(bot.run(handler))
        for id_ in ids:
            await shop.until(id_, "running")
        await asyncio.sleep(0.1)
        proxy.cut()
        for id_ in ids:
            await shop.until(id_, "succeeded")
        assert proxy.accepted == 2
        bot.stop()
        await running_
    assert sorted(id_ for id_, _ in begun) == ids
    assert sorted(sent) == sorted(begun)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("dies", "count", "state", "times", "lost"),
    [
        ("before", 1, "succeeded", 1, True),
        ("inside", 1, "dead", 0, False),
        ("sent", 1, "dead", 1, False),
        # The third fsync is the one of `sent`.
        ("synced", 3, "succeeded", 1, False),
    ],
)
async def test_wherever_the_bot_dies(
    shop: Shop, tmp_path: Path, dies: str, count: int, state: str, times: int, lost: bool
) -> None:
    id_ = await shop.send()
    lives = Lives(tmp_path, shop.hub.ws_url, shop.hub.keys["bot"])
    await lives.die(dies, count)
    async with lives.life():
        await shop.until(id_, state, deadline=20)
    assert lives.sent[id_] == times
    message = await shop.message(id_)
    if state == "succeeded":
        assert (message.status, message.provider_id) == ("sent", f"wa-{id_}")
        assert [a.outcome for a in await shop.attempts(id_)] == ["lost"] * lost
    else:
        assert message.status == "failed"
        assert message.error is not None
        assert message.error.startswith("uncertain: ")
        assert (await shop.attempts(id_))[-1].outcome == "uncertain"


@pytest.mark.slow
@pytest.mark.usefixtures("short")
async def test_killed_again_and_again_it_sends_each_message_once(
    shop: Shop, tmp_path: Path
) -> None:
    rng = random.Random(7)
    ids = [await shop.send(to=f"2637{n:05}") for n in range(200)]
    lives = Lives(tmp_path, shop.hub.ws_url, shop.hub.keys["bot"], delay=0.1)
    for _ in range(3):
        async with lives.life() as process:
            await asyncio.sleep(1.0 + rng.random() * 0.5)
            process.kill()
            await process.communicate()
    states = []
    async with lives.life():
        async with asyncio.timeout(60):
            for id_ in ids:
                while (await shop.job(id_)).state not in ("succeeded", "dead"):
                    await asyncio.sleep(0.2)
    for id_ in ids:
        job, message = await shop.job(id_), await shop.message(id_)
        states.append(job.state)
        if job.state == "succeeded":
            assert (lives.sent[id_], message.status) == (1, "sent")
        else:
            assert lives.sent[id_] <= 1
            assert str(message.error).startswith(("uncertain: ", "lost: "))
    assert states.count("succeeded") > 100
