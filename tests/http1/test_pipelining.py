"""Requests that come before the answer to those before them."""

import asyncio
import contextlib
import tracemalloc

from tests.http1.serving import Door, get, post, send
from tests.support.rest import read_answer


async def test_ten_thousand_requests_are_answered_in_order(door: Door) -> None:
    reader, writer = await door.open()
    with contextlib.closing(writer):
        sending = asyncio.ensure_future(
            send(writer, b"".join(get(f"/echo/{n}") for n in range(10_000)))
        )
        for n in range(10_000):
            assert (await read_answer(reader)).json()["path"] == f"/echo/{n}"
        await sending


async def test_a_request_waits_unread_until_the_answer_before_it(door: Door) -> None:
    reader, writer = await door.open()
    with contextlib.closing(writer):
        await send(writer, get("/wait") + post("/echo", b"abc") + get("/echo"))
        await asyncio.sleep(0.1)
        assert door.events == ["begin /wait"]
        door.release.set()
        assert (await read_answer(reader)).body == b"waited"
        assert (await read_answer(reader)).json()["body"] == "abc"
        assert (await read_answer(reader)).json()["body"] == ""


async def test_what_waits_takes_no_memory(door: Door) -> None:
    reader, writer = await door.open()
    tracemalloc.start()
    with contextlib.closing(writer):
        flood = get("/wait") * 400_000  # 15 MB
        before = tracemalloc.get_traced_memory()[0]
        sending = asyncio.ensure_future(send(writer, flood))
        await asyncio.sleep(0.5)
        assert not sending.done()
        # What the client itself still has to send is the flood once more at most.
        assert tracemalloc.get_traced_memory()[0] - before < len(flood) + 2_000_000
        assert len(door.server.server_state.tasks) == 1
        sending.cancel()
        door.release.set()
        assert (await read_answer(reader)).body == b"waited"
    tracemalloc.stop()


async def test_a_bad_request_is_refused_in_its_turn(door: Door) -> None:
    reader, writer = await door.open()
    with contextlib.closing(writer):
        await send(writer, get("/wait") + b"GET / HTTP/1.1\r\n\r\n" + get("/echo"))
        await asyncio.sleep(0.1)
        door.release.set()
        assert (await read_answer(reader)).body == b"waited"
        assert (await read_answer(reader)).status == 400
        assert await reader.read() == b""
    assert "begin /echo" not in door.events


async def test_nothing_is_served_behind_a_last_request(door: Door) -> None:
    for last in (get("/echo", "Connection: close"), get("/echo", version="1.0")):
        everything = await door.ask_all(last + get("/behind"))
        assert everything.count(b"HTTP/1.1 200") == 1
    assert "begin /behind" not in door.events
