"""What other hubs and other people do: a queue that stands still, two hubs, a hub that dies."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from hub.stream.waiting import WriteScope
from hub.tasks import keeping
from storage import work
from storage.database import Database, Engine
from storage.scope import HUB
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.tasks.shop import Shop
from tests.tasks.test_coming_back import named


async def test_a_queue_that_stands_still_is_handed_out_when_it_goes_on(shop: Shop) -> None:
    async def pause(scope: WriteScope) -> None:
        await work.pause(scope.tx, "message_sending", None, shop.now)

    async def resume(scope: WriteScope) -> None:
        await work.resume(scope.tx, "message_sending")

    first = await shop.send(to="263771")
    async with shop.bot(credit=1) as bot:
        task = await bot.task()
        assert task["job"] == first
        await shop.write(pause)
        second = await shop.parked(to="263772")
        assert (await bot.done(task))["state"] == "succeeded", "what was begun is ended"
        assert await bot.idle()
        await shop.write(resume)
        assert (await bot.task())["job"] == second, "within a second"


async def test_a_queue_that_stands_still_for_everybody_is_not_handed_out(shop: Shop) -> None:
    async def pause(scope: WriteScope) -> None:
        await work.pause(scope.tx, "message_sending", None, shop.now)

    async def resume(scope: WriteScope) -> None:
        await work.resume(scope.tx, "message_sending")

    id_ = await shop.parked()
    await shop.hub.services.log.commit(pause, HUB)
    async with shop.bot(credit=1) as bot:
        assert await bot.idle()
        await shop.hub.services.log.commit(resume, HUB)
        assert (await bot.task())["job"] == id_, "within a second"


class _Ahead:
    """The clock of a machine that is a minute ahead."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(lambda: time.time() + 60)
    time_ns = staticmethod(lambda: time.time_ns() + 60_000_000_000)


@asynccontextmanager
async def another(hub: LocalHub, instance: str) -> AsyncIterator[Shop]:
    """A further hub on the same database."""
    twin = LocalHub(hub.database, hub.merchant_id, hub.other_merchant, hub.keys, hub.key_ids)
    async with running(twin, instance=instance):
        yield Shop(twin)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hubs that are silent for a moment are dead."""
    monkeypatch.setattr("hub.tasks.keeping.BEAT_SECONDS", 0.2)
    monkeypatch.setattr("hub.tasks.keeping.SILENT_SECONDS", 1.5)
    monkeypatch.setattr("hub.tasks.bots.GRACE_SECONDS", 1.0)
    monkeypatch.setattr("hub.tasks.handing.PACE_SECONDS", 0.1)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_what_one_hub_takes_in_the_bot_of_another_sends(
    database: Database, engine: Engine
) -> None:
    hub = await prepared(database)
    async with another(hub, "one") as one, another(hub, "two") as two, two.bot(credit=1) as bot:
        id_ = await one.send()
        task = await bot.task()
        assert task["job"] == id_
        assert (await bot.done(task))["state"] == "succeeded"
        assert (await one.message(id_)).status == "sent"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("comes_back", [True, False])
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_another_hub_takes_over_what_bots_hold_of_one_that_died(
    database: Database, engine: Engine, comes_back: bool
) -> None:
    hub = await prepared(database)
    async with another(hub, "two") as two:
        async with another(hub, "one") as one, one.bot(credit=1) as bot:
            id_ = await one.send()
            task = await bot.task()
        assert (await two.job(id_)).worker == "bots-one"
        if comes_back:
            async with two.bot(credit=1, resume=[named(task)]) as again:
                assert await again.idle()
                assert (await two.job(id_)).worker == "bots-two"
                assert (await again.done(task))["state"] == "succeeded"
        else:
            async with two.bot(credit=1) as other:
                next_ = await other.task()
                assert (next_["job"], next_["attempt"]) == (id_, task["attempt"] + 1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_a_hub_that_was_taken_for_dead_keeps_what_its_bots_have(
    database: Database, engine: Engine
) -> None:
    hub = await prepared(database)
    async with another(hub, "two") as two, another(hub, "one") as one, one.bot(credit=1) as bot:
        id_ = await one.send()
        task = await bot.task()

        async def bury(scope: WriteScope) -> None:
            await work.leave(scope.tx, "bots-one")

        await one.hub.services.log.commit(bury, HUB)
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                while (await two.job(id_)).state == "running":
                    await asyncio.sleep(0.05)
        job = await two.job(id_)
        assert (job.state, job.worker) == ("running", "bots-one")
        assert (await bot.done(task))["state"] == "succeeded"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_a_hub_whose_clock_is_ahead_takes_nobody_for_dead(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = await prepared(database)
    async with another(hub, "one") as one, one.bot(credit=1) as bot:
        id_ = await one.send()
        task = await bot.task()
        async with another(hub, "two") as two:
            keeper = two.hub.services.dispatcher._keeper
            monkeypatch.setattr(keeping, "time", _Ahead)
            await keeper._adopt(first=False)
            monkeypatch.undo()
            assert (await two.job(id_)).worker == "bots-one"
        assert (await bot.done(task))["state"] == "succeeded"
