"""The hub is killed while it makes the sizes of pictures: each is ready in the end, with its files
and no others."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from tests.api.pictures import uploaded
from tests.media.making import noise, saved
from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key, paged

SETTINGS = {"HUB_WORKERS": "media_processing"}
PATIENCE = 90.0
PICTURES, KILLS = 16, 2
"""Fewer kills than a job has attempts: one that is cut off each time is dead in the end."""


def stored(hub: HubProcess) -> set[str]:
    """The names of all files of the media folder, whole or half."""
    return {path.name for path in (hub.data_dir / "media").rglob("*") if path.is_file()}


async def rows(hub: HubProcess, key: str) -> list[dict[str, Any]]:
    answer = await call(hub, "GET", "/api/media", key=key, query={"limit": 1000}, deadline=PATIENCE)
    found: list[dict[str, Any]] = answer.json()["media"]
    return found


@pytest.mark.slow
async def test_kills_while_sizes_are_made_lose_nothing(tmp_path: Path) -> None:
    pictures = [saved(noise(900, 700, seed=seed), "PNG") for seed in range(PICTURES)]
    async with HubProcess(tmp_path, SETTINGS) as hub:
        merchant = await merchant_of(hub, hub.admin_key)
        key, _ = await new_key(hub, hub.admin_key, "merchant", merchant)
        ids = set()
        for number, picture in enumerate(pictures):
            ids.add((await uploaded(hub, key, picture))["id"])
            if number % (PICTURES // KILLS) == 4:
                await asyncio.sleep(random.random() * 0.3)
                await hub.kill()
                await hub.start()
        async with asyncio.timeout(PATIENCE):
            while any(row["status"] == "processing" for row in await rows(hub, key)):
                await asyncio.sleep(0.2)
        found = await rows(hub, key)
        assert {row["id"] for row in found} == ids
        assert {row["status"] for row in found} == {"ready"}
        assert {row["version"] for row in found} == {2}
        processed = await paged(hub, key, types="media_processed")
        assert sorted(event["data"]["mediaId"] for event in processed) == sorted(ids)
        # What the last of a job's attempts has left is looked after behind its commit.
        named = {v["file"] for row in found for v in row["metadata"]["variants"].values()}
        async with asyncio.timeout(PATIENCE):
            while stored(hub) != named:
                await asyncio.sleep(0.2)
        for row in found:
            for member in ("url", "medium_url", "thumbnail_url"):
                assert (await call(hub, "GET", row[member])).status == 200
