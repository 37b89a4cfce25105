"""The proxy must be trusted before what it shows about the hub can be."""

import asyncio
import hashlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support.fault_proxy import BOUND, CHUNK, FaultProxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    """Accepts connections and hands both ends of each to the test."""

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self._arrivals: asyncio.Queue[Streams] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        server = await asyncio.start_server(self._arrived, self.host, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await server.wait_closed()

    async def arrival(self) -> Streams:
        async with asyncio.timeout(5):
            return await self._arrivals.get()

    async def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._arrivals.put_nowait((reader, writer))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server().running() as running:
        yield running


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(server.host, server.port) as running:
        yield running


@asynccontextmanager
async def client(proxy: FaultProxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def pair(proxy: FaultProxy, server: Server) -> AsyncIterator[tuple[Streams, Streams]]:
    """The client's end and the server's end of one connection through the proxy."""
    async with client(proxy) as near:
        yield near, await server.arrival()


async def read(reader: asyncio.StreamReader, count: int) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readexactly(count)


async def nothing_comes(reader: asyncio.StreamReader, seconds: float = 0.1) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def until_open_is(proxy: FaultProxy, count: int) -> None:
    async with asyncio.timeout(5):
        while proxy.open != count:
            await asyncio.sleep(0.001)


async def test_bytes_pass_both_ways_unchanged(proxy: FaultProxy, server: Server) -> None:
    payload = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 400
    async with pair(proxy, server) as ((reader, writer), (far_reader, far_writer)):
        writer.write(payload)
        far_writer.write(payload)
        up, down = await asyncio.gather(read(far_reader, len(payload)), read(reader, len(payload)))
    assert up == payload
    assert down == payload
    assert proxy.accepted == 1


async def test_an_end_is_passed_on_and_the_other_way_stays_open(
    proxy: FaultProxy, server: Server
) -> None:
    async with pair(proxy, server) as ((reader, writer), (far_reader, far_writer)):
        writer.write(b"question")
        writer.write_eof()
        assert await far_reader.read() == b"question"
        far_writer.write(b"answer")
        far_writer.close()
        assert await reader.read() == b"answer"
        await until_open_is(proxy, 0)


async def test_an_absent_server_is_a_reset(server: Server) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        free = unused.getsockname()[1]
    async with FaultProxy("127.0.0.1", free) as proxy:
        async with client(proxy) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await read(reader, 1)
        await until_open_is(proxy, 0)


async def test_latency_delays_without_reordering_or_queueing_up(
    proxy: FaultProxy, server: Server
) -> None:
    proxy.latency(0.1, jitter=0.05)
    lines = [b"%06d\n" % n for n in range(500)]
    async with pair(proxy, server) as ((_, writer), (far_reader, _)):
        start = time.monotonic()
        for line in lines:
            writer.write(line)
            await asyncio.sleep(0)
        first = await read(far_reader, 1)
        took = time.monotonic() - start
        rest = await read(far_reader, 7 * len(lines) - 1)
        in_all = time.monotonic() - start
    assert first + rest == b"".join(lines)
    assert took >= 0.05
    assert in_all < 1.0, "the delays of the chunks must overlap, not add up"


async def test_a_stall_holds_and_healing_resumes_where_it_stood(
    proxy: FaultProxy, server: Server
) -> None:
    async with pair(proxy, server) as ((reader, writer), (far_reader, far_writer)):
        proxy.stall()
        writer.write(b"up")
        far_writer.write(b"down")
        assert await nothing_comes(far_reader)
        assert await nothing_comes(reader)
        proxy.heal()
        assert await read(far_reader, 2) == b"up"
        assert await read(reader, 4) == b"down"


async def test_a_connection_made_in_a_stall_works_after_it(
    proxy: FaultProxy, server: Server
) -> None:
    proxy.stall()
    async with pair(proxy, server) as ((_, writer), (far_reader, _)):
        writer.write(b"patience")
        assert await nothing_comes(far_reader)
        proxy.heal()
        assert await read(far_reader, 8) == b"patience"


async def test_a_stalled_connection_takes_only_a_bounded_amount(
    proxy: FaultProxy, server: Server
) -> None:
    """What a blocked writer got rid of: the proxy's bound and the kernel's small buffers."""
    loop = asyncio.get_running_loop()
    proxy.stall()
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CHUNK)
        await loop.sock_connect(sock, ("127.0.0.1", proxy.port))
        far_reader, _ = await server.arrival()
        sent = 0
        with suppress(TimeoutError):
            while sent < 100 * BOUND:
                async with asyncio.timeout(0.2):
                    await loop.sock_sendall(sock, bytes(1024))
                sent += 1024
        assert BOUND <= sent < 8 * BOUND
        proxy.heal()
        assert len(await read(far_reader, sent)) == sent


async def test_a_cut_resets_both_ends_and_new_connections_work(
    proxy: FaultProxy, server: Server
) -> None:
    async with pair(proxy, server) as ((reader, writer), (far_reader, _)):
        writer.write(b"x")
        await read(far_reader, 1)
        proxy.cut()
        for end in (reader, far_reader):
            with pytest.raises(ConnectionResetError):
                await read(end, 1)
        await until_open_is(proxy, 0)
    async with pair(proxy, server) as ((_, writer), (far_reader, _)):
        writer.write(b"again")
        assert await read(far_reader, 5) == b"again"
    assert proxy.accepted == 2


async def test_a_cut_reaches_a_stalled_connection(proxy: FaultProxy, server: Server) -> None:
    async with pair(proxy, server) as ((reader, writer), _):
        proxy.stall()
        writer.write(bytes(4 * BOUND))
        await asyncio.sleep(0.05)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await read(reader, 1)


async def test_a_black_hole_takes_everything_and_forwards_nothing(
    proxy: FaultProxy, server: Server
) -> None:
    async with pair(proxy, server) as ((reader, writer), (far_reader, far_writer)):
        proxy.black_hole()
        writer.write(bytes(4 * BOUND))
        async with asyncio.timeout(5):
            await writer.drain()
        far_writer.write(b"lost")
        assert await nothing_comes(reader)
        assert await nothing_comes(far_reader)
        # The stream has a hole now: going on would hand the ends bytes that do not belong together.
        proxy.heal()
        for end in (reader, far_reader):
            with pytest.raises(ConnectionResetError):
                await read(end, 1)


async def test_a_black_hole_drops_what_a_stall_held(proxy: FaultProxy, server: Server) -> None:
    async with pair(proxy, server) as ((_, writer), (far_reader, _)):
        proxy.stall()
        writer.write(bytes(4 * BOUND))
        await asyncio.sleep(0.05)
        proxy.black_hole()
        async with asyncio.timeout(5):
            await writer.drain()
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            await read(far_reader, 1)


async def test_a_connection_that_was_quiet_in_a_black_hole_survives_it(
    proxy: FaultProxy, server: Server
) -> None:
    async with pair(proxy, server) as ((_, writer), (far_reader, _)):
        proxy.black_hole()
        await asyncio.sleep(0.02)
        proxy.heal()
        writer.write(b"fine")
        assert await read(far_reader, 4) == b"fine"


async def test_a_black_hole_accepts_but_reaches_nobody(proxy: FaultProxy, server: Server) -> None:
    proxy.black_hole()
    async with client(proxy) as (reader, writer):
        writer.write(b"hello?")
        assert await nothing_comes(reader)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await server.arrival()
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            await read(reader, 1)


@pytest.mark.alone
async def test_a_rate_limits_each_direction_and_heals(proxy: FaultProxy, server: Server) -> None:
    proxy.rate(50_000)
    async with pair(proxy, server) as ((_, writer), (far_reader, _)):
        writer.write(bytes(4_000_000))
        start = time.monotonic()
        await read(far_reader, 20_000)
        took = time.monotonic() - start
        assert 0.3 <= took < 1.0
        proxy.heal()
        await read(far_reader, 3_980_000)
        assert time.monotonic() - start < took + 2.0


async def test_leaving_ends_every_connection(server: Server) -> None:
    async with FaultProxy(server.host, server.port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await server.arrival()
    with pytest.raises(ConnectionResetError):
        await read(reader, 1)
    writer.transport.abort()
    assert proxy.open == 0
