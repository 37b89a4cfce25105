"""Cross-origin requests of allowed pages (Fetch Standard, section 3.3): asked for, and answered.

An allowed page brings a key and never a cookie, so that credentials are not allowed for anyone.
"""

from collections.abc import Iterator

import pytest

from tests.api.conftest import World, check_problem
from tests.api.doorway import ALLOWED, PUBLIC, check_cors, check_refused, listed, opened
from tests.support.browsers import NDJSON, SSE, endless
from tests.support.rest import Answer, call, new_key


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("hub"), {"HUB_PUBLIC_URL": PUBLIC}) as made:
        yield made


async def preflight(
    world: World, origin: str, method: str, headers: str = "", path: str = "/api/events"
) -> Answer:
    sent = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        sent["Access-Control-Request-Headers"] = headers
    return await call(world.hub, "OPTIONS", path, headers=sent)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_preflight_of_an_allowed_page(world: World, method: str) -> None:
    asked = "authorization,content-type,idempotency-key,if-match,last-event-id,x-api-key"
    answer = await preflight(world, ALLOWED, method, asked)
    assert answer.status == 200, answer
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert "origin" in listed(answer, "vary")
    assert method.lower() in listed(answer, "access-control-allow-methods")
    assert listed(answer, "access-control-allow-headers") >= set(asked.split(","))
    assert int(answer.headers["access-control-max-age"]) >= 60
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/api/products/x"), ("PUT", "/api/products/x/media"),
        ("DELETE", "/api/products/x"), ("PATCH", "/api/orders/x/status"),
        ("POST", "/api/orders/x/payments"),
    ],
)  # fmt: skip
async def test_a_preflight_of_a_change_with_a_key_and_a_condition(
    world: World, method: str, path: str
) -> None:
    asked = "authorization,content-type,idempotency-key,if-match"
    answer = await preflight(world, ALLOWED, method, asked, path)
    assert answer.status == 200, answer
    assert method.lower() in listed(answer, "access-control-allow-methods")
    assert listed(answer, "access-control-allow-headers") >= set(asked.split(","))


async def test_an_allowed_page_changes_a_row_by_its_etag(world: World) -> None:
    key, sent = world.keys["merchant"], {"Origin": ALLOWED}
    body = {"name": "Tea", "price": 250, "currency": "USD"}
    made = await call(world.hub, "POST", "/api/products", body, key=key, headers=sent)
    check_cors(made)
    exposed = listed(made, "access-control-expose-headers")
    assert {"etag", "location", "link"} <= exposed
    change = {**sent, "If-Match": made.headers["etag"], "Idempotency-Key": "cors-1"}
    for _ in range(2):  # the second time, it is answered as it was
        changed = await call(
            world.hub, "PATCH", made.headers["location"], {"price": 300}, key=key, headers=change
        )
        assert (changed.status, changed.headers["etag"]) == (200, '"2"')
        check_cors(changed)
    change["Idempotency-Key"] = "cors-2"
    late = await call(
        world.hub, "PATCH", made.headers["location"], {"price": 350}, key=key, headers=change
    )
    assert late.status == 412
    check_cors(late)


async def test_a_preflight_for_what_is_not_allowed(world: World) -> None:
    answer = await preflight(world, ALLOWED, "GET", "x-anything")
    assert answer.status == 400
    assert "x-anything" not in answer.headers.get("access-control-allow-headers", "").lower()
    answer = await preflight(world, ALLOWED, "TRACE")
    assert answer.status == 400


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://panel.example.x"])
async def test_a_preflight_of_a_foreign_page(world: World, origin: str) -> None:
    check_refused(await preflight(world, origin, "POST", "authorization"))


async def test_an_allowed_page_sees_every_answer(world: World) -> None:
    sent = {"Origin": ALLOWED}
    key = world.keys["merchant"]
    event = {"type": "custom_a", "data": {}}
    for answer, status in (
        (await call(world.hub, "POST", "/api/events", event, key=key, headers=sent), 201),
        (await call(world.hub, "GET", "/api/events", key=key, headers=sent), 200),
        (await call(world.hub, "HEAD", "/api/events", key=key, headers=sent), 200),
        (await call(world.hub, "GET", "/api/events", headers=sent), 401),
        (await call(world.hub, "GET", "/api/events", key="wrong", headers=sent), 401),
        (await call(world.hub, "POST", "/api/merchants", {}, key=key, headers=sent), 422),
        (await call(world.hub, "GET", "/api/merchants/x", key=key, headers=sent), 404),
        (await call(world.hub, "GET", "/api/nothing", key=key, headers=sent), 404),
        (await call(world.hub, "PUT", "/api/events", key=key, headers=sent), 405),
        (await call(world.hub, "POST", "/api/events", raw=b"{", key=key, headers=sent), 400),
        (await call(world.hub, "GET", "/healthz", headers=sent), 200),
    ):
        assert answer.status == status, answer
        check_cors(answer)


async def test_an_allowed_page_sees_that_it_must_wait(world: World) -> None:
    key, _ = await new_key(world.hub, world.keys["admin"], "viewer", world.one)
    for _ in range(60):
        await call(world.hub, "POST", "/api/tickets", key=key)
    answer = await call(world.hub, "POST", "/api/tickets", key=key, headers={"Origin": ALLOWED})
    check_problem(answer, 429, "rate_limited")
    check_cors(answer)
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("accept", [SSE, NDJSON])
async def test_an_allowed_page_follows_a_stream(world: World, accept: str) -> None:
    headers = {"Origin": ALLOWED}
    async with endless(world.hub, accept, key=world.keys["viewer"], headers=headers) as stream:
        await stream.shows('"live"')
        check_cors(Answer(stream.status, stream.headers, b""))


async def test_who_sends_no_origin_is_told_nothing(world: World) -> None:
    answer = await call(world.hub, "GET", "/api/events", key=world.keys["viewer"])
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
