"""What the hub is for, in one test: publish, see, acknowledge, survive, resume."""

import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.support.crowd import stored_log
from tests.support.hub_process import HubProcess
from tests.support.rest import merchant_of, new_key
from tests.support.ws import Frame, Socket, connect


def order(number: int) -> dict[str, Any]:
    data = {"orderId": f"ORD-{number}", "customerId": "c-1", "items": [], "totalAmount": 500}
    return {
        "type": "order_created",
        "id": f"o-{number}",
        "subject": f"order/{number}",
        "data": data,
    }


async def published(bot: Socket, number: int) -> int:
    """Publish an order; the offset that was acknowledged."""
    await bot.send(order(number))
    ack = await bot.next(type="ack")
    assert (ack["id"], ack["duplicate"]) == (f"o-{number}", False)
    offset: int = ack["offset"]
    return offset


def numbers(events: list[Frame]) -> list[int]:
    return [int(event["id"].removeprefix("o-")) for event in events]


@pytest.mark.both_engines
async def test_published_seen_acknowledged_killed_and_resumed(
    tmp_path: Path, hub_settings: dict[str, str]
) -> None:
    async with HubProcess(tmp_path, hub_settings) as hub:
        viewer, _ = await new_key(
            hub, hub.admin_key, "viewer", await merchant_of(hub, hub.admin_key)
        )
        keys = [hub.admin_key, viewer, viewer]
        async with AsyncExitStack() as stack:
            dashboards = [await stack.enter_async_context(connect(hub, key)) for key in keys]
            for dashboard in dashboards:
                epoch = (await dashboard.next(type="connected"))["epoch"]
                await dashboard.next(type="live")
            bot = await stack.enter_async_context(connect(hub, hub.bot_key))

            # Every dashboard sees it within milliseconds, and the bot has its offset.
            took = []
            acknowledged = []
            seen: list[Frame] = []
            for number in range(30):
                began = time.monotonic()
                offset = await published(bot, number)
                for dashboard in dashboards:
                    seen.append(await dashboard.next(type="order_created"))
                    assert (seen[-1]["id"], seen[-1]["offset"]) == (f"o-{number}", offset)
                    assert seen[-1]["data"] == order(number)["data"]
                    assert seen[-1]["source"] == "bot:demo-bot"
                took.append(time.monotonic() - began)
                acknowledged.append(offset)
            assert median(took) < 0.05

            # By then it is on disk: a kill that gives no time for anything changes nothing.
            await hub.kill()
        on_disk = {event.id: event.offset for event in stored_log(hub)}
        assert [on_disk.get(f"o-{number}") for number in range(30)] == acknowledged

        await hub.start()
        async with connect(hub, hub.bot_key) as bot:
            missed = [await published(bot, number) for number in range(30, 40)]
            assert missed[0] > acknowledged[-1]
            query = f"since={acknowledged[-1]}&epoch={epoch}&types=order_*"
            async with connect(hub, viewer, query=query) as dashboard:
                connected = await dashboard.next()
                assert (connected["type"], connected["epoch"]) == ("connected", epoch)
                subscribed = await dashboard.next()
                assert (subscribed["type"], subscribed["recovered"]) == ("subscribed", True)
                replayed = [await dashboard.next() for _ in range(10)]
                assert numbers(replayed) == list(range(30, 40))
                assert [event["offset"] for event in replayed] == missed
                assert (await dashboard.next())["type"] == "live"
                # And then it goes on live.
                for number in range(40, 45):
                    offset = await published(bot, number)
                    event = await dashboard.next()
                    assert (event["id"], event["offset"]) == (f"o-{number}", offset)
        assert await hub.terminate() == 0


async def test_a_killed_hub_says_which_bots_it_lost(tmp_path: Path) -> None:
    """On SQLite at its next start. Of several hubs on one Postgres, see `test_two_hubs`."""
    async with HubProcess(tmp_path) as hub:
        async with connect(hub, hub.admin_key, query="types=bot_*") as dashboard:
            await dashboard.next(type="live")
            async with connect(hub, hub.bot_key):
                arrived = await dashboard.next(type="bot_connected")
            await hub.kill()
        await hub.start()
        async with connect(hub, hub.admin_key, query="since=0&types=bot_*") as dashboard:
            again = await dashboard.next(type="bot_connected")
            lost = await dashboard.next(type="bot_disconnected")
            assert again == arrived
            assert lost["offset"] > arrived["offset"]
            assert lost["data"]["keyId"] == arrived["data"]["keyId"]
            assert await dashboard.silent(0.3, type="bot_disconnected")
