"""Requests that a proxy in front could read differently than the hub (RFC 9112 section 11.2).

Whatever is refused ends its connection: what follows could be anybody's. What is taken is taken
once. Each test counts the answers that one connection gives.
"""

import asyncio

import pytest

from tests.api.conftest import World
from tests.api.conftest import world as world

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """A POST that must be refused whatever its body is: it has no credential."""
    return b"\r\n".join((b"POST /api/events HTTP/1.1", b"Host: x", *lines, b"", b"")) + body


def get(*lines: bytes) -> bytes:
    return b"\r\n".join((b"GET /healthz HTTP/1.1", *lines, b"", b""))


async def answers(world: World, sent: bytes) -> list[int]:
    """The statuses of all answers to these bytes on one connection, which then must end.

    Raises:
        TimeoutError: it went on.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", world.hub.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(2.0):
            try:
                came = await reader.read()
            except ConnectionResetError:
                came = b""
    finally:
        writer.transport.abort()
    assert b"/smuggled" not in came, came
    return [int(part[:3]) for part in came.split(b"HTTP/1.1 ")[1:]]


REFUSED = [
    pytest.param(
        post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        id="CL.TE",
    ),
    pytest.param(
        post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"5c\r\n"), id="TE.CL"
    ),
    pytest.param(post(b"Content-Length: 0", b"Content-Length: 35"), id="two lengths"),
    pytest.param(post(b"Content-Length: 0, 35"), id="a list of lengths"),
    pytest.param(post(b"Content-Length: +35"), id="a length with a sign"),
    pytest.param(post(b"Content-Length: -1"), id="a negative length"),
    pytest.param(post(b"Content-Length: 0x23"), id="a hexadecimal length"),
    pytest.param(post(b"Content-Length: 3 5"), id="a length with a space"),
    pytest.param(post(b"Content-Length: 1e1"), id="a length with an exponent"),
    pytest.param(post(b"Content-Length: " + b"9" * 30), id="a length beyond 64 bits"),
    pytest.param(post(b"Content-Length:"), id="an empty length"),
    pytest.param(post(b"Content-Length : 0"), id="a space before the colon"),
    pytest.param(post(b"Content-Length\x0b: 0"), id="a control character before the colon"),
    pytest.param(post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), id="xchunked"),
    pytest.param(post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"), id="not last"),
    pytest.param(post(b"Transfer-Encoding: identity", body=b"0\r\n\r\n"), id="identity"),
    pytest.param(
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x", body=b"0\r\n\r\n"), id="TE.TE"
    ),
    pytest.param(post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), id="TE, space, colon"),
    pytest.param(post(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n"), id="TE, \\v"),
    pytest.param(post(b"X: y\r\n Transfer-Encoding: chunked", body=b"0\r\n\r\n"), id="obs-fold"),
    pytest.param(
        post(b"Transfer-Encoding: chunked", body=b"0x5\r\nhello\r\n0\r\n\r\n"), id="a chunk of 0x5"
    ),
    pytest.param(
        post(b"Transfer-Encoding: chunked", body=b"-5\r\nhello\r\n0\r\n\r\n"), id="a chunk of -5"
    ),
    pytest.param(
        post(b"Transfer-Encoding: chunked", body=b"f" * 17 + b"\r\nhello\r\n0\r\n\r\n"),
        id="a chunk beyond 64 bits",
    ),
    pytest.param(
        post(b"Transfer-Encoding: chunked", body=b"5\r\nhelloXX0\r\n\r\n"), id="no end of a chunk"
    ),
    pytest.param(get(b"Host: x", b"Host: y"), id="two hosts"),
    pytest.param(get(), id="no host"),
    pytest.param(get(b"Host: x", b"X\x00: y"), id="NUL in a name"),
    pytest.param(get(b"Host: x", b"X: \x00"), id="NUL in a value"),
    pytest.param(get(b"Host: x", b"X: a\rContent-Length: 35"), id="a bare CR"),
    pytest.param(get(b"Host: x", b": y"), id="no name"),
    pytest.param(get(b"Host: x", b"no colon"), id="no colon"),
    pytest.param(b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n", id="a space before the first line"),
    pytest.param(b"GET /healthz HTTP/1.1 \x00\r\nHost: x\r\n\r\n", id="more than a version"),
    pytest.param(b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", id="a space in the target"),
    pytest.param(b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", id="HTTP/2.0 in words"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="the preface of HTTP/2"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 200, id="TLS"),
]


@pytest.mark.parametrize("sent", REFUSED)
async def test_what_could_be_read_in_two_ways_is_refused(world: World, sent: bytes) -> None:
    [status] = await answers(world, sent + SMUGGLED)
    assert status in (400, 501, 505)  # 501: a coding, 505: a version that is not taken here


async def test_a_body_is_no_request(world: World) -> None:
    """With a right length what looks like a request is a body, and what follows is answered."""
    lines = (b"Content-Length: %d" % len(SMUGGLED),)
    last = get(b"Host: x", b"Connection: close")
    assert await answers(world, post(*lines, body=SMUGGLED) + last) == [401, 200]
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    assert await answers(world, post(b"Transfer-Encoding: chunked", body=chunk) + last) == [
        401,
        200,
    ]


async def test_an_upgrade_with_a_body_is_refused(world: World) -> None:
    for line in (b"Content-Length: 35", b"Transfer-Encoding: chunked"):
        head = [
            b"GET /ws HTTP/1.1", b"Host: x", b"Upgrade: websocket", b"Connection: Upgrade",
            b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", line,
        ]  # fmt: skip
        assert await answers(world, b"\r\n".join((*head, b"", b"")) + SMUGGLED) == [400]


async def test_what_follows_a_refused_upgrade_is_not_answered(world: World) -> None:
    head = [
        b"GET /ws HTTP/1.1", b"Host: x", b"Upgrade: websocket", b"Connection: Upgrade",
        b"Origin: http://evil.example", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]  # fmt: skip
    assert await answers(world, b"\r\n".join((*head, b"", b"")) + SMUGGLED) == [403]


async def test_none_of_it_is_a_bug(world: World) -> None:
    """The last of this module: what the tests before it left in the log."""
    log = world.hub.log.read_text()
    assert "Traceback" not in log
    assert "smuggled" not in log
