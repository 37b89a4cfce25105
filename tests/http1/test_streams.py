"""Responses of unknown length, and those that a handler writes itself."""

import asyncio
import contextlib
import socket

from tests.http1.serving import Door, get, send


async def test_in_chunks_where_they_are_known(door: Door) -> None:
    for path, body in (
        ("/stream", b"4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n"),
        ("/direct", b"5\r\nparts\r\n0\r\n\r\n"),
    ):
        head, _, rest = (await door.ask_all(get(path, "Connection: close"))).partition(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert rest == body


async def test_until_the_end_where_they_are_not(door: Door) -> None:
    for path, body in (("/stream", b"one,two"), ("/direct", b"parts")):
        head, _, rest = (await door.ask_all(get(path, version="1.0"))).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        assert rest == body


async def test_a_length_is_kept_for_http_1_0(door: Door) -> None:
    answer = await door.ask(get("/echo", version="1.0"))

    assert int(answer.headers["content-length"]) == len(answer.body) > 0


async def test_a_writer_is_told_how_it_fares(door: Door) -> None:
    reader, writer = await door.open()
    with contextlib.closing(writer):
        await send(writer, get("/fill"))
        await _until(door, "paused")
        assert door.events == ["begin /fill", "paused"]
        await reader.readexactly(16_000_000)
        await _until(door, "resumed")
    await _until(door, "lost")
    assert door.events == ["begin /fill", "paused", "resumed", "lost"]


async def test_a_writer_is_told_once_of_an_abrupt_end(door: Door) -> None:
    _, writer = await door.open()
    await send(writer, get("/fill"))
    await _until(door, "paused")
    writer.transport.abort()

    await _until(door, "lost")
    assert door.events.count("lost") == 1


async def test_the_kernel_notices_a_peer_that_has_vanished(door: Door) -> None:
    _, writer = await door.open()
    with contextlib.closing(writer):
        await send(writer, get("/wait"))
        await asyncio.sleep(0.05)
        (connection,) = door.server.server_state.connections
        seen = connection.transport.get_extra_info("socket")
        assert seen.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert seen.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 40_000


async def _until(door: Door, event: str) -> None:
    async with asyncio.timeout(5):
        while event not in door.events:
            await asyncio.sleep(0.01)
