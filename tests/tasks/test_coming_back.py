"""A bot that is gone: its tasks wait for it, and are another's then. Answers that come late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hub.stream.waiting import WriteScope
from hub.tasks.bots import Bot as Taker
from jobs import by_hand
from storage.database import Database
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.support.ws import Frame
from tests.tasks.shop import Shop


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes half a minute takes a moment."""
    monkeypatch.setattr("hub.tasks.bots.GRACE_SECONDS", 0.5)
    monkeypatch.setattr("hub.tasks.handing.PACE_SECONDS", 0.1)


def named(task: Frame) -> dict[str, object]:
    return {"job": task["job"], "attempt": task["attempt"]}


async def taken(shop: Shop) -> Frame:
    """A task of a bot that is gone."""
    async with shop.bot(credit=1) as bot:
        return await bot.task()


async def test_a_bot_that_comes_back_still_has_its_task(shop: Shop) -> None:
    id_ = await shop.send()
    task = await taken(shop)
    async with shop.bot(credit=1, resume=[named(task)]) as bot:
        assert await bot.idle(), "nothing is sent again"
        await shop.send(to="263772")
        assert await bot.idle(), "what it holds counts against its credit"
        assert (await bot.done(task))["state"] == "succeeded"
        await bot.task()
    assert (await shop.job(id_)).attempt == task["attempt"]


async def test_until_then_nobody_else_is_given_it(shop: Shop) -> None:
    await shop.send()
    task = await taken(shop)
    async with shop.bot(credit=5) as other:
        assert await other.idle()
        assert (await other.done(task))["state"] == "succeeded", "the attempt is what counts"


async def test_an_answer_counts_without_resuming(shop: Shop) -> None:
    await shop.send()
    task = await taken(shop)
    async with shop.bot() as bot:
        assert (await bot.done(task))["state"] == "succeeded"


@pytest.mark.usefixtures("short")
async def test_a_task_whose_bot_does_not_come_back_is_anothers(shop: Shop) -> None:
    id_ = await shop.send()
    task = await taken(shop)
    async with shop.bot(credit=1) as other:
        again = await other.task()
        assert (again["job"], again["attempt"]) == (id_, task["attempt"] + 1)
        assert again["data"] == task["data"], "with the same id of the message"
        [attempt] = await shop.attempts(id_)
        assert (attempt.attempt, attempt.outcome) == (task["attempt"], "lost")
        assert attempt.error == "lost: its bot was gone for 30 s"
        async with shop.bot(credit=0, resume=[named(task)]) as late:
            settled = await late.answered(task)
            assert settled["state"] == "running", "another attempt is: it may forget this one"
            refused = await late.done(task, "wa-late")
            assert (refused["type"], refused["code"]) == ("error", "stale_attempt")
        assert (await other.done(again, "wa-2"))["state"] == "succeeded"
    assert (await shop.message(id_)).provider_id == "wa-2"


@pytest.mark.usefixtures("short")
async def test_what_was_sent_before_anybody_else_began_is_not_sent_again(shop: Shop) -> None:
    id_ = await shop.send()
    task = await taken(shop)
    await shop.until(id_, "retrying")
    async with shop.bot() as late:
        assert (await late.done(task, "wa-1"))["state"] == "succeeded"
        await late.ready(1)
        assert await late.idle()
    assert (await shop.message(id_)).provider_id == "wa-1"


@pytest.mark.usefixtures("short")
async def test_what_nobody_knows_of_is_not_sent_again_either(shop: Shop) -> None:
    id_ = await shop.send()
    task = await taken(shop)
    await shop.until(id_, "retrying")
    async with shop.bot() as late:
        assert (await late.failed(task, uncertain=True))["state"] == "dead"
        await late.ready(1)
        assert await late.idle()
    [attempt] = await shop.attempts(id_)
    assert attempt.outcome == "uncertain", "not lost: this is known better now"


@pytest.mark.usefixtures("short")
async def test_lost_too_often_it_is_dead(shop: Shop) -> None:
    id_ = await shop.send()
    for _ in range(3):
        await taken(shop)
        async with asyncio.timeout(5):
            while len(await shop.attempts(id_)) == 0 or (await shop.job(id_)).state == "running":
                await asyncio.sleep(0.05)
    job, message = await shop.job(id_), await shop.message(id_)
    assert job.state == "dead"
    assert str(message.error).startswith("lost: ")


async def test_a_bot_that_takes_too_long_has_lost_its_task(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.tasks.dispatcher.DEADLINE_SECONDS", 0.5)
    monkeypatch.setattr("hub.tasks.handing.PACE_SECONDS", 0.1)
    await shop.send()
    async with shop.bot(credit=1) as bot:
        task = await bot.task()
        settled = await bot.answered(task)
        assert settled["state"] == "retrying"
        again = await bot.task()
        assert again["attempt"] == task["attempt"] + 1
        [attempt] = await shop.attempts(task["job"])
        assert attempt.error == "lost: its bot did not answer in time"


async def test_a_cancelled_task_is_told_to_its_bot(shop: Shop) -> None:
    id_ = await shop.send()

    async def cancel(scope: WriteScope) -> None:
        await by_hand.cancel(scope, [(shop.hub.merchant_id, id_)], shop.now, "merchant:me")

    async with shop.bot(credit=1) as bot:
        task = await bot.task()
        await shop.write(cancel)
        assert (await bot.answered(task))["state"] == "cancelled"
        assert (await shop.message(id_)).status == "failed"
        await shop.send(to="263772")
        await bot.task()


async def test_a_second_connection_takes_its_tasks_over_from_one_that_hangs(shop: Shop) -> None:
    await shop.send()
    async with shop.bot(credit=1) as hanging:
        task = await hanging.task()
        async with shop.bot(credit=1, resume=[named(task)]) as bot:
            await shop.send(to="263772")
            await hanging.task()
            assert (await bot.done(task))["state"] == "succeeded"


# ── a hub that ends ──────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def again(hub: LocalHub) -> AsyncIterator[Shop]:
    """The next life of a hub on the same data."""
    async with running(hub, instance="here") as hub:
        yield Shop(hub)


async def test_a_hub_that_starts_again_knows_what_its_bots_hold(database: Database) -> None:
    hub = await prepared(database)
    async with again(hub) as shop:
        kept, left = await shop.send(to="263771"), await shop.send(to="263772")
        async with shop.bot(credit=2) as bot:
            tasks = {task["job"]: task for task in await bot.tasks(2)}
    async with again(hub) as shop:
        assert (await shop.job(kept)).state == "running"
        async with shop.bot(credit=5, resume=[named(tasks[kept])]) as bot:
            assert await bot.idle(), "the other one waits for its bot, too"
            assert (await bot.done(tasks[kept]))["state"] == "succeeded"
            assert (await bot.done(tasks[left]))["state"] == "succeeded"


@pytest.mark.usefixtures("short")
async def test_what_nobody_comes_back_for_goes_on(database: Database) -> None:
    hub = await prepared(database)
    async with again(hub) as shop:
        id_ = await shop.send()
        task = await taken(shop)
        await shop.job(id_)
    async with again(hub) as shop, shop.bot(credit=1) as bot:
        assert (await bot.task())["attempt"] == task["attempt"] + 1


async def test_an_unread_bot_is_given_no_tasks(shop: Shop) -> None:
    """Its buffer is full: what it is sent would only wait there."""
    async with shop.bot(credit=5) as bot:
        await bot.ready(5)
        await _until_ready(shop)
        [bots] = shop.hub.services.dispatcher.merchants()
        [held] = bots.bots.values()
        held.session.reader.stalled = True
        await shop.send()
        assert await bot.idle()
        session = shop.hub.services.gateway.connections.get(held.session.id)
        assert session is not None
        session.drained()  # type: ignore[attr-defined]
        await bot.task()


async def _until_ready(shop: Shop, count: int = 1) -> None:
    async with asyncio.timeout(5):
        while shop.hub.services.dispatcher.bots < count:
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("short")
async def test_a_bot_that_is_gone_before_it_is_told_gives_its_task_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop.bot() as other:
        await other.ready(0)
        async with shop.bot(credit=1) as bot:
            await _until_ready(shop, 2)
            [bots] = shop.hub.services.dispatcher.merchants()
            [leaving] = [each for each in bots.bots.values() if each.credit]

            def gone(most: int) -> list[Taker]:
                found = places(most)
                leaving.session.reader.closed = True
                return found

            places = bots.places
            monkeypatch.setattr(bots, "places", gone)
            id_ = await shop.send()
            async with asyncio.timeout(5):
                while (job := await shop.job(id_)).state != "queued" or job.attempt < 2:
                    await asyncio.sleep(0.02)
            assert job.max_attempts == 5, "no attempt was used up"
            assert await bot.idle()
        monkeypatch.undo()
        await other.ready(1)
        assert (await other.task())["attempt"] == 3
