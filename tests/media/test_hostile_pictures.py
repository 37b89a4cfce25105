"""Hostile and odd pictures at the door of a real hub: the right answer, never a 5xx, no memory."""

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.media.making import full_size
from tests.media.specimens import REFUSED, TAKEN, Refused, Taken
from tests.media.watching import MEMORY_LIMIT, Watch
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, call, merchant_of, new_key

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="memory is read in /proc"),
    pytest.mark.fresh,  # its memory is measured
]

PATIENCE = 60.0
"""Seconds for one picture: the processor is others' too, and theirs first."""
FORMS = ("body", "json", "form")


class Door(NamedTuple):
    hub: HubProcess
    key: str
    merchant: str
    watch: Watch

    @property
    def files(self) -> list[str]:
        """Every file in the media folder."""
        return [path.name for path in (self.hub.data_dir / "media").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    hub = HubProcess(tmp_path_factory.mktemp("hub"))

    async def make() -> Door:
        await hub.start()
        merchant = await merchant_of(hub, hub.admin_key)
        key, _ = await new_key(hub, hub.admin_key, "merchant", merchant)
        return Door(hub, key, merchant, Watch(hub.pid))

    made = asyncio.run(make())
    try:
        yield made
    finally:
        made.watch.close()
        asyncio.run(hub.kill())


async def upload(door: Door, picture: bytes, form: str, name: str = "a picture.jpg") -> Answer:
    """Upload in one of the three forms."""
    body, raw, headers = None, None, {"Content-Type": "image/jpeg"}
    if form == "json":
        encoded = base64.b64encode(picture).decode()
        body = {"file_data": encoded, "file_name": name, "mime_type": "image/jpeg"}
        headers = {}
    elif form == "body":
        raw = picture
        headers["X-File-Name"] = name.replace(" ", "%20")
    else:
        headers = {"Content-Type": "multipart/form-data; boundary=limit"}
        raw = (
            b'--limit\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n'
            b"Content-Type: image/jpeg\r\n\r\n%b\r\n--limit--\r\n" % (name.encode(), picture)
        )
    return await call(
        door.hub, "POST", "/api/media/upload", body, raw=raw, key=door.key, headers=headers,
        deadline=PATIENCE,
    )  # fmt: skip


def check_memory(door: Door) -> None:
    door.watch.look()
    assert door.watch.peak < MEMORY_LIMIT, f"{door.watch.peak / 1e6:.0f} MB"


@pytest.mark.parametrize(
    ("number", "taken"), list(enumerate(TAKEN)), ids=[each.name for each in TAKEN]
)
async def test_an_odd_picture_is_stored_as_what_it_is(
    door: Door, number: int, taken: Taken
) -> None:
    picture = taken.make()
    answer = await upload(door, picture, FORMS[number % 3])
    assert answer.status == 201, answer.body
    media = answer.json()["media"]
    assert (media["mime_type"], media["width"], media["height"]) == (taken.type, *taken.size)
    assert (media["size"], media["hash"]) == (len(picture), hashlib.sha256(picture).hexdigest())
    assert media["status"] == "processing"
    shown = await call(door.hub, "GET", media["url"])
    assert shown.body == picture
    assert shown.headers["content-type"] == taken.type
    check_memory(door)


@pytest.mark.parametrize(
    ("number", "refused"),
    [
        pytest.param(number, each, id=each.name, marks=[pytest.mark.slow] * each.slow)
        for number, each in enumerate(REFUSED)
    ],
)
async def test_what_is_no_picture_is_refused_by_a_sentence(
    door: Door, number: int, refused: Refused
) -> None:
    file = refused.make()
    before = sorted(door.files)
    answer = await upload(door, file, FORMS[number % 3])
    assert answer.status == refused.status, answer.body
    problem = answer.json()
    assert refused.says in problem["detail"]
    assert len(problem["detail"]) < 400
    assert sorted(door.files) == before
    check_memory(door)


async def test_many_large_pictures_at_once_in_json(door: Door) -> None:
    """Four are decoded at a time; the others wait on the disk."""
    pictures = [full_size() + b"%d" % number for number in range(12)]
    answers = await asyncio.gather(*(upload(door, picture, "json") for picture in pictures))
    assert [answer.status for answer in answers] == [201] * len(pictures)
    check_memory(door)


async def test_afterwards_the_hub_is_well(door: Door) -> None:
    """No request failed, the hub never restarted, and its decoders were few."""
    answer = await call(door.hub, "GET", "/healthz")
    assert answer.status == 200
    log = door.hub.stderr.read_text()
    assert "Traceback" not in log
    assert "the program that decodes pictures failed" not in log
    check_memory(door)
