"""The hub under test can be started, killed and brought back, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.hub_process import REPOSITORY, HubFailedError, HubProcess
from tests.support.ws import connect


@pytest.fixture(params=["forked", "fresh"], autouse=True)
def forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Each way to start a hub, for every test here."""
    chosen: bool = request.param == "forked"
    monkeypatch.setattr(HubProcess, "forked", chosen)
    return chosen


async def test_it_listens_has_keys_and_stops_with_zero(hub: HubProcess) -> None:
    async with connect(hub, hub.bot_key) as ws:
        assert (await ws.next())["type"] == "connected"
    assert hub.admin_key != hub.bot_key
    assert 10_000_000 < hub.rss() < 500_000_000
    assert await hub.terminate() == 0
    assert not hub.running
    assert hub.log.read_text()


async def test_after_a_kill_it_comes_back_on_the_same_port(hub: HubProcess) -> None:
    before = (hub.url, hub.pid, hub.admin_key)
    await hub.kill()
    assert not hub.running
    await hub.restart()
    assert (hub.url, hub.admin_key) == (before[0], before[2])
    assert hub.pid != before[1]
    async with connect(hub, hub.admin_key) as ws:
        await ws.next(type="connected")


async def test_a_hub_that_cannot_start_says_why(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path, {"HUB_PORT": "not a port"})
    with pytest.raises(HubFailedError, match="HUB_PORT"):
        await hub.start()
    assert not hub.running


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_it_dies_with_the_tests(tmp_path: Path, forked: bool) -> None:
    program = (
        "import asyncio, pathlib, sys, time\n"
        "from tests.support.hub_process import HubProcess\n"
        f"HubProcess.forked = {forked}\n"
        "hub = HubProcess(pathlib.Path(sys.argv[1]))\n"
        "asyncio.run(hub.start())\n"
        "print(hub.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    for _ in range(500):
        if not alive(pid):
            return
        time.sleep(0.01)
    pytest.fail("the hub outlived the process that started it")


def alive(pid: int) -> bool:
    """Whether it runs; a zombie that nobody has reaped yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
