"""Where a request begins and ends: one way to read it, or none."""

import json
import random
from collections.abc import Iterator

import pytest

from tests.http1.serving import Door, get, post, post_chunked, send
from tests.support.rest import read_answer

HOST = b"Host: hub\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "length and coding": (400, POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "coding and length": (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    "two lengths": (400, POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    "one length twice": (400, POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
    "list of lengths": (400, POST + b"Content-Length: 5, 5\r\n\r\n"),
    "length with a sign": (400, POST + b"Content-Length: +5\r\n\r\n"),
    "negative length": (400, POST + b"Content-Length: -5\r\n\r\n"),
    "hexadecimal length": (400, POST + b"Content-Length: 0x5\r\n\r\n"),
    "length with underscore": (400, POST + b"Content-Length: 1_0\r\n\r\n"),
    "empty length": (400, POST + b"Content-Length:\r\n\r\n"),
    "length beyond 64 bits": (400, POST + b"Content-Length: 18446744073709551621\r\n\r\n"),
    "space before the colon": (400, POST + b"Content-Length : 5\r\n\r\n"),
    "coding with space before": (400, POST + b"Transfer-Encoding : chunked\r\n\r\n"),
    "gzip, chunked": (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n"),
    "gzip and chunked": (501, POST + b"Transfer-Encoding: gzip\r\n" + CHUNKED[len(POST) :]),
    "identity": (501, POST + b"Transfer-Encoding: identity\r\n\r\n"),
    "xchunked": (501, POST + b"Transfer-Encoding: xchunked\r\n\r\n"),
    "quoted chunked": (501, POST + b'Transfer-Encoding: "chunked"\r\n\r\n'),
    "chunked twice": (400, POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n"),
    "chunked not last": (400, POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n"),
    "chunked after vertical tab": (400, POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n"),
    "chunked in HTTP/1.0": (400, b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "folded header": (400, b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n"),
    "folded first header": (400, b"GET / HTTP/1.1\r\n X: a\r\n" + HOST + b"\r\n"),
    "folded coding": (400, POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n"),
    "LF after the request line": (400, b"GET / HTTP/1.1\n" + HOST + b"\r\n"),
    "LF after a header": (400, b"GET / HTTP/1.1\r\nHost: hub\n\r\n"),
    "LF in a value": (400, b"GET / HTTP/1.1\r\n" + HOST + b"X: a\nY: b\r\n\r\n"),
    "LF as the empty line": (400, b"GET / HTTP/1.1\r\n" + HOST + b"\n"),
    "CR in a value": (400, b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rY: b\r\n\r\n"),
    "CR without LF at the end": (400, b"GET / HTTP/1.1\r\n" + HOST + b"\rGET"),
    "NUL in a value": (400, b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n"),
    "header without colon": (400, b"GET / HTTP/1.1\r\n" + HOST + b"X\r\n\r\n"),
    "header without name": (400, b"GET / HTTP/1.1\r\n" + HOST + b": x\r\n\r\n"),
    "no Host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two Hosts": (400, b"GET / HTTP/1.1\r\n" + HOST + b"Host: hub\r\n\r\n"),
    "two Hosts in HTTP/1.0": (400, b"GET / HTTP/1.0\r\n" + HOST + b"Host: other\r\n\r\n"),
    "Host with a path": (400, b"GET / HTTP/1.1\r\nHost: hub/x\r\n\r\n"),
    "Host with a user": (400, b"GET / HTTP/1.1\r\nHost: a@hub\r\n\r\n"),
    "Host with a space": (400, b"GET / HTTP/1.1\r\nHost: hub other\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "HTTP/2.0": (505, b"GET / HTTP/2.0\r\n" + HOST + b"\r\n"),
    "HTTP/2 preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/1.2": (400, b"GET / HTTP/1.2\r\n" + HOST + b"\r\n"),
    "a TLS hello": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "unknown method": (400, b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "small method": (400, b"get / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "tabs in the request line": (400, b"GET\t/\tHTTP/1.1\r\n" + HOST + b"\r\n"),
    "CONNECT": (400, b"CONNECT other:80 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "asterisk": (400, b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n"),
    "fragment": (400, b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n"),
    "other scheme": (400, b"GET ftp://hub/ HTTP/1.1\r\n" + HOST + b"\r\n"),
    "address without a path": (400, b"GET http://hub HTTP/1.1\r\n" + HOST + b"\r\n"),
    "eight bits in the target": (400, b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n"),
    "chunk size with 0x": (400, CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n"),
    "negative chunk size": (400, CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n"),
    "chunk size beyond 64 bits": (400, CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    "chunk size with a space": (400, CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n"),
    "LF after a chunk size": (400, CHUNKED + b"3\nabc\r\n0\r\n\r\n"),
    "LF after a chunk": (400, CHUNKED + b"3\r\nabc\n0\r\n\r\n"),
    "LF after an extension": (400, CHUNKED + b"3;a\nabc\r\n0\r\n\r\n"),
    "chunk longer than it says": (400, CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_what_could_be_read_in_two_ways_is_refused(door: Door, case: str) -> None:
    status, request = REFUSED[case]

    # What follows would be a request of its own to whoever ends the first one elsewhere.
    everything = await door.ask_all(request + get("/smuggled"))

    assert everything.startswith(b"HTTP/1.1 %d " % status), everything
    assert everything.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in everything
    assert not [event for event in door.events if "smuggled" in event]


@pytest.mark.parametrize("case", REFUSED)
async def test_and_so_it_is_octet_by_octet(door: Door, case: str) -> None:
    status, request = REFUSED[case]

    answer = await door.ask(*(request[i : i + 1] for i in range(len(request))))

    assert answer.status == status


TAKEN = {
    "one path": get("/echo"),
    "leading empty lines": b"\r\n\r\n" + get("/echo"),
    "whole address": b"GET http://other/echo HTTP/1.1\r\nHost: hub\r\n\r\n",
    "empty Host": b"GET /echo HTTP/1.1\r\nHost:\r\n\r\n",
    "IPv6 Host": b"GET /echo HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n",
    "no Host in HTTP/1.0": b"GET /echo HTTP/1.0\r\n\r\n",
    "length with space behind": POST + b"Content-Length: 2 \t\r\n\r\nab",
    "chunk extension": CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n",
    "zeros before a chunk size": CHUNKED + b"0003\r\nabc\r\n0\r\n\r\n",
    "upgrade to something else": get("/echo", "Connection: Upgrade", "Upgrade: h2c"),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
async def test_what_is_clear_is_served(door: Door, case: str) -> None:
    answer = await door.ask(TAKEN[case])

    assert answer.status == 200, answer
    assert answer.json()["path"] == "/echo"


async def test_values_come_without_the_space_around_them(door: Door) -> None:
    answer = await door.ask(get("/echo", "X: \t a b \t "))

    assert ["x", "a b"] in answer.json()["headers"]


async def test_trailers_do_not_become_header_fields(door: Door) -> None:
    trailer = b"Host: evil\r\nAuthorization: Bearer evil\r\n"

    answer = await door.ask(post_chunked("/echo", b"abc", trailer=trailer))

    assert answer.status == 200
    assert answer.json()["body"] == "abc"
    assert "evil" not in str(answer.json()["headers"])


SEQUENCE = (
    get("/echo/1"),
    post("/echo/2", b"\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: hub\r\n\r\n"),
    b"\r\n" + get("/echo/3"),
    post_chunked("/echo/4", b"\r\n\r\n", b"0\r\n\r\n", b"x", trailer=b"A: b\r\nC: d\r\n"),
    post("/echo/5", b"GET /smuggled", "Connection: Upgrade", "Upgrade: h2c"),
    post("/echo/6", b""),
    get("/echo/7", "Connection: Upgrade", "Upgrade: h2c"),
    post_chunked("/echo/8", b"y" * 70_000).replace(
        b"chunked\r\n", b"chunked\r\nConnection: upgrade\r\nUpgrade: h2c\r\n", 1
    ),
    post_chunked("/echo/9"),
    get("/echo/10"),
)
BODIES = ["", SEQUENCE[1].split(b"\r\n\r\n", 1)[1].decode(), "", "\r\n\r\n0\r\n\r\nx",
          "GET /smuggled", "", "", "y" * 70_000, "", ""]  # fmt: skip


def _chopped(data: bytes, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    while data:
        size = chance.choice((1, 1, 2, 3, 5, 40, 300, 5_000, 100_000))
        yield data[:size]
        data = data[size:]


@pytest.mark.parametrize("seed", range(12))
async def test_a_sequence_is_the_same_however_it_is_chopped(door: Door, seed: int) -> None:
    everything = b"".join(SEQUENCE)
    pieces = [everything] if seed == 0 else list(_chopped(everything, seed))

    reader, writer = await door.open()
    await send(writer, *pieces)
    answers = [await read_answer(reader) for _ in SEQUENCE]
    writer.close()

    assert [answer.json()["path"] for answer in answers] == [f"/echo/{n}" for n in range(1, 11)]
    assert [answer.json()["body"] for answer in answers] == BODIES


async def test_octet_by_octet_too(door: Door) -> None:
    everything = b"".join(SEQUENCE[:7])

    reader, writer = await door.open()
    await send(writer, *(everything[i : i + 1] for i in range(len(everything))))
    answers = [json.loads((await read_answer(reader)).body) for _ in SEQUENCE[:7]]
    writer.close()

    assert [answer["body"] for answer in answers] == BODIES[:7]
