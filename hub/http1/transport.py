"""What lies between a connection and its socket."""

import asyncio
import contextlib
import socket
from typing import Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from .bounds import SEND_BYTES, USER_TIMEOUT_SECONDS


class WriterListener(Protocol):
    """Who writes a response straight to the transport, and so has to know how it fares."""

    def writing_paused(self) -> None: ...
    def writing_resumed(self) -> None: ...
    def connection_lost(self) -> None: ...


class HoldingFlow(FlowControl):
    """Reading stays paused while something that was read waits, whatever the application asks.

    Attributes:
        holding: whether something waits.
    """

    holding = False

    def resume_reading(self) -> None:
        if not self.holding:
            super().resume_reading()


def set_socket_options(transport: asyncio.Transport) -> None:
    """Small answers leave at once, and a peer that has vanished is noticed by the kernel."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    with contextlib.suppress(OSError):  # it is not TCP
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = round(USER_TIMEOUT_SECONDS * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
