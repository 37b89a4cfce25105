"""The log as a response that does not end: server-sent events, or an event a line."""

import asyncio
import re
from collections.abc import Mapping
from typing import Literal, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.auth import Principal
from hub.gateway.handshake import Wanted
from hub.gateway.streams import HttpStream
from hub.protocol.errors import InvalidParams, invalid

from .requests import peer_of, services_of

T = TypeVar("T")

_ACCEPT_CHARS = 1024
END_SECONDS = 5.0
"""How long the last bytes of a stream may take."""
_MEDIA_TYPES = {"sse": "text/event-stream", "ndjson": "application/x-ndjson"}
_DOORS: Mapping[str, Literal["sse", "ndjson"]] = {
    "text/event-stream": "sse", "application/x-ndjson": "ndjson",
}  # fmt: skip
_QVALUE = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_LAST_EVENT_ID = re.compile(r"([A-Za-z0-9_-]{1,32}):([0-9]{1,16})")


def asked_for(request: Request) -> Literal["sse", "ndjson"] | None:
    """The stream of the log that `Accept` prefers over JSON, or None."""
    return preferred(request, _DOORS)


def preferred(request: Request, offered: Mapping[str, T]) -> T | None:
    """What `Accept` prefers over JSON (RFC 9110 section 12.5.1), or None.

    Args:
        offered: by media type, in lower case.
    """
    accepted = ", ".join(request.headers.getlist("accept"))[:_ACCEPT_CHARS].lower()
    if not any(media in accepted for media in offered):
        return None
    best: T | None = None
    weight = 0.0
    for part in accepted.split(","):
        media, *params = (piece.strip() for piece in part.split(";"))
        quality = next((_weight(p[2:]) for p in params if p.startswith("q=")), 1.0)
        if quality <= weight:
            continue
        if media in offered:
            best, weight = offered[media], quality
        elif media in ("application/json", "application/*", "*/*"):
            best, weight = None, quality
    return best


def _weight(text: str) -> float:
    """A `qvalue` (RFC 9110 section 12.4.2); what is none counts as unwanted."""
    return float(text) if _QVALUE.fullmatch(text) else 0.0


def last_event_id(request: Request) -> tuple[str, int] | None:
    """The epoch and offset that a browser's `EventSource` brings when it comes back.

    Raises:
        InvalidParams: it is none of ours.
    """
    text = request.headers.get("last-event-id", "")
    if not text:
        return None
    match = _LAST_EVENT_ID.fullmatch(text)
    if match is None:
        raise invalid(
            InvalidParams, "/Last-Event-ID", f"{text[:60]!r} is not <epoch>:<offset> as it was sent"
        )
    return match[1], int(match[2])


class StreamResponse(Response):
    """Follows the log until the client leaves or the hub ends it."""

    def __init__(
        self,
        request: Request,
        door: Literal["sse", "ndjson"],
        principal: Principal,
        merchant_id: str | None,
        wanted: Wanted,
        came_back: str,
    ) -> None:
        """Take a place among the connections.

        Raises:
            Unavailable, RateLimited: there is none.
        """
        super().__init__(
            None,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            media_type=_MEDIA_TYPES[door],
        )
        del self.headers["content-length"]
        self._wanted = wanted
        scope = request.scope
        self._stream = HttpStream(
            services_of(request).gateway,
            scope["extensions"]["hub.connection"],
            door,
            principal,
            merchant_id,
            peer_of(request),
            came_back=came_back,
            chunked=scope["http_version"] == "1.1",
        )
        self._stream.admit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream = self._stream
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await stream.run(self._wanted)
            async with asyncio.timeout(END_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                await stream.flushed()
        except TimeoutError:
            stream.abort()
        finally:
            stream.leave()
