"""One message to a recipient at a time, and none that is not worth while any more."""

import asyncio
import itertools

import pytest

from hub.housekeeping import forget_slots
from hub.protocol.times import format_ms, parse_ms
from storage.database import Transaction
from tests.tasks.shop import Shop


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipient may be sent the next message a little later."""
    monkeypatch.setattr("hub.tasks.handing.PACE_SECONDS", 0.4)


async def test_the_next_message_to_a_recipient_waits(shop: Shop) -> None:
    one = await shop.send(to="263771", text="one")
    two = await shop.send(to="263771", text="two")
    other = await shop.send(to="263772", text="three")
    async with shop.bot(credit=10) as bot:
        assert {task["job"] for task in await bot.tasks(2)} == {one, other}
        assert await bot.idle()
    waits = await shop.job(two)
    assert (waits.state, waits.awaits) == ("queued", "bot")
    assert 5000 < parse_ms(waits.run_at) - parse_ms(shop.now) <= 6000


@pytest.mark.usefixtures("short")
async def test_they_come_one_after_the_other(shop: Shop) -> None:
    ids = [await shop.send(to="263771", text=str(number)) for number in range(4)]
    async with shop.bot(credit=10) as bot:
        got = [await bot.task() for _ in range(4)]
    assert [task["job"] for task in got] == ids
    times = [parse_ms(task["deadline"]) for task in got]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(gaps) >= 400
    assert max(gaps) < 1500, "no later than its time, but for a busy machine"


@pytest.mark.usefixtures("short")
async def test_recipients_are_forgotten_who_are_free_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.stream.retention._PAUSE_SECONDS", 0.1)
    await shop.send()
    async with shop.bot(credit=1) as bot:
        await bot.task()

        async def slots(tx: Transaction) -> int:
            [(count,)] = await tx.fetch(
                "SELECT count(*) FROM send_slots WHERE merchant_id = ?", (shop.hub.merchant_id,)
            )
            return int(count)

        forgetting = asyncio.create_task(forget_slots(shop.hub.services.log))
        async with asyncio.timeout(5):
            while await shop.hub.database.read(slots, shop.scope):
                await asyncio.sleep(0.1)
        forgetting.cancel()


async def test_another_merchants_messages_do_not_count(shop: Shop) -> None:
    await shop.hub.add_key("bot", "foreign", merchant_id=shop.hub.other_merchant)
    await shop.send(to="263771")
    await shop.send(to="263771", merchant_id=shop.hub.other_merchant)
    async with shop.bot(credit=1) as bot, shop.bot(credit=1, key="foreign") as foreign:
        await bot.task()
        await foreign.task()


async def test_what_is_not_worth_while_any_more_ends(shop: Shop) -> None:
    soon = format_ms(parse_ms(shop.now) + 500)
    id_ = await shop.send(expires_at=soon)
    fresh = await shop.send(to="263772", expires_at=format_ms(parse_ms(shop.now) + 60_000))
    job = await shop.job(id_)
    assert job.state == "queued"
    while shop.now <= soon:
        await shop.hub.services.database.read(_nothing, shop.scope)
    async with shop.bot(credit=5) as bot:
        assert (await bot.task())["job"] == fresh
        assert await bot.idle()
    job, message = await shop.job(id_), await shop.message(id_)
    assert (job.state, job.awaits) == ("dead", None)
    assert str(job.error).startswith("expired")
    assert (message.status, message.error) == ("failed", job.error)
    assert "message_failed" in shop.events


async def _nothing(tx: object) -> None:
    pass
