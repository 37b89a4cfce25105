"""Merchants and keys: the table of roles, and what becomes of a key that is revoked."""

import asyncio
import re
import sqlite3
import time
from contextlib import AsyncExitStack, closing
from typing import Any

import pytest

from tests.api.conftest import World, check_problem, pointers
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, call, merchant_of, new_key, new_merchant, read_answer
from tests.support.ws import connect


async def made(world: World, actor: str, body: dict[str, Any]) -> Answer:
    return await call(world.hub, "POST", "/api/keys", body, key=world.keys[actor])


async def listed(world: World, key: str, path: str = "/api/keys", **query: object) -> list[Any]:
    """All rows of a list, page by page."""
    kind = path.rpartition("/")[2]
    rows: list[Any] = []
    while True:
        answer = await call(world.hub, "GET", path, key=key, query=query)
        assert answer.status == 200, answer.body
        page = answer.json()
        assert page["count"] == len(page[kind])
        assert page["offset"] >= 0
        assert page["epoch"]
        rows += page[kind]
        if page["next"] is None:
            return rows
        query["after"] = page["next"]


# ── merchants ────────────────────────────────────────────────────────────────────────────────


async def test_an_admin_makes_merchants(world: World) -> None:
    answer = await call(
        world.hub, "POST", "/api/merchants", {"name": "Café № 1"}, key=world.keys["admin"]
    )
    assert answer.status == 201
    merchant = answer.json()["merchant"]
    assert merchant["name"] == "Café № 1"
    assert merchant["version"] == 1
    assert answer.headers["location"] == f"/api/merchants/{merchant['id']}"
    found = await call(world.hub, "GET", answer.headers["location"], key=world.keys["admin"])
    assert found.json()["merchant"] == merchant
    assert merchant in await listed(world, world.keys["admin"], "/api/merchants")
    # Its default templates are events of its own.
    events = await call(
        world.hub, "GET", "/api/events", key=world.keys["admin"],
        query={"merchant_id": merchant["id"]},
    )  # fmt: skip
    created = events.json()["events"]
    assert {event["type"] for event in created} == {"template_created"}
    assert [event["data"]["name"] for event in created] == [
        "order_confirmation", "payment_request", "order_status",
    ]  # fmt: skip
    for event in created:
        assert event["merchant_id"] == merchant["id"]
        assert event["subject"] == f"template/{event['data']['templateId']}"
        assert (event["data"]["status"], event["data"]["version"]) == ("active", 1)
    assert created[-1]["offset"] == answer.json()["offset"]
    # It can be used at once.
    event = {"type": "custom_a", "data": {}, "merchant_id": merchant["id"]}
    answer = await call(world.hub, "POST", "/api/events", event, key=world.keys["admin"])
    assert answer.status == 201


@pytest.mark.parametrize("role", ["merchant", "viewer", "bot"])
async def test_nobody_else_does(world: World, role: str) -> None:
    answer = await call(world.hub, "POST", "/api/merchants", {"name": "x"}, key=world.keys[role])
    check_problem(answer, 403, "forbidden")


@pytest.mark.parametrize("role", ["merchant", "viewer", "bot"])
async def test_everyone_else_sees_their_own(world: World, role: str) -> None:
    merchants = await listed(world, world.keys[role], "/api/merchants")
    assert [merchant["id"] for merchant in merchants] == [world.one]
    own = await call(world.hub, "GET", f"/api/merchants/{world.one}", key=world.keys[role])
    assert own.status == 200
    # That there is another is not told from one that is not there.
    answers = [
        await call(world.hub, "GET", f"/api/merchants/{id_}", key=world.keys[role])
        for id_ in (world.two, "none")
    ]
    problems = [check_problem(answer, 404, "not_found") for answer in answers]
    assert problems[0] == problems[1]


async def test_lists_come_in_pages(world: World) -> None:
    for n in range(5):
        await new_merchant(world.hub, world.keys["admin"], f"page {n}")
    for path in ("/api/merchants", "/api/keys"):
        whole = await listed(world, world.keys["admin"], path, limit=1000)
        assert len(whole) >= 7
        assert await listed(world, world.keys["admin"], path, limit=2) == whole
        assert await listed(world, world.keys["admin"], path, limit=1) == whole
        ids = [row["id"] for row in whole]
        assert ids == sorted(set(ids))


# ── who makes which key ──────────────────────────────────────────────────────────────────────

# actor, role of the new key, its merchant → status
CREATE = [
    ("admin", "admin", None, 201),
    ("admin", "admin", "one", 422),
    ("admin", "merchant", "one", 201),
    ("admin", "viewer", "two", 201),
    ("admin", "bot", "two", 201),
    ("admin", "bot", None, 422),
    ("admin", "bot", "none", 422),
    ("merchant", "admin", None, 403),
    ("merchant", "merchant", "one", 201),
    ("merchant", "viewer", None, 201),
    ("merchant", "bot", None, 201),
    ("merchant", "bot", "two", 403),
    ("merchant", "bot", "none", 403),
    ("viewer", "viewer", None, 403),
    ("viewer", "admin", None, 403),
    ("bot", "bot", None, 403),
    ("bot", "admin", None, 403),
]


@pytest.mark.parametrize(("actor", "role", "merchant", "status"), CREATE)
async def test_who_makes_which_key(
    world: World, actor: str, role: str, merchant: str | None, status: int
) -> None:
    id_ = {"one": world.one, "two": world.two}.get(merchant or "", merchant)
    before = await listed(world, world.keys["admin"], limit=1000)
    answer = await made(world, actor, {"role": role, "name": "new", "merchant_id": id_})
    if status != 201:
        check_problem(answer, status, {403: "forbidden", 422: "invalid_params"}[status])
        assert await listed(world, world.keys["admin"], limit=1000) == before
        return
    assert answer.status == 201, answer.body
    key, token = answer.json()["key"], answer.json()["token"]
    assert re.fullmatch(r"hub_[amvb]_[0-9A-Za-z]{43}", token)
    assert token[4] == role[0]
    assert token.startswith(key["prefix"])
    assert len(key["prefix"]) <= 12
    assert (key["role"], key["revoked_at"]) == (role, None)
    expected = None if role == "admin" else id_ or world.one
    assert key["merchant_id"] == expected
    session = (await call(world.hub, "GET", "/api/session", key=token)).json()["session"]
    assert (session["role"], session["merchant_id"]) == (role, expected)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": "x"}, "/role"),
        ({"role": "king", "name": "x"}, "/role"),
        ({"role": "bot"}, "/name"),
        ({"role": "bot", "name": ""}, "/name"),
        ({"role": "bot", "name": "x", "expires_at": "soon"}, "/expires_at"),
        ({"role": "bot", "name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"role": "bot", "name": "x", "expires_at": 5}, "/expires_at"),
        ({"role": "bot", "name": "x", "merchant_id": 5}, "/merchant_id"),
    ],
)
async def test_a_key_that_does_not_fit(world: World, body: dict[str, Any], named: str) -> None:
    answer = await made(world, "merchant", body)
    assert pointers(check_problem(answer, 422, "invalid_params")) == [named]


# ── who sees and revokes which key ───────────────────────────────────────────────────────────


async def test_who_sees_which_keys(world: World) -> None:
    everything = await listed(world, world.keys["admin"], limit=1000)
    assert {key["merchant_id"] for key in everything} >= {None, world.one, world.two}
    own = await listed(world, world.keys["merchant"], limit=1000)
    assert own == [key for key in everything if key["merchant_id"] == world.one]
    narrow = await listed(world, world.keys["admin"], merchant_id=world.two, limit=1000)
    assert narrow == [key for key in everything if key["merchant_id"] == world.two]
    for role in ("viewer", "bot"):
        answer = await call(world.hub, "GET", "/api/keys", key=world.keys[role])
        check_problem(answer, 403, "forbidden")
    answer = await call(
        world.hub, "GET", f"/api/keys?merchant_id={world.two}", key=world.keys["merchant"]
    )
    check_problem(answer, 403, "forbidden")


async def test_a_secret_is_shown_once_and_stored_nowhere(world: World) -> None:
    answer = await made(world, "admin", {"role": "bot", "name": "s", "merchant_id": world.one})
    token = answer.json()["token"].encode()
    everything = await call(world.hub, "GET", "/api/keys?limit=1000", key=world.keys["admin"])
    assert token not in everything.body
    events = await call(world.hub, "GET", "/api/events?limit=1000", key=world.keys["admin"])
    assert b"key_created" in events.body
    for path in world.hub.data_dir.rglob("*"):
        assert path.is_dir() or token not in path.read_bytes(), path
    assert token not in world.hub.log.read_bytes()


@pytest.mark.parametrize(
    ("actor", "whose", "status"),
    [
        ("admin", "one", 200),
        ("admin", "admin", 200),
        ("merchant", "one", 200),
        ("merchant", "two", 404),
        ("merchant", "admin", 404),
        ("viewer", "one", 403),
        ("bot", "one", 403),
    ],
)
async def test_who_revokes_which_key(world: World, actor: str, whose: str, status: int) -> None:
    role = "admin" if whose == "admin" else "viewer"
    merchant = {"one": world.one, "two": world.two}.get(whose)
    token, id_ = await new_key(world.hub, world.keys["admin"], role, merchant)
    answer = await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys[actor])
    assert answer.status == status
    works = (await call(world.hub, "GET", "/api/session", key=token)).status
    assert works == (401 if status == 200 else 200)
    if status != 200:
        check_problem(answer, status, {403: "forbidden", 404: "not_found"}[status])
        return
    key = answer.json()["key"]
    assert key["revoked_at"]
    assert key["version"] == 2
    # Once more changes nothing.
    again = await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
    assert (again.status, again.json()["key"]) == (200, key)


async def test_what_happens_to_keys_is_in_the_log(world: World) -> None:
    async with connect(world.hub, world.keys["owner"], query="types=key_*") as socket:
        await socket.next(type="live")
        token, id_ = await new_key(world.hub, world.keys["owner"], "bot", None, "till-9")
        created = await socket.next(type="key_created")
        await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["owner"])
        revoked = await socket.next(type="key_revoked")
    for event in (created, revoked):
        assert event["subject"] == f"key/{id_}"
        assert event["merchant_id"] == world.two
        assert event["source"] == "merchant:owner"
        assert (event["data"]["keyId"], event["data"]["name"]) == (id_, "till-9")
        assert token not in str(event)
    assert (created["data"]["version"], revoked["data"]["version"]) == (1, 2)


# ── a revoked key's connections ──────────────────────────────────────────────────────────────


@pytest.mark.alone
async def test_revoking_closes_all_its_sockets_within_a_second(world: World) -> None:
    admin = world.keys["admin"]
    token, id_ = await new_key(world.hub, admin, "merchant", world.one)
    other, _ = await new_key(world.hub, admin, "merchant", world.one)
    answer = await call(
        world.hub, "POST", "/api/session", {"key": token}, headers={"Origin": world.hub.url}
    )
    cookie = answer.headers["set-cookie"].partition(";")[0]
    async with AsyncExitStack() as stack:

        async def opened(*args: Any, **kwargs: Any) -> Any:
            return await stack.enter_async_context(connect(world.hub, *args, **kwargs))

        sockets = [
            await opened(token),
            await opened(token),
            await opened(token=token),
            await opened(headers={"Cookie": cookie}, origin=world.hub.url),
            await opened(),
        ]
        await sockets[-1].send({"type": "auth", "token": token})
        unharmed = await opened(other)
        for socket in (*sockets, unharmed):
            await socket.next(type="connected")
        began = time.monotonic()
        await call(world.hub, "DELETE", f"/api/keys/{id_}", key=admin)
        assert await asyncio.gather(*(socket.closed() for socket in sockets)) == [4001] * 5
        assert time.monotonic() - began < 1
        assert not unharmed.connection.close_code
        answer = await call(world.hub, "GET", "/api/session", headers={"Cookie": cookie})
        check_problem(answer, 401, "unauthenticated")
        refused = await opened(token)
        assert await refused.closed() == 4001


async def test_a_key_that_is_revoked_while_it_is_first_used(world: World) -> None:
    """The hub remembers keys it has looked up: not one that was revoked while it looked."""
    admin = world.keys["admin"]
    async with asyncio.timeout(9), AsyncExitStack() as stack:
        lines = []
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
            stack.callback(writer.transport.abort)
            lines.append((reader, writer))

        async def ask(line: int, method: str, path: str, key: str) -> int:
            reader, writer = lines[line]
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
            writer.write(head.encode())
            return (await read_answer(reader)).status

        until = time.monotonic() + 3
        attempt = 0
        while time.monotonic() < until:
            attempt += 1
            token, id_ = await new_key(world.hub, admin, "viewer", world.one)
            await asyncio.gather(
                ask(0, "DELETE", f"/api/keys/{id_}", admin),
                *(ask(line, "GET", "/api/merchants", token) for line in (1, 2, 3, 4)),
            )
            answer = await ask(1, "GET", "/api/merchants", token)
            assert answer == 401, f"revoked, and still good after attempt {attempt}"


async def test_a_refreshed_connection_belongs_to_its_new_key(world: World) -> None:
    admin = world.keys["admin"]
    first, first_id = await new_key(world.hub, admin, "bot", world.one)
    second, second_id = await new_key(world.hub, admin, "bot", world.one)
    async with connect(world.hub, first) as socket:
        await socket.next(type="connected")
        await socket.send({"type": "auth", "token": second, "ref": "r"})
        assert (await socket.next(type="ack"))["ref"] == "r"
        await call(world.hub, "DELETE", f"/api/keys/{first_id}", key=admin)
        await socket.send({"type": "custom_a", "data": {}})
        await socket.next(type="ack")
        await call(world.hub, "DELETE", f"/api/keys/{second_id}", key=admin)
        assert await socket.closed() == 4001


async def test_keys_survive_a_kill_and_stay_revoked(hub: HubProcess) -> None:
    merchant = await merchant_of(hub, hub.admin_key)
    good, _ = await new_key(hub, hub.admin_key, "bot", merchant)
    bad, id_ = await new_key(hub, hub.admin_key, "bot", merchant)
    answer = await call(hub, "DELETE", f"/api/keys/{id_}", key=hub.admin_key)
    assert answer.status == 200
    await hub.kill()
    await hub.start()
    assert (await call(hub, "GET", "/api/session", key=good)).status == 200
    assert (await call(hub, "GET", "/api/session", key=bad)).status == 401
    with closing(sqlite3.connect(f"file:{hub.data_dir / 'hub.db'}?mode=ro", uri=True)) as database:
        hashes = {row[0] for row in database.execute("SELECT token_hash FROM api_keys")}
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)
