"""A file as it comes in chunks, and whether it came whole."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from tests.support.event_stream import ChunkParser
from tests.support.rest import DEADLINE, HasPort

_PIECE = 64 * 1024


class Download:
    """One open response; while nobody reads, nothing is read.

    Attributes:
        status, headers: of the response, names in lower case.
        body: what has come of it.
        whole: whether its last chunk has come.
    """

    def __init__(
        self, hub: HasPort, path: str, key: str, accept: str, query: Mapping[str, object]
    ) -> None:
        target = f"{path}?{urlencode(query)}" if query else path
        self._request = (
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\nConnection: close\r\n"
            f"Authorization: Bearer {key}\r\nAccept: {accept}\r\n\r\n"
        )
        self._port = hub.port
        self._chunks = ChunkParser()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()

    async def __aenter__(self) -> Self:
        # A small buffer: what the kernel takes is not held back by anybody.
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, limit=_PIECE
        )
        async with asyncio.timeout(DEADLINE):
            self._writer.write(self._request.encode())
            self.status = int((await self._reader.readline()).split()[1])
            while line := (await self._reader.readline()).decode().strip():
                name, _, value = line.partition(": ")
                self.headers[name.lower()] = value
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.transport.abort()

    @property
    def whole(self) -> bool:
        return self._chunks.ended

    async def some(self) -> int:
        """Read once; the number of bytes, 0 at the end of the connection."""
        try:
            piece = await self._reader.read(_PIECE)
        except ConnectionError:
            return 0
        self.body += self._chunks.feed(piece)
        return len(piece)

    async def rest(self, deadline: float = DEADLINE) -> bytes:
        """Read to the end, or to where it was cut; the whole body."""
        async with asyncio.timeout(deadline):
            while await self.some():
                pass
        return bytes(self.body)
