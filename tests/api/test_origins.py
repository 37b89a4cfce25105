"""Pages of every origin at both doors (RFC 6454): which may come in, and what a cookie does there.

The hub's own origin is its public address or a loopback name with its port; others are allowed by
name. Everything else is refused before anything is done.
"""

import re
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.api.conftest import World, check_problem
from tests.api.doorway import (
    ALLOWED,
    PUBLIC,
    check_cors,
    check_refused,
    fresh_address,
    opened,
    without_cors,
)
from tests.support.browsers import SSE, cookie_of, endless, try_sign_in
from tests.support.rest import Answer, call, exchange, new_key
from tests.support.ws import connect


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = {"HUB_PUBLIC_URL": PUBLIC}
    with opened(tmp_path_factory.mktemp("hub"), settings) as made:
        yield made


@pytest.fixture(scope="module")
def cookies() -> dict[str, str]:
    """A signed-in browser for each key that the module's tests ask for."""
    return {}


async def cookie(world: World, cookies: dict[str, str], name: str = "merchant") -> str:
    if name not in cookies:
        body = {"key": world.keys[name]}
        answer = await try_sign_in(world.hub, body, origin=PUBLIC, address=fresh_address())
        assert answer.status == 200, answer.body
        cookies[name] = cookie_of(answer)
    return cookies[name]


# P is the hub's port.
FOREIGN = [
    "null",
    "",
    "https://evil.example",
    "http://127.0.0.1:P.evil.example",
    "http://127.0.0.1.evil.example:P",
    "http://localhost.evil.example:P",
    "http://evil.example:P",
    "http://evil.example@127.0.0.1:P",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://127.0.0.2:P",
    "http://0.0.0.0:P",
    "https://127.0.0.1:P",
    "https://localhost:P",
    "ws://127.0.0.1:P",
    "HTTP://127.0.0.1:P",
    "http://LOCALHOST:P",
    "http://localhost.:P",
    "http://127.0.0.1:P/",
    "http://127.0.0.1:P ,http://127.0.0.1:P",
    "http://[::1]",
    "http://::1:P",
    "http://hub.example:8443",
    "https://hub.example",
    "https://hub.example:8444",
    "https://hub.example.:8443",
    "https://HUB.example:8443",
    "https://hub.example:8443.evil.example",
    "https://panel.example.",
    "https://Panel.example",
    "http://panel.example",
    "https://panel.example:443",
    "https://panel.example:444",
    "https://xpanel.example",
    "https://panel.example.evil.example",
    "https://sub.panel.example",
    "http://shop.example",
    "https://shop.example:3000",
    "chrome-extension://abcdefgh",
    "file://",
    "\xe9",
]
OWN = [PUBLIC, "http://127.0.0.1:P", "http://localhost:P", "http://[::1]:P"]
MAY_CONNECT = [*OWN, ALLOWED, "http://shop.example:3000"]

ROUTES = [
    ("GET", "/api/events"), ("POST", "/api/events"), ("GET", "/api/session"),
    ("DELETE", "/api/session"), ("GET", "/api/merchants"), ("POST", "/api/merchants"),
    ("GET", "/api/keys"), ("POST", "/api/keys"), ("DELETE", "/api/keys/x"),
    ("GET", "/api/sessions"), ("DELETE", "/api/sessions/x"), ("POST", "/api/tickets"),
    ("GET", "/api/audit"),
    ("OPTIONS", "/api/events"), ("HEAD", "/api/events"), ("GET", "/api/nothing"),
]  # fmt: skip
GUARDED = [route for route in ROUTES if route[0] != "OPTIONS" and route[1] != "/api/nothing"]
UNSAFE = [(method, path) for method, path in ROUTES if method in ("POST", "DELETE")]


def at(world: World, origin: str) -> str:
    return re.sub(r":P\b", f":{world.hub.port}", origin)


# ── foreign pages ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_page_at_the_http_door(
    world: World, cookies: dict[str, str], origin: str
) -> None:
    """Whatever it brings and whatever it asks for."""
    sent = {"Origin": at(world, origin)}
    credentials = [
        {}, {"Authorization": f"Bearer {world.keys['admin']}"},
        {"Cookie": await cookie(world, cookies, "admin")},
    ]  # fmt: skip
    for number, (method, path) in enumerate(ROUTES):
        headers = sent | credentials[number % 3] | {"Accept": "*/*"}
        answer = await raw_call(world, method, path, headers)
        check_refused(answer, head=method == "HEAD")


async def raw_call(world: World, method: str, path: str, headers: dict[str, str]) -> Answer:
    """A request whose header values may be any octets."""
    lines = {"Host": f"127.0.0.1:{world.hub.port}", "Connection": "close", "Content-Length": "0"}
    head = "".join(f"{name}: {value}\r\n" for name, value in (lines | headers).items())
    request = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1")
    return await exchange(world.hub, request, method)


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_page_at_the_socket(
    world: World, cookies: dict[str, str], origin: str
) -> None:
    key = world.keys["admin"]
    upgrade = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": at(world, origin),
    }  # fmt: skip
    for path, extra in (
        ("/ws", {}),
        ("/ws", {"Authorization": f"Bearer {key}"}),
        ("/ws", {"Cookie": await cookie(world, cookies, "admin")}),
        (f"/ws?token={key}", {}),
    ):
        check_refused(await raw_call(world, "GET", path, upgrade | extra))


async def test_a_foreign_page_changes_nothing(world: World, cookies: dict[str, str]) -> None:
    """The refusal comes before the effect."""
    headers = {"Cookie": await cookie(world, cookies, "admin"), "Origin": "https://evil.example"}
    made, id_ = await new_key(world.hub, world.keys["admin"], "bot", world.one)
    event = {"type": "custom_forged", "data": {}, "merchant_id": world.one}
    check_refused(await call(world.hub, "POST", "/api/events", event, headers=headers))
    check_refused(
        await call(world.hub, "POST", "/api/merchants", {"name": "forged"}, headers=headers)
    )
    check_refused(await call(world.hub, "DELETE", f"/api/keys/{id_}", headers=headers))
    check_refused(await call(world.hub, "DELETE", "/api/session", headers=headers))
    events = await call(
        world.hub, "GET", "/api/events?types=custom_forged", key=world.keys["admin"]
    )
    assert events.json()["events"] == []
    names = await call(world.hub, "GET", "/api/merchants?limit=1000", key=world.keys["admin"])
    assert "forged" not in [row["name"] for row in names.json()["merchants"]]
    assert (await call(world.hub, "GET", "/api/session", key=made)).status == 200
    still = {"Cookie": headers["Cookie"]}
    assert (await call(world.hub, "GET", "/api/session", headers=still)).status == 200


@pytest.mark.parametrize("order", ["own first", "foreign first", "allowed first", "null last"])
async def test_two_origins(world: World, cookies: dict[str, str], order: str) -> None:
    """A browser sends one. What sends two is refused, whichever is looked at."""
    own, foreign = world.hub.url, "https://evil.example"
    both = {
        "own first": (own, foreign), "foreign first": (foreign, own),
        "allowed first": (ALLOWED, foreign), "null last": (own, "null"),
    }[order]  # fmt: skip
    lines = "".join(f"Origin: {origin}\r\n" for origin in both)
    lines += f"Host: 127.0.0.1:{world.hub.port}\r\nCookie: {await cookie(world, cookies)}\r\n"
    head = f"POST /api/tickets HTTP/1.1\r\n{lines}Content-Length: 0\r\nConnection: close\r\n\r\n"
    answer = await exchange(world.hub, head.encode())
    assert answer.status == 403, answer
    assert without_cors(answer)
    upgrade = (
        f"GET /ws HTTP/1.1\r\n{lines}Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert (await exchange(world.hub, upgrade.encode())).status == 403


async def test_the_refused_origin_is_shown_shortened(world: World) -> None:
    headers = {"Origin": "https://" + "x" * 4000, "Authorization": "Bearer x"}
    answer = await call(world.hub, "GET", "/api/events", headers=headers)
    assert len(str(check_problem(answer, 403, "forbidden")["detail"])) < 500


# ── own pages ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("origin", OWN)
async def test_an_own_page(world: World, cookies: dict[str, str], origin: str) -> None:
    headers = {"Origin": at(world, origin), "Cookie": await cookie(world, cookies)}
    for method, path in ROUTES:
        answer = await call(world.hub, method, path, headers=headers)
        if (method, path) == ("DELETE", "/api/session"):
            cookies.clear()
            headers["Cookie"] = await cookie(world, cookies)
        assert answer.status not in (401, 403), (method, path, answer)
        assert "access-control-allow-origin" not in answer.headers, "its own page needs none"
    async with connect(world.hub, headers=headers) as socket:
        assert (await socket.next())["role"] == "merchant"
    async with endless(world.hub, SSE, headers=headers) as stream:
        await stream.shows('"live"')


@pytest.mark.parametrize(("method", "path"), UNSAFE)
async def test_an_unsafe_method_by_cookie_wants_the_origin(
    world: World, cookies: dict[str, str], method: str, path: str
) -> None:
    headers = {"Cookie": await cookie(world, cookies)}
    answer = await call(world.hub, method, path, headers=headers)
    problem = check_problem(answer, 403, "forbidden")
    assert "HUB_PUBLIC_URL" in str(problem["detail"])
    # A key is nobody's forgery, whatever cookie comes with it.
    if path != "/api/session":
        answer = await call(world.hub, method, path, key=world.keys["admin"], headers=headers)
        assert answer.status not in (401, 403)


async def test_reading_by_cookie_needs_no_origin(world: World, cookies: dict[str, str]) -> None:
    """A browser sends none with a GET of its own page."""
    headers = {"Cookie": f"other=1; {await cookie(world, cookies)}; more=2"}
    for method in ("GET", "HEAD"):
        answer = await call(world.hub, method, "/api/events", headers=headers)
        assert answer.status == 200
        assert without_cors(answer)


# ── allowed pages ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("origin", MAY_CONNECT)
@pytest.mark.parametrize("by", ["header", "query", "frame"])
async def test_who_may_connect_by_a_key(world: World, origin: str, by: str) -> None:
    key = world.keys["viewer"]
    async with connect(
        world.hub, key if by == "header" else None,
        token=key if by == "query" else None, origin=at(world, origin),
    ) as socket:  # fmt: skip
        if by == "frame":
            await socket.send({"type": "auth", "token": key})
        assert (await socket.next())["role"] == "viewer"


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_a_cookie_counts_for_nothing_on_an_allowed_page(
    world: World, cookies: dict[str, str], method: str, path: str
) -> None:
    headers = {"Cookie": await cookie(world, cookies), "Origin": ALLOWED}
    answer = await call(world.hub, method, path, headers=headers)
    assert answer.status == 401
    check_cors(answer)
    headers["Authorization"] = f"Bearer {world.keys['admin']}"
    answer = await call(world.hub, method, path, headers=headers)
    assert answer.status not in (401, 403)
    check_cors(answer)


async def test_a_cookie_opens_no_socket_for_an_allowed_page(
    world: World, cookies: dict[str, str]
) -> None:
    headers = {"Cookie": await cookie(world, cookies)}
    for origin in (ALLOWED, None):
        async with connect(world.hub, headers=headers, origin=origin) as socket:
            assert await socket.silent(0.05), "it waits for another credential"
            await socket.send({"type": "ping"})
            assert (await socket.next())["code"] == "unauthenticated"
            assert await socket.closed() == 4001


async def test_an_allowed_page_signs_nobody_in(world: World) -> None:
    body = {"key": world.keys["viewer"]}
    answer = await try_sign_in(world.hub, body, origin=ALLOWED, address=fresh_address())
    check_problem(answer, 403, "forbidden")
    assert "set-cookie" not in answer.headers


async def test_the_refusal_of_a_handshake_is_a_problem(world: World) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(world.hub, world.keys["viewer"], origin="https://evil.example"):
            pass
    response = refused.value.response
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "application/problem+json"
    assert b"HUB_ALLOWED_ORIGINS" in bytes(response.body or b"")
