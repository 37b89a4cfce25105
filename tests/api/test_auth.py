"""Who may come in at the HTTP door, and by which credential."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.conftest import World, check_problem
from tests.support.rest import call, new_key

GUARDED = [
    ("GET", "/api/session"),
    ("GET", "/api/events"),
    ("POST", "/api/events"),
    ("GET", "/api/merchants"),
    ("POST", "/api/merchants"),
    ("GET", "/api/merchants/x"),
    ("GET", "/api/keys"),
    ("POST", "/api/keys"),
    ("DELETE", "/api/keys/x"),
]
OPEN = ["/", "/healthz", "/readyz"]


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_every_route_wants_a_key(world: World, method: str, path: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer hub_a_" + "x" * 43},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {world.keys['admin']}"},
        {"Authorization": world.keys["admin"]},
        {"X-API-Key": world.keys["admin"][:-1]},
        {"X-API-Key": ""},
        {"Authorization": "Bearer é"},
        {"Cookie": "hub_session=nonsense", "Origin": world.hub.url},
        {"Cookie": "hub_session=", "Origin": world.hub.url},
        {"Cookie": "=; ;;{[,", "Origin": world.hub.url},
    ):
        answer = await call(world.hub, method, path, headers=headers)
        check_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer"), headers
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", OPEN)
async def test_what_needs_no_key(world: World, path: str) -> None:
    assert (await call(world.hub, "GET", path)).status == 200


@pytest.mark.parametrize(
    "header",
    ["Authorization: Bearer {}", "authorization: bearer {}", "X-API-Key: {}", "x-api-key: {}"],
)
async def test_a_key_in_either_header(world: World, header: str) -> None:
    name, _, value = header.format(world.keys["viewer"]).partition(": ")
    answer = await call(world.hub, "GET", "/api/session", headers={name: value})
    assert answer.status == 200
    session = answer.json()["session"]
    assert (session["role"], session["merchant_id"]) == ("viewer", world.one)


async def test_the_first_credential_decides(world: World) -> None:
    headers = {"Authorization": "Bearer wrong", "X-API-Key": world.keys["admin"]}
    check_problem(
        await call(world.hub, "GET", "/api/events", headers=headers), 401, "unauthenticated"
    )


async def test_a_key_in_the_query_counts_for_nothing(world: World) -> None:
    answer = await call(world.hub, "GET", f"/api/merchants?token={world.keys['admin']}")
    check_problem(answer, 401, "unauthenticated")


async def test_an_expired_key(world: World) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=0.7)
    body = {"role": "viewer", "name": "brief", "merchant_id": world.one}
    body["expires_at"] = ends.isoformat(timespec="milliseconds")
    made = await call(world.hub, "POST", "/api/keys", body, key=world.keys["admin"])
    assert made.status == 201, made.body
    token = made.json()["token"]
    assert made.json()["key"]["expires_at"].endswith("Z")
    assert (await call(world.hub, "GET", "/api/session", key=token)).status == 200
    await asyncio.sleep(max(0.0, ends.timestamp() - time.time()) + 0.05)
    problem = check_problem(
        await call(world.hub, "GET", "/api/session", key=token), 401, "unauthenticated"
    )
    assert "expired" in str(problem["detail"])


async def test_a_revoked_key(world: World) -> None:
    token, id_ = await new_key(world.hub, world.keys["admin"], "bot", world.one)
    assert (await call(world.hub, "GET", "/api/session", key=token)).status == 200
    answer = await call(world.hub, "DELETE", f"/api/keys/{id_}", key=world.keys["admin"])
    assert answer.status == 200
    problem = check_problem(
        await call(world.hub, "GET", "/api/session", key=token), 401, "unauthenticated"
    )
    assert "revoked" in str(problem["detail"])
