"""A hub that is killed and stopped while a bot works for it: its messages go out once."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hub.client import Backoff, Hub, Task
from tests.client.test_with_hub import call
from tests.support.hub_process import HubProcess

QUICK = Backoff(0.02, 0.2)


@pytest.mark.slow
async def test_a_hub_that_dies_and_stops_in_the_middle_of_tasks(tmp_path: Path) -> None:
    sent: Counter[str] = Counter()

    async def gateway(task: Task) -> str:
        await asyncio.sleep(0.1)
        sent[task.message_id] += 1
        return f"wa-{task.message_id}"

    async def handler(task: Task) -> None:
        await task.send(gateway, task)

    async def ask(method: str, path: str, body: Any = None) -> Any:
        return await asyncio.to_thread(call, process, method, path, body)

    async def states() -> Counter[str]:
        found: Counter[str] = Counter()
        for id_ in ids:
            found[(await ask("GET", f"/api/jobs/{id_}"))["job"]["state"]] += 1
        return found

    async with HubProcess(tmp_path, {"HUB_WORKERS": "message_sending"}) as process:
        merchant = (await ask("GET", "/api/merchants"))["merchants"][0]["id"]
        ids = []
        for n in range(60):
            body = {"merchant_id": merchant, "to": f"2637712345{n:02}", "text": "hello"}
            ids.append((await ask("POST", "/api/messages/send", body))["job"]["id"])
        async with (
            Hub(process.url, process.bot_key, backoff=QUICK) as hub,
            hub.bot(credit=5, journal=tmp_path / "bot.journal") as bot,
        ):
            running = asyncio.create_task(bot.run(handler))
            for end in (process.kill, process.terminate, process.kill):
                before = sum(sent.values())
                async with asyncio.timeout(20):
                    while sum(sent.values()) < before + 8:
                        await asyncio.sleep(0.02)
                await end()
                await process.start()
            async with asyncio.timeout(60):
                while await states() != {"succeeded": 60}:
                    await asyncio.sleep(0.5)
            bot.stop()
            await running
    assert sent == dict.fromkeys(ids, 1)
