"""`/api/media`: rows, signed addresses, ranges, and deletion."""

import time
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from uuid import uuid4

import pytest

from tests.api.conftest import World, check_problem, pointers
from tests.api.pictures import fresh, send, uploaded
from tests.support.rest import Answer, call, paged

MISSING = "01993e5c-7a40-7000-8000-000000000000"


async def get(world: World, path: str, who: str | None = None, **headers: str) -> Answer:
    key = None if who is None else world.keys[who]
    lines = {name.replace("_", "-"): value for name, value in headers.items()}
    return await call(world.hub, "GET", path, key=key, headers=lines)


async def test_a_row_by_its_id_and_in_the_list(world: World) -> None:
    media = await uploaded(world.hub, world.keys["merchant"])
    for who in ("merchant", "viewer", "bot", "admin"):
        answer = await get(world, f"/api/media/{media['id']}", who)
        assert answer.status == 200
        assert answer.json()["media"] == media
        assert answer.headers["etag"] == '"1"'
    page = (await get(world, "/api/media?limit=1000&status=processing", "viewer")).json()
    assert media in page["media"]
    assert page["count"] == len(page["media"])
    for who in ("owner", "reader"):
        check_problem(await get(world, f"/api/media/{media['id']}", who), 404, "not_found")
        page = (await get(world, "/api/media?limit=1000", who)).json()
        assert media["id"] not in [row["id"] for row in page["media"]]


async def test_a_list_goes_on_page_by_page(world: World) -> None:
    for _ in range(3):
        await uploaded(world.hub, world.keys["merchant"])
    whole = (await get(world, "/api/media?limit=1000", "merchant")).json()["media"]
    found, path = [], "/api/media?limit=2"
    while path:
        answer = await get(world, path, "merchant")
        found += answer.json()["media"]
        link = answer.headers.get("link")
        path = "" if link is None else link[1 : link.index(">")]
    assert [row["id"] for row in found] == [row["id"] for row in whole]


async def test_a_list_has_the_newest_first_and_is_narrowed_by_a_part_of_the_name(
    world: World,
) -> None:
    mark = uuid4().hex
    names = [f"{mark} Tea 100%.png", f"{mark} TEA_2.png", f"{mark} coffee.png"]
    rows = []
    for name in names:
        line = {"X-File-Name": quote(name)}
        answer = await send(world.hub, world.keys["merchant"], fresh(), headers=line)
        rows.append(answer.json()["media"]["id"])

    async def found(name: str, who: str = "merchant", **more: str) -> list[str]:
        query = urlencode({"name": f"{mark}{name}", **more})
        page = (await get(world, f"/api/media?{query}", who)).json()
        return [row["id"] for row in page["media"]]

    assert await found("") == rows
    assert await found("", order="newest") == rows[::-1]
    assert await found("", order="newest", after=rows[2], limit="1") == [rows[1]]
    assert await found(" tea") == rows[:2]
    assert await found(" tea 100%") == [rows[0]]
    assert await found(" tea%") == []
    assert await found(" tea_") == [rows[1]]
    assert await found("", "admin") == rows
    assert await found("", "owner") == []


async def test_a_row_says_what_shows_the_picture(world: World) -> None:
    key = world.keys["merchant"]
    media = await uploaded(world.hub, key)
    body = {"name": f"Tea {uuid4().hex}", "price": 1, "currency": "USD", "stock": 1}
    product = (await call(world.hub, "POST", "/api/products", body, key=key)).json()["product"]
    path = f"/api/media/{media['id']}"
    assert (await get(world, path, "viewer")).json()["places"] == []
    wanted = {"media_ids": [media["id"]]}
    await call(world.hub, "PUT", f"/api/products/{product['id']}/media", wanted, key=key)
    shown = (await get(world, path, "viewer")).json()
    assert shown["media"]["used_by"] == 1
    place = {"type": "product", "id": product["id"], "name": product["name"]}
    assert shown["places"] == [place]


async def test_stored_addresses_are_unsigned_and_answers_sign_them(world: World) -> None:
    media = await uploaded(world.hub, world.keys["merchant"])
    split = urlsplit(media["url"])
    assert split.path == f"/api/media/{media['id']}/content"
    expires = int(parse_qs(split.query)["exp"][0])
    assert 3600 - 5 <= expires - time.time() <= 7200
    rows = await call(
        world.hub, "GET", "/api/audit", key=world.keys["merchant"],
        query={"target_type": "media", "target_id": media["id"]},
    )  # fmt: skip
    (row,) = rows.json()["audit"]
    assert row["after"]["url"] == split.path


# ── content ──────────────────────────────────────────────────────────────────────────────────────


async def test_content_by_a_signed_address_needs_no_key(world: World) -> None:
    picture = fresh()
    media = await uploaded(world.hub, world.keys["merchant"], picture)
    answer = await get(world, media["url"])
    assert (answer.status, answer.body) == (200, picture)
    headers = answer.headers
    assert headers["content-type"] == "image/png"
    assert headers["etag"] == f'"{media["hash"]}"'
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["content-disposition"] == "inline; filename*=UTF-8''picture.png"
    assert headers["accept-ranges"] == "bytes"
    # Its sizes will take the place of the upload.
    assert headers["cache-control"] == "private, no-cache"
    assert "ratelimit" not in headers
    head = await call(world.hub, "HEAD", media["url"])
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(picture))


async def test_content_by_a_key(world: World) -> None:
    media = await uploaded(world.hub, world.keys["merchant"])
    path = f"/api/media/{media['id']}/content"
    for who in ("merchant", "viewer", "bot", "admin"):
        answer = await get(world, path, who)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "private, no-cache"
    for who in ("owner", "reader", "driver"):
        check_problem(await get(world, path, who), 404, "not_found")
    check_problem(await get(world, path), 401, "unauthenticated")
    check_problem(await get(world, f"/api/media/{MISSING}/content", "admin"), 404, "not_found")


async def test_a_signature_opens_nothing_else(world: World) -> None:
    media = await uploaded(world.hub, world.keys["merchant"])
    other = await uploaded(world.hub, world.keys["merchant"])
    path, _, query = media["url"].partition("?")
    expires, signature = query.removeprefix("exp=").split("&sig=")
    forged = signature[:-2] + ("AA" if signature[-2:] != "AA" else "BB")
    for wrong in (
        f"{path}?exp={expires}&sig={forged}",
        f"{path}?exp={int(expires) + 3600}&sig={signature}",
        f"{path}?exp=1&sig={signature}",
        f"{path}?exp={expires}",
        f"{path}?sig={signature}",
        f"{path}?exp={expires}&sig=",
        f"{path}?exp={expires}&sig=%C3%A4",
        f"/api/media/{other['id']}/content?{query}",
        f"/api/media/{MISSING}/content?{query}",
    ):
        answer = await get(world, wrong)
        check_problem(answer, 403, "forbidden")
        # A key does not mend it: an address is good by itself, or it is not.
        check_problem(await get(world, wrong, "merchant"), 403, "forbidden")
    check_problem(await get(world, "/api/media/%00/content", "admin"), 422, "invalid_params")
    check_problem(await get(world, f"{path}?exp=soon&sig={signature}"), 422, "invalid_params")
    check_problem(await get(world, f"{path}?{query}&width=5"), 422, "invalid_params")


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 9),
        ("bytes=5-", 206, 5, -1),
        ("bytes=-7", 206, -7, -1),
        ("bytes=0-99999", 206, 0, -1),
        ("bytes=-99999", 206, 0, -1),
        ("bytes=0-0", 206, 0, 0),
        ("bytes=99999-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-5", 200, 0, -1),
        ("bytes=0-1,5-6", 200, 0, -1),
        ("bytes=-", 200, 0, -1),
        ("lines=0-5", 200, 0, -1),
        ("bytes=0-" + "9" * 40, 200, 0, -1),
    ],
)
async def test_a_part_of_a_picture(
    world: World, asked: str, status: int, first: int, last: int
) -> None:
    picture = fresh()
    media = await uploaded(world.hub, world.keys["merchant"], picture)
    answer = await get(world, media["url"], Range=asked)
    assert answer.status == status
    size = len(picture)
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{size}"
        check_problem(answer, 416, "bad_frame")
        return
    first, last = first % size, last % size
    assert answer.body == picture[first : last + 1]
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"
    else:
        assert "content-range" not in answer.headers


async def test_conditions(world: World) -> None:
    picture = fresh()
    media = await uploaded(world.hub, world.keys["merchant"], picture)
    etag = f'"{media["hash"]}"'
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = await get(world, media["url"], If_None_Match=known)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == etag
        assert "content-type" not in answer.headers
    assert (await get(world, media["url"], If_None_Match='"x"')).status == 200
    part = await get(world, media["url"], Range="bytes=0-3", If_Range=etag)
    assert (part.status, part.body) == (206, picture[:4])
    whole = await get(world, media["url"], Range="bytes=0-3", If_Range='"x"')
    assert (whole.status, whole.body) == (200, picture)


# ── deletion ─────────────────────────────────────────────────────────────────────────────────────


async def delete(world: World, id_: str, who: str = "merchant", **headers: str) -> Answer:
    lines = {name.replace("_", "-"): value for name, value in headers.items()}
    return await call(world.hub, "DELETE", f"/api/media/{id_}", key=world.keys[who], headers=lines)


def file_of(world: World, media: dict[str, str]) -> bool:
    folder = world.hub.data_dir / "media" / media["merchant_id"]
    return (folder / media["hash"][:2] / media["file_name"]).exists()


@pytest.mark.parametrize("who", ["merchant", "bot", "admin"])
async def test_a_deleted_picture_is_gone_with_its_file(world: World, who: str) -> None:
    picture = fresh()
    media = await uploaded(world.hub, world.keys["merchant"], picture)
    assert file_of(world, media)
    answer = await delete(world, media["id"], who)
    assert answer.status == 200
    assert answer.json()["message"]
    assert not file_of(world, media)
    check_problem(await get(world, media["url"]), 404, "not_found")
    check_problem(await delete(world, media["id"], who), 404, "not_found")
    events = await paged(world.hub, world.keys["viewer"], subjects=f"media/{media['id']}")
    assert [event["type"] for event in events] == ["media_uploaded", "media_deleted"]
    assert events[1]["data"]["mediaId"] == media["id"]
    again = await uploaded(world.hub, world.keys["merchant"], picture)
    assert again["id"] != media["id"]
    assert file_of(world, again)


async def test_who_may_not_delete(world: World) -> None:
    media = await uploaded(world.hub, world.keys["merchant"])
    check_problem(await delete(world, media["id"], "viewer"), 403, "forbidden")
    check_problem(await delete(world, media["id"], "owner"), 404, "not_found")
    check_problem(await delete(world, media["id"], If_Match='"7"'), 412, "precondition_failed")
    assert file_of(world, media)
    assert (await delete(world, media["id"], If_Match='"1"')).status == 200


async def test_a_deletion_that_comes_again_is_answered_as_the_first(world: World) -> None:
    media = await uploaded(world.hub, world.keys["merchant"])
    first = await delete(world, media["id"], Idempotency_Key="gone-1")
    again = await delete(world, media["id"], Idempotency_Key="gone-1")
    assert (first.status, again.status) == (200, 200)
    assert first.json()["id"] == again.json()["id"] == media["id"]


async def test_unknown_parameters_are_named(world: World) -> None:
    answer = await get(world, "/api/media?colour=red", "merchant")
    assert pointers(check_problem(answer, 422, "invalid_params")) == ["/colour"]
    answer = await get(world, "/api/media?status=lost", "merchant")
    assert pointers(check_problem(answer, 422, "invalid_params")) == ["/status"]
