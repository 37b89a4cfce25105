"""Bodies and paths that somebody sends to see what happens."""

import asyncio
import json

import pytest

from tests.api.conftest import World, check_problem, pointers
from tests.support.rest import call, exchange, paged, read_answer


async def still_well(world: World) -> None:
    """The hub lives, publishes, and its log can still be read by everyone."""
    event = {"type": "custom_well", "data": {"é": "\u2028 \U0001f600"}}
    answer = await call(world.hub, "POST", "/api/events", event, key=world.keys["bot"])
    assert answer.status == 201
    found = await paged(world.hub, world.keys["admin"], types="custom_well", limit=1000)
    assert found[-1]["data"] == event["data"]


def in_data(value: bytes) -> bytes:
    return b'{"type":"custom_a","data":{"v":' + value + b"}}"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(in_data(b"[" * 30_000), 400, id="30,000 open brackets"),
        pytest.param(in_data(b"[" * 30_000 + b"]" * 30_000), 400, id="30,000 brackets"),
        pytest.param(in_data(b'{"a":' * 30_000 + b"1" + b"}" * 30_000), 400, id="30,000 braces"),
        pytest.param(b"[" * 30_000 + b"]" * 30_000, 400, id="nothing but brackets"),
        pytest.param(in_data(b"[" * 33 + b"]" * 33), 422, id="34 deep"),
        pytest.param(in_data(b"1e999"), 400, id="1e999"),
        pytest.param(in_data(b"-1e999"), 400, id="-1e999"),
        pytest.param(in_data(b"NaN"), 400, id="NaN"),
        pytest.param(in_data(b"Infinity"), 400, id="Infinity"),
        pytest.param(in_data(b"9" * 5000), 400, id="5,000 digits"),
        pytest.param(in_data(b'"\xff\xfe"'), 400, id="no UTF-8"),
        pytest.param(in_data(b'"\xed\xa0\x80"'), 400, id="a surrogate in UTF-8"),
        pytest.param(in_data(b'"\xc0\xaf"'), 400, id="overlong UTF-8"),
        pytest.param(in_data(b'"\\ud800"'), 400, id="half a surrogate pair"),
        pytest.param(in_data(b'"\\u0000"'), 422, id="NUL"),
        pytest.param(in_data(b'{"\\u0000":1}'), 422, id="NUL in a key"),
        pytest.param(in_data(b'"\n"'), 400, id="a raw newline"),
        pytest.param(b"\xef\xbb\xbf" + in_data(b"1"), 400, id="a byte order mark"),
        pytest.param(in_data(b"1") + in_data(b"2"), 400, id="two values"),
        pytest.param(in_data(b"1").decode().encode("utf-16"), 400, id="UTF-16"),
    ],
)
async def test_poison_is_refused_and_stays_out(world: World, raw: bytes, status: int) -> None:
    answer = await call(world.hub, "POST", "/api/events", raw=raw, key=world.keys["bot"])
    assert answer.status == status, answer.body
    check_problem(answer, status, {400: "bad_frame", 422: "invalid_event"}[status])
    if status == 422:  # and as one of a list it is refused alone
        raw = b'[{"type":"custom_a","data":{}},' + raw + b"]"
        answer = await call(world.hub, "POST", "/api/events", raw=raw, key=world.keys["bot"])
        assert answer.status == 201
        good, bad = answer.json()["events"]
        assert ("error" in good, bad["error"]["code"]) == (False, "invalid_event")
    await still_well(world)


async def test_32_deep_is_allowed(world: World) -> None:
    answer = await call(
        world.hub, "POST", "/api/events", raw=in_data(b"[" * 31 + b"]" * 31), key=world.keys["bot"]
    )
    assert answer.status == 201


async def test_of_doubled_keys_one_is_kept(world: World) -> None:
    raw = b'{"type":"custom_a","id":"twice","data":{"a":1,"a":2},"data":{"b":1,"b":2}}'
    answer = await call(world.hub, "POST", "/api/events", raw=raw, key=world.keys["bot"])
    assert answer.status == 201
    answer = await call(
        world.hub,
        "GET",
        "/api/events",
        key=world.keys["bot"],
        query={"since": answer.json()["offset"] - 1},
    )
    assert answer.body.count(b'"b":') == 1
    assert answer.json()["events"][0]["data"] == {"b": 2}


@pytest.mark.parametrize("length", ["known", "chunked", "a lie"])
async def test_two_megabytes_are_refused_without_being_kept(world: World, length: str) -> None:
    size = 2 << 20
    head = (
        f"POST /api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.keys['bot']}\r\n"
    ).encode()
    if length == "chunked":
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        request = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * (size // 0x10000)
    else:
        sent = size if length == "known" else size + 5
        request = head + f"Content-Length: {sent}\r\n\r\n".encode() + b" " * size
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
        writer.write(request)
        answer = await read_answer(reader)
        writer.transport.abort()
    check_problem(answer, 413, "too_large")
    await still_well(world)


async def test_exactly_a_mebibyte_is_read(world: World) -> None:
    event = json.dumps({"type": "custom_a", "data": {}}).encode()
    raw = event + b" " * ((1 << 20) - len(event))
    answer = await call(world.hub, "POST", "/api/events", raw=raw, key=world.keys["bot"])
    assert answer.status == 201
    answer = await call(world.hub, "POST", "/api/events", raw=raw + b" ", key=world.keys["bot"])
    check_problem(answer, 413, "too_large")


@pytest.mark.parametrize(
    "id_",
    [
        "%00", "%2e%2e", "%2F", "a%2Fb", "%ff", "%c0%af", "%", "%zz", "'%20OR%201=1--", "*",
        "%e2%80%ae", "x" * 5000, "null", "%3Cscript%3E",
    ],
)  # fmt: skip
async def test_strange_ids_are_not_found(world: World, id_: str) -> None:
    """Or they cannot be ids at all: with NUL, or longer than any is."""
    for method, path in (("GET", f"/api/merchants/{id_}"), ("DELETE", f"/api/keys/{id_}")):
        answer = await call(world.hub, method, path, key=world.keys["admin"])
        if "%00" in id_ or len(id_) > 256:
            assert pointers(check_problem(answer, 422, "invalid_params")) == ["/id"]
            continue
        problem = check_problem(answer, 404, "not_found")
        assert len(str(problem["detail"])) < 400
    await still_well(world)


async def test_a_percent_encoded_id_is_the_id(world: World) -> None:
    encoded = "".join(f"%{ord(char):02x}" for char in world.two)
    answer = await call(world.hub, "GET", f"/api/merchants/{encoded}", key=world.keys["admin"])
    assert (answer.status, answer.json()["merchant"]["id"]) == (200, world.two)


async def test_strange_queries(world: World) -> None:
    key = world.keys["admin"]
    for query in (
        "types=%00", "types=%ff", "types='%3B--", "subjects=%25", "subjects=_", "subjects=%",
        "epoch=%00", "epoch=" + "x" * 5000, "merchant_id=%ff", "merchant_id='",
    ):  # fmt: skip
        answer = await call(world.hub, "GET", f"/api/events?{query}", key=key)
        assert answer.status == 403 if "merchant_id" in query else answer.status in (200, 422), (
            query
        )
        if "types" in query or "subjects" in query:
            assert answer.json().get("events", []) == []
    for path in ("/api/keys", "/api/merchants"):
        for query in ("after=%ff", "after='", "after=" + "z" * 256):
            assert (await call(world.hub, "GET", f"{path}?{query}", key=key)).status == 200
        for query in ("after=%00", "after=" + "z" * 257):
            answer = await call(world.hub, "GET", f"{path}?{query}", key=key)
            assert pointers(check_problem(answer, 422, "invalid_params")) == ["/after"]
    await still_well(world)


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/events\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n",
    ],
)
async def test_broken_http(world: World, request_: bytes) -> None:
    answer = await exchange(world.hub, request_)
    assert 400 <= answer.status < 500, answer
    await still_well(world)


async def test_a_client_that_leaves_in_the_middle(world: World) -> None:
    for cut in (10, 60, 150, 200):
        request = (
            f"POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            f"Authorization: Bearer {world.keys['bot']}\r\n\r\n{{".encode()
        )
        _, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
        writer.write(request[:cut])
        await asyncio.sleep(0.02)
        writer.transport.abort()
    await still_well(world)
    assert "Traceback" not in world.hub.log.read_text()
