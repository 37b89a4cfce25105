"""What every HTTP request passes first: its id, its origin, its place in the log of requests.

A request from a page of a foreign origin is refused here, whatever it asks for: of the answer
such a page would see nothing, but of a write the hub would see the effect. The answers carry the
request's id (`X-Request-ID`), which is on each of its log lines, and the state of the limit that
it counted against.
"""

import re
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.limits import Quota, Sample, ratelimit_headers
from hub.origins import foreign
from hub.protocol.errors import Forbidden, HubError
from hub.protocol.ids import uuid7
from hub.services import Services

from . import answers

log = structlog.get_logger("hub.requests")

_REQUEST_ID = re.compile(rb"[0-9A-Za-z._-]{1,40}")
_SECRET = re.compile(r"[0-9A-Za-z]{40,}")
_PATH_CHARS = 200
_REFUSED = frozenset({401, 403, 404, 405, 429})
_REFUSALS_LOGGED = 20
"""Lines a second for refused requests: a flood of them must not fill the disk."""

Observe = Callable[[str, str, int, float], None]
"""Told of each request: method, route, status, seconds."""


class Counted(NamedTuple):
    """The limit that a request counted against, for its answer."""

    name: str
    quota: Quota


def note_quota(request: Request, name: str, quota: Quota) -> None:
    """Have the answer carry the state of a limit."""
    request.scope["hub.counted"] = Counted(name, quota)


class Entrance:
    """ASGI middleware; see the module.

    Args:
        observe: see `Observe`.
    """

    def __init__(self, app: ASGIApp, services: Services, observe: Observe) -> None:
        self._app = app
        self._services = services
        self._observe = observe
        self._refusals = Sample(_REFUSALS_LOGGED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if _REQUEST_ID.fullmatch(request_id) is None:
            request_id = uuid7().encode()
        structlog.contextvars.bind_contextvars(request=request_id.decode())
        peer = scope.get("client")
        forwarded = [v.decode("latin-1") for n, v in scope["headers"] if n == b"x-forwarded-for"]
        address = self._services.proxies.client(peer[0] if peer else "", forwarded)
        scope["hub.address"] = address
        status = 0

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id),
                    *_counted(scope),
                ]
            await send(message)

        request = Request(scope, receive)
        try:
            # Several are one that nobody has: what is checked here must be what is read below.
            origins = [v.decode("latin-1") for n, v in scope["headers"] if n == b"origin"]
            origin = ", ".join(origins)
            if origins and not self._services.origins.accepts(origin):
                refusal = Forbidden(foreign(origin))
                await (await answers.on_hub_error(request, refusal))(scope, receive, send_noted)
            else:
                await self._app(scope, receive, send_noted)
        except Exception:
            # Starlette would raise it again for the server, which would log it a second time.
            log.exception("request failed", method=scope["method"], path=_path(scope))
            if not status:
                bug = HubError("the hub failed on this request; it was logged")
                await (await answers.on_hub_error(request, bug))(scope, receive, send_noted)
        finally:
            seconds = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", "other")
            self._observe(scope["method"], route, status, seconds)
            unsaid = self._refusals.allow() if status in _REFUSED else 0
            level = log.info if scope["path"].startswith("/api/") else log.debug
            if unsaid is None:
                level = log.debug
            more = {"suppressed": unsaid} if unsaid else {}
            level(
                "request", method=scope["method"], path=_path(scope), status=status,
                ms=round(seconds * 1000, 2), address=address, key=scope.get("hub.key"), **more,
            )  # fmt: skip
            structlog.contextvars.unbind_contextvars("request")


def _counted(scope: Scope) -> list[tuple[bytes, bytes]]:
    counted: Counted | None = scope.get("hub.counted")
    if counted is None:
        return []
    # The refusal itself carries Retry-After, as every answer to come back later does.
    fields = ratelimit_headers(counted.name, counted.quota)
    return [(name, value) for name, value in fields if name != b"retry-after"]


def _path(scope: Scope) -> str:
    """The path as it was sent, percent-encoded: decoded, it could forge lines on a terminal."""
    raw: bytes = scope["raw_path"]
    path = raw.decode("latin-1")
    # A key in a path is a mistake, and may be written in many ways; no id of ours is so long.
    if _SECRET.search(unquote(path)):
        path = quote(_SECRET.sub("***", unquote(path)), safe="/*")
    return path[:_PATH_CHARS]
