"""How large a head may be, and how long it may take."""

import asyncio
import contextlib
import time

import pytest

from tests.http1.serving import HEAD_SECONDS, IDLE_SECONDS, Door, get, post, send
from tests.support.rest import read_answer

HEAD_BYTES, URL_BYTES, FIELDS = 16 * 1024, 8 * 1024, 100


def head_of(size: int) -> bytes:
    """A head of exactly so many octets."""
    return get("/echo", "X: " + "x" * (size - len(get("/echo", "X: "))))


@pytest.mark.parametrize("step", [None, 1000, 7])
async def test_a_head_of_16_kib_is_served_and_one_octet_more_is_not(
    door: Door, step: int | None
) -> None:
    for size, status in ((HEAD_BYTES, 200), (HEAD_BYTES + 1, 431)):
        head = head_of(size)
        assert len(head) == size
        pieces = [head[i : i + (step or size)] for i in range(0, size, step or size)]
        assert (await door.ask(*pieces)).status == status


async def test_a_later_head_is_measured_by_itself(door: Door) -> None:
    first = head_of(HEAD_BYTES - 1) + post("/echo", b"x" * 50_000)

    everything = await door.ask_all(first + head_of(HEAD_BYTES) + head_of(HEAD_BYTES + 1))

    assert everything.count(b"HTTP/1.1 200 ") == 3
    assert everything.count(b"HTTP/1.1 431 ") == 1


@pytest.mark.parametrize(
    "filling",
    [b"X: " + b"x" * 200_000, b"X:" + b" " * 200_000, b"X" * 200_000, b"X: y\r\n" * 40_000],
    ids=["value", "space", "name", "fields"],
)
async def test_200_kb_are_refused_without_waiting_for_their_end(door: Door, filling: bytes) -> None:
    answer = await door.ask(b"GET / HTTP/1.1\r\nHost: hub\r\n" + filling)

    assert answer.status == 431
    assert answer.json()["code"] == "too_large"
    assert door.events == []


async def test_endless_empty_lines_are_no_head(door: Door) -> None:
    assert (await door.ask(b"\r\n" * 20_000)).status == 431


async def test_100_fields_are_served_and_one_more_is_not(door: Door) -> None:
    fields = [f"X-{n}: {n}" for n in range(FIELDS - 1)]  # and Host

    assert (await door.ask(get("/echo", *fields))).status == 200
    assert (await door.ask(get("/echo", *fields, "Y: y"))).status == 431


@pytest.mark.parametrize("step", [100_000, 500])
async def test_a_target_of_8_kib_is_served_and_one_octet_more_is_not(door: Door, step: int) -> None:
    for size, status in ((URL_BYTES, 200), (URL_BYTES + 1, 414), (100_000, 414)):
        head = get("/echo?" + "q" * (size - 6))
        pieces = [head[i : i + step] for i in range(0, len(head), step)]
        assert (await door.ask(*pieces)).status == status, size


async def test_a_head_that_is_not_whole_in_time_is_answered_408(door: Door) -> None:
    begin = time.monotonic()

    answer = await door.ask(get("/echo")[:-2])

    assert HEAD_SECONDS - 0.05 < time.monotonic() - begin < HEAD_SECONDS + 1.5
    assert answer.status == 408
    assert answer.headers["connection"] == "close"


async def test_one_octet_is_the_beginning_of_a_head(door: Door) -> None:
    assert (await door.ask(b"G")).status == 408


async def test_a_slow_drip_gains_no_time(door: Door) -> None:
    begin = time.monotonic()
    head = head_of(2_000)

    everything = await door.ask_all(*(head[i : i + 1] for i in range(2_000)), pause=0.02)

    assert everything.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begin < HEAD_SECONDS + 1


@pytest.mark.parametrize("nothing", [b"", b"\r\n"])
async def test_who_says_nothing_is_closed_without_a_word(door: Door, nothing: bytes) -> None:
    begin = time.monotonic()

    assert await door.ask_all(nothing) == b""
    assert HEAD_SECONDS - 0.05 < time.monotonic() - begin < HEAD_SECONDS + 1.5


async def test_the_time_of_a_later_head_begins_with_its_first_octet(door: Door) -> None:
    reader, writer = await door.open()
    with contextlib.closing(writer):
        for _ in range(2):
            writer.write(get("/echo"))
            assert (await read_answer(reader)).status == 200
            await asyncio.sleep(HEAD_SECONDS + 0.1)  # idle, which takes nothing from it
        begin = time.monotonic()
        await send(writer, *(b"GET /echo HTTP/1.1\r\n"[i : i + 1] for i in range(16)), pause=0.02)
        assert (await read_answer(reader)).status == 408
        assert HEAD_SECONDS - 0.05 < time.monotonic() - begin < HEAD_SECONDS + 1.5


async def test_an_idle_connection_is_closed_without_a_word(door: Door) -> None:
    begin = time.monotonic()

    everything = await door.ask_all(get("/echo"))

    assert everything.count(b"HTTP/1.1 ") == 1
    assert IDLE_SECONDS - 0.05 < time.monotonic() - begin < IDLE_SECONDS + 1.5


async def test_no_time_is_taken_while_the_hub_answers(door: Door) -> None:
    reader, writer = await door.open()
    with contextlib.closing(writer):
        # The beginning of the next head comes early, and is not read before its turn.
        await send(writer, get("/wait") + b"GET /echo HT")
        await asyncio.sleep(HEAD_SECONDS + IDLE_SECONDS + 0.2)
        door.release.set()
        assert (await read_answer(reader)).body == b"waited"
        await send(writer, b"TP/1.1\r\nHost: hub\r\n\r\n")
        assert (await read_answer(reader)).status == 200


async def test_half_a_head_behind_an_answer_has_its_time_too(door: Door) -> None:
    door.release.set()

    everything = await door.ask_all(get("/wait") + b"GET /echo HT")

    assert everything.startswith(b"HTTP/1.1 200 ")
    assert b"waitedHTTP/1.1 408 " in everything
