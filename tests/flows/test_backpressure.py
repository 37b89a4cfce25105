"""A publisher that is too fast feels TCP, not errors."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as websocket_connect

from tests.support.hub_process import HubProcess
from tests.support.rest import call
from tests.support.ws import connect

COUNT = 50_000


@pytest.mark.alone
async def test_a_flood_whose_acks_are_not_read(tmp_path: Path) -> None:
    """50,000 events, and nobody reads the acks for a while: no error, all answered, in order."""
    async with (
        asyncio.timeout(30),
        HubProcess(tmp_path) as hub,
        # A short queue: when it is full, `websockets` stops reading, as a busy client does.
        websocket_connect(
            hub.ws_url,
            additional_headers={"Authorization": f"Bearer {hub.bot_key}"},
            compression=None,
            max_queue=4,
            ping_interval=None,
            proxy=None,
        ) as bot,
    ):
        before = hub.rss()
        sent = 0

        async def flood() -> None:
            nonlocal sent
            for sent in range(COUNT):
                await bot.send(f'{{"type":"custom_flood","id":"f-{sent}","data":{{"n":{sent}}}}}')

        flooding = asyncio.create_task(flood())
        await asyncio.sleep(1)
        # The others do not feel it.
        began = time.monotonic()
        assert (await call(hub, "GET", "/readyz")).status == 200
        async with connect(hub, hub.admin_key) as other:
            await other.next(type="live")
        assert time.monotonic() - began < 1

        assert json.loads(await bot.recv())["type"] == "connected"
        offsets = []
        for number in range(COUNT):
            ack = json.loads(await bot.recv())
            assert (ack["type"], ack["id"], ack["duplicate"]) == ("ack", f"f-{number}", False)
            offsets.append(ack["offset"])
        await flooding
        assert sent == COUNT - 1
        assert offsets == sorted(set(offsets))
        assert offsets[-1] - offsets[0] <= COUNT
        # 1,024 events wait for their commit at the most, and 128 KiB of acks for the client.
        assert hub.rss() - before < 30 << 20


async def test_a_connection_that_never_reads_its_acks_is_not_read_for_ever(
    tmp_path: Path,
) -> None:
    """Its acks fill the buffers, and then the hub takes nothing more: the writer is blocked."""
    async with asyncio.timeout(30), HubProcess(tmp_path) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, limit=4096)
        writer.transport.set_write_buffer_limits(high=65536)
        writer.write(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Authorization: Bearer {hub.bot_key}\r\n\r\n".encode()
        )
        assert b" 101 " in await reader.readline()
        # Long refs make long acks; from here on nothing is read.
        text = json.dumps({"type": "custom_x", "ref": "r" * 64, "data": {}}).encode()
        frame = bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text
        blocked = False
        sent = 0
        while not blocked and sent < 3_000_000:
            writer.write(frame * 1000)
            sent += 1000
            try:
                async with asyncio.timeout(1.5):
                    await writer.drain()
            except TimeoutError:
                blocked = True
        assert blocked, "the hub read on although nobody takes its answers"
        assert (await call(hub, "GET", "/readyz")).status == 200
        writer.transport.abort()
