"""How large a body may be, how long it may take, and what becomes of one that is refused."""

import asyncio
import contextlib
import time

import pytest

from tests.http1.serving import BODY_SECONDS, LARGE, Door, get, post, post_chunked, send
from tests.support.rest import read_answer

MIB = 1024 * 1024


def announced(path: str, size: int, *fields: str) -> bytes:
    """The head of a POST whose body is not there."""
    return post(path, b"", *fields).replace(b"Content-Length: 0", b"Content-Length: %d" % size)


async def test_a_body_of_1_mib_is_served(door: Door) -> None:
    for request in (post("/echo", b"x" * MIB), post_chunked("/echo", *[b"x" * 65536] * 16)):
        answer = await door.ask(request)
        assert answer.status == 200
        assert len(answer.json()["body"]) == MIB


async def test_a_longer_one_is_refused_before_it_is_sent(door: Door) -> None:
    answer = await door.ask(announced("/echo", MIB + 1, "Expect: 100-continue"))

    assert answer.status == 413
    assert answer.json() == {
        "type": "about:blank",
        "title": "Request Entity Too Large",
        "status": 413,
        "detail": "the body has more than the 1048576 octets allowed here",
        "code": "too_large",
        "success": False,
        "error": "the body has more than the 1048576 octets allowed here",
        "retry": False,
    }
    assert answer.headers["content-type"] == "application/problem+json"
    assert door.events == []


async def test_the_refusal_reaches_a_client_that_goes_on_sending(door: Door) -> None:
    reader, writer = await door.open()
    with contextlib.closing(writer):
        writer.write(announced("/echo", 8 * MIB))
        await asyncio.sleep(0.05)
        with contextlib.suppress(ConnectionError):
            for _ in range(50):  # less than is thrown away
                writer.write(b"x" * 10_000)
                await writer.drain()
        assert (await read_answer(reader)).status == 413


async def test_chunks_are_counted(door: Door) -> None:
    answer = await door.ask(post_chunked("/echo", *[b"x" * 1000] * 1100))

    assert answer.status == 413
    await asyncio.sleep(0.05)
    assert door.events == ["begin /echo", "disconnect /echo", "end /echo"]


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/large/picture", LARGE, 200),
        ("/large/picture", LARGE + 1, 413),
        ("/large%2Fpicture", LARGE, 200),
        ("/large/small/picture", 10, 200),
        ("/large/small/picture", 11, 413),
        ("/larger", MIB + 1, 413),
        ("/echo?/large/", MIB + 1, 413),
    ],
)
async def test_a_path_may_have_a_limit_of_its_own(
    door: Door, path: str, size: int, status: int
) -> None:
    assert (await door.ask(post(path, b"x" * size))).status == status


async def test_a_body_that_is_not_whole_in_time_is_answered_408(door: Door) -> None:
    begin = time.monotonic()

    answer = await door.ask(post("/echo", b"x" * 1000)[:-1])

    assert BODY_SECONDS - 0.05 < time.monotonic() - begin < BODY_SECONDS + 1.5
    assert answer.status == 408
    await asyncio.sleep(0.05)
    assert door.events == ["begin /echo", "disconnect /echo", "end /echo"]


async def test_a_slow_drip_gains_no_time(door: Door) -> None:
    head, _, body = post_chunked("/echo", *[b"x"] * 500).partition(b"\r\n\r\n")
    begin = time.monotonic()

    everything = await door.ask_all(
        head + b"\r\n\r\n", *(body[i : i + 1] for i in range(500)), pause=0.02
    )

    assert everything.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begin < BODY_SECONDS + 1


async def test_nothing_is_written_into_an_answer_that_has_begun(door: Door) -> None:
    everything = await door.ask_all(post("/late", b"x" * 1000)[:-1])

    assert everything.count(b"HTTP/1.1") == 1
    assert everything.endswith(b"\r\n\r\nbegun")


async def test_a_malformed_chunk_ends_an_answer_that_has_begun(door: Door) -> None:
    head = post_chunked("/late", b"x" * 1000)

    everything = await door.ask_all(head[:500], b"not a size\r\n" * 100, pause=0.05)

    assert everything.endswith(b"\r\n\r\nbegun")


async def test_who_was_answered_early_may_send_the_rest_or_is_closed(door: Door) -> None:
    reader, writer = await door.open()
    with contextlib.closing(writer):
        request = post("/early", b"x" * 1000)
        await send(writer, request[:-1])
        assert (await read_answer(reader)).body == b"early"
        await send(writer, request[-1:] + get("/echo"))
        assert (await read_answer(reader)).json()["path"] == "/echo"
    begin = time.monotonic()
    everything = await door.ask_all(request[:-1])
    assert everything.count(b"HTTP/1.1") == 1
    assert BODY_SECONDS - 0.05 < time.monotonic() - begin < BODY_SECONDS + 1.5


async def test_a_body_that_nobody_asked_for_is_never_a_request(door: Door) -> None:
    # The client was told by the final answer that it need not send its body: what comes could be
    # either.
    everything = await door.ask_all(
        announced("/early", len(get("/smuggled")), "Expect: 100-continue"),
        get("/smuggled"),
        pause=0.1,
    )

    assert everything.count(b"HTTP/1.1") == 1
    assert "begin /smuggled" not in door.events


async def test_100_continue_is_sent_when_the_body_is_read(door: Door) -> None:
    reader, writer = await door.open()
    with contextlib.closing(writer):
        await send(writer, announced("/echo", 3, "Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await send(writer, b"abc" + get("/echo"))
        assert (await read_answer(reader)).json()["body"] == "abc"
        assert (await read_answer(reader)).status == 200


@pytest.mark.parametrize(
    "dry",
    [b"3;" + b"x" * 40_000, b"0" * 40_000, b"0\r\n" + b"X: " + b"x" * 40_000,
     b"0\r\n" + b"X: y\r\n" * 8_000],
    ids=["extension", "zeros", "trailer", "trailers"],
)  # fmt: skip
async def test_a_chunked_body_does_not_go_on_without_data(door: Door, dry: bytes) -> None:
    head = post_chunked("/echo", b"abc")[: -len(b"0\r\n\r\n")]

    assert (await door.ask(head + dry)).status == 400


async def test_chunks_of_one_octet_leave_the_loop_to_others(door: Door) -> None:
    request = post_chunked("/echo", *[b"x"] * 200_000)

    answering = asyncio.ensure_future(door.ask(request))
    longest = 0.0
    while not answering.done():
        begin = time.thread_time()  # what others take of the machine does not count
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - begin)

    assert len((await answering).json()["body"]) == 200_000
    assert longest < 0.015, "256 KiB of them at once take more than this"
