"""What nobody looks for any more is swept: expired pictures, files without a row, and what hubs and
workers have left that are gone."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hub import housekeeping
from hub.housekeeping import remove_expired
from jobs.pictures import store
from storage import media
from storage.blobs import Blob
from storage.database import Transaction
from storage.merchant_records import MediaFile
from storage.scope import Scope
from tests.api.pictures import uploaded
from tests.gateway.conftest import local as local
from tests.gateway.local_hub import LocalHub
from tests.jobs.workbench import Workbench, workbench
from tests.support.rest import call as rest
from tests.support.rest import paged

pytestmark = pytest.mark.both_engines

PAST = "2026-01-01T00:00:00.000Z"
HASH = "ab" * 32


@pytest.fixture
async def bench(local: LocalHub) -> AsyncIterator[Workbench]:
    async with workbench(local, "media_processing") as made:
        yield made


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits before a file counts as an orphan or as abandoned."""
    monkeypatch.setattr(store, "ORPHAN_SECONDS", -60.0)
    monkeypatch.setattr(store, "ABANDONED_SECONDS", -60.0)


def files(hub: LocalHub) -> set[str]:
    return {path.name for path in hub.services.media.root.rglob("*") if path.is_file()}


def put(hub: LocalHub, name: str, merchant_id: str | None = None) -> Path:
    path = hub.services.media.file(Blob(merchant_id or hub.merchant_id, name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


async def expire(hub: LocalHub, id_: str) -> None:
    async def work(tx: Transaction) -> MediaFile:
        return await media.update(tx, replace(await media.get(tx, id_), expires_at=PAST))

    await hub.database.write(work, Scope(hub.merchant_id))


async def test_files_without_a_row_are_removed(
    local: LocalHub, bench: Workbench, at_once: None
) -> None:
    made = await uploaded(local, local.keys["merchant"])
    waiting = await uploaded(local, local.keys["merchant"])
    await bench.carry_out(*[j for j in await bench.claim() if j.args["media_id"] == made["id"]])
    kept = files(local)
    assert len(kept) == 4  # an upload, and three sizes of the other
    orphans = [
        put(local, f"{HASH}.png"), put(local, f"{HASH}.thumbnail.jpg"),
        put(local, f"{made['hash']}.png"), put(local, f"{made['hash']}.jpeg.jpg"),
        put(local, made["file_name"], local.other_merchant),
    ]  # fmt: skip
    strange = local.services.media.root / local.merchant_id / "ab" / "notes.txt"
    strange.write_bytes(b"what we did not put there stays")
    assert await local.services.media.sweep() == len(orphans)
    assert files(local) == kept | {"notes.txt"}
    answer = await rest(local, "GET", waiting["url"])
    assert answer.status == 200


async def test_what_was_put_there_just_now_is_left(local: LocalHub) -> None:
    orphan = put(local, f"{HASH}.png")
    assert await local.services.media.sweep() == 0
    assert orphan.exists()
    later = time.time() + store.ORPHAN_SECONDS + 60
    assert list(local.services.media._blobs.settled(later)) == [
        Blob(local.merchant_id, f"{HASH}.png")
    ]


async def test_what_a_worker_has_left_that_is_gone(local: LocalHub, at_once: None) -> None:
    made = await uploaded(local, local.keys["merchant"])
    corner = local.services.media.root / ".incoming" / "another-worker"
    corner.mkdir()
    (corner / "half.part").write_bytes(b"half")
    wanted = local.services.media.file(Blob(local.merchant_id, made["file_name"]))
    os.link(wanted, corner / f"{local.merchant_id}~{made['file_name']}~00")
    wanted.unlink()  # it was about to be put back
    orphan = put(local, f"{HASH}.png")
    os.link(orphan, corner / f"{local.merchant_id}~{HASH}.png~00")
    await local.services.media.sweep()
    assert files(local) == {made["file_name"]}


async def test_expired_pictures_go_with_their_files(local: LocalHub, bench: Workbench) -> None:
    key = local.keys["merchant"]
    expired, kept, shown = [await uploaded(local, key) for _ in range(3)]
    await bench.work()
    body = {"name": "Tea", "price": 1, "currency": "USD"}
    product = (await rest(local, "POST", "/api/products", body, key=key)).json()["product"]
    await rest(
        local, "PUT", f"/api/products/{product['id']}/media", {"media_ids": [shown["id"]]}, key=key
    )
    for made in (expired, shown):
        await expire(local, made["id"])
    hub = local.services
    assert await remove_expired(hub.log, hub.media) == 1
    left = (await rest(local, "GET", "/api/media", key=key)).json()["media"]
    assert {row["id"] for row in left} == {kept["id"], shown["id"]}
    names = {v["file"] for row in left for v in row["metadata"]["variants"].values()}
    assert files(local) == names
    told: list[dict[str, Any]] = await paged(local, key, subjects=f"media/{expired['id']}")
    assert (told[-1]["type"], told[-1]["source"]) == ("media_deleted", "hub")
    assert told[-1]["data"]["reason"] == "expired"
    # Once nothing shows it, it goes too.
    await rest(local, "PUT", f"/api/products/{product['id']}/media", {"media_ids": []}, key=key)
    assert await remove_expired(hub.log, hub.media) == 1


async def test_many_expired_pictures_that_are_shown_hold_up_no_other(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_PICTURES", 2)
    key = local.keys["merchant"]
    made = [await uploaded(local, key) for _ in range(5)]
    body = {"name": "Tea", "price": 1, "currency": "USD"}
    product = (await rest(local, "POST", "/api/products", body, key=key)).json()["product"]
    shown = [each["id"] for each in made[:4]]
    await rest(local, "PUT", f"/api/products/{product['id']}/media", {"media_ids": shown}, key=key)
    for each in made:
        await expire(local, each["id"])
    assert await remove_expired(local.services.log, local.services.media) == 1
