"""The bots of the documentation run as they stand there, but for the hub's address."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.client.command import ROOT, environment, hub, line
from tests.client.test_with_hub import call
from tests.support.hub_process import HubProcess


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[HubProcess]:
    """A hub that prepares messages."""
    async with HubProcess(tmp_path, {"HUB_WORKERS": "message_sending"}) as process:
        yield process


async def send(shop: HubProcess, to: str) -> str:
    """As in the README; the job's id."""
    merchants = await asyncio.to_thread(call, shop, "GET", "/api/merchants")
    body = {"merchant_id": merchants["merchants"][0]["id"], "to": to, "text": "It is on its way"}
    answer = await asyncio.to_thread(call, shop, "POST", "/api/messages/send", body)
    return str(answer["job"]["id"])


async def succeeded(shop: HubProcess, id_: str) -> Any:
    """Wait until a job has; its result."""
    async with asyncio.timeout(20):
        while True:
            job = (await asyncio.to_thread(call, shop, "GET", f"/api/jobs/{id_}"))["job"]
            if job["state"] == "succeeded":
                return job["result"]
            await asyncio.sleep(0.1)


async def test_hub_bot(shop: HubProcess, tmp_path: Path) -> None:
    assert "hub bot --key-file data/bot.key --journal data/bot.journal" in readme()
    async with hub(
        *("bot", "--key-file", "data/bot.key", "--journal", "data/bot.journal"),
        cwd=tmp_path,
        HUB_URL=shop.url,
    ) as process:
        id_ = await send(shop, "+263771234567")
        shown = await line(process)
        assert (shown["message_id"], shown["to"]) == (id_, "263771234567")
        assert shown["message"] == {"text": "It is on its way"}
        assert (await succeeded(shop, id_))["messageId"].startswith("pretended-")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0


async def test_the_bot_of_docs_bots(shop: HubProcess, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "bots.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    async with program(found[1], shop, tmp_path) as process:
        id_ = await send(shop, "+263771234567")
        assert await succeeded(shop, id_) == {"messageId": "gateway-id"}
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            out, _ = await process.communicate()
    assert out.decode() == "263771234567 {'text': 'It is on its way'}\n"
    assert (tmp_path / "data" / "bot.journal").exists()


@asynccontextmanager
async def program(
    code: str, shop: HubProcess, directory: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program of the documentation."""
    assert "http://127.0.0.1:8000" in code
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", code.replace("http://127.0.0.1:8000", shop.url)),
        cwd=directory,
        env=environment(),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def readme() -> str:
    return (ROOT / "README.md").read_text()
