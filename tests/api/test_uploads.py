"""`POST /api/media/upload`: three forms, one answer; who may; what is refused before its body."""

import asyncio
import base64
import contextlib
import hashlib
from pathlib import Path

import pytest

from tests.api.conftest import World, check_problem, pointers
from tests.api.pictures import (
    UPLOAD,
    fresh,
    part,
    send,
    send_form,
    send_json,
    uploaded,
)
from tests.gateway.calling import called, refusal
from tests.support.rest import Answer, call, paged, read_answer
from tests.support.ws import connect


def files(world: World) -> list[str]:
    """Every file of the media folder, by its path in it."""
    root = world.hub.data_dir / "media"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("form", ["body", "json", "form"])
async def test_every_form_stores_the_picture(world: World, form: str) -> None:
    picture, key = fresh(size=(33, 21)), world.keys["merchant"]
    if form == "body":
        lines = {"X-File-Name": "Gr%C3%BC%C3%9Fe.png"}
        answer = await send(world.hub, key, picture, headers=lines)
    elif form == "json":
        answer = await send_json(
            world.hub, key, picture, file_name="Grüße.png", mime_type="image/png"
        )
    else:
        answer = await send_form(
            world.hub, key, part("file", picture, file="Grüße.png", kind="image/png")
        )
    assert answer.status == 201, answer.body
    media = answer.json()["media"]
    assert answer.json()["success"] is True
    assert answer.json()["duplicate"] is False
    assert answer.json()["message"]
    assert answer.headers["location"] == f"/api/media/{media['id']}"
    hash_ = hashlib.sha256(picture).hexdigest()
    assert media["hash"] == hash_
    assert media["original_name"] == "Grüße.png"
    assert media["file_name"] == f"{hash_}.png"
    assert (media["mime_type"], media["size"]) == ("image/png", len(picture))
    assert (media["width"], media["height"], media["status"]) == (33, 21, "processing")
    assert (media["merchant_id"], media["owner_id"]) == (world.one, world.ids["merchant"])
    assert media["thumbnail_url"] is None
    assert "storage_path" not in media
    assert f"{world.one}/{hash_[:2]}/{hash_}.png" in files(world)


async def test_an_upload_is_an_event(world: World) -> None:
    media = await uploaded(world.hub, world.keys["bot"])
    events = await paged(world.hub, world.keys["viewer"], subjects=f"media/{media['id']}")
    assert [event["type"] for event in events] == ["media_uploaded"]
    assert events[0]["data"] == {
        "mediaId": media["id"], "name": "picture.png", "mimeType": "image/png",
        "size": media["size"], "width": 30, "height": 20, "hash": media["hash"],
        "status": "processing", "version": 1,
    }  # fmt: skip
    assert events[0]["source"] == "bot:bot"


async def test_the_same_content_is_the_same_picture(world: World) -> None:
    picture = fresh()
    first = await uploaded(world.hub, world.keys["merchant"], picture)
    again = await send_json(world.hub, world.keys["bot"], picture, file_name="other.png")
    assert again.status == 201
    assert again.json()["duplicate"] is True
    assert again.json()["media"]["id"] == first["id"]
    assert again.json()["media"]["original_name"] == first["original_name"]
    assert len([name for name in files(world) if first["hash"] in name]) == 1
    events = await paged(world.hub, world.keys["viewer"], subjects=f"media/{first['id']}")
    assert len(events) == 1


async def test_many_uploads_of_one_picture_at_once_are_one_row(world: World) -> None:
    picture = fresh()
    answers = await asyncio.gather(
        *(send(world.hub, world.keys["merchant"], picture) for _ in range(8))
    )
    assert [answer.status for answer in answers] == [201] * 8
    assert len({answer.json()["media"]["id"] for answer in answers}) == 1
    assert [answer.json()["duplicate"] for answer in answers].count(False) == 1
    hash_ = answers[0].json()["media"]["hash"]
    assert len([name for name in files(world) if hash_ in name]) == 1


async def test_two_merchants_learn_nothing_of_each_other(world: World) -> None:
    picture = fresh()
    first = await uploaded(world.hub, world.keys["merchant"], picture)
    second = await send(world.hub, world.keys["owner"], picture)
    assert second.json()["duplicate"] is False
    assert second.json()["media"]["id"] != first["id"]
    assert len([name for name in files(world) if first["hash"] in name]) == 2
    gone = await call(world.hub, "DELETE", f"/api/media/{first['id']}", key=world.keys["merchant"])
    assert gone.status == 200
    shown = await call(world.hub, "GET", second.json()["media"]["url"])
    assert shown.body == picture


async def test_a_repeat_by_key_gets_the_first_answer(world: World) -> None:
    picture, line = fresh(), {"Idempotency-Key": "upload-1"}
    first = await send(world.hub, world.keys["merchant"], picture, headers=line)
    again = await send(world.hub, world.keys["merchant"], picture, headers=line)
    assert (first.status, again.status) == (201, 201)
    assert again.json()["media"] == first.json()["media"]
    assert again.json()["duplicate"] is False
    other = await send(world.hub, world.keys["merchant"], fresh(), headers=line)
    check_problem(other, 409, "conflict")


async def test_a_repeat_by_key_does_not_bring_a_picture_back(world: World) -> None:
    picture, line = fresh(), {"Idempotency-Key": "upload-2"}
    first = (await send(world.hub, world.keys["merchant"], picture, headers=line)).json()["media"]
    await call(world.hub, "DELETE", f"/api/media/{first['id']}", key=world.keys["merchant"])
    again = await send(world.hub, world.keys["merchant"], picture, headers=line)
    assert again.json()["media"]["id"] == first["id"]
    assert not [name for name in files(world) if first["hash"] in name]


async def test_the_caller_may_choose_the_id(world: World) -> None:
    id_, picture = "01993e5c-7a40-7000-8000-00000000aaaa", fresh()
    for answer in (
        await send_form(
            world.hub,
            world.keys["merchant"],
            part("id", id_.encode()),
            part("file", picture, file="a.png"),
        ),
        await send_json(world.hub, world.keys["merchant"], picture, id=id_, file_name="a.png"),
    ):
        assert answer.status == 201, answer.body
        assert answer.json()["media"]["id"] == id_
    taken = await send_json(world.hub, world.keys["merchant"], fresh(), id=id_)
    check_problem(taken, 409, "conflict")
    wrong = await send_json(world.hub, world.keys["merchant"], picture, id="A")
    assert pointers(check_problem(wrong, 422, "invalid_params")) == ["/id"]


async def test_a_wrong_type_of_picture_is_told_and_not_believed(world: World) -> None:
    answer = await send(
        world.hub, world.keys["merchant"], fresh(), headers={"Content-Type": "image/jpeg"}
    )
    media = answer.json()["media"]
    assert media["mime_type"] == "image/png"
    assert media["metadata"] == {"declared_type": "image/jpeg"}
    assert "image/png, not image/jpeg" in answer.json()["message"]
    shown = await call(world.hub, "GET", media["url"])
    assert shown.headers["content-type"] == "image/png"


@pytest.mark.parametrize("declared", ["text/html", "application/pdf"])
async def test_a_picture_that_is_said_to_be_none_is_refused(world: World, declared: str) -> None:
    answer = await send_json(world.hub, world.keys["merchant"], fresh(), mime_type=declared)
    assert pointers(check_problem(answer, 422, "invalid_params")) == ["/mime_type"]
    body = await send(
        world.hub, world.keys["merchant"], fresh(), headers={"Content-Type": declared}
    )
    assert body.status == 415


# ── who may ──────────────────────────────────────────────────────────────────────────────────────


async def test_an_admin_says_for_which_merchant(world: World) -> None:
    admin = world.keys["admin"]
    for answer in (
        await send(world.hub, admin, fresh(), query={"merchant_id": world.two}),
        await send_json(world.hub, admin, fresh(), merchant_id=world.two),
        await send_form(
            world.hub,
            admin,
            part("file", fresh(), file="a.png"),
            part("merchant_id", world.two.encode()),
        ),
    ):
        assert answer.status == 201, answer.body
        assert answer.json()["media"]["merchant_id"] == world.two
    silent = await send(world.hub, admin, fresh())
    assert pointers(check_problem(silent, 422, "invalid_params")) == ["/merchant_id"]


async def test_a_foreign_merchant_is_refused(world: World) -> None:
    answer = await send(
        world.hub, world.keys["merchant"], fresh(), query={"merchant_id": world.two}
    )
    check_problem(answer, 403, "forbidden")
    answer = await send_json(world.hub, world.keys["bot"], fresh(), merchant_id=world.two)
    check_problem(answer, 403, "forbidden")


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("wrong", 401), ("viewer", 403)])
async def test_who_may_not_is_refused_before_the_body(
    world: World, who: str | None, status: int
) -> None:
    """The head alone is sent, so an answer is one that did not wait for the body."""
    key = world.keys.get(who or "", "hub_m_" + "x" * 43)
    credential = "" if who is None else f"Authorization: Bearer {key}\r\n"
    head = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: h\r\n{credential}"
        "Content-Type: image/png\r\nContent-Length: 5000000\r\n\r\n"
    )
    async with asyncio.timeout(5.0):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
        writer.write(head.encode())
        answer = await read_answer(reader)
        writer.transport.abort()
    check_problem(answer, status, "unauthenticated" if status == 401 else "forbidden")


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


async def refused(world: World, content_type: str, body: bytes) -> Answer:
    before = files(world)
    lines = {"Content-Type": content_type}
    answer = await call(
        world.hub, "POST", UPLOAD, raw=body, key=world.keys["merchant"], headers=lines
    )
    assert files(world) == before
    return answer


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b'{"file_data": "\xff"}', 400, None),
        (b"[" * 100_000, 422, ""),
        (b"[]", 422, ""),
        (b"{}", 422, "/file_data"),
        (b'{"file_data": 5}', 422, "/file_data"),
        (b'{"file_data": null}', 422, "/file_data"),
        (b'{"file_data": "%%%"}', 422, "/file_data"),
        (b'{"file_data": ""}', 422, "/file_data"),
        (b'{"file_data": "data:image/png,x"}', 422, "/file_data"),
        (b'{"file_data": "AAAA", "colour": "red"}', 422, "/colour"),
        (b'{"file_data": "AAAA", "merchant_id": "nobody"}', 403, None),
    ],
)
async def test_json_that_does_not_fit(
    world: World, body: bytes, status: int, pointer: str | None
) -> None:
    answer = await refused(world, "application/json", body)
    assert answer.status == status, answer.body
    if pointer is not None:
        assert pointers(answer.json()) == [pointer]


@pytest.mark.parametrize(
    ("parts", "status", "pointer"),
    [
        ((), 400, None),
        ((b"nothing",), 400, None),
        ((part("note", b"x"),), 422, "/file"),
        ((part("file", b"x"),), 422, "/file"),
        ((part("file", fresh(), file="a.png"), part("file", fresh(), file="b.png")), 422, "/file"),
        ((part("file", fresh(), file="a.png"), part("colour", b"red")), 422, "/colour"),
        ((part("id", b"1"), part("id", b"2"), part("file", fresh(), file="a")), 422, "/id"),
        ((part("file_name", b"x" * 2000), part("file", fresh(), file="a")), 422, "/file_name"),
        ((part("file", b"<html>", file="a.png"),), 422, "/file"),
        ((part("file", b"", file=""),), 422, "/file"),
        (tuple(part(f"n{n}", b"") for n in range(20)), 400, None),
        ((part("x" * 9000, b""),), 400, None),
    ],
)
async def test_a_form_that_does_not_fit(
    world: World, parts: tuple[bytes, ...], status: int, pointer: str | None
) -> None:
    body = b"".join(parts) + (b"--edge--\r\n" if parts else b"")
    answer = await refused(world, "multipart/form-data; boundary=edge", body)
    assert answer.status == status, answer.body
    if pointer is not None:
        assert pointers(answer.json()) == [pointer]


async def test_a_form_without_its_end_is_refused(world: World) -> None:
    answer = await refused(
        world, "multipart/form-data; boundary=edge", part("file", fresh(), file="a.png")
    )
    check_problem(answer, 400, "bad_frame")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 71,
    ],
)
async def test_a_form_needs_a_boundary(world: World, content_type: str) -> None:
    check_problem(await refused(world, content_type, b"--x--\r\n"), 400, "bad_frame")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "video/mp4", "multipart/mixed; boundary=x", ""]
)
async def test_another_type_is_not_taken(world: World, content_type: str) -> None:
    assert (await refused(world, content_type, b"x")).status == 415


async def test_a_body_without_length_is_cut_at_5_mb(world: World) -> None:
    """In chunks, the size is known when it came; 7 MiB is the end of it whatever the form."""
    lines = {"Content-Type": "image/png", "Transfer-Encoding": "chunked", "Content-Length": ""}
    head = "".join(f"{n}: {v}\r\n" for n, v in lines.items() if v)
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: h\r\nX-API-Key: {world.keys['merchant']}\r\n{head}\r\n"
    before = files(world)
    async with asyncio.timeout(20.0):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
        writer.write(head.encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(90):
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
        answer = await read_answer(reader)
        writer.transport.abort()
    check_problem(answer, 413, "too_large")
    assert files(world) == before


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(world: World) -> None:
    head = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: h\r\nX-API-Key: {world.keys['merchant']}\r\n"
        "Content-Type: image/png\r\nContent-Length: 4000000\r\n\r\n"
    )
    before = files(world)
    _, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
    writer.write(head.encode() + b"x" * 1_000_000)
    await writer.drain()
    async with asyncio.timeout(10.0):
        while files(world) == before:
            await asyncio.sleep(0.01)
        writer.transport.abort()
        while files(world) != before:
            await asyncio.sleep(0.01)


async def test_too_many_uploads_of_one_merchant_at_once(world: World) -> None:
    head = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: h\r\nX-API-Key: {world.keys['owner']}\r\n"
        "Content-Type: image/png\r\nContent-Length: 4000000\r\n\r\n"
    )
    writers = []
    try:
        async with asyncio.timeout(20.0):
            for _ in range(16):
                _, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
                writer.write(head.encode() + b"x" * 300_000)
                writers.append(writer)
            while len([name for name in files(world) if name.endswith(".part")]) < 16:
                await asyncio.sleep(0.01)
        answer = await send(world.hub, world.keys["owner"], fresh())
        check_problem(answer, 429, "rate_limited")
        assert answer.headers["retry-after"] == "1"
        assert (await send(world.hub, world.keys["merchant"], fresh())).status == 201
    finally:
        for writer in writers:
            writer.transport.abort()
        async with asyncio.timeout(20.0):
            while any(name.endswith(".part") for name in files(world)):
                await asyncio.sleep(0.01)


# ── the socket ───────────────────────────────────────────────────────────────────────────────────


async def test_a_small_picture_by_call(world: World) -> None:
    picture = fresh()
    encoded = base64.b64encode(picture).decode()
    params = {"file_data": f"data:image/png;base64,{encoded}", "file_name": "small.png"}
    async with connect(world.hub, world.keys["bot"]) as bot:
        first = (await called(bot, "media.upload", params, key="small-1"))["result"]
        again = (await called(bot, "media.upload", params, key="small-1"))["result"]
        assert first["media"]["hash"] == hashlib.sha256(picture).hexdigest()
        assert again["media"] == first["media"]
        rows = (await called(bot, "media.list", {"limit": 1000}))["result"]["media"]
        assert first["media"]["id"] in [row["id"] for row in rows]
        wrong = await refusal(bot, "media.upload", {"file_data": "AAAA"})
        assert [error["pointer"] for error in wrong["errors"]] == ["/params/file_data"]
        gone = await called(bot, "media.delete", {"id": first["media"]["id"]})
        assert gone["result"]["id"] == first["media"]["id"]
    assert not [name for name in files(world) if first["media"]["hash"] in name]


def test_the_media_folder_is_for_its_user_alone(world: World) -> None:
    root: Path = world.hub.data_dir / "media"
    for path in (root, *root.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_a_picture_may_be_for_a_time(world: World) -> None:
    key, picture = world.keys["merchant"], fresh()
    soon, later = "2998-01-01T00:00:00Z", "2999-06-01T12:00:00+02:00"
    answers = [
        await send(world.hub, key, picture, query={"expires_at": later}),
        await send_json(world.hub, key, picture, expires_at=soon),
    ]
    assert [answer.status for answer in answers] == [201, 201]
    kept = [answer.json()["media"]["expires_at"] for answer in answers]
    assert kept == ["2999-06-01T10:00:00.000Z"] * 2
    form = part("expires_at", later.encode()), part("file", fresh(), file="a.png")
    assert (await send_form(world.hub, key, *form)).json()["media"]["expires_at"] == kept[0]
    # Somebody wants it for ever.
    for_ever = await send(world.hub, key, picture)
    media = for_ever.json()["media"]
    assert (media["expires_at"], media["version"]) == (None, 2)
    for wrong in ("2020-01-01T00:00:00Z", "tomorrow"):
        refused = await send_json(world.hub, key, fresh(), expires_at=wrong)
        assert pointers(check_problem(refused, 422, "invalid_params")) == ["/expires_at"]
