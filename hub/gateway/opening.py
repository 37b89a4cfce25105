"""From the opening request of a socket to its session, or to the refusal.

The credential is looked at after the upgrade, so that a browser learns the reason (an `error`
frame and close 4001): of a refused handshake it is told nothing. An address that has brought many
wrong keys is looked at before it, which costs the hub half.
"""

import asyncio
import math
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from hub.addresses import subject
from hub.auth import Principal
from hub.limits import Quota
from hub.problems import MEDIA_TYPE, problem
from hub.protocol import codec
from hub.protocol.codes import CloseCode
from hub.protocol.errors import BadFrame, HubError, RateLimited, Unauthenticated, Unavailable
from hub.protocol.frames import Auth
from hub.protocol.limits import AUTH_SECONDS
from storage.errors import StorageError

from .connections import Peer
from .handshake import Opening, agent_of, forwarded_for, read_opening
from .session import Session

if TYPE_CHECKING:
    from .gateway import Gateway
    from .socket import Socket

log = structlog.get_logger("hub.gateway")


class Entrance:
    """One socket until it has a session.

    Attributes:
        opened: whether the opening request has arrived.
    """

    __slots__ = ("_gateway", "_opening", "_peer", "_socket", "_timer", "opened")

    def __init__(self, gateway: "Gateway", socket: "Socket") -> None:
        self.opened = False
        self._gateway = gateway
        self._socket = socket
        self._opening: Opening | None = None
        self._peer = Peer("", None, 0)
        self._timer: asyncio.TimerHandle | None = None

    def open(self, data: bytes) -> None:
        """Answer the opening request. uvicorn hands it on whole, rebuilt from what it parsed."""
        server = ServerProtocol()  # with no extensions: no compression, see RFC 7692
        server.receive_data(data)
        request = next((e for e in server.events_received() if isinstance(e, Request)), None)
        if request is None:
            self._refuse(BadFrame(f"not a WebSocket request: {server.handshake_exc}"))
            return
        gateway = self._gateway
        try:
            opening = self._opening = read_opening(request, gateway.origins)
            gateway.admit(self._socket)
        except HubError as error:
            self._refuse(error)
            return
        self._peer = Peer(
            gateway.proxies.client(self._socket.peer_address, forwarded_for(request)),
            agent_of(request),
            time.time_ns() // 1_000_000,
        )
        if opening.token is None and opening.cookie is None:
            self._accept(server, request)
            return
        known = opening.token is not None and gateway.authenticator.knows(opening.token)
        suspicious = not known and not self._wrong_keys().allowed
        self._socket.wait()
        if not suspicious:
            self._accept(server, request)
        gateway.spawn(self._authenticate(opening, None, (server, request) if suspicious else None))

    def first_frame(self, payload: bytes) -> None:
        """A connection without a credential says `auth` first."""
        try:
            frame = codec.decode_client(payload)
        except codec.FrameError as refused:
            self._turn_away(refused.error, refused.ref, CloseCode.NOT_AUTHENTICATED)
            return
        if not isinstance(frame, Auth) or self._opening is None:
            error = Unauthenticated('the first frame must be {"type":"auth","token":…}')
            self._turn_away(error, getattr(frame, "ref", None), CloseCode.NOT_AUTHENTICATED)
            return
        self._socket.wait()
        opening = self._opening._replace(token=frame.token)
        self._gateway.spawn(self._authenticate(opening, frame.ref, None))

    def end(self) -> None:
        """The connection is gone, or has a session."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wrong_keys(self, cost: int = 0) -> Quota:
        windows = self._gateway.quotas.wrong_keys
        address = subject(self._peer.address)
        return windows.take(address) if cost else windows.peek(address)

    def _accept(self, server: ServerProtocol, request: Request) -> None:
        server.send_response(server.accept(request))
        self._socket.upgraded = True
        transport = self._socket.transport
        transport.write(b"".join(server.data_to_send()))
        if server.handshake_exc is not None:
            self._socket.closing = True
            transport.close()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(AUTH_SECONDS, self._auth_is_late)

    def _refuse(self, error: HubError) -> None:
        """Answer the request with a problem document, and close."""
        body = problem(error)
        headers = Headers(
            {
                "Content-Type": MEDIA_TYPE,
                "Content-Length": str(len(body)),
                "Connection": "close",
                "Cache-Control": "no-store",
            }
        )
        if error.retry_after is not None:
            headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
        response = Response(error.code.status, HTTPStatus(error.code.status).phrase, headers, body)
        self._socket.closing = True
        self._socket.transport.write(response.serialize())
        self._socket.transport.close()

    async def _authenticate(
        self, opening: Opening, ref: str | None, unanswered: tuple[ServerProtocol, Request] | None
    ) -> None:
        """Find out who it is; the session starts, or the connection is closed with the reason.

        Args:
            unanswered: the request, where it is answered only for a good credential.
        """
        gateway, socket = self._gateway, self._socket
        try:
            found = await opening.authenticate(gateway.authenticator)
            principal = found.at(self._peer.address, self._peer.agent)
            merchant_id = gateway.narrowed(principal, opening.query.get("merchant_id"))
        except HubError as error:
            code = CloseCode.FORBIDDEN
            if isinstance(error, Unauthenticated):
                code = CloseCode.NOT_AUTHENTICATED
                wrong = self._wrong_keys(1)
                if not wrong.allowed:
                    gateway.quotas.refused["wrong_keys"] += 1
                    code = CloseCode.RATE_LIMITED
                    error = RateLimited(
                        "too many wrong keys from this address; wait", retry_after=wrong.reset
                    )
            self._turn_away(error, ref, code)
        except StorageError:
            unavailable = Unavailable("the database did not answer; come back in a moment")
            self._turn_away(unavailable, ref, CloseCode.INTERNAL)
        except Exception:
            log.exception("authentication failed")
            self._turn_away(HubError("the hub failed; it was logged"), ref, CloseCode.INTERNAL)
        else:
            if unanswered is not None:
                self._accept(*unanswered)
            if not socket.closing:
                self._begin(principal, merchant_id, opening, ref)
        finally:
            socket.proceed()

    def _begin(
        self, principal: Principal, merchant_id: str | None, opening: Opening, ref: str | None
    ) -> None:
        if self._socket.closing:
            return
        session = Session(self._gateway, self._socket, principal, merchant_id, self._peer)
        try:
            self._gateway.connections.add(session)
        except RateLimited as error:
            self._turn_away(error, ref, CloseCode.TOO_MANY_CONNECTIONS)
            return
        if self._socket.closing:  # it has expired at this very moment
            self._gateway.connections.remove(session)
            return
        self.end()
        self._socket.begin(session)
        session.start(opening)

    def _turn_away(self, error: HubError, ref: str | None, code: CloseCode) -> None:
        if not self._socket.upgraded:
            self._refuse(error)
            return
        self._socket.send([codec.encode(codec.error_frame(error, ref))])
        self._socket.close(code, error.message)

    def _auth_is_late(self) -> None:
        self._timer = None
        self._socket.close(CloseCode.AUTH_TIMEOUT, f"no auth within {AUTH_SECONDS:.0f} s")
