"""The opening request: origins, credentials and their precedence, and the merchant asked for."""

import json
from collections.abc import AsyncIterator

import pytest
from websockets.exceptions import InvalidStatus

from hub.origins import Origins, origin_of
from hub.settings import Settings
from storage.database import Database
from tests.gateway.local_hub import LocalHub, connected_bots, prepared, running
from tests.gateway.raw import raw, text
from tests.support.databases import FaultyDatabase, until
from tests.support.rest import call
from tests.support.ws import connect

ALLOWED = "https://panel.example"
PUBLIC = "https://hub.example:8443"


@pytest.fixture
async def public(database: Database) -> AsyncIterator[LocalHub]:
    """A hub with a public address, and one foreign origin that may connect."""
    settings = Settings(public_url=PUBLIC, allowed_origins=(ALLOWED,))
    async with running(await prepared(database), settings) as hub:
        yield hub


# ── origins ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://a.example", "http://a.example"),
        ("http://a.example:80/x?y#z", "http://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("https://a.example:80", "https://a.example:80"),
        ("HTTPS://A.Example/", "https://a.example"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://user:secret@a.example/", "http://a.example"),
    ],
)
def test_the_origin_of_a_url(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", ["", "a.example", "ftp://a.example", "http://", "null", "http:a"])
def test_what_has_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        origin_of(url)


def test_loopback_names_are_the_hubs_own() -> None:
    origins = Origins(None, 8000, ())
    for name in ("127.0.0.1", "localhost", "[::1]"):
        assert origins.is_own(f"http://{name}:8000")
        assert not origins.is_own(f"http://{name}:8001")
        assert not origins.is_own(f"https://{name}:8000")
        assert not origins.is_own(f"http://{name}")
    assert Origins(None, 80, ()).is_own("http://localhost")


FOREIGN = [
    "null", "", "https://evil.example", "https://panel.example.evil.example",
    "https://evil-panel.example", "https://xpanel.example", "http://panel.example",
    "https://panel.example:444", "https://panel.example/", "https://hub.example",
    "https://hub.example:8443.evil.example", "http://localhost.evil.example", "file://",
    "http://127.0.0.1", "https://panel.example https://evil.example",
]  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("by", ["header", "query", "nothing"])
async def test_a_foreign_page_is_refused(origin: str, by: str, public: LocalHub) -> None:
    key = public.keys["admin"]
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            public,
            key if by == "header" else None,
            token=key if by == "query" else None,
            origin=origin,
        ):
            pass
    response = refused.value.response
    assert response.status_code == 403
    problem = json.loads(bytes(response.body or b""))
    assert problem["code"] == "forbidden"
    assert "HUB_ALLOWED_ORIGINS" in problem["detail"]
    assert "HUB_PUBLIC_URL" in problem["detail"]
    assert response.headers["Content-Type"] == "application/problem+json"


async def test_a_host_header_makes_no_origin_the_hubs_own(public: LocalHub) -> None:
    """A page that rebinds its name to 127.0.0.1 sends its own name as Host and Origin."""
    headers = {"Host": "evil.example", "Origin": "http://evil.example"}
    with pytest.raises(AssertionError, match=" 403 "):
        async with raw(public, public.keys["admin"], headers=headers):
            pass


async def test_own_and_allowed_pages_connect(public: LocalHub) -> None:
    own = f"http://localhost:{public.port}"
    for origin in (ALLOWED, PUBLIC, own, None):
        async with connect(public, token=public.keys["viewer"], origin=origin) as page:
            assert (await page.next())["role"] == "viewer"


# ── credentials ──────────────────────────────────────────────────────────────────────────────────


async def cookie_of(hub: LocalHub, name: str, origin: str) -> str:
    answer = await call(
        hub, "POST", "/api/session", {"key": hub.keys[name]}, headers={"Origin": origin}
    )
    assert answer.status == 200, answer.body
    return answer.headers["set-cookie"].partition(";")[0]


async def test_the_first_credential_decides(local: LocalHub) -> None:
    own = f"http://127.0.0.1:{local.port}"
    cookie = {"Cookie": await cookie_of(local, "merchant", own)}
    key = local.keys

    async def role(
        *, header: str | None = None, token: str | None = None, headers: dict[str, str]
    ) -> str:
        async with connect(local, header, token=token, headers=headers, origin=own) as page:
            return str((await page.next())["role"])

    everything = {**cookie, "X-API-Key": key["viewer"]}
    assert await role(header=key["bot"], token=key["admin"], headers=everything) == "bot"
    assert await role(token=key["admin"], headers=everything) == "viewer"
    assert await role(token=key["admin"], headers=cookie) == "merchant"
    assert await role(token=key["admin"], headers={}) == "admin"
    basic = {"Authorization": "Basic abc", "X-API-Key": key["viewer"]}
    assert await role(headers=basic) == "viewer"


@pytest.mark.parametrize("origin", [None, ALLOWED])
async def test_a_cookie_counts_for_the_hubs_own_pages_alone(
    origin: str | None, public: LocalHub
) -> None:
    cookie = {"Cookie": await cookie_of(public, "merchant", PUBLIC)}
    async with connect(public, headers=cookie, origin=PUBLIC) as page:
        assert (await page.next())["role"] == "merchant"
    async with connect(public, headers=cookie, origin=origin) as page:
        assert await page.silent(0.05), "it waits for another credential"
    async with connect(public, headers=cookie, origin=origin, token=public.keys["viewer"]) as page:
        assert (await page.next())["role"] == "viewer"


@pytest.mark.parametrize("by", ["header", "query", "frame"])
async def test_a_wrong_key_is_told_and_closed(by: str, local: LocalHub) -> None:
    wrong = "hub_b_" + "0" * 43
    async with connect(
        local, wrong if by == "header" else None, token=wrong if by == "query" else None
    ) as page:
        if by == "frame":
            await page.send({"type": "auth", "token": wrong, "ref": "r"})
        error = await page.next()
        assert (error["type"], error["code"]) == ("error", "unauthenticated")
        assert error.get("ref") == ("r" if by == "frame" else None)
        assert await page.closed() == 4001


async def test_the_first_frame_may_be_the_credential(local: LocalHub) -> None:
    async with connect(local, query="types=custom_*&last=1") as page:
        await page.send({"type": "auth", "token": local.keys["viewer"]})
        assert (await page.next())["type"] == "connected"
        assert (await page.next())["types"] == ["custom_*"]


@pytest.mark.parametrize(
    "first",
    [
        {"type": "subscribe", "ref": "r"},
        {"type": "custom_a", "data": {}, "ref": "r"},
        {"type": "ping", "ref": "r"},
        {"type": "whatever", "ref": "r"},
    ],
)
async def test_another_first_frame_is_refused(first: dict[str, object], local: LocalHub) -> None:
    async with connect(local) as page:
        await page.send(first)
        assert (await page.next())["code"] == "unauthenticated"
        assert await page.closed() == 4001
    assert local.services.log.end == 0


async def test_frames_right_behind_auth_are_taken(local: LocalHub) -> None:
    """A client need not wait for `connected`."""
    async with raw(local) as client:
        frames = [{"type": "auth", "token": local.keys["merchant"]}]
        frames += [{"type": "custom_a", "data": {}, "id": f"id-{n}"} for n in range(3)]  # type: ignore[dict-item]
        client.write(b"".join(map(text, frames)))
        assert (await client.json())["type"] == "connected"
        assert [ack["id"] for ack in await client.acks(3)] == ["id-0", "id-1", "id-2"]


async def test_auth_that_does_not_come_is_not_awaited(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.gateway.opening.AUTH_SECONDS", 0.5)
    async with connect(local) as silent, connect(local) as known:
        await known.send({"type": "auth", "token": local.keys["viewer"]})
        assert await silent.closed() == 4005
        await known.next(type="live")
        await known.send({"type": "ping"})
        assert (await known.next(type="pong"))["type"] == "pong"


async def test_a_database_that_does_not_answer_is_no_wrong_key(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        faulty.failing_reads = 1
        async with connect(hub, hub.keys["viewer"]) as page:
            error = await page.next()
            assert (error["code"], error["retry"]) == ("unavailable", True)
            assert await page.closed() == 4100
        async with connect(hub, hub.keys["viewer"]) as page:
            assert (await page.next())["type"] == "connected"


async def test_a_client_that_leaves_during_its_sign_in_is_forgotten(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        faulty.reading.clear()
        async with raw(hub) as client:
            client.write(text({"type": "auth", "token": hub.keys["bot"]}))
            before = faulty.reads
            await until(lambda: faulty.reads >= before)
            await client.arrived()
        faulty.reading.set()
        await until(lambda: len(hub.services.gateway) == 0)
    # It may have been taken for present for a moment, but not for longer.
    assert await connected_bots(database) == []


# ── whose events ─────────────────────────────────────────────────────────────────────────────────


async def test_an_admin_may_be_narrowed(local: LocalHub) -> None:
    async with (
        connect(local, local.keys["admin"], query=f"merchant_id={local.merchant_id}") as narrowed,
        connect(local, local.keys["admin"]) as wide,
    ):
        assert (await narrowed.next())["merchant_id"] == local.merchant_id
        assert (await wide.next())["merchant_id"] is None
        for merchant_id in (local.other_merchant, local.merchant_id):
            await wide.send({"type": "custom_a", "data": {}, "merchant_id": merchant_id})
        heard = await wide.take(2, type="custom_a")
        assert [e["merchant_id"] for e in heard] == [local.other_merchant, local.merchant_id]
        assert (await narrowed.next(type="custom_a"))["offset"] == heard[1]["offset"]
        # Narrowed, it publishes for that merchant without naming it, and for no other.
        await narrowed.send({"type": "custom_b", "data": {}})
        assert (await wide.next(type="custom_b"))["merchant_id"] == local.merchant_id
        await narrowed.send(
            {"type": "custom_b", "data": {}, "merchant_id": local.other_merchant, "ref": "r"}
        )
        assert (await narrowed.next(type="error"))["code"] == "forbidden"
        await wide.send({"type": "custom_b", "data": {}})
        error = await wide.next(type="error")
        assert (error["code"], error["errors"][0]["pointer"]) == ("invalid_params", "/merchant_id")


@pytest.mark.parametrize("name", ["admin", "merchant", "viewer", "bot"])
async def test_another_merchant_cannot_be_asked_for(name: str, local: LocalHub) -> None:
    asked = "no-such-merchant" if name == "admin" else local.other_merchant
    async with connect(local, local.keys[name], query=f"merchant_id={asked}") as page:
        assert (await page.next())["code"] == "forbidden"
        assert await page.closed() == 4003


async def test_nobody_sees_another_merchants_events(local: LocalHub) -> None:
    await local.add_key("merchant", "theirs", merchant_id=local.other_merchant)
    async with (
        connect(local, local.keys["merchant"]) as ours,
        connect(local, local.keys["theirs"]) as theirs,
        connect(local, local.keys["theirs"], query="since=0&types=custom_*") as replayed,
    ):
        for number in range(20):
            page = ours if number % 2 else theirs
            await page.send({"type": "custom_a", "data": {}, "id": f"id-{number}"})
        await ours.take(10, type="ack")
        await theirs.take(10, type="ack")
        for page, first in ((ours, 1), (theirs, 0), (replayed, 0)):
            heard = await page.take(10, type="custom_a")
            assert [e["id"] for e in heard] == [f"id-{n}" for n in range(first, 20, 2)]
            assert await page.silent(0.02, type="custom_a")
