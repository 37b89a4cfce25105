"""One template to ten thousand people through a bot that dies, and a hub that is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.flows.sending_bot import SendingBot
from tests.support.hub_process import REPOSITORY, HubProcess
from tests.support.rest import call, merchant_of, new_key, paged

VALUES = {"order_id": "O-1", "status": "on its way", "delivery_date": "today"}
Result = dict[str, Any]


class Desk:
    """A merchant's desk at a hub that prepares what is to be sent."""

    def __init__(self, hub: HubProcess, key: str) -> None:
        self.hub = hub
        self._key = key

    async def bulk(self, recipients: list[dict[str, Any]]) -> str:
        """Send to these; the job's id."""
        body = {"template": "order_status", "variables": VALUES, "recipients": recipients}
        answer = await call(self.hub, "POST", "/api/messages/bulk", body, key=self._key)
        assert answer.status == 202, answer.body
        return str(answer.json()["job"]["id"])

    async def job(self, id_: str) -> Result:
        answer = await call(self.hub, "GET", f"/api/jobs/{id_}", key=self._key)
        assert answer.status == 200, answer.body
        found: Result = answer.json()["job"]
        return found

    async def cancel(self, id_: str) -> None:
        answer = await call(self.hub, "POST", f"/api/jobs/{id_}/cancel", key=self._key)
        assert answer.status == 200, answer.body

    async def summed_up(self, id_: str, deadline: float) -> Result:
        """A bulk send that has ended, with its result."""
        async with asyncio.timeout(deadline):
            while (found := await self.job(id_))["result"] is None:
                await asyncio.sleep(0.2)
            return found


@pytest.fixture
async def desk(tmp_path: Path, hub_settings: dict[str, str]) -> AsyncIterator[Desk]:
    async with HubProcess(tmp_path, hub_settings | {"HUB_WORKERS": "message_sending"}) as hub:
        merchant_id = await merchant_of(hub, hub.admin_key)
        key, _ = await new_key(hub, hub.admin_key, "merchant", merchant_id)
        yield Desk(hub, key)


def person(number: int) -> str:
    return f"26377{number:07}"


async def until(condition: Any, deadline: float) -> None:
    async with asyncio.timeout(deadline):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def sending(bot: SendingBot) -> AsyncIterator[None]:
    running = asyncio.create_task(bot.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait((running,))
        if not running.cancelled() and running.exception() is not None:
            raise AssertionError("the bot has failed") from running.exception()


async def types_of(hub: HubProcess) -> Counter[str]:
    return Counter(event["type"] for event in await paged(hub, hub.admin_key, limit=1000))


@pytest.mark.slow
async def test_to_ten_thousand_through_a_bot_that_dies(desk: Desk) -> None:
    recipients = [
        {"to": person(number), "variables": {"order_id": f"O-{number}"}} for number in range(9997)
    ]
    recipients += [
        {"to": person(0)},
        {"to": "nobody"},
        {"to": person(1), "variables": {"status": {}}},
    ]
    bot = SendingBot(desk.hub, desk.hub.bot_key)
    async with sending(bot):
        id_ = await desk.bulk(recipients)
        for number, where in enumerate(("before", "after", "inside"), 1):
            await until(lambda number=number: len(bot.gateway) > 1000 * number, 60)
            bot.dies = where
            await until(lambda number=number: bot.deaths == number, 10)
        await until(lambda: len(bot.gateway) > 5000, 60)
        await desk.hub.kill()
        await desk.hub.start()
        parent = await desk.summed_up(id_, 120)
    assert parent["state"] == "succeeded"
    result = parent["result"]
    assert (result["total"], result["sent"], result["uncertain"], result["failed"]) == (
        10_000, 9997, 1, 2,
    )  # fmt: skip
    failures = [f["to"] for f in result["failures"] if not f["error"].startswith("uncertain")]
    assert failures == ["nobody", person(1)]
    assert set(bot.gateway.values()) == {1}, "nothing is sent twice"
    assert len(bot.gateway) == 9997, "and nothing is lost: the one that is uncertain was not sent"
    types = await types_of(desk.hub)
    assert types["message_sent"] == 9997
    assert sum(count for type_, count in types.items() if type_.startswith("job_")) <= 300


async def test_cancelled_half_way_it_stops(desk: Desk) -> None:
    bot = SendingBot(desk.hub, desk.hub.bot_key, credit=20)
    async with sending(bot):
        id_ = await desk.bulk([{"to": person(number)} for number in range(2000)])
        await until(lambda: len(bot.gateway) > 200, 30)
        await desk.cancel(id_)
        await until(lambda: not bot.held, 10)
        sent = len(bot.gateway)
        await asyncio.sleep(0.5)
        assert len(bot.gateway) == sent < 2000
        parent = await desk.summed_up(id_, 10)
    assert parent["state"] == "cancelled"
    assert parent["result"]["cancelled"] + parent["result"]["sent"] == 2000
    assert parent["result"]["sent"] <= sent


@pytest.mark.parametrize("dies", ["before", "inside", "sent"])
async def test_the_python_client_dies_and_comes_back(desk: Desk, tmp_path: Path, dies: str) -> None:
    """The process is killed at its fifth task: before its call, in it, and in it when the message
    is out."""
    count = 30
    id_ = await desk.bulk([{"to": person(number)} for number in range(count)])
    sent = tmp_path / "sent"

    def start(dies: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "tests.client.mortal_bot", desk.hub.url,
            str(tmp_path / "journal"), str(sent), dies, "0.02", "5",
        ]  # fmt: skip
        return subprocess.Popen(
            command, cwd=REPOSITORY, env=os.environ | {"HUB_KEY": desk.hub.bot_key}
        )

    mortal = start(dies)
    code = await asyncio.to_thread(mortal.wait, 30)
    assert code == -signal.SIGKILL
    again = start("-")
    try:
        parent = await desk.summed_up(id_, 60)
    finally:
        again.terminate()
        await asyncio.to_thread(again.wait, 15)
    result = parent["result"]
    lines = Counter(sent.read_text().split())
    assert set(lines.values()) == {1}, "nothing is sent twice"
    uncertain = result["uncertain"]
    assert result["sent"] + uncertain == count
    if dies == "before":
        assert uncertain == 0
    else:
        assert uncertain >= 1, "what it was sending when it died, nobody knows"
    assert count - uncertain <= len(lines) <= count
