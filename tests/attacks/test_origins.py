"""Pages of other origins, with the cookie of a browser that is signed in (RFC 6454)."""

import pytest

from tests.api.conftest import World, check_problem
from tests.api.conftest import world as world
from tests.attacks.lines import Target, upgrade
from tests.support.rest import call, exchange
from tests.support.ws import connect

# P is the hub's own port, Q another one.
FOREIGN = [
    "http://evil.example",
    "https://evil.example:P",
    "null",
    "",
    "http://127.0.0.1:P.evil.example",
    "http://127.0.0.1.evil.example:P",
    "http://localhost.evil.example:P",
    "http://evil.example#127.0.0.1:P",
    "http://evil.example/127.0.0.1:P",
    "http://127.0.0.1:P@evil.example",
    "http://evil.example?http://127.0.0.1:P",
    "http://127.0.0.1:P, http://evil.example",
    "http://127.0.0.1:P http://evil.example",
    "http://127.0.0.1:Q",
    "http://127.0.0.1",
    "http://127.0.0.2:P",
    "http://0.0.0.0:P",
    "http://2130706433:P",
    "http://[::ffff:127.0.0.1]:P",
    "https://127.0.0.1:P",
    "ws://127.0.0.1:P",
    "HTTP://127.0.0.1:P",
    "http://LOCALHOST:P",
    "http://localhost.:P",
    "http://127.0.0.1:P.",
    "http://127.0.0.1:P/",
    "http://127.0.0.1:0P",
    "file://",
    "127.0.0.1:P",
]

UNSAFE = [
    ("POST", "/api/events"), ("POST", "/api/merchants"), ("POST", "/api/keys"),
    ("DELETE", "/api/keys/x"), ("POST", "/api/session"), ("DELETE", "/api/session"),
    ("POST", "/api/tickets"), ("DELETE", "/api/sessions/x"),
]  # fmt: skip

# Whose browser it is: more than one, so that no key's requests come to their limit.
BROWSERS = ("merchant", "owner", "viewer", "bot")


def at(world: World, origin: str) -> str:
    port = world.hub.port
    return origin.replace("Q", str(port ^ 1)).replace("P", str(port))


async def sign_in(world: World, name: str) -> str:
    """The cookie of a browser that has signed in with this key, as it is sent back."""
    own = {"Origin": world.hub.url}
    body = {"key": world.keys[name]}
    answer = await call(world.hub, "POST", "/api/session", body, headers=own)
    assert answer.status == 200, answer.body
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.fixture(scope="module")
def cookies() -> dict[str, str]:
    """The cookies of this module's browsers; `cookie_of` fills it."""
    return {}


async def cookie_of(world: World, cookies: dict[str, str], name: str) -> str:
    if name not in cookies:
        cookies[name] = await sign_in(world, name)
    return cookies[name]


@pytest.mark.parametrize("number", range(len(FOREIGN)), ids=lambda n: FOREIGN[n] or "(empty)")
async def test_a_foreign_page(world: World, cookies: dict[str, str], number: int) -> None:
    origin = at(world, FOREIGN[number])
    name = BROWSERS[number % len(BROWSERS)]
    cookie = await cookie_of(world, cookies, name)

    target = Target(world.hub.port, world.keys, 0.0)
    line = f"Origin: {origin}\r\n"
    for role, extra in ((None, f"{line}Cookie: {cookie}\r\n"), (None, line), (name, line)):
        answer = await exchange(world.hub, upgrade(target, role, extra=extra))
        problem = check_problem(answer, 403, "forbidden")
        assert "HUB_ALLOWED_ORIGINS" in str(problem["detail"])

    for method, path in UNSAFE:
        headers = {"Origin": origin, "Cookie": cookie}
        answer = await call(world.hub, method, path, {"name": "forged"}, headers=headers)
        problem = check_problem(answer, 403, "forbidden")
        assert "HUB_PUBLIC_URL" in str(problem["detail"]), (method, path)


async def test_unsafe_methods_without_an_origin(world: World, cookies: dict[str, str]) -> None:
    cookie = await cookie_of(world, cookies, "merchant")
    for method, path in UNSAFE:
        answer = await call(world.hub, method, path, {"name": "forged"}, headers={"Cookie": cookie})
        check_problem(answer, 403, "forbidden")


async def test_a_name_that_was_bound_to_this_machine(world: World, cookies: dict[str, str]) -> None:
    """DNS rebinding: Host and Origin agree with each other, and are still not the hub's."""
    cookie = await cookie_of(world, cookies, "merchant")
    evil = f"evil.example:{world.hub.port}"
    headers = {"Host": evil, "Origin": f"http://{evil}", "Cookie": cookie}
    answer = await call(world.hub, "POST", "/api/events", {"type": "custom_a"}, headers=headers)
    check_problem(answer, 403, "forbidden")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
async def test_its_own_pages(world: World, cookies: dict[str, str], name: str) -> None:
    cookie = await cookie_of(world, cookies, "merchant")
    own = {"Origin": f"http://{name}:{world.hub.port}", "Cookie": cookie}
    event = {"type": "custom_own", "data": {}}
    assert (await call(world.hub, "POST", "/api/events", event, headers=own)).status == 201
    async with connect(world.hub, headers=own) as socket:
        assert (await socket.next())["role"] == "merchant"


async def test_nothing_was_forged(world: World) -> None:
    """The last of this module: what the tests before it left behind."""
    answer = await call(world.hub, "GET", "/api/merchants", key=world.keys["admin"])
    assert "forged" not in answer.body.decode()
    answer = await call(world.hub, "GET", "/api/keys", key=world.keys["admin"])
    assert "forged" not in answer.body.decode()
    log = world.hub.log.read_text()
    assert "Traceback" not in log
    assert not any(key in log for key in world.keys.values())
