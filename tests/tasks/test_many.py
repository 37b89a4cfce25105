"""Many answers, many merchants, and bots that say more than they should."""

import asyncio
import json

from tests.support.ws import connect
from tests.tasks.shop import Shop


async def test_a_flood_of_answers_is_answered_one_by_one(shop: Shop) -> None:
    """More than may wait at once: the connection is read again when they are written."""
    async with connect(shop.hub, shop.hub.keys["bot"]) as socket:
        await socket.next(type="connected")
        count = 1500
        for number in range(count):
            frame = {"type": "done", "job": f"j-{number}", "attempt": 1, "ref": str(number)}
            await socket.connection.send(json.dumps(frame))
        for number in range(count):
            answer = await socket.next(deadline=30.0)
            assert (answer["type"], answer["code"], answer["ref"]) == (
                "error", "not_found", str(number),
            )  # fmt: skip


async def test_answers_in_one_write_are_settled_in_their_order(shop: Shop) -> None:
    ids = [await shop.parked(to=f"26377{number}") for number in range(20)]
    async with shop.bot(credit=20) as bot:
        tasks = await bot.tasks(20)
        assert [task["job"] for task in tasks] == ids
        for task in tasks:
            await bot.say("done", task, result={"messageId": f"wa-{task['job']}"})
        settled = await bot.socket.take(20, type="settled")
    assert [frame["job"] for frame in settled] == ids
    assert {frame["state"] for frame in settled} == {"succeeded"}
    assert shop.events.count("message_sent") == 20


async def test_one_merchants_thousands_do_not_make_another_wait(shop: Shop) -> None:
    await shop.hub.add_key("bot", "foreign", merchant_id=shop.hub.other_merchant)
    for number in range(150):
        await shop.parked(to=f"26377{number:03}")
    async with shop.bot(credit=1) as bot, shop.bot(credit=1, key="foreign") as foreign:
        task = await bot.task()
        id_ = await shop.send(merchant_id=shop.hub.other_merchant)
        got = asyncio.create_task(foreign.task())
        handed = 0
        while not got.done():
            await bot.done(task)
            task = await bot.task()
            handed += 1
        assert (await got)["job"] == id_
        assert handed < 100


async def test_a_bot_that_says_ready_again_and_again_is_sent_away(shop: Shop) -> None:
    async with shop.bot() as bot:
        for _ in range(300):
            await bot.socket.connection.send('{"type":"ready","credit":1}')
        assert await bot.socket.closed() == 4102
