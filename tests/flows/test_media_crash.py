"""The hub is killed while pictures come and go, and its disk runs full: no row without a file, no
file without a row, nothing half, and nothing acknowledged that is not there."""

import asyncio
import contextlib
import os
import random
import resource
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import check_problem
from tests.api.pictures import fresh, send, uploaded
from tests.media.making import noise, saved
from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key

SEED = int(os.environ.get("HUB_TEST_SEED", random.SystemRandom().randrange(2**32)))
ROUNDS = 2


def stored(folder: Path) -> set[str]:
    """The names of all files of the media folder, whole or half."""
    return {path.name for path in folder.rglob("*") if path.is_file()}


async def rows(hub: HubProcess, key: str) -> list[dict[str, Any]]:
    answer = await call(hub, "GET", "/api/media", key=key, query={"limit": 1000})
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["media"]
    return found


async def test_kills_in_the_middle_leave_nothing_half(
    tmp_path: Path, hub_settings: dict[str, str]
) -> None:
    choose = random.Random(SEED)
    print("HUB_TEST_SEED", SEED)
    large = [saved(noise(700, 500, seed=seed), "PNG") for seed in range(3)]
    acknowledged: dict[str, bytes] = {}
    removed: set[str] = set()
    async with HubProcess(tmp_path, hub_settings) as hub:
        key, _ = await new_key(
            hub, hub.admin_key, "merchant", await merchant_of(hub, hub.admin_key)
        )

        async def come_and_go(number: int) -> None:
            for turn in range(20):
                picture = large[number] if turn % 3 == 2 else fresh()
                answer = await send(hub, key, picture)
                assert answer.status == 201, answer.body
                media = answer.json()["media"]
                acknowledged[media["id"]] = picture
                if turn % 2:
                    removed.add(media["id"])  # or not: who is cut off does not know
                    await call(hub, "DELETE", f"/api/media/{media['id']}", key=key)

        for _ in range(ROUNDS):
            work = [asyncio.create_task(come_and_go(number)) for number in range(3)]
            before = len(acknowledged)
            async with asyncio.timeout(30.0):
                while len(acknowledged) == before:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(choose.random() * 0.2)
            await hub.kill()
            for task in work:
                task.cancel()
                with contextlib.suppress(OSError, asyncio.CancelledError, TimeoutError, EOFError):
                    await task
            await hub.start()
            found = await rows(hub, key)
            assert stored(hub.data_dir / "media") == {row["file_name"] for row in found}
            ids = {row["id"]: row for row in found}
            for id_ in acknowledged.keys() - removed:
                shown = await call(hub, "GET", ids[id_]["url"])
                assert shown.body == acknowledged[id_]


@pytest.mark.sqlite_only
async def test_a_full_disk_is_told_and_heals(tmp_path: Path) -> None:
    """The limit on the size of files stands for a disk: the system says EFBIG instead of ENOSPC."""
    picture = saved(noise(1300, 1200), "PNG")
    assert len(picture) > 4_000_000
    async with HubProcess(tmp_path) as hub:
        key, _ = await new_key(
            hub, hub.admin_key, "merchant", await merchant_of(hub, hub.admin_key)
        )
        folder = hub.data_dir / "media"
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (3_500_000, resource.RLIM_INFINITY))
        answer = await send(hub, key, picture)
        problem = check_problem(answer, 503, "unavailable")
        assert "full" in str(problem["detail"])
        assert answer.headers["retry-after"]
        assert stored(folder) == set()
        assert await rows(hub, key) == []
        assert (await send(hub, key, fresh())).status == 201
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, unlimited)
        media = await uploaded(hub, key, picture)
        assert (await call(hub, "GET", media["url"])).body == picture


@pytest.mark.sqlite_only
async def test_pictures_in_a_folder_of_their_own_survive_a_restart(tmp_path: Path) -> None:
    folder, picture = tmp_path / "elsewhere" / "pictures", fresh()
    async with HubProcess(tmp_path, {"HUB_MEDIA_URL": f"file://{folder}"}) as hub:
        key, _ = await new_key(
            hub, hub.admin_key, "merchant", await merchant_of(hub, hub.admin_key)
        )
        media = await uploaded(hub, key, picture)
        assert stored(folder) == {media["file_name"]}
        await hub.terminate()
        await hub.start()
        # The address was signed before the restart.
        assert (await call(hub, "GET", media["url"])).body == picture


@pytest.mark.fresh  # its memory is measured
@pytest.mark.sqlite_only
async def test_who_does_not_read_a_picture_costs_little(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        key, _ = await new_key(
            hub, hub.admin_key, "merchant", await merchant_of(hub, hub.admin_key)
        )
        media = await uploaded(hub, key, saved(noise(1300, 1200), "PNG"))
        request = f"GET {media['url']} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        before, writers = hub.rss(), []
        try:
            for _ in range(60):
                _, writer = await asyncio.open_connection("127.0.0.1", hub.port, limit=1024)
                writer.write(request)
                writers.append(writer)
            assert (await call(hub, "GET", media["url"], deadline=20.0)).status == 200
            assert hub.rss() - before < 60 << 20
        finally:
            for writer in writers:
                writer.transport.abort()
