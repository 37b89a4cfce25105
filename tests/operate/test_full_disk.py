"""A full disk under SQLite: an error and never an acknowledgement that is lost, reads go on, and
writes heal without a restart as soon as there is room."""

import asyncio
import os
import resource
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.hub_process import HubProcess
from tests.support.rest import call, paged
from tests.support.ws import Socket, connect

SMALL = 16 << 20
"""Bytes of the small disk."""
PAD = "x" * 20_000
WITHIN = 20.0


class Disk(Protocol):
    """What can be filled up and made room on again."""

    hub: HubProcess

    def fill(self) -> None: ...
    def free(self) -> None: ...


class SmallDisk:
    """A file system of its own, in memory."""

    def __init__(self, hub: HubProcess, folder: Path) -> None:
        self.hub = hub
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            for block in (1 << 16, 1 << 12, 1):
                with suppress(OSError):
                    while True:
                        ballast.write(b"x" * block)

    def free(self) -> None:
        self._ballast.unlink()


class SizeLimit:
    """A limit on the size of every file that the hub writes: its database's WAL reaches it first.

    The system says EFBIG where a full disk says ENOSPC.
    """

    def __init__(self, hub: HubProcess) -> None:
        self.hub = hub

    def fill(self) -> None:
        largest = max(path.stat().st_size for path in self.hub.data_dir.glob("hub.db*"))
        resource.prlimit(self.hub.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def free(self) -> None:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(self.hub.pid, resource.RLIMIT_FSIZE, unlimited)


@pytest.fixture(params=["limit", "disk"])
async def disk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Disk]:
    if request.param == "limit":
        async with HubProcess(tmp_path) as hub:
            yield SizeLimit(hub)
        return
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = _mount(folder)
    try:
        file = folder / "hub.db"
        # The data directory lies elsewhere: a disk with less than 64 MiB is never ready.
        async with HubProcess(tmp_path, {"HUB_DATABASE_URL": f"sqlite:///{file}"}) as hub:
            yield SmallDisk(hub, folder)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(folder: Path) -> bool:
    reason = "a file system of its own needs root, and `mount`"
    if os.geteuid() == 0 and shutil.which("mount"):
        command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return True
        reason = f"no file system of its own: {done.stderr.strip()}"
    # The limit on sizes holds the same promise everywhere.
    pytest.skip(reason)


class Publisher:
    """A bot that keeps what was not acknowledged, as every client does."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.acknowledged: dict[str, int] = {}
        self.refused: list[str] = []
        self._made = 0

    async def publish(self) -> bool:
        """One new event; whether it was acknowledged."""
        self._made += 1
        return await self.send(f"e-{self._made}")

    async def send(self, id_: str) -> bool:
        await self._socket.send({"type": "custom_tick", "id": id_, "data": {"pad": PAD}})
        while True:
            frame = await self._socket.next(deadline=WITHIN)
            if frame["type"] == "ack":
                self.acknowledged[frame["id"]] = frame["offset"]
                return True
            if frame["type"] == "error":
                assert (frame["code"], frame["retry"], frame["id"]) == ("unavailable", True, id_)
                self.refused.append(id_)
                return False

    async def again(self) -> bool:
        """What was refused, in order, with the same ids; whether all of it was acknowledged."""
        while self.refused:
            id_ = self.refused.pop(0)
            if not await self.send(id_):
                self.refused.insert(0, self.refused.pop())
                return False
        return True


async def test_a_full_disk_refuses_writes_and_heals_without_a_restart(disk: Disk) -> None:
    hub = disk.hub
    pid = hub.pid
    async with connect(hub, hub.bot_key) as bot, connect(hub, hub.admin_key) as dashboard:
        await bot.next(type="connected")
        publisher = Publisher(bot)
        await dashboard.send({"type": "subscribe", "types": ["custom_*"]})
        for _ in range(20):
            assert await publisher.publish()
        before = dict(publisher.acknowledged)

        disk.fill()
        # What is left in the WAL's own room may still be written, and is then acknowledged.
        async with asyncio.timeout(WITHIN):
            while await publisher.publish():
                pass
            while len(publisher.refused) < 5:
                await publisher.publish()
        assert len(publisher.acknowledged) >= len(before)

        # Reads go on: pages, a replay from the beginning, the dashboard, its pings.
        events = await paged(hub, hub.admin_key, types="custom_*")
        assert {event["id"] for event in events} >= set(before)
        assert not {event["id"] for event in events} & set(publisher.refused)
        async with connect(hub, hub.admin_key, query="since=0&types=custom_*") as reader:
            seen = await reader.take(len(events), type="custom_tick")
        assert [frame["offset"] for frame in seen] == [event["offset"] for event in events]
        await dashboard.send({"type": "ping", "ref": "alive"})
        assert (await dashboard.next(type="pong"))["ref"] == "alive"
        async with asyncio.timeout(WITHIN):
            while (await call(hub, "GET", "/readyz")).status != 503:
                await asyncio.sleep(0.1)
        assert (await call(hub, "GET", "/healthz")).status == 200
        event = {"type": "custom_http", "data": {"pad": PAD}}
        assert (await call(hub, "POST", "/api/events", event, key=hub.bot_key)).status == 503

        disk.free()
        async with asyncio.timeout(WITHIN):
            while not await publisher.again():
                await asyncio.sleep(0.1)
        assert await publisher.publish()
        if isinstance(disk, SizeLimit):
            async with asyncio.timeout(WITHIN):
                while (await call(hub, "GET", "/readyz")).status != 200:
                    await asyncio.sleep(0.1)
        assert (hub.pid, hub.running) == (pid, True)

        # Nothing that was acknowledged is missing, nothing is doubled, and no hole is left.
        events = await paged(hub, hub.admin_key)
        found = {event["id"]: event["offset"] for event in events if event["type"] == "custom_tick"}
        assert found == publisher.acknowledged
        assert [event["offset"] for event in events] == list(range(1, len(events) + 1))
        live = await dashboard.take(len(found), type="custom_tick", deadline=WITHIN)
        assert [frame["offset"] for frame in live] == sorted(found.values())
    await hub.terminate()
    await hub.start()
    assert {e["id"] for e in await paged(hub, hub.admin_key)} >= set(found)
