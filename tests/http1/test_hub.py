"""The hub itself stands behind this door."""

import asyncio
import contextlib

from tests.http1.serving import get, handshake
from tests.support.hub_process import HubProcess
from tests.support.rest import exchange, read_answer


async def test_its_refusals_are_problems(hub: HubProcess) -> None:
    for request, status in (
        (get("/healthz", "X: " + "x" * 200_000), 431),
        (get("/healthz?token=" + "x" * 9_000), 414),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"POST /api/events HTTP/1.1\r\nHost: hub\r\nContent-Length: 1048577\r\n\r\n", 413),
        (handshake("Content-Length: 3") + b"abc", 400),
        (b"not HTTP at all\r\n\r\n", 400),
    ):
        answer = await exchange(hub, request)
        assert answer.status == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["connection"] == "close"
        assert answer.json()["status"] == status
        assert answer.json()["success"] is False
    shown = hub.log.read_text()
    assert "http request refused" in shown
    assert "Traceback" not in shown
    assert "Invalid HTTP" not in shown


async def test_its_answers_come_in_order_while_others_are_half_open(hub: HubProcess) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(500):
            _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
            stack.callback(writer.close)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: hub\r\nX: ")
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        stack.callback(writer.close)
        writer.write((get("/healthz") + get("/nothing")) * 100)
        async with asyncio.timeout(5):
            for _ in range(100):
                assert (await read_answer(reader)).status == 200
                assert (await read_answer(reader)).status == 404
