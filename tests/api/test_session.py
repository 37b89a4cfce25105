"""Signing in with a browser: the banner's link or a key, and the cookie that comes of it."""

import re
from pathlib import Path

import pytest

from tests.api.conftest import World, check_problem, pointers
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, call
from tests.support.ws import connect

LINK = re.compile(r"(https?://\S+)/#ticket=(\S+)")


def ticket(hub: HubProcess) -> str:
    """The last sign-in link that the hub has printed."""
    return LINK.findall(hub.log.read_text())[-1][1]  # type: ignore[no-any-return]


async def sign_in(hub: HubProcess, body: dict[str, str], origin: str | None = "own") -> Answer:
    headers = {} if origin is None else {"Origin": hub.url if origin == "own" else origin}
    return await call(hub, "POST", "/api/session", body, headers=headers)


def cookie_of(answer: Answer) -> str:
    """`name=value`, as a browser sends it back."""
    return answer.headers["set-cookie"].partition(";")[0]


async def test_the_link_signs_in_once(hub: HubProcess) -> None:
    answer = await sign_in(hub, {"ticket": ticket(hub)})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["session"]["role"] == "admin"
    assert body["session"]["expires_at"]
    assert "/api/events" in body["example"]
    assert hub.admin_key not in str(body)

    shown = await call(hub, "GET", "/api/session", headers={"Cookie": cookie_of(answer)})
    assert (shown.status, shown.json()["session"]) == (200, body["session"])
    again = await sign_in(hub, {"ticket": ticket(hub)})
    problem = check_problem(again, 401, "unauthenticated")
    assert "used" in str(problem["detail"])
    assert "set-cookie" not in again.headers
    # The first sign-in is not harmed by that.
    shown = await call(hub, "GET", "/api/session", headers={"Cookie": cookie_of(answer)})
    assert shown.status == 200


async def test_a_restart_makes_a_new_link_and_keeps_who_is_signed_in(hub: HubProcess) -> None:
    old = ticket(hub)
    answer = await sign_in(hub, {"key": hub.admin_key})
    await hub.kill()
    await hub.start()
    check_problem(await sign_in(hub, {"ticket": old}), 401, "unauthenticated")
    assert (await sign_in(hub, {"ticket": ticket(hub)})).status == 200
    shown = await call(hub, "GET", "/api/session", headers={"Cookie": cookie_of(answer)})
    assert shown.status == 200


async def test_the_cookie_on_http(world: World) -> None:
    answer = await sign_in(world.hub, {"key": world.keys["viewer"]})
    assert answer.status == 200
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert re.fullmatch(r"hub_session=[\w-]{43}", value)
    named = {attribute.lower() for attribute in attributes}
    assert {"httponly", "samesite=strict", "path=/"} <= named
    assert "secure" not in named
    assert any(attribute.startswith("max-age=") for attribute in named)
    assert not any(attribute.startswith("domain=") for attribute in named)
    assert world.keys["viewer"] not in answer.headers["set-cookie"]


async def test_the_cookie_on_https(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, {"HUB_PUBLIC_URL": "https://hub.example"}) as hub:
        answer = await sign_in(hub, {"ticket": ticket(hub)}, "https://hub.example")
        assert answer.status == 200
        name, *attributes = answer.headers["set-cookie"].split("; ")
        assert name.startswith("__Host-hub_session=")
        named = {attribute.lower() for attribute in attributes}
        assert {"secure", "httponly", "samesite=strict", "path=/"} <= named
        shown = await call(hub, "GET", "/api/session", headers={"Cookie": cookie_of(answer)})
        assert shown.status == 200
        headers = {"Cookie": cookie_of(answer)}
        async with connect(hub, headers=headers, origin="https://hub.example") as socket:
            assert (await socket.next())["role"] == "admin"


async def test_a_key_signs_in_too_and_can_do_what_the_key_can(world: World) -> None:
    for role in ("admin", "merchant", "viewer", "bot"):
        answer = await sign_in(world.hub, {"key": world.keys[role]})
        assert (answer.status, answer.json()["session"]["role"]) == (200, role)
        headers = {"Cookie": cookie_of(answer), "Origin": world.hub.url}
        event = {"type": "custom_a", "data": {}, "merchant_id": world.one}
        published = await call(world.hub, "POST", "/api/events", event, headers=headers)
        assert published.status == (403 if role == "viewer" else 201)


@pytest.mark.parametrize(
    "body",
    [{"key": "wrong"}, {"key": ""}, {"ticket": "wrong"}, {"ticket": ""}, {"ticket": "\0"}],
)
async def test_what_is_wrong_does_not_sign_in(world: World, body: dict[str, str]) -> None:
    answer = await sign_in(world.hub, body)
    check_problem(answer, 401, "unauthenticated")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [{}, {"key": "a", "ticket": "b"}])
async def test_one_of_the_two(world: World, body: dict[str, str]) -> None:
    check_problem(await sign_in(world.hub, body), 422, "invalid_params")


async def test_a_ticket_of_another_kind_is_named(world: World) -> None:
    answer = await call(
        world.hub, "POST", "/api/session", {"ticket": 5}, headers={"Origin": world.hub.url}
    )
    assert pointers(check_problem(answer, 422, "invalid_params")) == ["/ticket"]


# ── the own-Origin rule ──────────────────────────────────────────────────────────────────────

FOREIGN = [
    None,
    "null",
    "",
    "https://evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1.evil.example:{port}",
    "https://127.0.0.1:{port}",
    "http://localhost.:{port}",
    "http://evil.example@127.0.0.1:{port}",
    "http://127.0.0.1:{port}/",
    "file://",
]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_signing_in_wants_the_own_origin(world: World, origin: str | None) -> None:
    asked = None if origin is None else origin.format(port=world.hub.port)
    answer = await sign_in(world.hub, {"key": world.keys["viewer"]}, asked)
    problem = check_problem(answer, 403, "forbidden")
    assert "HUB_PUBLIC_URL" in str(problem["detail"])
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_cookie_changes_nothing_from_another_page(world: World, origin: str | None) -> None:
    signed_in = await sign_in(world.hub, {"key": world.keys["admin"]})
    headers = {"Cookie": cookie_of(signed_in)}
    if origin is not None:
        headers["Origin"] = origin.format(port=world.hub.port)
    body = {"name": "forged"}
    answer = await call(world.hub, "POST", "/api/merchants", body, headers=headers)
    check_problem(answer, 403, "forbidden")
    answer = await call(world.hub, "DELETE", f"/api/keys/{world.ids['bot']}", headers=headers)
    check_problem(answer, 403, "forbidden")
    listed = await call(world.hub, "GET", "/api/merchants?limit=1000", headers=headers)
    assert "forged" not in [merchant["name"] for merchant in listed.json()["merchants"]]
    # A request by a key is nobody's forgery.
    answer = await call(
        world.hub, "POST", "/api/merchants", {"name": "own"}, key=world.keys["admin"],
        headers=headers,
    )  # fmt: skip
    assert answer.status == 201


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
async def test_every_loopback_name_is_the_own_origin(world: World, name: str) -> None:
    origin = f"http://{name}:{world.hub.port}"
    assert (await sign_in(world.hub, {"key": world.keys["viewer"]}, origin)).status == 200


async def test_the_host_of_the_request_says_nothing(world: World) -> None:
    """A foreign name that is made to point here sends itself as Host and as Origin."""
    answer = await call(
        world.hub, "POST", "/api/session", {"key": world.keys["viewer"]},
        headers={"Host": "rebound.example:80", "Origin": "http://rebound.example"},
    )  # fmt: skip
    check_problem(answer, 403, "forbidden")


async def test_an_allowed_origin_is_not_the_own(tmp_path: Path) -> None:
    settings = {
        "HUB_PUBLIC_URL": "http://hub.test:8000/",
        "HUB_ALLOWED_ORIGINS": "https://shop.example",
    }
    async with HubProcess(tmp_path, settings) as hub:
        body = {"key": hub.admin_key}
        assert (await sign_in(hub, body, "http://hub.test:8000")).status == 200
        check_problem(await sign_in(hub, body, "https://shop.example"), 403, "forbidden")
        assert LINK.findall(hub.log.read_text())[0][0] == "http://hub.test:8000"


async def test_reading_by_cookie_needs_no_origin(world: World) -> None:
    """A browser sends none with a GET of its own page."""
    signed_in = await sign_in(world.hub, {"key": world.keys["viewer"]})
    headers = {"Cookie": f"other=1; {cookie_of(signed_in)}; more=2"}
    answer = await call(world.hub, "GET", "/api/events", headers=headers)
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
