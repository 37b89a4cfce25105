"""From the opening request to the session: which credential counts, who it is, and what waits."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from hub.settings import Settings
from hub.tickets import Behind
from storage.database import Database
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.gateway.raw import CLOSE, close_payload, frame, raw, text
from tests.support.browsers import new_ticket, own_origin, sign_in
from tests.support.databases import FaultyDatabase, until
from tests.support.rest import call
from tests.support.ws import Socket, connect

ALLOWED = "https://panel.example"


@pytest.fixture
async def hub(database: Database) -> AsyncIterator[LocalHub]:
    """A hub behind a proxy on the loopback."""
    settings = Settings(rate_limit=None, trusted_proxies=("127.0.0.1",), allowed_origins=(ALLOWED,))
    async with running(await prepared(database), settings) as local:
        yield local


async def role(socket: Socket) -> str:
    found: str = (await socket.next(type="connected"))["role"]
    return found


# ── the first credential decides ─────────────────────────────────────────────────────────────────


async def test_header_then_cookie_then_query_then_frame(hub: LocalHub) -> None:
    cookie = await sign_in(hub, hub.keys["viewer"])
    ticket = await new_ticket(hub, hub.keys["bot"])
    header = {"X-API-Key": hub.keys["merchant"]}
    for headers, expected in (
        (header | cookie, "merchant"), (header, "merchant"), (cookie, "viewer"), ({}, "bot"),
    ):  # fmt: skip
        async with connect(hub, token=ticket, headers=headers) as socket:
            assert await role(socket) == expected
    async with connect(hub) as socket:
        await socket.send({"type": "auth", "token": await new_ticket(hub, hub.keys["bot"])})
        assert await role(socket) == "bot"


@pytest.mark.parametrize("worse", ["query", "cookie"])
async def test_a_wrong_first_credential_is_not_made_up_for(hub: LocalHub, worse: str) -> None:
    wrong = {"Authorization": "Bearer hub_v_" + "x" * 43}
    cookie = await sign_in(hub, hub.keys["viewer"]) if worse == "cookie" else {}
    token = hub.keys["viewer"] if worse == "query" else None
    async with connect(hub, headers=wrong | cookie, token=token) as socket:
        assert (await socket.next())["code"] == "unauthenticated"
        assert await socket.closed() == 4001


async def test_a_cookie_that_has_ended_is_told(hub: LocalHub) -> None:
    """It is not passed over for the ticket in the address: the page asks for a new sign-in."""
    cookie = await sign_in(hub, hub.keys["viewer"])
    ticket = await new_ticket(hub, hub.keys["viewer"])
    assert (await call(hub, "DELETE", "/api/session", headers=cookie)).status == 200
    async with connect(hub, headers=cookie, token=ticket) as socket:
        error = await socket.next()
        assert (error["code"], "signed in" in error["message"]) == ("unauthenticated", True)
        assert await socket.closed() == 4001


async def test_a_cookie_of_another_program_is_no_credential(hub: LocalHub) -> None:
    headers = {"Cookie": "theme=dark; other=1", "Origin": own_origin(hub)}
    async with connect(hub, headers=headers, token=hub.keys["viewer"]) as socket:
        assert await role(socket) == "viewer"


async def test_a_key_in_the_query_of_an_allowed_page(hub: LocalHub) -> None:
    """As first-generation dashboards bring it; a cookie beside it says nothing there."""
    cookie = {"Cookie": (await sign_in(hub, hub.keys["admin"]))["Cookie"]}
    async with connect(hub, token=hub.keys["viewer"], headers=cookie, origin=ALLOWED) as socket:
        assert await role(socket) == "viewer"


async def test_what_the_query_says_twice(hub: LocalHub) -> None:
    """The first counts, for the token as for the rest."""
    query = f"token={hub.keys['viewer']}&token={hub.keys['admin']}"
    async with connect(hub, query=query) as socket:
        assert await role(socket) == "viewer"


# ── who it is ────────────────────────────────────────────────────────────────────────────────────


async def seen(hub: LocalHub, headers: Mapping[str, str]) -> dict[str, Any]:
    """How operators see a connection with these headers."""
    async with connect(hub, hub.keys["viewer"], headers=headers) as socket:
        id_ = (await socket.next(type="connected"))["session"]
        answer = await call(hub, "GET", "/api/sessions", key=hub.keys["admin"])
        [record] = [each for each in answer.json()["sessions"] if each["id"] == id_]
        assert isinstance(record, dict)
        return record


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("6.6.6.6, 203.0.113.5", "203.0.113.5"),
        ("203.0.113.5, 127.0.0.1", "203.0.113.5"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_the_address_behind_the_proxy(hub: LocalHub, forwarded: str, address: str) -> None:
    assert (await seen(hub, {"X-Forwarded-For": forwarded}))["address"] == address


async def test_a_hub_that_trusts_no_proxy(local: LocalHub) -> None:
    found = await seen(local, {"X-Forwarded-For": "203.0.113.5", "User-Agent": "x" * 500})
    assert (found["address"], found["agent"]) == ("127.0.0.1", "x" * 200)


# ── what waits ───────────────────────────────────────────────────────────────────────────────────


async def test_what_comes_while_the_key_is_looked_up_is_kept(database: Database) -> None:
    """A client sends at once, in one piece with its request or in many."""
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        faulty.reading.clear()
        headers = {"Authorization": f"Bearer {hub.keys['merchant']}"}
        async with raw(hub, headers=headers) as client:
            frames = [
                text({"type": "custom_a", "data": {"n": n}, "ref": f"{n}"}) for n in range(50)
            ]
            await client.pieces(*frames[:25], b"".join(frames[25:]))
            await asyncio.sleep(0.05)
            assert hub.services.log.end == 0, "nobody is known yet"
            faulty.reading.set()
            assert (await client.json())["type"] == "connected"
            acks = await client.acks(50)
            assert [ack["ref"] for ack in acks] == [f"{n}" for n in range(50)]


async def test_what_comes_while_a_wrong_key_is_looked_up_does_nothing(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        faulty.reading.clear()
        headers = {"Authorization": "Bearer hub_m_" + "x" * 43}
        async with raw(hub, headers=headers) as client:
            client.write(text({"type": "custom_a", "data": {}}) * 10)
            await asyncio.sleep(0.05)
            faulty.reading.set()
            assert (await client.json())["code"] == "unauthenticated"
            assert (await client.until_close()).code == 4001
        assert hub.services.log.end == 0


async def test_a_stop_still_hears_the_answer_to_a_close(database: Database) -> None:
    """Who was turned away a moment before the stop answers as ever, and holds nothing up."""
    async with running(await prepared(database)) as hub, raw(hub) as client:
        client.write(text({"type": "auth", "token": "wrong"}))
        assert (await client.until_close()).code == 4001
        hub.services.gateway.stop_reading()
        client.write(frame(CLOSE, close_payload(4001)))
        assert await asyncio.wait_for(client.ended(), 1) == b""


async def test_two_auth_frames_at_once(database: Database) -> None:
    """The second is a refresh: taken when the first is done, and of the same role and merchant."""
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        faulty.reading.clear()
        async with raw(hub) as client:
            for name in ("merchant", "admin"):
                client.write(text({"type": "auth", "token": hub.keys[name], "ref": name}))
            await asyncio.sleep(0.05)
            faulty.reading.set()
            assert (await client.json())["role"] == "merchant"
            error = await client.json("error")
            assert (error["ref"], error["code"]) == ("admin", "forbidden")
            assert (await client.until_close()).code == 4003


async def test_a_ticket_is_used_up_although_its_bearer_has_left(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        behind = Behind(hub.key_ids["viewer"], None)
        ticket = hub.services.authenticator.issue_ticket(behind)
        faulty.reading.clear()
        before = faulty.reads
        async with raw(hub, query=f"token={ticket}"):
            await until(lambda: faulty.reads > before)
        faulty.reading.set()
        await until(lambda: len(hub.services.gateway) == 0)
        assert len(hub.services.gateway.connections) == 0
        async with connect(hub, token=ticket) as socket:
            assert await socket.closed() == 4001


async def test_a_key_that_is_revoked_while_it_is_looked_up_opens_nothing(
    database: Database,
) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        await call(hub, "GET", "/api/session", key=hub.keys["admin"])
        faulty.reading.clear()
        before = faulty.reads
        async with connect(hub, hub.keys["viewer"]) as socket:
            await until(lambda: faulty.reads > before)
            path = f"/api/keys/{hub.key_ids['viewer']}"
            assert (await call(hub, "DELETE", path, key=hub.keys["admin"])).status == 200
            faulty.reading.set()
            error = await socket.next()
            assert (error["code"], "revoked" in error["message"]) == ("unauthenticated", True)
            assert await socket.closed() == 4001


# ── what the query asks for ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", ["header", "query", "frame", "ticket"])
async def test_a_wrong_merchant_is_told_and_closed(hub: LocalHub, by: str) -> None:
    key = hub.keys["viewer"]
    token = {"query": key, "ticket": await new_ticket(hub, key)}.get(by)
    query = f"merchant_id={hub.other_merchant}"
    async with connect(hub, key if by == "header" else None, token=token, query=query) as socket:
        if by == "frame":
            await socket.send({"type": "auth", "token": key, "ref": "r"})
        error = await socket.next()
        assert (error["code"], error.get("ref")) == ("forbidden", "r" if by == "frame" else None)
        assert await socket.closed() == 4003


async def test_a_query_that_does_not_fit_ends_nothing(hub: LocalHub) -> None:
    async with connect(hub, hub.keys["viewer"], query="last=0&since=x") as socket:
        assert await role(socket) == "viewer"
        assert (await socket.next(type="error"))["code"] == "invalid_params"
        await socket.send({"type": "subscribe", "types": ["custom_*"]})
        await socket.next(type="live")


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws/x", "/WS", "/api/events", "/ws%2f"])
async def test_another_path_is_no_socket(hub: LocalHub, path: str) -> None:
    class Elsewhere:
        ws_url = f"ws://127.0.0.1:{hub.port}{path}"

    with pytest.raises(InvalidStatus) as refused:
        async with connect(Elsewhere(), hub.keys["viewer"]):
            pass
    assert refused.value.response.status_code == 404
    assert b'"not_found"' in bytes(refused.value.response.body or b"")
