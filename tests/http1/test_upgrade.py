"""The way out of HTTP."""

import asyncio
import contextlib

import pytest

from tests.http1.serving import HEAD_SECONDS, IDLE_SECONDS, Door, get, handshake, send


async def opened(door: Door, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What the WebSocket's protocol was given."""
    everything = await door.ask_all(*pieces, pause=pause)
    assert everything.startswith(b"opened\n"), everything
    return everything.removeprefix(b"opened\n")


async def test_the_handshake_is_handed_over_with_what_came_behind_it(door: Door) -> None:
    head, _, rest = (await opened(door, handshake("X: y") + b"\x00\xffEND")).partition(b"\r\n\r\n")

    assert head.split(b"\r\n")[0] == b"GET /ws HTTP/1.1"
    assert b"x: y" in head.split(b"\r\n")
    assert rest == b"\x00\xffEND"


async def test_octet_by_octet_too(door: Door) -> None:
    request = handshake()
    pieces = [request[i : i + 1] for i in range(len(request))]

    got = await opened(door, *pieces, b"one", b"twoEND", pause=0.001)

    assert got.endswith(b"\r\n\r\nonetwoEND")


async def test_after_a_request_on_the_same_connection(door: Door) -> None:
    door.release.set()

    everything = await door.ask_all(get("/wait") + handshake() + b"END")

    assert everything.startswith(b"HTTP/1.1 200 ")
    assert b"waitedopened\n" in everything
    assert everything.endswith(b"\r\n\r\nEND")


async def test_no_time_of_http_ends_it(door: Door) -> None:
    reader, writer = await door.open()
    with contextlib.closing(writer):
        await send(writer, handshake())
        await asyncio.sleep(HEAD_SECONDS + IDLE_SECONDS)
        await send(writer, b"END")
        assert (await reader.read()).endswith(b"\r\n\r\nEND")
    assert not door.server.server_state.connections


@pytest.mark.parametrize(
    "request_",
    [
        handshake("Content-Length: 3") + b"abc",
        handshake("Transfer-Encoding: chunked") + b"0\r\n\r\n",
        handshake(version="1.0"),
        handshake().replace(b"Host: hub\r\n", b""),
        handshake("Host: other"),
    ],
    ids=["length", "chunked", "HTTP/1.0", "no Host", "two Hosts"],
)
async def test_a_handshake_is_a_request_without_a_body(door: Door, request_: bytes) -> None:
    assert (await door.ask(request_)).status == 400


async def test_the_bounds_of_a_head_are_those_of_a_handshake(door: Door) -> None:
    assert (await door.ask(handshake("X: " + "x" * 17_000))).status == 431
    assert (await door.ask(handshake(*["X: y"] * 100))).status == 431
    long = handshake().replace(b"/ws", b"/ws?token=" + b"x" * 9_000)
    assert (await door.ask(long)).status == 414
    assert (await door.ask(handshake()[:-2])).status == 408


async def test_a_length_of_zero_is_no_body(door: Door) -> None:
    assert (await opened(door, handshake("Content-Length: 0") + b"END")).endswith(b"END")
