"""A connection without a network, for what a real one cannot be made to do at will."""

import asyncio

from hub.gateway.socket import Socket
from tests.gateway.local_hub import LocalHub


class Wire(asyncio.Transport):
    """A transport that hands on what had been read before it was paused, as uvloop's may.

    Attributes:
        sent: all that was written.
        buffered: the bytes that are said to wait for the other side.
        aborted: whether the connection was cut.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.buffered = 0
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


def opened(hub: LocalHub) -> tuple[Socket, Wire]:
    """A connection whose key is still being looked up."""
    protocol, wire = Socket(hub.services.gateway), Wire()
    protocol.connection_made(wire)
    request = (
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {hub.keys['merchant']}\r\n\r\n"
    )
    protocol.data_received(request.encode())
    return protocol, wire
