"""A bare connection to the hub's socket: JSON in, JSON out, a deadline on everything.

It knows nothing of the protocol beyond `type`, so that a test sees what is really on the wire.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed

DEADLINE = 10.0
"""Seconds that any single wait may take."""

Frame = dict[str, Any]


class HasSocket(Protocol):
    """A hub, or a proxy before one."""

    @property
    def ws_url(self) -> str: ...


class Socket:
    """One open connection. Frames that nobody has asked for yet are kept, in order."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._unread: list[Frame] = []

    async def send(self, frame: Mapping[str, Any]) -> None:
        """Send one frame as JSON."""
        await self.send_raw(json.dumps(frame))

    async def send_raw(self, message: str | bytes) -> None:
        """Send one message as it is: text for `str`, binary for `bytes`."""
        async with asyncio.timeout(DEADLINE):
            await self.connection.send(message)

    async def next(self, *, type: str | None = None, deadline: float = DEADLINE) -> Frame:
        """The oldest unread frame, or the oldest one of that type; the others stay unread.

        Raises:
            TimeoutError: nothing such came within `deadline` seconds.
            ConnectionClosed: the connection ended first.
        """
        seen = 0
        async with asyncio.timeout(deadline):
            while True:
                for index in range(seen, len(self._unread)):
                    if type is None or self._unread[index]["type"] == type:
                        return self._unread.pop(index)
                seen = len(self._unread)
                self._unread.append(json.loads(await self.connection.recv()))

    async def take(self, count: int, *, type: str, deadline: float = DEADLINE) -> list[Frame]:
        """The next `count` frames of one type, in order, within `deadline` seconds in all.

        Raises:
            TimeoutError: fewer came in time.
            ConnectionClosed: the connection ended first.
        """
        async with asyncio.timeout(deadline):
            return [await self.next(type=type, deadline=deadline) for _ in range(count)]

    async def silent(self, seconds: float, *, type: str | None = None) -> bool:
        """Whether no frame (of that type) comes, or came unread, within so many seconds."""
        try:
            await self.next(type=type, deadline=seconds)
        except TimeoutError:
            return True
        return False

    async def closed(self, *, deadline: float = DEADLINE) -> int:
        """Wait for the hub to close; frames that still come stay unread.

        Returns:
            The close code; 1006 for an end without one.

        Raises:
            TimeoutError: it is still open after `deadline` seconds.
        """
        async with asyncio.timeout(deadline):
            try:
                while True:
                    self._unread.append(json.loads(await self.connection.recv()))
            except ConnectionClosed:
                code = self.connection.close_code
        assert code is not None
        return code


@asynccontextmanager
async def connect(
    hub: HasSocket,
    key: str | None = None,
    *,
    query: str = "",
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    origin: str | None = None,
) -> AsyncIterator[Socket]:
    """Open the hub's socket; the caller reads `connected` itself.

    Args:
        hub: where to connect to.
        key: sent as `Authorization: Bearer …`; without one, `token` or an `auth` frame is up to
            the test.
        query: the query string without `?`, as it is to stand in the address.
        token: added to the query as `token=`.
        headers: further request headers.
        origin: the Origin header, which only browsers send.

    Raises:
        websockets.exceptions.InvalidStatus: the hub refused the handshake.
        TimeoutError: the handshake took longer than the deadline.
    """
    sent = dict(headers or {})
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    if origin is not None:
        sent["Origin"] = origin
    parts = [query] if query else []
    if token is not None:
        parts.append(f"token={quote(token)}")
    address = hub.ws_url + ("?" + "&".join(parts) if parts else "")
    async with websocket_connect(
        address,
        additional_headers=sent,
        compression=None,
        max_size=None,
        max_queue=None,
        ping_interval=None,
        open_timeout=DEADLINE,
        close_timeout=DEADLINE,
        proxy=None,
    ) as connection:
        yield Socket(connection)
