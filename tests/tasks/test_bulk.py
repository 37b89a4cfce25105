"""One template to many: a job for each, one job that tells of all of them."""

import asyncio
from typing import Any

import pytest

from hub.stream.waiting import WriteScope
from jobs import by_hand
from jobs.message_sending.bulk import queue_bulk
from jobs.tasks import To
from storage import jobs, sending, work
from storage.database import Transaction
from storage.errors import Unavailable
from storage.merchant_records import Job
from tests.support.ws import connect
from tests.tasks.shop import Shop

VALUES = {"order_id": "O-1", "status": "on its way", "delivery_date": "today"}


async def bulk(shop: Shop, recipients: list[To], **more: Any) -> Job:
    async def write(scope: WriteScope) -> Job:
        given = {"template": "order_status", "variables": VALUES, "now": shop.now}
        return await queue_bulk(
            scope, merchant_id=shop.hub.merchant_id, recipients=recipients, **given | more
        )

    job: Job = await shop.write(write)
    return job


async def parts(shop: Shop, parent: Job) -> list[Job]:
    async def read(tx: Transaction) -> list[Job]:
        rows = await tx.fetch(
            "SELECT id FROM jobs WHERE merchant_id = ? AND parent_id = ? ORDER BY id",
            (shop.hub.merchant_id, parent.id),
        )
        found = await sending.jobs(tx, [id_ for (id_,) in rows])
        return [found[id_] for (id_,) in rows]

    return await shop.hub.database.read(read, shop.scope)


def people(count: int) -> list[To]:
    return [To(f"26377{number:05}", {"order_id": f"O-{number}"}) for number in range(count)]


async def test_each_recipient_is_a_job_and_one_tells_of_all(shop: Shop) -> None:
    parent = await bulk(shop, people(250))
    waiting = await shop.prepare(parent)
    assert waiting is not None
    assert (waiting.state, waiting.awaits) == ("queued", "children")
    made = await parts(shop, parent)
    assert [job.recipient for job in made] == [to.to for to in people(250)]
    assert {(job.state, job.awaits) for job in made} == {("queued", "bot")}

    async def input_(tx: Transaction) -> Any:
        return await work.get_input(tx, parent.id)

    assert await shop.hub.database.read(input_, shop.scope) is None, "it has been used"
    async with shop.bot(credit=100) as bot:
        texts = set()
        for _ in range(250):
            task = await bot.task()
            texts.add(task["data"]["text"])
            await bot.say("done", task, result={"messageId": f"wa-{task['job']}"})
        ended = await shop.until(parent.id, "succeeded")
    assert len(texts) == 250, "each has its own values"
    assert ended.result == {
        "total": 250, "sent": 250, "failed": 0, "uncertain": 0, "cancelled": 0,
    }  # fmt: skip
    assert (ended.progress, ended.awaits, ended.note) == (100, None, "250 of 250 sent")
    events = shop.events
    assert events.count("message_sent") == 250
    assert [type_ for type_ in events if type_.startswith("job_")] == [
        "job_queued", "job_completed",
    ]  # fmt: skip


async def test_whom_nobody_can_reach_is_named_in_the_summary(shop: Shop) -> None:
    given = [To("263770001", {}), To("call me"), To("263770002", {"status": {"no": 1}}), To("")]
    parent = await bulk(shop, given)
    await shop.prepare(parent)
    async with shop.bot(credit=5) as bot:
        await bot.done(await bot.task())
        ended = await shop.until(parent.id, "succeeded")
    result = ended.result
    assert (result["total"], result["sent"], result["failed"]) == (4, 1, 3)
    assert [failure["to"] for failure in result["failures"]] == ["call me", "263770002", ""]
    assert "country code" in result["failures"][0]["error"]
    assert "/variables/status" in result["failures"][1]["error"]


async def test_a_bulk_send_to_nobody_that_can_be_reached_ends(shop: Shop) -> None:
    parent = await bulk(shop, [To("x"), To("y")])
    await shop.prepare(parent)
    ended = await shop.until(parent.id, "succeeded")
    assert (ended.result["sent"], ended.result["failed"]) == (0, 2)


async def test_what_failed_is_told_apart_from_what_nobody_knows(shop: Shop) -> None:
    parent = await bulk(shop, people(3))
    await shop.prepare(parent)
    async with shop.bot(credit=3) as bot:
        one, two, three = await bot.tasks(3)
        await bot.done(one)
        await bot.failed(two, error="blocked", retry=False)
        await bot.failed(three, error="died", uncertain=True)
        ended = await shop.until(parent.id, "succeeded")
    assert {name: ended.result[name] for name in ("sent", "failed", "uncertain")} == {
        "sent": 1, "failed": 1, "uncertain": 1,
    }  # fmt: skip


async def test_progress_is_told_while_it_goes_on(shop: Shop) -> None:
    parent = await bulk(shop, people(4))
    await shop.prepare(parent)
    async with (
        connect(shop.hub, shop.hub.keys["viewer"], query="types=job_progressed") as viewer,
        shop.bot(credit=2) as bot,
    ):
        for task in await bot.tasks(2):
            await bot.done(task)
        async with asyncio.timeout(5):
            while (told := await viewer.next(type="job_progressed"))["data"]["progress"] < 50:
                pass
        assert told["subject"] == f"job/{parent.id}"
        assert told["data"]["note"] == "2 of 4 sent"


@pytest.mark.parametrize("connected", [True, False])
async def test_cancelled_half_way_it_stops(shop: Shop, connected: bool) -> None:
    parent = await bulk(shop, people(600))
    await shop.prepare(parent)
    async with shop.bot(credit=10) as bot:
        for task in await bot.tasks(10):
            await bot.done(task)
        held = await bot.tasks(10)
        if not connected:
            await bot.ready(0)
        await cancel(shop, parent.id)
        async with asyncio.timeout(5):
            while (ended := await shop.until(parent.id, "cancelled")).result is None:
                await asyncio.sleep(0.05)
        assert ended.result["sent"] == 10
        assert ended.result["cancelled"] == 590
        for task in held:
            settled = await bot.answered(task)
            assert settled["state"] == "cancelled", "it is told that it need not do it"
        assert await bot.idle()
        # One had been sent already: that is true whatever became of the job.
        assert (await bot.done(held[0], "wa-late"))["state"] == "cancelled"
    assert (await shop.message(held[0]["job"])).status == "sent"
    other = await shop.message(held[1]["job"])
    assert (other.status, other.error) == ("failed", "cancelled before it was sent")
    events = shop.events
    assert events.count("job_cancelled") == 1
    assert "message_failed" not in events


async def test_nothing_of_a_bulk_send_is_handed_over_once_it_is_cancelled(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while its parts are still open."""
    parent = await bulk(shop, people(50))
    await shop.prepare(parent)
    monkeypatch.setattr(shop.hub.services.dispatcher, "told", lambda jobs: None)
    await cancel(shop, parent.id)
    assert {job.state for job in await parts(shop, parent)} == {"queued"}
    async with shop.bot(credit=10) as bot:
        assert await bot.idle()


@pytest.mark.parametrize("made", [0, 100, 200])
async def test_cut_off_while_it_is_prepared_it_goes_on_behind_what_was_made(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, made: int
) -> None:
    parent = await bulk(shop, people(250))
    insert, count = jobs.insert_many, 0

    async def until_then(tx: Transaction, new: Any) -> None:
        nonlocal count
        if count == made:
            raise Unavailable("the disk is full")
        count += len(new)
        await insert(tx, new)

    monkeypatch.setattr("storage.jobs.insert_many", until_then)
    again = await shop.prepare(parent)
    assert again is not None
    assert (again.state, len(await parts(shop, parent))) == ("retrying", made)
    monkeypatch.setattr("storage.jobs.insert_many", insert)

    async def due(scope: WriteScope) -> list[Job]:
        return await jobs.make_due(
            scope.tx, [(parent.merchant_id, parent.id)], "2099-01-01T00:00:00.000Z"
        )

    [again] = await shop.write(due)
    await shop.prepare(again)
    assert [job.recipient for job in await parts(shop, parent)] == [to.to for to in people(250)]


async def cancel(shop: Shop, id_: str) -> None:
    async def write(scope: WriteScope) -> None:
        await by_hand.cancel(scope, [(shop.hub.merchant_id, id_)], shop.now, "merchant:me")

    await shop.write(write)
