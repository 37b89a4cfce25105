"""`GET /api/events` as a stream: server-sent events, or a frame a line."""

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.api.conftest import World, check_problem, pointers
from tests.api.streaming import DOORS, place, publish, refused, tick
from tests.support.http_stream import NDJSON, SSE, EventStream, event_stream
from tests.support.hub_process import HubProcess
from tests.support.rest import call, exchange, new_key
from tests.support.ws import connect

# ── which representation ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("text/event-stream", SSE),
        ("TEXT/Event-Stream", SSE),
        ("text/event-stream; charset=utf-8", SSE),
        ("application/x-ndjson", NDJSON),
        ("application/x-ndjson;q=0.9, text/event-stream;q=0.8", NDJSON),
        ("application/x-ndjson;q=0.8, text/event-stream;q=0.9", SSE),
        ("text/event-stream, application/json;q=0.9", SSE),
        ("text/event-stream;q=0.5, application/json", "application/json"),
        ("text/event-stream;q=0.5, */*;q=0.4", SSE),
        ("text/event-stream;q=0, */*", "application/json"),
        ("text/event-stream;q=0", "application/json"),
        ("text/event-stream;q=nan, application/json;q=0.1", "application/json"),
        ("text/event-stream;q=inf", "application/json"),
        ("text/*", "application/json"),
        ("application/json;q=0.1\r\nAccept: text/event-stream", SSE),
    ],
)
async def test_accept_decides(world: World, accept: str | None, kind: str) -> None:
    line = "" if accept is None else f"Accept: {accept}\r\n"
    request = (
        f"GET /api/events?types=custom_none HTTP/1.1\r\nHost: 127.0.0.1:{world.hub.port}\r\n"
        f"Authorization: Bearer {world.keys['reader']}\r\n{line}\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
    async with asyncio.timeout(5):
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    writer.transport.abort()
    assert head.startswith("http/1.1 200")
    assert re.search(rf"^content-type: {re.escape(kind)}(;|\r)", head, re.M), head
    assert ("content-length" in head) is (kind == "application/json")


async def test_head_is_a_page(world: World) -> None:
    """A stream that is asked for by HEAD would have no body and no end."""
    request = (
        f"HEAD /api/events HTTP/1.1\r\nHost: 127.0.0.1:{world.hub.port}\r\nAccept: {SSE}\r\n"
        f"Authorization: Bearer {world.keys['reader']}\r\n\r\n"
    )
    answer = await exchange(world.hub, request.encode(), "HEAD")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


# ── what a stream consists of ────────────────────────────────────────────────────────────────


async def test_the_beginning_of_server_sent_events(world: World) -> None:
    epoch, end = await place(world)
    async with event_stream(world.hub, world.keys["viewer"], f"since={end}") as stream:
        assert stream.headers["content-type"].partition(";")[0] == SSE
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in stream.headers
        subscribed = await stream.receive()
        assert stream.parser is not None
        assert stream.parser.retry is not None
        assert 1000 <= stream.parser.retry <= 3000
        assert subscribed.frame == {
            "type": "subscribed", "ref": None, "epoch": epoch, "offset": end, "recovered": True,
            "types": None, "subjects": None,
        }  # fmt: skip
        assert subscribed.id == f"{epoch}:{end}"
        live = await stream.receive()
        assert (live.frame, live.id) == ({"type": "live", "offset": end}, f"{epoch}:{end}")


async def test_retry_is_the_first_thing_that_comes(world: World) -> None:
    async with event_stream(world.hub, world.keys["viewer"], version="1.0") as stream:
        first = await stream.reader.readuntil(b"\n\n")
        lines = rb"retry: \d{4}\nevent: subscribed\nid: [\w-]+:\d+\ndata: \{.*\}\n\n"
        assert re.fullmatch(lines, first)


async def test_durable_events_have_an_id_and_volatile_ones_have_none(world: World) -> None:
    epoch, end = await place(world)
    async with event_stream(world.hub, world.keys["viewer"], "types=custom_*") as stream:
        await stream.until_live()
        offsets = await publish(
            world, tick(1), tick(2, volatile=True), tick(3), tick(4, volatile=True)
        )
        assert offsets == [end + 1, None, end + 2, None]
        found = [await stream.receive() for _ in range(4)]
    assert [r.frame["data"]["n"] for r in found] == [1, 2, 3, 4]
    # A volatile event leaves the id of the durable one before it in force.
    first, second = f"{epoch}:{end + 1}", f"{epoch}:{end + 2}"
    assert [r.id for r in found] == [first, first, second, second]
    assert "offset" not in found[1].frame


@pytest.mark.parametrize("accept", DOORS)
async def test_a_stream_says_what_a_socket_says(world: World, accept: str) -> None:
    subjects = [None, "order/1", "chat/2"]
    await publish(
        world,
        *(
            tick(n, ("custom_a", "custom_b")[n % 2])
            | ({} if (s := subjects[n % 3]) is None else {"subject": s})
            for n in range(60)
        ),
    )
    await publish(world, *(tick(n, "custom_a") for n in range(10)), by="owner")
    epoch, end = await place(world)
    for key, query in (
        ("viewer", {"types": "custom_*"}),
        ("viewer", {"since": end}),
        ("viewer", {"since": 0}),
        ("viewer", {"since": 0, "epoch": epoch}),
        ("viewer", {"since": 0, "epoch": "another"}),
        ("viewer", {"since": end + 1}),
        ("viewer", {"since": 0, "types": "custom_a"}),
        ("viewer", {"since": 0, "types": "custom_*,order_created", "subjects": "order/*"}),
        ("viewer", {"last": 7}),
        ("viewer", {"last": 1000, "types": "custom_b"}),
        ("viewer", {"last": 1, "types": "custom_none"}),
        ("viewer", {"since": end - 70, "merchant_id": world.one}),
        ("admin", {"since": end - 70}),
        ("admin", {"since": 0, "merchant_id": world.two}),
        ("bot", {"since": end - 30}),
    ):
        asked = urlencode(query)
        async with connect(world.hub, world.keys[key], query=asked) as socket:
            await socket.next(type="connected")
            expected = [await socket.next()]
            while expected[-1]["type"] != "live":
                expected.append(await socket.next())
        async with event_stream(world.hub, world.keys[key], asked, accept=accept) as stream:
            found = await stream.until_live()
        # The bot's own coming and going may have been added.
        assert found[: len(expected) - 1] == expected[:-1], (key, query)
        assert [f for f in found[len(expected) - 1 : -1] if f["type"][:4] != "bot_"] == []


async def test_the_place_moves_with_the_gap_and_not_before_it(world: World) -> None:
    """Whom the connection leaves between the two must be told of the gap again."""
    epoch, end = await place(world)
    async with event_stream(world.hub, world.keys["viewer"], "since=0&epoch=other") as stream:
        first = [await stream.receive() for _ in range(3)]
    back = {"Last-Event-ID": "other:7"}
    async with event_stream(world.hub, world.keys["viewer"], headers=back) as stream:
        again = [await stream.receive() for _ in range(3)]
    for came_with, received in (("", first), ("other:7", again)):
        assert [r.frame["type"] for r in received] == ["subscribed", "gap", "live"]
        assert received[0].frame["recovered"] is False
        assert received[1].frame == {
            "type": "gap", "from": None, "to": None, "reason": "epoch", "resume": end,
        }  # fmt: skip
        assert [r.id for r in received] == [came_with, f"{epoch}:{end}", f"{epoch}:{end}"]


# ── coming back ──────────────────────────────────────────────────────────────────────────────


async def test_last_event_id_beats_the_address(world: World) -> None:
    await publish(world, *(tick(n) for n in range(5)))
    epoch, end = await place(world)
    for query in ("since=0", f"since={end}", "last=2", "since=0&epoch=other", ""):
        async with event_stream(
            world.hub, world.keys["admin"], query, headers={"Last-Event-ID": f"{epoch}:{end - 3}"}
        ) as stream:
            found = await stream.until_live()
        assert (found[0]["offset"], found[0]["recovered"]) == (end - 3, True)
        assert [f["offset"] for f in found[1:]] == [end - 2, end - 1, end, end]


async def test_an_empty_last_event_id_is_none(world: World) -> None:
    """So a browser begins, and a client that sends the field always."""
    _, end = await place(world)
    async with event_stream(
        world.hub, world.keys["admin"], f"since={end - 1}", headers={"Last-Event-ID": ""}
    ) as stream:
        assert (await stream.next())["offset"] == end - 1


async def test_a_last_event_id_of_another_log_is_a_gap(world: World) -> None:
    epoch, end = await place(world)
    for id_ in ("another:3", f"{epoch}:{end + 1}", f"{epoch}:9999999999999999"):
        async with event_stream(
            world.hub, world.keys["viewer"], headers={"Last-Event-ID": id_}
        ) as stream:
            subscribed, gap, live = await stream.until_live()
        assert (subscribed["recovered"], gap["reason"], gap["resume"]) == (False, "epoch", end)
        assert live["offset"] == end


@pytest.mark.parametrize(
    "id_",
    ["7", "e", ":", "e:", ":7", "e:7:8", "e:-1", "e:1e3", "e 7", "x" * 33 + ":1", "e:" + "1" * 17],
)
@pytest.mark.parametrize("accept", DOORS)
async def test_a_malformed_last_event_id_is_refused(world: World, id_: str, accept: str) -> None:
    answer = await refused(world, "", headers={"Last-Event-ID": id_, "Accept": accept})
    assert pointers(check_problem(answer, 422, "invalid_params")) == ["/Last-Event-ID"]


# ── what is refused ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=5", "/limit"),
        ("wait=5", "/wait"),
        ("wait=0", "/wait"),
        ("since=x", "/since"),
        ("since=-1", "/since"),
        ("last=0", "/last"),
        ("last=1001", "/last"),
        ("since=1&last=1", "/last"),
        ("types=", "/types"),
        ("types=a*b", "/types"),
        ("subjects=", "/subjects"),
    ],
)
async def test_a_parameter_that_does_not_fit(world: World, query: str, pointer: str) -> None:
    answer = await refused(world, query)
    assert pointers(check_problem(answer, 422, "invalid_params")) == [pointer]


async def test_an_unknown_parameter_is_named(world: World) -> None:
    problem = check_problem(await refused(world, "sinse=1"), 422, "invalid_params")
    assert "sinse" in str(problem)


async def test_who_is_not_let_in(world: World) -> None:
    check_problem(await refused(world, "", None), 401, "unauthenticated")
    check_problem(await refused(world, "token=nonsense", None), 401, "unauthenticated")
    key = world.keys["viewer"]
    check_problem(await refused(world, f"token={key}", None), 401, "unauthenticated")
    check_problem(await refused(world, f"merchant_id={world.two}"), 403, "forbidden")
    check_problem(await refused(world, "merchant_id=none", "admin"), 403, "forbidden")
    foreign = {"Origin": "https://elsewhere.example"}
    check_problem(await refused(world, "", headers=foreign), 403, "forbidden")


async def test_a_ticket_opens_one_stream(world: World) -> None:
    key, _ = await new_key(world.hub, world.keys["admin"], "viewer", world.one, "ticketed")
    made = await call(world.hub, "POST", "/api/tickets", key=key)
    query = f"token={made.json()['ticket']}"
    async with event_stream(world.hub, None, query) as stream:
        await stream.until_live()
    check_problem(await refused(world, query, None), 401, "unauthenticated")


async def test_there_are_no_more_streams_than_a_key_and_the_hub_may_have(tmp_path: Path) -> None:
    settings = {"HUB_CONNECTIONS_PER_KEY": "3", "HUB_MAX_CONNECTIONS": "4"}
    async with HubProcess(tmp_path, settings) as hub, AsyncExitStack() as stack:

        async def opened(key: str, accept: str) -> EventStream:
            stream = await stack.enter_async_context(event_stream(hub, key, accept=accept))
            await stream.until_live()
            return stream

        admin = hub.admin_key
        first = [await opened(admin, accept) for accept in (SSE, NDJSON, SSE)]
        for headers, query in (({"Accept": SSE}, ""), ({"Accept": NDJSON}, ""), ({}, "?wait=1")):
            query += ("&since=" if query else "?since=") + "1000000"
            since = query.replace("1000000", "0")
            answer = await call(hub, "GET", f"/api/events{since}", key=admin, headers=headers)
            problem = check_problem(answer, 429, "rate_limited")
            assert "HUB_CONNECTIONS_PER_KEY" in str(problem["detail"])
            assert int(answer.headers["retry-after"]) >= 1
        bot = await opened(hub.bot_key, SSE)
        answer = await call(hub, "GET", "/api/events", key=hub.bot_key, headers={"Accept": SSE})
        assert "HUB_MAX_CONNECTIONS" in str(check_problem(answer, 503, "unavailable")["detail"])
        # A refused one holds no place, and one that leaves gives its own up.
        first.pop().writer.transport.abort()
        async with asyncio.timeout(5):
            while True:
                try:
                    await opened(admin, SSE)
                    break
                except AssertionError:
                    await asyncio.sleep(0.02)
        bot.writer.transport.abort()
