"""Signing in with a browser: the banner's link or a key, and the cookie that comes of it."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import World, check_problem, pointers
from tests.api.doorway import fresh_address, opened
from tests.support.browsers import cookie_of
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, call, new_key
from tests.support.ws import connect

WRONG = {"key": "hub_v_" + "x" * 43}
LINK = re.compile(r"(https?://\S+)/#ticket=(\S+)")


def ticket(hub: HubProcess) -> str:
    """The last sign-in link that the hub has printed."""
    return LINK.findall(hub.log.read_text())[-1][1]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("hub")) as made:
        yield made


async def sign_in(
    hub: HubProcess, body: dict[str, str], origin: str | None = "own", address: str | None = None
) -> Answer:
    """Sign in from an address that nobody has used, unless one is given."""
    headers = {"X-Forwarded-For": address or fresh_address()}
    if origin is not None:
        headers["Origin"] = hub.url if origin == "own" else origin
    return await call(hub, "POST", "/api/session", body, headers=headers)


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
    assert re.fullmatch(r"hub_session=hub_s_[0-9A-Za-z]{43}", value)
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
    headers.pop("Origin", None)
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


OTHERS = [
    "theme=dark", "flag", "=value", "a=", 'a={"x": 1}', 'a="open', "a b=c", "[x]=1", "x(y)=1",
    "expires=1", "path=/x", "$Version=1", "a=é", "é=1", "hub_session_2=x", "xhub_session=x", "",
]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
async def test_cookies_of_other_programs_do_no_harm(world: World, other: str) -> None:
    """A host's cookies are sent to all of its ports, whoever has set them."""
    own = cookie_of(await sign_in(world.hub, {"key": world.keys["viewer"]}))
    for cookie in (f"{other}; {own}", f"{own}; {other}", f"{other};{own};{other}"):
        headers = {"Cookie": cookie, "Origin": world.hub.url}
        answer = await call(world.hub, "GET", "/api/events", headers=headers)
        assert answer.status == 200, cookie
    async with connect(world.hub, headers={"Cookie": f"x=1; {own}"}, origin=world.hub.url) as page:
        assert (await page.next())["role"] == "viewer"


# ── how often ────────────────────────────────────────────────────────────────────────────────────


async def fail(hub: HubProcess, address: str, times: int) -> None:
    for _ in range(times):
        check_problem(await sign_in(hub, WRONG, address=address), 401, "unauthenticated")


async def test_ten_failures_a_minute_for_each_address(world: World) -> None:
    address = fresh_address()
    right = {"key": (await new_key(world.hub, world.keys["admin"], "viewer", world.one))[0]}
    await fail(world.hub, address, 9)
    assert (await sign_in(world.hub, right, address=address)).status == 200
    await fail(world.hub, address, 1)
    for body in (WRONG, right, {"ticket": "hub_t_x"}):
        answer = await sign_in(world.hub, body, address=address)
        problem = check_problem(answer, 429, "rate_limited")
        assert "failed" in str(problem["detail"])
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert "set-cookie" not in answer.headers
    # Everyone else, and everything else from there, goes on.
    assert (await sign_in(world.hub, right)).status == 200
    forwarded = {"X-Forwarded-For": address}
    answer = await call(world.hub, "GET", "/api/events", key=right["key"], headers=forwarded)
    assert answer.status == 200
    async with connect(world.hub, right["key"], headers=forwarded) as socket:
        assert (await socket.next())["type"] == "connected"


async def test_failures_by_ticket_count_too(world: World) -> None:
    address = fresh_address()
    for _ in range(10):
        answer = await sign_in(world.hub, {"ticket": "hub_t_" + "x" * 43}, address=address)
        check_problem(answer, 401, "unauthenticated")
    answer = await sign_in(world.hub, {"key": world.keys["viewer"]}, address=address)
    check_problem(answer, 429, "rate_limited")


async def test_what_is_no_attempt_is_no_failure(world: World) -> None:
    """Bodies that name no secret, and requests of other pages, tell a guesser nothing."""
    address = fresh_address()
    for _ in range(12):
        check_problem(await sign_in(world.hub, {}, address=address), 422, "invalid_params")
        foreign = await sign_in(world.hub, WRONG, "https://evil.example", address)
        check_problem(foreign, 403, "forbidden")
    answer = await sign_in(world.hub, {"key": world.keys["viewer"]}, address=address)
    assert answer.status == 200


async def test_many_guesses_at_once(world: World) -> None:
    """Those under way together are all told, but never more than the limit of sign-ins."""
    address = fresh_address()
    guesses = [sign_in(world.hub, WRONG, address=address) for _ in range(100)]
    statuses = [answer.status for answer in await asyncio.gather(*guesses)]
    assert set(statuses) == {401, 429}
    assert 10 <= statuses.count(401) <= 60
    answer = await sign_in(world.hub, {"key": world.keys["viewer"]}, address=address)
    check_problem(answer, 429, "rate_limited")


async def test_an_ipv6_network_is_one_address(world: World) -> None:
    await fail(world.hub, "2001:db8:1:2::1", 5)
    await fail(world.hub, "[2001:db8:1:2:ffff::9]:4711", 5)
    right = {"key": world.keys["viewer"]}
    answer = await sign_in(world.hub, right, address="2001:db8:1:2:3:4:5:6")
    check_problem(answer, 429, "rate_limited")
    assert (await sign_in(world.hub, right, address="2001:db8:1:3::1")).status == 200


async def test_a_forged_hop_before_the_proxy_changes_nothing(world: World) -> None:
    """The proxy appends; what a client sent before counts for nothing."""
    address = fresh_address()
    for number in range(10):
        await fail(world.hub, f"198.51.100.{number}, {address}", 1)
    right = {"key": world.keys["viewer"]}
    answer = await sign_in(world.hub, right, address=f"198.51.100.77, {address}")
    check_problem(answer, 429, "rate_limited")
    assert (await sign_in(world.hub, right, address="198.51.100.77")).status == 200


async def test_forwarded_for_counts_from_trusted_proxies_alone(hub: HubProcess) -> None:
    for number in range(10):
        await fail(hub, f"198.51.100.{number}", 1)
    answer = await sign_in(hub, {"key": hub.admin_key}, address="198.51.100.77")
    check_problem(answer, 429, "rate_limited")
    async with connect(hub, hub.admin_key, headers={"X-Forwarded-For": "198.51.100.7"}) as socket:
        await socket.next()
        answer = await call(hub, "GET", "/api/sessions", key=hub.admin_key)
        assert [one["address"] for one in answer.json()["sessions"]] == ["127.0.0.1"]


async def test_sixty_sign_ins_a_minute_for_each_address(world: World) -> None:
    address = fresh_address()
    key, _ = await new_key(world.hub, world.keys["admin"], "viewer", world.one)
    for _ in range(60):
        assert (await sign_in(world.hub, {"key": key}, address=address)).status == 200
    answer = await sign_in(world.hub, {"key": key}, address=address)
    check_problem(answer, 429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert (await sign_in(world.hub, {"key": key})).status == 200
