"""The dashboard's files: served whole, with the headers that keep other pages out."""

import asyncio
import re
from pathlib import Path

import pytest

import hub as package
from tests.api.conftest import World
from tests.support.rest import call, read_answer

STATIC = Path(package.__file__).parent.parent / "static"
FILES = sorted(
    str(path.relative_to(STATIC))
    for path in STATIC.rglob("*")
    if path.is_file() and path.suffix in (".js", ".css", ".html", ".svg", ".png")
)
KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}


def test_there_are_pages() -> None:
    assert {"index.html", "app.js"} <= set(FILES)


async def test_every_file_is_served_as_what_it_is(world: World) -> None:
    for name in FILES:
        answer = await call(world.hub, "GET", f"/static/{name}")
        assert answer.status == 200, name
        assert answer.body == (STATIC / name).read_bytes(), name
        kind = KINDS.get(Path(name).suffix)
        if kind:
            assert answer.headers["content-type"].startswith(kind), name


@pytest.mark.parametrize("path", ["/", "/static/index.html", "/static/app.js"])
async def test_the_headers_of_a_page(world: World, path: str) -> None:
    headers = (await call(world.hub, "GET", path)).headers
    policy = {
        rule.split()[0]: rule.split()[1:]
        for rule in headers["content-security-policy"].split(";")
        if rule.strip()
    }
    assert policy["default-src"] == ["'self'"]
    assert policy.get("script-src", ["'self'"]) == ["'self'"]
    assert policy.get("style-src", ["'self'"]) == ["'self'"]
    assert policy["object-src"] == ["'none'"]
    assert policy["base-uri"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert "'unsafe-inline'" not in headers["content-security-policy"]
    assert "'unsafe-eval'" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-cache"
    assert "server" not in headers


async def test_the_dashboard_loads_nothing_from_elsewhere(world: World) -> None:
    page = (await call(world.hub, "GET", "/")).body.decode()
    sources = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert sources
    for source in sources:
        assert not re.match(r"[a-z]+:|//", source) or source.startswith("data:"), source
        if not source.startswith(("data:", "#")):
            path = source if source.startswith("/") else f"/{source}"
            assert (await call(world.hub, "GET", path)).status == 200, source
    assert not re.search(r"<script(?![^>]*src=)", page), "an inline script would be blocked"
    assert not re.search(r"\son\w+=", page), "an inline handler would be blocked"


async def test_a_page_that_is_known_is_not_sent_again(world: World) -> None:
    first = await call(world.hub, "GET", "/static/app.js")
    tag = first.headers["etag"]
    again = await call(world.hub, "GET", "/static/app.js", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    assert "content-security-policy" in again.headers


async def test_one_connection_serves_many_requests(world: World) -> None:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
        for path in ("/", "/static/app.js", "/none", "/api/events", "/healthz"):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = await read_answer(reader)
            assert answer.status == {"/none": 404, "/api/events": 401}.get(path, 200)
        writer.transport.abort()


async def test_health(world: World) -> None:
    assert (await call(world.hub, "GET", "/healthz")).json()["success"] is True
    ready = await call(world.hub, "GET", "/readyz")
    assert (ready.status, ready.json()["status"]) == (200, "ready")
    assert ready.headers["cache-control"] == "no-store"
