"""What was refused, and how it is said: RFC 9457 everywhere, with the members of first clients."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from tests.api.conftest import World, check_problem, pointers
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, call, exchange

ALLOWED = {
    "/": "GET",
    "/docs": "GET",
    "/openapi.json": "GET",
    "/healthz": "GET",
    "/readyz": "GET",
    "/api/session": "GET POST DELETE",
    "/api/audit": "GET",
    "/api/sessions": "GET",
    "/api/sessions/x": "DELETE",
    "/api/tickets": "POST",
    "/health": "GET",
    "/api/health": "GET",
    "/metrics": "GET",
    "/api/events": "GET POST",
    "/api/merchants": "GET POST",
    "/api/merchants/x": "GET PATCH",
    "/api/keys": "GET POST",
    "/api/keys/x": "DELETE",
    "/static/index.html": "GET",
}


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_another_method_is_405_and_names_all_that_are_allowed(
    world: World, method: str, path: str
) -> None:
    methods = set(ALLOWED[path].split())
    if "GET" in methods:
        methods.add("HEAD")
    answer = await call(world.hub, method, path, key=world.keys["admin"])
    if method in methods:
        assert answer.status != 405
        return
    assert answer.status == 405
    assert {name.strip() for name in answer.headers["allow"].split(",")} == methods
    if method != "HEAD":
        check_problem(answer, 405, "bad_frame")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing", "/api", "/api/", "/api/events/", "/api/events/1", "/API/events", "/ws/",
        "/metrics/", "/docs/", "/openapi.json/", "/asyncapi.json", "/api/nothing",
        "/static", "/static/",
        "/static/none.js", "/static/client", "/%2e%2e/run.py", "//", "/favicon.ico/x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_is_not_there_is_404(world: World, method: str, path: str) -> None:
    answer = await call(world.hub, method, path, key=world.keys["admin"])
    if method == "POST" and path.startswith("/static"):
        assert answer.status in (404, 405)
        return
    check_problem(answer, 404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../run.py", "/static/%2e%2e/run.py", "/static/..%2frun.py",
        "/static/%2e%2e%2frun.py", "/static/..%5crun.py", "/static//etc/passwd",
        "/static/%2fetc%2fpasswd", "/static/%00", "/static/app.js%00.png",
    ],
)  # fmt: skip
async def test_no_path_leads_out_of_the_pages(world: World, path: str) -> None:
    answer = await call(world.hub, "GET", path)
    check_problem(answer, 404, "not_found")


async def test_bad_json_is_400(world: World) -> None:
    for raw in (b"", b"{", b"nonsense", b"{}}", b"\xff", b'{"a":1,}', b"'a'", b"NaN"):
        for path in ("/api/events", "/api/merchants", "/api/keys"):
            answer = await call(world.hub, "POST", path, raw=raw, key=world.keys["admin"])
            check_problem(answer, 400, "bad_frame")


async def test_forbidden_is_403(world: World) -> None:
    answer = await call(
        world.hub, "POST", "/api/merchants", {"name": "x"}, key=world.keys["viewer"]
    )
    check_problem(answer, 403, "forbidden")


async def test_a_conflict_is_409(world: World) -> None:
    event = {"type": "custom_a", "id": "taken-7", "data": {}}
    key = world.keys["bot"]
    assert (await call(world.hub, "POST", "/api/events", event, key=key)).status == 201
    event["data"] = {"other": 1}
    problem = check_problem(
        await call(world.hub, "POST", "/api/events", event, key=key), 409, "conflict"
    )
    assert "taken-7" in str(problem["detail"])


async def test_too_large_is_413(world: World) -> None:
    key = world.keys["bot"]
    data = {"pad": "x" * 65_536}
    answer = await call(
        world.hub, "POST", "/api/events", {"type": "custom_a", "data": data}, key=key
    )
    problem = check_problem(answer, 413, "too_large")
    assert pointers(problem) == ["/data"]
    events = [{"type": "custom_a", "data": {}}] * 501
    check_problem(await call(world.hub, "POST", "/api/events", events, key=key), 413, "too_large")
    # The limit itself is allowed: 65,536 bytes of compact JSON.
    data = {"pad": "x" * (65_536 - len('{"pad":""}'))}
    answer = await call(
        world.hub, "POST", "/api/events", {"type": "custom_a", "data": data}, key=key
    )
    assert answer.status == 201


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, ["/name"]),
        ({"name": 1}, ["/name"]),
        ({"name": ""}, ["/name"]),
        ({"name": "x" * 121}, ["/name"]),
        ({"name": "a\nb"}, ["/name"]),
        ({"name": "a\0b"}, ["/name"]),
        ({"name": None}, ["/name"]),
    ],
)
async def test_a_field_that_does_not_fit_is_422_and_named(
    world: World, body: object, named: list[str]
) -> None:
    answer = await call(world.hub, "POST", "/api/merchants", body, key=world.keys["admin"])
    assert pointers(check_problem(answer, 422, "invalid_params")) == named


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/merchants", {"name": "x", "colour": "red"}),
        ("/api/keys", {"role": "viewer", "name": "x", "colour": "red"}),
        ("/api/session", {"ticket": "x", "colour": "red"}),
    ],
)
async def test_an_unknown_field_is_422_and_named(world: World, path: str, body: object) -> None:
    answer = await call(
        world.hub, "POST", path, body, key=world.keys["admin"], headers={"Origin": world.hub.url}
    )
    problem = check_problem(answer, 422, "invalid_params")
    assert "colour" in str(problem["detail"])


@pytest.mark.parametrize("path", ["/api/merchants", "/api/keys", "/api/session"])
@pytest.mark.parametrize("body", [[], "x", 1, None, [{}]])
async def test_a_body_that_is_no_object(world: World, path: str, body: object) -> None:
    answer = await call(
        world.hub,
        "POST",
        path,
        raw=b"null" if body is None else None,
        body=body,
        key=world.keys["admin"],
        headers={"Origin": world.hub.url},
    )
    check_problem(answer, 422, "invalid_params")


@pytest.mark.parametrize("path", ["/api/events", "/api/merchants", "/api/keys"])
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=ten", "/limit"),
        ("limit=1.5", "/limit"),
        ("limit=", "/limit"),
        ("limit=99999999999999999999999", "/limit"),
        ("colour=red", "colour"),
        ("limit=5&Limit=5", "Limit"),
    ],
)
async def test_a_query_that_does_not_fit(world: World, path: str, query: str, named: str) -> None:
    answer = await call(world.hub, "GET", f"{path}?{query}", key=world.keys["admin"])
    problem = check_problem(answer, 422, "invalid_params")
    if named.startswith("/"):
        assert pointers(problem) == [named]
    else:
        assert named in str(problem["detail"])


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("since=-1", "/since"),
        ("since=x", "/since"),
        ("since=9007199254740992", "/since"),
        ("types=", "/types"),
        ("types=a,,b", "/types"),
        ("types=*a", "/types"),
        ("subjects=a**", "/subjects"),
        ("subjects=" + ",".join("x" * 33), "/subjects"),
        ("types=" + "x" * 257, "/types"),
    ],
)
async def test_a_filter_or_cursor_that_does_not_fit(world: World, query: str, named: str) -> None:
    answer = await call(world.hub, "GET", f"/api/events?{query}", key=world.keys["admin"])
    assert pointers(check_problem(answer, 422, "invalid_params")) == [named]


async def test_unavailable_is_503_and_says_when_to_come_back(hub: HubProcess) -> None:
    """Another process holds the database for longer than the hub waits for it."""

    async def refused(path: str, body: object) -> Answer:
        return await call(hub, "POST", path, body, key=hub.admin_key, deadline=8)

    with closing(sqlite3.connect(hub.data_dir / "hub.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await refused("/api/merchants", {"name": "late"})
        # Reading goes on meanwhile, and so does the process.
        assert (await call(hub, "GET", "/api/merchants", key=hub.admin_key)).status == 200
        assert (await call(hub, "GET", "/healthz")).status == 200
        other.execute("ROLLBACK")
    check_problem(answer, 503, "unavailable")
    merchants = (await call(hub, "GET", "/api/merchants", key=hub.admin_key)).json()["merchants"]
    assert [merchant["name"] for merchant in merchants] == ["demo"]
    assert (await refused("/api/merchants", {"name": "late"})).status == 201


async def test_head_is_get_without_its_body(world: World) -> None:
    for path in ("/", "/healthz", "/readyz", "/api/events", "/static/app.js"):
        get = await call(world.hub, "GET", path, key=world.keys["admin"])
        head = await call(world.hub, "HEAD", path, key=world.keys["admin"])
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers["content-length"] == get.headers["content-length"]


async def test_head_sends_no_body(world: World) -> None:
    request = (
        f"HEAD /api/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {world.keys['admin']}\r\n\r\n"
    )
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
        writer.write(request.encode())
        answer = await reader.read()
        writer.transport.abort()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")


async def test_no_http_at_all_is_400_and_a_closed_connection(world: World) -> None:
    answer = await exchange(world.hub, b"\x16\x03\x01 nonsense\r\n\r\n")
    assert answer.status == 400
    assert (await call(world.hub, "GET", "/healthz")).status == 200


async def test_the_socket_without_an_upgrade_is_no_page(world: World) -> None:
    answer = await call(world.hub, "GET", "/ws", key=world.keys["admin"])
    assert answer.status in (400, 404, 426)
    assert answer.json()["success"] is False
