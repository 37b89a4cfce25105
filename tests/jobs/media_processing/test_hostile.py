"""Odd pictures through the queue of a real hub: each has its sizes, and costs no memory."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.api.pictures import send
from tests.media.specimens import TAKEN
from tests.media.watching import MEMORY_LIMIT, Watch
from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="memory is read in /proc"
)

PATIENCE = 120.0
SETTINGS = {"HUB_WORKERS": "media_processing"}


async def settled(hub: HubProcess, key: str, id_: str) -> dict[str, Any]:
    """The row of a picture that is not being processed any more."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await call(hub, "GET", f"/api/media/{id_}", key=key, deadline=PATIENCE)
            media: dict[str, Any] = answer.json()["media"]
            if media["status"] != "processing":
                return media
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_every_odd_picture_has_its_sizes(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, SETTINGS) as hub:
        key, _ = await new_key(
            hub, hub.admin_key, "merchant", await merchant_of(hub, hub.admin_key)
        )
        watch = Watch(hub.pid)
        try:
            expected: dict[str, tuple[str, str, tuple[int, int]]] = {}
            for taken in TAKEN:
                picture = taken.make()
                answer = await send(hub, key, picture)
                assert answer.status == 201, answer.body
                media = answer.json()["media"]
                assert media["hash"] == hashlib.sha256(picture).hexdigest()
                expected[media["id"]] = (taken.name, taken.type, taken.size)
            for id_, (name, type_, size) in expected.items():
                media = await settled(hub, key, id_)
                assert media["status"] == "ready", (name, media["metadata"])
                assert media["mime_type"] == type_, name
                assert max(media["width"], media["height"]) == min(1200, max(size)), name
                shown = await call(hub, "GET", media["thumbnail_url"])
                assert (shown.status, len(shown.body)) == (
                    200,
                    media["metadata"]["variants"]["thumbnail"]["size"],
                )
            watch.look()
            assert watch.peak < MEMORY_LIMIT, f"{watch.peak / 1e6:.0f} MB"
        finally:
            watch.close()
        log = hub.stderr.read_text()
        assert "Traceback" not in log
        assert "the program that decodes pictures failed" not in log
