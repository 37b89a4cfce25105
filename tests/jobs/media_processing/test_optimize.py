"""From the upload to its sizes: one commit, its files and no others, whatever happens between."""

import asyncio
import io
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image

from hub.protocol.errors import Unavailable
from jobs.pictures import processes
from jobs.pictures.store import PictureStore
from storage import jobs
from storage.merchant_records import Job
from storage.scope import Scope
from tests.api.pictures import fresh, uploaded
from tests.gateway.local_hub import LocalHub
from tests.jobs.workbench import Workbench
from tests.media.making import jpeg, noise, oriented, saved
from tests.support.rest import Answer, paged
from tests.support.rest import call as rest

pytestmark = pytest.mark.both_engines


def files(hub: LocalHub) -> set[str]:
    """The names of all files of the media folder."""
    return {path.name for path in hub.services.media.root.rglob("*") if path.is_file()}


async def row(hub: LocalHub, id_: str) -> dict[str, Any]:
    answer = await rest(hub, "GET", f"/api/media/{id_}", key=hub.keys["merchant"])
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()["media"]
    return found


async def get(hub: LocalHub, path: str) -> Answer:
    return await rest(hub, "GET", path)


async def events(hub: LocalHub, id_: str) -> list[dict[str, Any]]:
    return await paged(hub, hub.keys["viewer"], subjects=f"media/{id_}")


def image(answer: Answer) -> Image.Image:
    assert answer.status == 200, answer.body
    return Image.open(io.BytesIO(answer.body))


async def test_an_upload_becomes_its_sizes(local: LocalHub, bench: Workbench) -> None:
    picture = saved(noise(1500, 1000), "JPEG", exif=oriented(6), comment=b"at home")
    media = await uploaded(local, local.keys["merchant"], picture)
    assert (media["status"], media["thumbnail_url"]) == ("processing", None)
    assert (await get(local, media["url"])).body == picture
    (job,) = await bench.work()
    assert (job.state, job.progress) == ("succeeded", 100)
    assert job.result == {
        "processed": True, "bytes": job.result["bytes"],
        "sizes": {"original": [800, 1200], "medium": [400, 600], "thumbnail": [133, 200]},
    }  # fmt: skip
    ready = await row(local, media["id"])
    assert (ready["status"], ready["version"]) == ("ready", 2)
    assert (ready["width"], ready["height"], ready["mime_type"]) == (800, 1200, "image/jpeg")
    assert ready["placeholder"].startswith("data:image/webp;base64,")
    for member, size in (("url", 800), ("medium_url", 400), ("thumbnail_url", 133)):
        answer = await get(local, ready[member])
        shown = image(answer)
        assert (shown.width, shown.format) == (size, "JPEG")
        assert "immutable" in answer.headers["cache-control"]
        assert not shown.getexif()
        assert b"at home" not in answer.body
    assert ready["size"] == len((await get(local, ready["url"])).body)
    names = {variant["file"] for variant in ready["metadata"]["variants"].values()}
    assert files(local) == names
    told = await events(local, media["id"])
    assert [event["type"] for event in told] == ["media_uploaded", "media_processed"]
    data = told[1]["data"]
    assert (data["status"], data["version"], data["size"]) == ("ready", 2, ready["size"])
    assert data["thumbnailUrl"] == f"/api/media/{media['id']}/thumbnail"
    assert told[1]["source"] == "hub"


async def test_both_doors_know_the_sizes(local: LocalHub, bench: Workbench) -> None:
    media = await uploaded(local, local.keys["merchant"], saved(noise(1500, 1000), "PNG"))
    path, key = f"/api/media/{media['id']}", local.keys["viewer"]
    before = await rest(local, "GET", f"{path}/thumbnail", key=key)
    assert (image(before).width, before.headers["cache-control"]) == (1500, "private, no-cache")
    await bench.work()
    widths = {"original": 1200, "medium": 600, "thumbnail": 200, "jpeg": 1200}
    tags = set()
    for variant, width in widths.items():
        answer = await rest(local, "GET", f"{path}/content?variant={variant}", key=key)
        assert image(answer).width == width
        tags.add(answer.headers["etag"])
    assert len(tags) == 3  # a PNG is sent as it is to who takes no WebP
    assert image(await rest(local, "GET", f"{path}/thumbnail", key=key)).width == 200
    wrong = await rest(local, "GET", f"{path}/content?variant=huge", key=key)
    assert wrong.status == 422
    # The signature of one size opens no other.
    ready = await row(local, media["id"])
    signed = ready["medium_url"].replace("variant=medium", "variant=original")
    assert (await get(local, signed)).status == 403
    assert (await get(local, ready["thumbnail_url"].replace("thumbnail", "content"))).status == 403
    kept = await rest(local, "GET", ready["thumbnail_url"], headers={"If-None-Match": max(tags)})
    assert kept.status == 304
    part = await rest(local, "GET", ready["thumbnail_url"], headers={"Range": "bytes=0-9"})
    assert (part.status, len(part.body)) == (206, 10)


async def test_a_webp_has_a_jpeg_for_gateways_that_take_none(
    local: LocalHub, bench: Workbench
) -> None:
    key = local.keys["merchant"]
    media = await uploaded(local, key, fresh("WEBP"))
    body = {"template": {"type": "media", "media": {
        "type": "image", "media_id": media["id"], "caption": "Look"}}}  # fmt: skip

    async def link() -> tuple[str, list[str]]:
        answer = await rest(local, "POST", "/api/templates/preview", body, key=key)
        assert answer.status == 200, answer.body
        found = answer.json()
        return found["preview"]["cloud"]["image"]["link"], found["warnings"]

    _, warnings = await link()
    assert any("WebP" in warning for warning in warnings)
    await bench.work()
    address, warnings = await link()
    assert not any("WebP" in warning for warning in warnings)
    assert image(await get(local, address[address.index("/api/") :])).format == "JPEG"


async def test_a_picture_that_is_removed_first_leaves_nothing(
    local: LocalHub, bench: Workbench
) -> None:
    key = local.keys["merchant"]
    media = await uploaded(local, key)
    claimed = await bench.claim()
    assert (await rest(local, "DELETE", f"/api/media/{media['id']}", key=key)).status == 200
    (job,) = await bench.carry_out(*claimed)
    assert job.result == {"processed": False, "reason": "the picture was removed"}
    assert files(local) == set()


@pytest.mark.parametrize("seed", range(3))
async def test_removed_and_sent_again_while_its_sizes_are_made(
    local: LocalHub, bench: Workbench, seed: int
) -> None:
    key, picture = local.keys["merchant"], fresh()

    async def change(number: int) -> None:
        await asyncio.sleep(0.02 * number * (seed + 1))
        media = await uploaded(local, key, picture)
        answer = await rest(local, "DELETE", f"/api/media/{media['id']}", key=key)
        assert answer.status in (200, 404)

    changing = [asyncio.create_task(change(number)) for number in range(6)]
    while not all(task.done() for task in changing):
        await bench.work()
        await asyncio.sleep(0.01)
    await asyncio.gather(*changing)
    last = await uploaded(local, key, picture)
    await bench.work()
    ready = await row(local, last["id"])
    assert ready["status"] == "ready"
    assert files(local) == {v["file"] for v in ready["metadata"]["variants"].values()}
    assert (await get(local, ready["thumbnail_url"])).status == 200
    assert (await rest(local, "DELETE", f"/api/media/{last['id']}", key=key)).status == 200
    assert files(local) == set()


async def test_what_cannot_be_decoded_has_come_to_its_end(
    local: LocalHub, bench: Workbench
) -> None:
    picture = fresh()
    media = await uploaded(local, local.keys["merchant"], picture)
    (file,) = local.services.media.root.rglob(media["file_name"])
    file.write_bytes(jpeg()[:200])  # its disk has forgotten the rest
    (job,) = await bench.work()
    assert job.state == "succeeded"
    assert job.result["processed"] is False
    failed = await row(local, media["id"])
    assert (failed["status"], failed["metadata"]["error"]) == ("failed", job.result["reason"])
    told = await events(local, media["id"])
    assert [event["type"] for event in told] == ["media_uploaded", "media_failed"]
    assert told[1]["data"]["error"] == job.result["reason"]
    answer = await get(local, failed["url"])
    assert answer.status == 404
    assert job.result["reason"] in answer.json()["detail"]
    # Sent again, it is tried again.
    again = await uploaded(local, local.keys["merchant"], picture)
    assert (again["id"], again["status"], again["version"]) == (media["id"], "processing", 3)
    (job,) = await bench.work()
    assert job.result["processed"] is True
    ready = await row(local, media["id"])
    assert (ready["status"], "error" in ready["metadata"]) == ("ready", False)


async def test_without_its_file_it_fails(local: LocalHub, bench: Workbench) -> None:
    media = await uploaded(local, local.keys["merchant"])
    (file,) = local.services.media.root.rglob(media["file_name"])
    file.unlink()
    (job,) = await bench.work()
    assert "missing" in job.result["reason"]
    assert (await row(local, media["id"]))["status"] == "failed"


async def test_a_restored_row_is_made_of_the_largest_size(
    local: LocalHub, bench: Workbench
) -> None:
    """Its row is from a backup, and the folder was copied when the upload had gone."""
    media = await uploaded(local, local.keys["merchant"])
    (file,) = local.services.media.root.rglob(media["file_name"])
    file.rename(file.with_name(f"{media['hash']}.original.png"))
    await bench.work()
    assert (await row(local, media["id"]))["status"] == "ready"


async def test_a_killed_process_costs_its_picture_an_attempt(
    local: LocalHub, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = await uploaded(local, local.keys["merchant"], saved(noise(900, 900), "PNG"))
    kill = [signal.SIGKILL]
    ask = processes._ask

    async def killed(process: asyncio.subprocess.Process, do: str, path: Path) -> Any:
        if kill:
            os.kill(process.pid, kill.pop())
        return await ask(process, do, path)

    monkeypatch.setattr(processes, "_ask", killed)
    (job,) = await bench.work()
    assert (job.state, job.attempt) == ("retrying", 1)
    assert "killed" in str(job.error)
    assert (await row(local, media["id"]))["status"] == "processing"
    job = await due(local, job)
    assert (await bench.work())[0].state == "succeeded"
    assert (await row(local, media["id"]))["status"] == "ready"
    # One that breaks its process by what it is breaks the next one too.
    other = await uploaded(local, local.keys["merchant"])
    kill.append(signal.SIGSEGV)
    (job,) = await bench.work()
    assert (job.state, job.result["processed"]) == ("succeeded", False)
    assert (await row(local, other["id"]))["status"] == "failed"


async def test_a_full_disk_is_tried_again_and_at_last_fails(
    local: LocalHub, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = await uploaded(local, local.keys["merchant"])

    async def full(self: PictureStore, found: object) -> None:
        raise Unavailable("the disk of the media folder is full")

    with monkeypatch.context() as patched:
        patched.setattr(PictureStore, "put", full)
        for state in ("retrying", "retrying", "dead"):
            (job,) = await bench.work()
            assert job.state == state
            if state == "retrying":
                await due(local, job)
    failed = await row(local, media["id"])
    assert failed["status"] == "failed"
    assert "full" in failed["metadata"]["error"]
    # By hand, it is tried once more.
    revived = {"state": "queued", "max_attempts": job.max_attempts + 1}
    await changed(local, job, **revived)
    await bench.work()
    ready = await row(local, media["id"])
    assert (ready["status"], "error" in ready["metadata"]) == ("ready", False)


async def due(local: LocalHub, job: Job) -> Job:
    """Let the next attempt of a job begin now."""
    return await changed(local, job, state="queued")


async def changed(local: LocalHub, job: Job, **changes: Any) -> Job:
    return await local.database.write(
        lambda tx: jobs.update(tx, replace(job, **changes)), Scope(job.merchant_id)
    )
